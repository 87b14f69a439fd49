#include "dialects/kernel/Operations.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

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
