//===- UseBounds.cpp - Numbers that are known to be finite need no care for NaN
//-----------------===//
// 1. A bound of magnitudes: integers have one by their type, constants by their elements, and maps
// of
//    numbers with bounds have others.
// 2. Where it is far below the largest float, a value is never NaN nor infinite: then whether it is
//    NaN is known, and the greater of it and a constant is one instruction (maxima that hand on NaN
//    take several).

#include "compiler/reference/Tensor.h"
#include "compiler/transforms/graph/Passes.h"

#include "dialects/graph/GraphBuilder.h"

#include <cmath>

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHUSEBOUNDS
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;

namespace {
class Bounds {
public:
  /// A bound of the magnitude of all elements, or infinity.
  double get(Value value);

private:
  double compute(Value value);
  DenseMap<Value, double> known;
};
} // namespace

static constexpr double kNone = std::numeric_limits<double>::infinity();
/// Beyond it a rounded sum or product of f32 might be infinite.
static constexpr double kMost = 0x1p100;

double Bounds::get(Value value) {
  if (auto it = known.find(value); it != known.end())
    return it->second;
  known[value] = kNone; // Loops give nothing.
  double bound = compute(value);
  if (!(bound <= kMost))
    bound = kNone;
  return known[value] = bound;
}

static double boundOf(graph::ConstantOp constant) {
  constexpr int64_t kLongest = 1 << 16;
  std::optional<int64_t> count = graph::getTensorType(constant.getResult()).getElementCount();
  if (!count || *count > kLongest)
    return kNone;
  llvm::Expected<reference::Tensor> numbers = reference::toTensor(constant.getValue());
  if (!numbers) {
    llvm::consumeError(numbers.takeError()); // Who needs the bytes says so.
    return kNone;
  }
  double bound = 0;
  for (double number : numbers->reals())
    bound = std::isfinite(number) ? std::max(bound, std::fabs(number)) : kNone;
  return bound;
}

double Bounds::compute(Value value) {
  auto type = llvm::dyn_cast<graph::TensorType>(value.getType());
  if (!type || !type.getElementType().isIntOrFloat())
    return kNone;
  if (auto integer = llvm::dyn_cast<IntegerType>(type.getElementType()))
    return integer.getWidth() > 32 ? kNone : std::ldexp(1.0, integer.getWidth());
  Operation *op = value.getDefiningOp();
  if (!op || !type.getElementType().isF32())
    return kNone;
  if (auto constant = llvm::dyn_cast<graph::ConstantOp>(op))
    return boundOf(constant);
  auto operand = [&](unsigned number) { return get(op->getOperand(number)); };
  if (llvm::isa<graph::ConvertOp, graph::BroadcastOp, graph::ReshapeOp, graph::TransposeOp,
                graph::SliceOp, graph::AbsOp, graph::NegOp>(op))
    return operand(0);
  if (llvm::isa<graph::RoundOp>(op))
    return operand(0) + 1;
  if (llvm::isa<graph::AddOp, graph::SubOp>(op))
    return operand(0) + operand(1);
  if (llvm::isa<graph::MulOp>(op))
    return operand(0) * operand(1); // NaN (0 infinity) is no bound, either.
  if (llvm::isa<graph::MaxOp, graph::MinOp>(op))
    return std::max(operand(0), operand(1));
  if (llvm::isa<graph::SelectOp>(op))
    return std::max(operand(1), operand(2));
  return kNone;
}

/// The greater (or the smaller) of a number and a constant.
static Value compareWith(Operation *op, graph::CompareKind kind, Bounds &bounds) {
  auto isConstant = [](Value value) {
    auto splat = llvm::dyn_cast_or_null<FloatAttr>(graph::getSplat(value));
    return splat && !splat.getValue().isNaN() && !splat.getValue().isNegZero();
  };
  Value x = op->getOperand(0), constant = op->getOperand(1);
  if (isConstant(x))
    std::swap(x, constant);
  if (!graph::getTensorType(x).getElementType().isF32() || !isConstant(constant) ||
      bounds.get(x) == kNone)
    return {};
  OpBuilder builder(op);
  graph::GraphBuilder b(builder, op->getLoc());
  return b.create<graph::SelectOp>(b.compare(kind, x, constant), x, constant);
}

namespace {
struct GraphUseBounds : transforms::impl::GraphUseBoundsBase<GraphUseBounds> {
  void runOnOperation() override {
    Bounds bounds;
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (llvm::isa<graph::MaxOp, graph::MinOp, graph::SelectOp>(op))
        ops.push_back(op);
    });
    for (Operation *op : ops) {
      Value better;
      if (auto select = llvm::dyn_cast<graph::SelectOp>(op)) {
        auto isNan = select->getOperand(0).getDefiningOp<graph::IsNanOp>();
        if (isNan && bounds.get(isNan.getX()) != kNone)
          better = select->getOperand(2);
      } else {
        better = compareWith(
            op, llvm::isa<graph::MaxOp>(op) ? graph::CompareKind::gt : graph::CompareKind::lt,
            bounds);
      }
      if (better)
        op->getResult(0).replaceAllUsesWith(better);
    }
  }
};
} // namespace
