//===- Restructure.cpp - Directives that rewrite a kernel ------------------------------------===//
#include "compiler/scheduling/restructure/Restructure.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tessera::scheduling {

/// Removes what no stage needs any more: extents, empty tensors, fills.
static void removeDead(kernel::FuncOp kernel) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(kernel.getBody().front())))
    if (isOpTriviallyDead(&op))
      op.erase();
}

LogicalResult applyRestructuring(kernel::FuncOp kernel, Operation *directive) {
  LogicalResult result =
      llvm::TypeSwitch<Operation *, LogicalResult>(directive)
          .Case([&](schedule::PadToTileOp op) { return padToTile(kernel, op); })
          .Case([&](schedule::PackOperandOp op) { return packOperand(kernel, op); })
          .Case([&](schedule::CopyPackedOp op) { return copyPacked(kernel, op); })
          .Case([&](schedule::CopyWindowOp op) { return copyWindow(kernel, op); })
          .Case([&](schedule::WidenOperandOp op) { return widenOperand(kernel, op); })
          .Case([&](schedule::GroupReductionOp op) { return groupReduction(kernel, op); })
          .Case([&](schedule::BlockReductionOp op) { return blockReduction(kernel, op); })
          .Case([&](schedule::PeelReductionOp op) { return peelReduction(kernel, op); })
          .Case([&](schedule::FactorReductionOp op) { return factorReduction(kernel, op); })
          .Case([&](schedule::CacheWriteOp op) { return cacheWrite(kernel, op); })
          .Case([&](schedule::ClampReadsOp op) { return clampReads(kernel, op); })
          .Case([&](schedule::ScratchOp op) { return keepInScratch(kernel, op); });
  removeDead(kernel);
  return result;
}

} // namespace tessera::scheduling
