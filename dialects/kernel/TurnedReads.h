//===- TurnedReads.h - Reads across the order in which a result is written --------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_KERNEL_TURNEDREADS_H
#define TESSERA_DIALECTS_KERNEL_TURNEDREADS_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace tessera::kernel {

/// A read whose neighbours in memory are no neighbours in the result: its last index is `loop` of
/// the output, alone, and loops that the result has behind that are among the others.
struct TurnedRead {
  mlir::OpOperand *operand;
  mlir::AffineMap map; ///< from the loops of the output to the place in the tensor
  unsigned loop;
};

/// Of all that an output is computed from by stages without reductions, back to tensors that
/// `isMemory` says lie in memory. An operand that is read at several places is none.
llvm::SmallVector<TurnedRead>
findTurnedReads(mlir::linalg::GenericOp output,
                llvm::function_ref<bool(mlir::Value tensor)> isMemory);

} // namespace tessera::kernel

#endif
