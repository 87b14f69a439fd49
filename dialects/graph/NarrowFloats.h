//===- NarrowFloats.h - Into floats of at most 8 bits -----------------------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_GRAPH_NARROWFLOATS_H
#define TESSERA_DIALECTS_GRAPH_NARROWFLOATS_H

#include "dialects/graph/GraphBuilder.h"

namespace tessera::graph {

/// Numbers in a float type of at most 8 bits. What is too large, infinities among it, becomes the
/// largest number if it saturates; else an infinity, or where the type has none NaN, or where it
/// has neither the largest number.
mlir::Value convertToNarrow(GraphBuilder &b, mlir::Value x, mlir::FloatType element,
                            bool saturates);

enum class PowerRounding { Up, Down, Nearest };

/// Magnitudes in f8E8M0FNU, which has the powers of two from 2^-127 to 2^127. Numbers outside of
/// them become the nearest of them, infinity too, or NaN if they do not saturate. Ties of Nearest
/// go up.
mlir::Value convertToPowers(GraphBuilder &b, mlir::Value x, PowerRounding rounding, bool saturates);

} // namespace tessera::graph

#endif // TESSERA_DIALECTS_GRAPH_NARROWFLOATS_H
