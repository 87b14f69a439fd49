//===- LoopTracer.h - Which loops of a stage the loops before it are --------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_KERNEL_LOOPTRACER_H
#define TESSERA_DIALECTS_KERNEL_LOOPTRACER_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/DenseMap.h"

namespace tessera::kernel {

/// How a stage places its results.
mlir::AffineMap resultMap(mlir::linalg::GenericOp stage);

/// Follows reads from one stage to all that it is computed from. For each loop of such a stage: the
/// loop of the first one that it is, or kOther. Consumers have to be followed before producers.
class LoopTracer {
public:
  static constexpr int kOther = -1;
  using Loops = llvm::SmallVector<int>;

  /// Of the first stage.
  Loops &begin(mlir::linalg::GenericOp stage) { return loops[stage]; }
  /// Null for stages that nothing was traced to.
  Loops *lookup(mlir::linalg::GenericOp stage);
  void follow(mlir::linalg::GenericOp stage);

private:
  /// A tensor is read at a place. Where several reads differ, nothing is known.
  void note(mlir::Value tensor, llvm::ArrayRef<int> place);

  llvm::DenseMap<mlir::Operation *, Loops> loops;
};

} // namespace tessera::kernel

#endif
