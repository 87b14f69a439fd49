//===- GradientReduction.cpp - Derivatives of reductions and running values ----------------===//

#include "dialects/graph/GradientRules.h"

using namespace mlir;

namespace tessera::graph {
namespace {

/// Of equal extreme elements each takes the same share.
Value extremeAdjoint(ReduceOp op, Adjoints &a) {
  Value x = op.getX(), zero = a.zeros(x);
  Value isOne = a.compare(CompareKind::eq, x, a.expand(op.getResult(), op.getAxes(), x));
  Value number = a.reduce(ReduceKind::sum, a.select(isOne, a.ones(x), zero), op.getAxes());
  return a.select(isOne, a.expand(a.div(a.of(op), number), op.getAxes(), x), zero);
}

/// The product of all others: no division, so a zero is like any other number. One axis after the
/// other, innermost first.
Value productAdjoint(ReduceOp op, Adjoints &a) {
  SmallVector<Value> values = {op.getX()};
  for (int64_t axis : llvm::reverse(op.getAxes()))
    values.push_back(a.reduce(ReduceKind::prod, values.back(), {axis}));
  Value adjoint = a.of(op);
  for (auto [i, axis] : llvm::enumerate(op.getAxes())) {
    Value x = values[op.getAxes().size() - 1 - i];
    auto running = [&](bool reverse) {
      return a.create<CumulativeOp>(CumulativeKind::prod, x, axis, /*exclusive=*/true, reverse);
    };
    Value others = a.mul(running(false), running(true));
    adjoint = a.mul(a.expand(adjoint, {axis}, x), others);
  }
  return adjoint;
}

LogicalResult ofReduce(ReduceOp op, Adjoints &a) {
  switch (op.getKind()) {
  case ReduceKind::sum: a.give(op.getX(), a.expand(a.of(op), op.getAxes(), op.getX())); break;
  case ReduceKind::prod: a.give(op.getX(), productAdjoint(op, a)); break;
  case ReduceKind::max:
  case ReduceKind::min: a.give(op.getX(), extremeAdjoint(op, a)); break;
  default:
    return a.fail("has no rule for derivatives of kind '" + stringifyReduceKind(op.getKind()) +
                  "'");
  }
  return success();
}

LogicalResult ofCumulative(CumulativeOp op, Adjoints &a) {
  if (op.getKind() != CumulativeKind::sum)
    return a.fail("has no rule for derivatives of kind '" + stringifyCumulativeKind(op.getKind()) +
                  "'");
  a.give(op.getX(), a.create<CumulativeOp>(CumulativeKind::sum, a.of(op), op.getAxis(),
                                           op.getExclusive(), !op.getReverse()));
  return success();
}

} // namespace

void addReductionRules(SmallVectorImpl<GradientRow> &rows) {
  addRules<ofReduce, ofCumulative>(rows);
}

} // namespace tessera::graph
