//===- AffineChain.cpp - Factors and summands of constants, joined
//------------------------------===//
#include "compiler/transforms/graph/AffineChain.h"

using namespace mlir;
using namespace tessera;
using namespace tessera::transforms;
using graph::GraphBuilder;

/// What only depends on constants, perhaps broadcast: it is folded.
static bool isConstant(Value value, int depth = 6) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0)
    return false;
  return llvm::isa<graph::ConstantOp>(op) ||
         (llvm::isa<graph::BroadcastOp, graph::ReshapeOp, graph::MulOp, graph::AddOp, graph::DivOp>(
              op) &&
          llvm::all_of(op->getOperands(),
                       [&](Value operand) { return isConstant(operand, depth - 1); }));
}

/// `apply` of the constant before it is broadcast.
static Value onConstant(GraphBuilder &b, Value constant, llvm::function_ref<Value(Value)> apply) {
  auto broadcast = constant.getDefiningOp<graph::BroadcastOp>();
  if (!broadcast)
    return apply(constant);
  return b.broadcast(apply(broadcast.getX()), broadcast.getDims(), broadcast.getType().getDims());
}

/// Of a sum or product that nothing else reads: its operands, the constant last.
template <typename OpType> static std::optional<std::pair<Value, Value>> match(Value value) {
  auto op = value.hasOneUse() ? value.getDefiningOp<OpType>() : OpType();
  if (!op)
    return std::nullopt;
  if (isConstant(op.getY()))
    return std::pair<Value, Value>{op.getX(), op.getY()};
  if (isConstant(op.getX()))
    return std::pair<Value, Value>{op.getY(), op.getX()};
  return std::nullopt;
}

Value transforms::multiplyChain(GraphBuilder &b, Value x, double factor) {
  auto times = [&](Value constant) {
    return onConstant(b, constant, [&](Value numbers) { return b.mul(numbers, factor); });
  };
  if (auto sum = match<graph::AddOp>(x))
    return b.add(multiplyChain(b, sum->first, factor), times(sum->second));
  if (auto product = match<graph::MulOp>(x))
    return b.mul(product->first, times(product->second));
  return b.mul(x, factor);
}

Value transforms::addToChain(GraphBuilder &b, Value x, double summand) {
  if (auto sum = match<graph::AddOp>(x))
    return b.add(sum->first, onConstant(b, sum->second,
                                        [&](Value numbers) { return b.add(numbers, summand); }));
  return b.add(x, summand);
}
