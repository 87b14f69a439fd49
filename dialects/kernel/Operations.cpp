#include "dialects/kernel/Operations.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

bool tessera::kernel::isExtendedFactor(Operation &op) {
  return isa<arith::ExtFOp, arith::ExtSIOp, arith::ExtUIOp>(op) && op.hasOneUse() &&
         isa<arith::MulFOp, arith::MulIOp>(*op.user_begin());
}

unsigned tessera::kernel::countOperations(Operation &op) {
  if (op.getNumResults() != 1 || op.getResult(0).getType().isIndex())
    return 0;
  if (isa<math::FmaOp>(op))
    return 2;
  if (isa<math::AbsFOp, math::AbsIOp, math::FloorOp, math::CeilOp, math::RoundEvenOp, math::TruncOp,
          math::CopySignOp>(op))
    return 1;
  if (isa<math::MathDialect>(op.getDialect()))
    return 12;
  if (isa<arith::ConstantOp>(op) || !isa<arith::ArithDialect>(op.getDialect()))
    return 0;
  if (isExtendedFactor(op))
    return 0;
  if (isa<arith::CmpIOp>(op) && op.getOperand(0).getType().isIndex())
    return 0;
  return isa<arith::DivFOp>(op) ? 4 : 1;
}

unsigned tessera::kernel::countOperations(linalg::GenericOp stage) {
  unsigned count = 0;
  for (Operation &op : stage.getRegion().front().without_terminator())
    count += countOperations(op);
  return count;
}

llvm::SmallBitVector tessera::kernel::resultsAlike(linalg::GenericOp stage, unsigned loop) {
  Block &body = stage.getRegion().front();
  llvm::SmallBitVector alike(stage.getNumResults());
  for (unsigned result = 0; result < alike.size(); ++result)
    if (stage.getDpsInits()[result].getDefiningOp<linalg::FillOp>())
      alike.set(result);
  auto varies = [&](Value value) {
    SmallVector<Value> work{value};
    llvm::SmallPtrSet<Operation *, 16> seen;
    while (!work.empty()) {
      Value next = work.pop_back_val();
      if (auto argument = dyn_cast<BlockArgument>(next)) {
        if (argument.getOwner() != &body)
          continue;
        unsigned number = argument.getArgNumber();
        if (number >= stage.getNumDpsInputs()) {
          if (!alike.test(number - stage.getNumDpsInputs()))
            return true;
        } else if (stage.getMatchingIndexingMap(stage.getDpsInputOperand(number))
                       .isFunctionOfDim(loop)) {
          return true;
        }
        continue;
      }
      Operation *op = next.getDefiningOp();
      if (op->getBlock() != &body || !seen.insert(op).second)
        continue;
      if (auto index = dyn_cast<linalg::IndexOp>(op); index && index.getDim() == loop)
        return true;
      llvm::append_range(work, op->getOperands());
    }
    return false;
  };
  // What depends on a result that varies varies, too.
  for (bool changed = true; changed;) {
    changed = false;
    for (unsigned result : llvm::SmallBitVector(alike).set_bits())
      if (varies(body.getTerminator()->getOperand(result))) {
        alike.reset(result);
        changed = true;
      }
  }
  return alike;
}
