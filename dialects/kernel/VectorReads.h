//===- VectorReads.h - Reads of neighbours by consecutive steps of a loop ---------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_KERNEL_VECTORREADS_H
#define TESSERA_DIALECTS_KERNEL_VECTORREADS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/MapVector.h"

namespace tessera::kernel {

/// What a stage, with all that is computed on the way to it, reads of memory.
struct VectorReads {
  /// Of which consecutive steps of the loop read consecutive elements, at a place in the last
  /// dimension that is the number of the step plus a multiple of so much (up to 64); the least of
  /// all reads. 1 where a tensor is read otherwise, too.
  llvm::SmallMapVector<mlir::Value, int64_t, 4> tensors;
  /// Those for which this is a multiple of the width.
  llvm::SmallVector<mlir::Value> inVectors(int64_t width) const;
  /// Everything is read where the result is written, index by index, and no index is a number:
  /// where memory has no gaps, the loops of the result may be taken as one.
  bool isFlat = true;
};

/// `isMemory` says which tensors lie in memory. Of stages that reduce, but for `stage` itself,
/// nothing is said.
VectorReads findVectorReads(mlir::linalg::GenericOp stage, unsigned loop,
                            llvm::function_ref<bool(mlir::Value tensor)> isMemory);

} // namespace tessera::kernel

#endif
