//===- Operations.h - What the body of a stage does -----------------------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_KERNEL_OPERATIONS_H
#define TESSERA_DIALECTS_KERNEL_OPERATIONS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace tessera::kernel {

/// Arithmetic on elements, that is, not on indices: 1 each, a fused multiply-add 2, a division 4,
/// an elementary function 12. Factors that are extended count nothing: a product is one operation
/// whatever its factors are stored as.
unsigned countOperations(mlir::Operation &op);
/// Whether the operation extends what is only multiplied.
bool isExtendedFactor(mlir::Operation &op);
/// Of one iteration of a stage.
unsigned countOperations(mlir::linalg::GenericOp stage);

/// Results of a reducing stage that are the same for every iteration of a parallel loop.
llvm::SmallBitVector resultsAlike(mlir::linalg::GenericOp stage, unsigned loop);

} // namespace tessera::kernel

#endif
