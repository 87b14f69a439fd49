//===- Combiner.cpp - How a stage reduces -----------------------------------------------------===//
#include "dialects/kernel/Combiner.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace tessera::kernel;

/// Whether `value` depends on `on` within the body.
static bool dependsOn(Value value, Value on) {
  if (value == on)
    return true;
  Operation *op = value.getDefiningOp();
  if (!op || op->getBlock() != on.getParentBlock())
    return false;
  return llvm::any_of(op->getOperands(), [&](Value operand) { return dependsOn(operand, on); });
}

Value Combiner::combine(OpBuilder &builder, Location loc, Value a, Value b) const {
  if (isa<math::FmaOp>(op))
    return arith::AddFOp::create(builder, loc, a, b);
  Operation *copy =
      builder.create(loc, op->getName().getIdentifier(), {a, b}, {a.getType()}, op->getAttrs());
  return copy->getResult(0);
}

std::optional<Combiner> tessera::kernel::matchCombiner(linalg::GenericOp stage, unsigned result) {
  Block &body = stage.getRegion().front();
  Value yielded = body.getTerminator()->getOperand(result);
  Value carried = body.getArgument(stage.getNumDpsInputs() + result);
  Operation *op = yielded.getDefiningOp();
  if (!op || op->getBlock() != &body)
    return std::nullopt;
  auto independent = [&](Value value) {
    for (unsigned i = 0; i < stage.getNumDpsInits(); ++i)
      if (dependsOn(value, body.getArgument(stage.getNumDpsInputs() + i)))
        return false;
    return true;
  };
  if (auto fma = dyn_cast<math::FmaOp>(op)) {
    if (fma.getC() != carried || !independent(fma.getA()) || !independent(fma.getB()))
      return std::nullopt;
    auto type = cast<FloatType>(fma.getType());
    return Combiner{op, {}, FloatAttr::get(type, APFloat::getZero(type.getFloatSemantics(), true))};
  }
  if (!isa<arith::AddFOp, arith::MulFOp, arith::MaximumFOp, arith::MinimumFOp, arith::MaxNumFOp,
           arith::MinNumFOp, arith::AddIOp, arith::MulIOp, arith::MaxSIOp, arith::MinSIOp,
           arith::MaxUIOp, arith::MinUIOp, arith::AndIOp, arith::OrIOp, arith::XOrIOp>(op))
    return std::nullopt;
  for (unsigned side = 0; side < 2; ++side) {
    if (op->getOperand(side) != carried || !independent(op->getOperand(1 - side)))
      continue;
    TypedAttr identity;
    if (isa<arith::AddFOp>(op)) {
      // The identity of a sum is -0: 0 would turn a sum of -0 into 0.
      auto type = cast<FloatType>(yielded.getType());
      identity = FloatAttr::get(type, APFloat::getZero(type.getFloatSemantics(), true));
    } else if (isa<arith::MaxNumFOp, arith::MinNumFOp>(op)) {
      auto type = cast<FloatType>(yielded.getType());
      identity = FloatAttr::get(
          type, APFloat::getInf(type.getFloatSemantics(), isa<arith::MaxNumFOp>(op)));
    } else if (std::optional<TypedAttr> neutral = arith::getNeutralElement(op)) {
      identity = *neutral;
    } else {
      return std::nullopt;
    }
    return Combiner{op, op->getOperand(1 - side), identity};
  }
  return std::nullopt;
}
