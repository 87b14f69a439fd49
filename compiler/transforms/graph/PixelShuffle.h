//===- PixelShuffle.h - Channels that become places of a picture ------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_TRANSFORMS_GRAPH_PIXELSHUFFLE_H
#define TESSERA_COMPILER_TRANSFORMS_GRAPH_PIXELSHUFFLE_H

#include "dialects/graph/GraphBuilder.h"

namespace tessera::transforms {

/// reshape(transpose(reshape(x))): the channels of x are split into factors; one of them are the
/// channels of the result, each of the others lies inside of another dim, next to its elements. The
/// picture grows by what the channels lose (depth to space). Nothing else reads what lies between.
struct PixelShuffle {
  graph::ReshapeOp split;
  graph::TransposeOp move;
  graph::ReshapeOp merge;
  int64_t channel = 0;       ///< the dim of x that is split
  int64_t factors = 0;       ///< how many
  int64_t kept = 0;          ///< the dim of the split tensor that stays
  int64_t resultChannel = 0; ///< its dim of the result
  /// For each dim of the result, the dims of the split tensor that it is made of.
  llvm::SmallVector<llvm::SmallVector<int64_t, 2>> parts;

  mlir::Value getX() { return split.getX(); }
};

/// The shuffle whose last op this is.
std::optional<PixelShuffle> matchPixelShuffle(mlir::Operation *merge);
/// The shuffle whose first op this is.
std::optional<PixelShuffle> findPixelShuffle(mlir::Operation *split);

/// Splits a dim of x, moves the dims and views the result.
mlir::Value buildPixelShuffle(graph::GraphBuilder &b, mlir::Value x,
                              llvm::ArrayRef<graph::DimAttr> splitDims,
                              llvm::ArrayRef<int64_t> perm,
                              llvm::ArrayRef<graph::DimAttr> resultDims);

} // namespace tessera::transforms

#endif
