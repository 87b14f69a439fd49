//===- NarrowFactors.cpp - Products read numbers as they were before they were converted ------===//
//
// A product of two numbers with at most 11 bits each is exact in f32. Whoever multiplies converted
// numbers may thus read what they were converted from: fewer bytes, and types that instructions for
// matrices know. 8-bit floats are read together with either type of 16 bits, since both hold them.
//
//===----------------------------------------------------------------------===//
#include "compiler/transforms/graph/Passes.h"
#include "dialects/common/ElementTypes.h"

namespace tessera::transforms {
#define GEN_PASS_DEF_GRAPHNARROWFACTORS
#include "compiler/transforms/graph/Passes.h.inc"
} // namespace tessera::transforms

using namespace mlir;
using namespace tessera;

static Type elementOf(Value value) { return graph::getTensorType(value).getElementType(); }

/// f8E8M0FNU has powers of two that no type of 16 bits holds, and no zero.
static bool isByteFloat(Type type) {
  auto element = dyn_cast<FloatType>(type);
  return element && element.getWidth() <= 8 &&
         llvm::APFloat::semanticsHasZero(element.getFloatSemantics());
}

static bool isShort(Type type) { return type.isF16() || type.isBF16() || isByteFloat(type); }

/// What a number of f32 was converted from without loss, or the number.
static Value sourceOf(Value value) {
  auto convert = value.getDefiningOp<graph::ConvertOp>();
  return convert && elementOf(value).isF32() && isShort(elementOf(convert.getX()))
             ? Value(convert.getX())
             : value;
}

/// Whether one type of 16 bits holds the numbers of both.
static bool haveCommonType(Type x, Type y) {
  return isShort(x) && isShort(y) && (isByteFloat(x) || isByteFloat(y) || x == y);
}

namespace {
struct GraphNarrowFactors : transforms::impl::GraphNarrowFactorsBase<GraphNarrowFactors> {
  void runOnOperation() override {
    getOperation().walk([&](Operation *op) {
      if (auto contract = dyn_cast<graph::ContractOp>(op))
        narrow(contract);
      else if (auto conv = dyn_cast<graph::ConvOp>(op))
        narrow(conv);
    });
  }

private:
  template <typename Op> void narrow(Op op) {
    const Type sums = op.getAccumulatorType();
    OpOperand &lhs = op->getOpOperand(0), &rhs = op->getOpOperand(1);
    Value x = sourceOf(lhs.get()), y = sourceOf(rhs.get());
    if (!sums.isF32() || (x == lhs.get() && y == rhs.get()) ||
        !haveCommonType(elementOf(x), elementOf(y)))
      return;
    lhs.set(x);
    rhs.set(y);
    if (op.getAccumulatorType() != sums)
      op.setAccAttr(TypeAttr::get(sums));
    ++numNarrowed;
  }
};
} // namespace
