//===- Product.cpp - Stages that sum products
//--------------------------------------------------===//
#include "dialects/kernel/Product.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;
using namespace tessera;

static Value stripConversions(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<arith::ExtFOp, arith::TruncFOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp,
             arith::SIToFPOp, arith::UIToFPOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

std::optional<kernel::Product> kernel::matchProduct(linalg::GenericOp stage) {
  if (stage.getNumDpsInits() != 1)
    return std::nullopt;
  std::optional<Combiner> combiner = matchCombiner(stage, 0);
  if (!combiner || !isa<arith::AddFOp, arith::AddIOp, math::FmaOp>(combiner->op))
    return std::nullopt;
  Operation *product = combiner->op;
  if (combiner->element) {
    product = stripConversions(combiner->element).getDefiningOp();
    if (!product || !isa<arith::MulFOp, arith::MulIOp>(product))
      return std::nullopt;
  }
  return Product{*combiner, product, product->getOperand(0), product->getOperand(1)};
}

Value kernel::stripExtensions(Value value) {
  while (isa_and_present<arith::ExtFOp, arith::ExtSIOp, arith::ExtUIOp>(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

/// The byte that a factor is decoded from and from nothing else, or null.
static Value findCode(linalg::GenericOp stage, Value factor) {
  Value code;
  SmallVector<Value> left = {factor};
  llvm::SmallPtrSet<Value, 16> seen;
  while (!left.empty()) {
    Value value = left.pop_back_val();
    if (!stage.getRegion().isAncestor(value.getParentRegion()) || !seen.insert(value).second)
      continue;
    if (Operation *op = value.getDefiningOp()) {
      left.append(op->operand_begin(), op->operand_end());
    } else if ((code && code != value) || !value.getType().isInteger(8)) {
      return {};
    } else {
      code = value;
    }
  }
  return code;
}

std::optional<kernel::MatrixProduct> kernel::matchMatrixProduct(const Product &product,
                                                                bool byteFloats) {
  const Combiner &combiner = product.combiner;
  if (combiner.element && combiner.element.getDefiningOp() != product.op)
    return std::nullopt; // Rounded, or wrapped, before it is summed.
  Type sum = combiner.op->getResult(0).getType();
  MatrixProduct result{product.lhs, product.rhs};
  auto stage = product.op->getParentOfType<linalg::GenericOp>();
  if (auto floats =
          stage && byteFloats ? stage->getAttrOfType<ArrayAttr>(kByteFloatsAttr) : ArrayAttr()) {
    result.lhs = findCode(stage, product.lhs);
    result.rhs = findCode(stage, product.rhs);
    result.lhsFloat = cast<TypeAttr>(floats[0]).getValue();
    result.rhsFloat = cast<TypeAttr>(floats[1]).getValue();
    return result.lhs && result.rhs ? std::optional(result) : std::nullopt;
  }
  if (sum.isF32()) {
    auto lhs = product.lhs.getDefiningOp<arith::ExtFOp>();
    auto rhs = product.rhs.getDefiningOp<arith::ExtFOp>();
    if (lhs && rhs && lhs.getIn().getType() == rhs.getIn().getType()) {
      result.lhs = lhs.getIn();
      result.rhs = rhs.getIn();
      Type type = result.lhs.getType();
      return type.isF16() || type.isBF16() ? std::optional(result) : std::nullopt;
    }
    result.isTf32 = stage && stage->hasAttr(kTf32Attr) && product.lhs.getType().isF32() &&
                    product.rhs.getType().isF32();
    return result.isTf32 ? std::optional(result) : std::nullopt;
  }
  if (!sum.isInteger(32))
    return std::nullopt;
  auto strip = [](Value &factor, bool &isUnsigned) {
    Operation *extend = factor.getDefiningOp();
    if (!isa_and_present<arith::ExtSIOp, arith::ExtUIOp>(extend))
      return false;
    isUnsigned = isa<arith::ExtUIOp>(extend);
    factor = extend->getOperand(0);
    return factor.getType().isInteger(8);
  };
  if (!strip(result.lhs, result.lhsUnsigned) || !strip(result.rhs, result.rhsUnsigned))
    return std::nullopt;
  return result;
}

llvm::SmallBitVector kernel::getLoopsOf(linalg::GenericOp stage, Value scalar) {
  llvm::SmallBitVector loops(stage.getNumLoops());
  llvm::SmallPtrSet<Value, 16> seen;
  SmallVector<Value> left = {scalar};
  while (!left.empty()) {
    Value value = left.pop_back_val();
    if (!stage.getRegion().isAncestor(value.getParentRegion()) || !seen.insert(value).second)
      continue;
    if (auto argument = dyn_cast<BlockArgument>(value);
        argument && argument.getOwner() == &stage.getRegion().front()) {
      OpOperand &operand = stage->getOpOperand(argument.getArgNumber());
      AffineMap map = stage.getMatchingIndexingMap(&operand);
      for (unsigned loop = 0; loop < stage.getNumLoops(); ++loop)
        if (map.isFunctionOfDim(loop))
          loops.set(loop);
      continue;
    }
    Operation *producer = value.getDefiningOp();
    if (!producer)
      continue;
    if (auto index = dyn_cast<linalg::IndexOp>(producer))
      loops.set(unsigned(index.getDim()));
    producer->walk([&](Operation *op) { left.append(op->operand_begin(), op->operand_end()); });
  }
  return loops;
}
