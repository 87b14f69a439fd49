//===- StageAccess.h - What stages on buffers read and write -----------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_LOOPS_STAGEACCESS_H
#define TESSERA_COMPILER_CODEGEN_LOOPS_STAGEACCESS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace tessera::loops {

/// What a stage touches: elements at a place of its loops, or anything of a buffer.
struct Access {
  mlir::Value buffer;
  mlir::AffineMap map; ///< null: anywhere
  bool writes;
};
llvm::SmallVector<Access> accessesOf(mlir::linalg::GenericOp stage);

/// Whether two buffers may share memory. Arguments of the function are different buffers, and so is
/// every allocation.
bool mayOverlap(mlir::Value a, mlir::Value b);
/// Whether `op` may write what `buffer` holds.
bool mayWrite(mlir::Operation &op, mlir::Value buffer);
/// Whether a stage writes this operand.
bool isOutput(mlir::OpOperand &operand);

/// Whether a stage computes each element of its results from elements of its inputs.
bool isPointwise(mlir::linalg::GenericOp stage);
/// Whether neighbouring elements of the results come from neighbouring elements: such stages are
/// computed on vectors.
bool isContiguous(mlir::linalg::GenericOp stage);
/// Whether what the body computes along a loop has a form on vectors.
bool hasVectorForm(mlir::linalg::GenericOp stage, unsigned loop);
/// How long a loop is: a constant, the value that a buffer was made with, or null for unknown.
mlir::OpFoldResult lengthOf(mlir::linalg::LinalgOp stage, unsigned loop);
/// Whether the loops of two stages are known to be as long.
bool haveSameLoops(mlir::linalg::GenericOp a, mlir::linalg::GenericOp b);

} // namespace tessera::loops

#endif
