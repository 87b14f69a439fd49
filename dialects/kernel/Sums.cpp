//===- Sums.cpp - In what types a kernel keeps running sums -------------------------------===//
#include "dialects/kernel/Sums.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace tessera::kernel {

/// Gives one of its operands unchanged, or says which one.
static bool selects(Operation *op) {
  return isa<arith::MaximumFOp, arith::MinimumFOp, arith::MaxNumFOp, arith::MinNumFOp,
             arith::MaxSIOp, arith::MinSIOp, arith::MaxUIOp, arith::MinUIOp, arith::AndIOp,
             arith::OrIOp, arith::XOrIOp, arith::SelectOp, arith::CmpFOp, arith::CmpIOp,
             arith::ExtFOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncFOp, arith::TruncIOp,
             arith::BitcastOp>(op);
}

/// Through changes of type that lose nothing.
static Operation *producerOf(Value value) {
  Operation *op = value.getDefiningOp();
  while (op && isa<arith::ExtSIOp, arith::ExtUIOp, arith::ExtFOp>(op))
    op = op->getOperand(0).getDefiningOp();
  return op;
}

/// All values that a value in the body of a stage is computed from, as far as elements: arguments
/// of the body, and what is extracted there.
static llvm::SetVector<Value> originsOf(Block *body, Value value) {
  llvm::SetVector<Value> origins;
  SmallVector<Value> pending{value};
  while (!pending.empty()) {
    Value next = pending.pop_back_val();
    Operation *op = next.getDefiningOp();
    bool isInside = op ? body->findAncestorOpInBlock(*op) != nullptr
                       : cast<BlockArgument>(next).getOwner() == body;
    if (isInside && origins.insert(next) && op && !isa<tensor::ExtractOp>(op))
      pending.append(op->operand_begin(), op->operand_end());
  }
  return origins;
}

static std::optional<Sum> findSum(linalg::GenericOp stage, unsigned result) {
  Block *body = stage.getBlock();
  Value running = stage.getRegionOutputArgs()[result];
  Sum sum{stage, result, running.getType(), Type(), false};
  if (running.use_empty() || !sum.type.isIntOrFloat())
    return std::nullopt;
  llvm::SetVector<Value> origins = originsOf(body, body->getTerminator()->getOperand(result));
  // What depends on the running value.
  llvm::DenseSet<Value> depends{running};
  body->walk([&](Operation *op) {
    if (llvm::any_of(op->getOperands(), [&](Value value) { return depends.contains(value); }))
      depends.insert(op->result_begin(), op->result_end());
  });
  bool computes = false;
  for (Value value : origins) {
    Operation *op = value.getDefiningOp();
    if (op && !isa<tensor::ExtractOp>(op)) {
      if (!depends.contains(value) || selects(op) || !value.getType().isIntOrFloat())
        continue;
      computes = true;
      if (isa<arith::AddIOp>(op))
        for (Value operand : op->getOperands())
          if (Operation *added = producerOf(operand); added && isa<arith::MulIOp>(added))
            sum.ofProducts |= !depends.contains(added->getResult(0));
      continue;
    }
    Type type = value.getType();
    if (value != running && type.isIntOrFloat() &&
        isa<FloatType>(type) == isa<FloatType>(sum.type) &&
        (!sum.widest || type.getIntOrFloatBitWidth() > sum.widest.getIntOrFloatBitWidth()))
      sum.widest = type;
  }
  return computes ? std::optional(sum) : std::nullopt;
}

SmallVector<Sum> findSums(FuncOp kernel) {
  SmallVector<Sum> sums;
  kernel.walk([&](linalg::GenericOp stage) {
    for (unsigned result = 0; result < stage.getNumResults(); ++result)
      if (std::optional<Sum> sum = findSum(stage, result))
        sums.push_back(*sum);
  });
  return sums;
}

SmallVector<Type> getSumTypes(FuncOp kernel) {
  llvm::SetVector<Type> types;
  for (const Sum &sum : findSums(kernel))
    types.insert(sum.type);
  return types.takeVector();
}

unsigned getLeastBits(const Sum &sum) {
  unsigned widest = sum.widest ? sum.widest.getIntOrFloatBitWidth() : 0;
  bool needs32 = isa<FloatType>(sum.type) || sum.ofProducts;
  return std::max(widest, needs32 ? 32u : 0u);
}

} // namespace tessera::kernel
