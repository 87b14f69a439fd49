//===- AffineChain.h - Factors and summands of constants, joined ------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_TRANSFORMS_GRAPH_AFFINECHAIN_H
#define TESSERA_COMPILER_TRANSFORMS_GRAPH_AFFINECHAIN_H

#include "dialects/graph/GraphBuilder.h"

namespace tessera::transforms {

/// x * factor for an f32 value that nothing else reads. Where x is a sum with a constant or a
/// product with one, the constants are multiplied instead: (y a + b) f = y (a f) + b f, which
/// rounds less often, and otherwise.
mlir::Value multiplyChain(graph::GraphBuilder &b, mlir::Value x, double factor);

/// x + summand likewise: (y + b) + c = y + (b + c).
mlir::Value addToChain(graph::GraphBuilder &b, mlir::Value x, double summand);

} // namespace tessera::transforms

#endif
