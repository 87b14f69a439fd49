//===- LowerPrecision.cpp - Products of operands in fewer bits --------------------------------===//
//
// Operands of contractions and convolutions that have more than 16 bits are rounded; what sums are
// kept in, and the type of the result, stay as they were. Nothing else is touched: an operand of 16
// bits or fewer stays too, as bf16 and f16 each hold what the other does not.
//
// Also inside of streams and scans: a stream rounds the values of one block.
//
// tf32 is no type of tensors: products of f32 are marked, and instructions for matrices may round
// what they read. CPUs, which have no such instructions, multiply in f32. In the same way products
// of 8-bit floats are marked (f8-sums) whose sums may have fewer bits; their operands are as exact
// as ever.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/graph/Passes.h"
#include "dialects/graph/Precision.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHLOWERPRECISION
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;

namespace {
struct GraphLowerPrecision : transforms::impl::GraphLowerPrecisionBase<GraphLowerPrecision> {
  using GraphLowerPrecisionBase::GraphLowerPrecisionBase;

  void runOnOperation() override {
    if (type == "tf32") {
      getOperation().walk([&](Operation *op) { allowTf32(op); });
      return;
    }
    if (type == "f8-sums") {
      getOperation().walk([&](Operation *op) { allowF8Sums(op); });
      return;
    }
    if (type == "bf16")
      precision = BFloat16Type::get(&getContext());
    else if (type == "f16")
      precision = Float16Type::get(&getContext());
    if (!precision) {
      getOperation().emitError("unknown precision '")
          << type << "'; known are bf16, f16, tf32, f8-sums";
      return signalPassFailure();
    }
    getOperation().walk([&](Operation *op) {
      if (auto contract = llvm::dyn_cast<graph::ContractOp>(op))
        roundOperands(contract);
      else if (auto conv = llvm::dyn_cast<graph::ConvOp>(op))
        roundOperands(conv);
      else if (auto transposed = llvm::dyn_cast<graph::ConvTransposeOp>(op))
        roundOperands(transposed);
    });
    getOperation().walk([&](graph::StreamOp stream) { hoist(stream); });
  }

private:
  void allowTf32(Operation *op) {
    if (!isa<graph::ContractOp, graph::ConvOp>(op) ||
        !llvm::all_of(op->getOperands(), [](Value operand) {
          return graph::getTensorType(operand).getElementType().isF32();
        }))
      return;
    op->setAttr(graph::kTf32Attr, UnitAttr::get(op->getContext()));
    ++numProducts;
  }

  void allowF8Sums(Operation *op) {
    if (!isa<graph::ContractOp, graph::ConvOp>(op) || !llvm::all_of(op->getOperands(), [](Value x) {
          if (auto convert = x.getDefiningOp<graph::ConvertOp>())
            x = convert.getX();
          return isa<Float8E4M3FNType, Float8E5M2Type>(graph::getTensorType(x).getElementType());
        }))
      return;
    op->setAttr(graph::kF8SumsAttr, UnitAttr::get(op->getContext()));
    ++numProducts;
  }

  bool isWide(Value value) {
    Type element = graph::getTensorType(value).getElementType();
    return isFloat(element) && element.getIntOrFloatBitWidth() > precision.getIntOrFloatBitWidth();
  }

  template <typename Op> void roundOperands(Op op) {
    if (!llvm::any_of(op->getOperands(), [&](Value value) { return isWide(value); }))
      return;
    Type sums = op.getAccumulatorType();
    for (OpOperand &operand : op->getOpOperands())
      if (isWide(operand.get()))
        operand.set(round(operand.get()));
    if (op.getAccumulatorType() != sums)
      op.setAccAttr(TypeAttr::get(sums));
    ++numProducts;
  }

  /// Once, right behind what computes the value: products that share it read the same numbers.
  Value round(Value value) {
    for (Operation *user : value.getUsers())
      if (auto convert = llvm::dyn_cast<graph::ConvertOp>(user);
          convert && rounded.contains(convert))
        return convert.getResult();
    OpBuilder builder(&getContext());
    builder.setInsertionPointAfterValue(value);
    auto convert = graph::ConvertOp::create(
        builder, value.getLoc(), graph::getTensorType(value).withElementType(precision), value);
    rounded.insert(convert);
    return convert.getResult();
  }

  /// What a stream only reads rounded is rounded once, before it, and takes half of the bytes.
  void hoist(graph::StreamOp stream) {
    for (OpOperand &operand : stream->getOpOperands()) {
      BlockArgument argument = stream.getLift().getArgument(operand.getOperandNumber());
      if (argument.use_empty() || !llvm::all_of(argument.getUsers(), [&](Operation *user) {
            return rounded.contains(user);
          }))
        continue;
      auto convert = llvm::cast<graph::ConvertOp>(*argument.user_begin());
      operand.set(round(operand.get()));
      argument.setType(convert.getType());
      rounded.erase(convert);
      convert.getResult().replaceAllUsesWith(argument);
      convert.erase();
    }
  }

  FloatType precision;
  llvm::DenseSet<Operation *> rounded;
};
} // namespace
