//===- Extents.cpp - The extents of a kernel at given sizes -------------------------------===//
#include "compiler/scheduling/Extents.h"

#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tessera::scheduling {

static std::optional<int64_t> ifKnown(int64_t value) {
  return ShapedType::isDynamic(value) ? std::nullopt : std::optional(value);
}

std::optional<int64_t> Extents::valueOf(Value index) {
  if (auto found = known.find(index); found != known.end())
    return found->second;
  std::optional<int64_t> value = compute(index);
  known[index] = value;
  return value;
}

std::optional<int64_t> Extents::compute(Value index) {
  APInt constant;
  if (matchPattern(index, m_ConstantInt(&constant)))
    return constant.getSExtValue();
  if (auto argument = dyn_cast<BlockArgument>(index)) {
    unsigned first = kernel.getNumTensorArguments(), number = argument.getArgNumber();
    if (argument.getOwner()->getParentOp() != kernel || number < first ||
        number - first >= sizes.values.size())
      return std::nullopt;
    return ifKnown(sizes.values[number - first]);
  }
  Operation *op = index.getDefiningOp();
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    std::optional<int64_t> number = valueOf(dim.getIndex());
    return number ? extentOf(dim.getSource(), *number) : std::nullopt;
  }
  if (isa<arith::SelectOp>(op) || op->getNumOperands() != 2 || op->getNumResults() != 1)
    return std::nullopt;
  std::optional<int64_t> a = valueOf(op->getOperand(0)), b = valueOf(op->getOperand(1));
  if (!a || !b)
    return std::nullopt;
  if (isa<arith::AddIOp>(op))
    return *a + *b;
  if (isa<arith::SubIOp>(op))
    return *a - *b;
  if (isa<arith::MulIOp>(op))
    return *a * *b;
  if (isa<arith::MinSIOp, arith::MinUIOp>(op))
    return std::min(*a, *b);
  if (isa<arith::MaxSIOp, arith::MaxUIOp>(op))
    return std::max(*a, *b);
  if (*b <= 0)
    return std::nullopt;
  if (isa<arith::CeilDivSIOp, arith::CeilDivUIOp>(op))
    return llvm::divideCeilSigned(*a, *b);
  if (isa<arith::FloorDivSIOp>(op))
    return llvm::divideFloorSigned(*a, *b);
  if (isa<arith::DivSIOp, arith::DivUIOp>(op))
    return *a / *b;
  if (isa<arith::RemSIOp, arith::RemUIOp>(op))
    return *a % *b;
  return std::nullopt;
}

std::optional<int64_t> Extents::extentOf(Value tensor, int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (dim < 0 || dim >= type.getRank())
    return std::nullopt;
  if (!type.isDynamicDim(dim))
    return type.getDimSize(dim);
  tensor = kernel::getDestinationRoot(tensor);
  if (auto empty = tensor.getDefiningOp<tensor::EmptyOp>())
    return valueOf(empty.getDynamicSize(dim));
  auto argument = dyn_cast<BlockArgument>(tensor);
  if (!argument || argument.getOwner()->getParentOp() != kernel ||
      argument.getArgNumber() >= sizes.tensors.size())
    return std::nullopt;
  // Packing changes what a dimension is.
  if (kernel.getArgAttr(argument.getArgNumber(), kernel::KernelDialect::kLayoutAttr))
    return std::nullopt;
  ArrayRef<int64_t> shape = sizes.tensors[argument.getArgNumber()];
  return dim < int64_t(shape.size()) ? ifKnown(shape[dim]) : std::nullopt;
}

std::optional<SmallVector<int64_t>> Extents::loopsOf(linalg::GenericOp stage) {
  SmallVector<int64_t> extents;
  for (unsigned loop = 0; loop < stage.getNumLoops(); ++loop) {
    std::optional<int64_t> extent;
    for (OpOperand &operand : stage->getOpOperands()) {
      AffineMap map = stage.getMatchingIndexingMap(&operand);
      for (unsigned d = 0; d < map.getNumResults() && !extent; ++d)
        if (map.getResult(d) == getAffineDimExpr(loop, stage.getContext()))
          extent = extentOf(operand.get(), d);
    }
    if (!extent)
      return std::nullopt;
    extents.push_back(std::max<int64_t>(0, *extent));
  }
  return extents;
}

std::optional<double> Extents::bytesOf(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  unsigned bits = type.getElementType().isIndex() ? 64 : type.getElementTypeBitWidth();
  double bytes = std::max(8u, bits) / 8;
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    std::optional<int64_t> extent = extentOf(tensor, dim);
    if (!extent)
      return std::nullopt;
    bytes *= double(*extent);
  }
  return bytes;
}

} // namespace tessera::scheduling
