//===- PlacesElements.h - Ops that change no element ------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_TRANSFORMS_GRAPH_PLACESELEMENTS_H
#define TESSERA_COMPILER_TRANSFORMS_GRAPH_PLACESELEMENTS_H

#include "mlir/IR/Operation.h"

namespace tessera::transforms {

/// An op whose results are elements of its first operand, or zeros, whatever they are: a reshape, a
/// transpose, padding with zeros, the maxima of windows that are never empty, ...
bool placesElements(mlir::Operation *op);

} // namespace tessera::transforms

#endif
