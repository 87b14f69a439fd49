//===- IntegerProduct.h - Products of integers with zero points ----------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_TRANSFORMS_GRAPH_INTEGERPRODUCT_H
#define TESSERA_COMPILER_TRANSFORMS_GRAPH_INTEGERPRODUCT_H

#include "dialects/graph/GraphBuilder.h"

namespace tessera::transforms {

/// An operand of a product that stands for (x - zero) * scale, x of 8 bits.
struct QuantizedFactor {
  mlir::Value x;
  mlir::Value zero;  ///< of x's element type; null: 0
  mlir::Value scale; ///< f32; null: 1, and the product is one of integers
  /// Scale and zero have an entry for each index along this dim of x; else they are scalars.
  std::optional<int64_t> axis;
};

/// `(x - zero) * scale` as `graph.dequantize` says it, or `convert(x) - zero` in si32.
std::optional<QuantizedFactor> matchFactor(mlir::Value value);

/// A bound of |x - zero|.
int64_t getLargest(const QuantizedFactor &factor);

/// Sums in si32 of (x - x.zero) * (w - w.zero) in place of what `op` sums, or null when the form is
/// not one that this knows.
///
///   sum (x - zx)(w - zw) = sum x w - zx (sum w - K zw) - zw sum x
///
/// What only depends on weights is folded later; what remains of it is one vector that is added.
mlir::Value buildIntegerProduct(graph::GraphBuilder &b, graph::ContractOp op,
                                const QuantizedFactor &x, const QuantizedFactor &w);
mlir::Value buildIntegerProduct(graph::GraphBuilder &b, graph::ConvOp op, const QuantizedFactor &x,
                                const QuantizedFactor &w);

/// Whether a convolution sums few channels, an odd number of them, for each place of the window.
bool hasFewChannels(graph::ConvOp op);

/// The same sums in f32, where those are exact and few odd channels would leave a part of the
/// instructions that sum pairs of integers empty (measured on AVX2, 3 channels: 21 against 50
/// GFLOP/s). Null where integers are as good.
inline mlir::Value buildExactFloatProduct(graph::GraphBuilder &, graph::ContractOp,
                                          const QuantizedFactor &, const QuantizedFactor &,
                                          int64_t) {
  return {};
}
mlir::Value buildExactFloatProduct(graph::GraphBuilder &b, graph::ConvOp op,
                                   const QuantizedFactor &x, const QuantizedFactor &w,
                                   int64_t largestSum);

/// The extents that a product sums over.
graph::DimExpr getSummedExtent(graph::ContractOp op);
graph::DimExpr getSummedExtent(graph::ConvOp op);

/// The dim of the result along which a factor's scale varies.
std::optional<int64_t> getResultDim(graph::ContractOp op, bool isLeft, int64_t axis);
std::optional<int64_t> getResultDim(graph::ConvOp op, bool isLeft, int64_t axis);

} // namespace tessera::transforms

#endif
