//===- MaskedBlocks.h - Blocks of a stream that a mask leaves out ---------------*- C++ -*-===//
//
// Scores behind a mask that is computed from positions (causal, a window, documents of known
// length) need not be computed where no element of a block passes it. What that takes is shown in
// two steps, on the stages of a lift:
//
// 1. With the mask false everywhere, every state is the identity: constants are followed from the
//    mask to the states. Masked scores and the values they would have weighted are taken for finite
//    (-inf + x = -inf, 0 * x = 0).
// 2. Whether any element of a block can pass is computed from the intervals of its positions.
//
//===----------------------------------------------------------------------===//

#ifndef TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_MASKEDBLOCKS_H
#define TESSERA_COMPILER_CONVERSION_GRAPH_TO_KERNEL_MASKEDBLOCKS_H

#include "compiler/conversion/graph_to_kernel/Emitter.h"

namespace tessera::lower {

/// Whether what comparing integers, such as positions, leaves out in a lift becomes infinite: then
/// whole blocks may be left out. That they are is found once they are lifted.
bool mayLeaveOutBlocks(graph::StreamOp op);

class MaskedBlocks {
public:
  /// The lifted states of one block each, and what is neutral for them.
  MaskedBlocks(llvm::ArrayRef<mlir::Value> states, llvm::ArrayRef<mlir::TypedAttr> identity);

  /// Whether there is a mask of that kind.
  bool empty() const { return masks.empty(); }
  /// Builds, in the body of a stage, whether the state may differ from the identity where the loops
  /// of the stage are (the one of its first dimension, the block, first); null when nothing is
  /// known.
  mlir::Value mayDiffer(mlir::ImplicitLocOpBuilder &b, unsigned state,
                        llvm::ArrayRef<unsigned> loops) const;

private:
  llvm::SmallVector<mlir::Value> states;
  llvm::SmallVector<mlir::arith::SelectOp> masks;
};

} // namespace tessera::lower

#endif
