//===- SharedStages.h - Reductions that many elements of a result share ----------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_KERNEL_SHAREDSTAGES_H
#define TESSERA_DIALECTS_KERNEL_SHAREDSTAGES_H

#include "dialects/kernel/Kernel.h"

namespace tessera::kernel {

/// A stage that reduces, by combiners that may be reassociated, and whose element is the same for
/// all elements of the output that agree in some of its loops: the sum of a row, for instance.
struct SharedStage {
  mlir::linalg::GenericOp stage;
  llvm::SmallVector<unsigned> loops; ///< of the output, one for each dimension of the result
};

/// Those that a stage follows from, producers first.
llvm::SmallVector<SharedStage> findSharedStages(mlir::linalg::GenericOp output);

} // namespace tessera::kernel

#endif
