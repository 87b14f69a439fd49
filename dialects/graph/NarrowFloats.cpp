//===- NarrowFloats.cpp - Into floats of at most 8 bits ------------------------------------===//

#include "dialects/graph/NarrowFloats.h"

#include <cmath>

using namespace mlir;

namespace tessera::graph {

/// In f32, or in f64 where f32 would round before the narrow type does.
static Value toArithmetic(GraphBuilder &b, Value x) {
  Type element = getTensorType(x).getElementType();
  bool isLong = element.isF64() || (isInteger(element) && element.getIntOrFloatBitWidth() > 16);
  return b.convert(x, isLong ? Type(b.getBuilder().getF64Type()) : b.getBuilder().getF32Type());
}

static Value choose(GraphBuilder &b, Value condition, Value x, double otherwise) {
  return b.create<SelectOp>(condition, b.fillLike(x, otherwise), x);
}

Value convertToNarrow(GraphBuilder &b, Value x, FloatType element, bool saturates) {
  const llvm::fltSemantics &semantics = element.getFloatSemantics();
  bool hasInfinity = llvm::APFloat::semanticsHasInf(semantics);
  // graph.convert makes infinities where there are any, and saturates elsewhere.
  if (getTensorType(x).getElementType() == element || saturates != hasInfinity ||
      !llvm::APFloat::semanticsHasNaN(semantics))
    return b.convert(x, element);
  x = toArithmetic(b, x);
  double largest = llvm::APFloat::getLargest(semantics).convertToDouble();
  if (saturates)
    return b.convert(b.max(b.min(x, largest), -largest), element);
  // Half a step above the largest number is still rounded to it when its last bit is 0.
  int digits = int(llvm::APFloat::semanticsPrecision(semantics));
  double step = std::ldexp(1.0, std::ilogb(largest) - digits + 1);
  bool isEven = std::fmod(largest / step, 2) == 0;
  Value size = b.create<AbsOp>(x);
  Value isTooLarge = b.compare(isEven ? CompareKind::gt : CompareKind::ge, size,
                               b.fillLike(size, largest + step / 2));
  return b.convert(choose(b, isTooLarge, x, NAN), element);
}

Value convertToPowers(GraphBuilder &b, Value x, PowerRounding rounding, bool saturates) {
  Type element = Float8E8M0FNUType::get(b.getBuilder().getContext());
  if (getTensorType(x).getElementType() == element)
    return x;
  x = b.create<AbsOp>(toArithmetic(b, x));
  const double smallest = std::ldexp(1.0, -127), largest = std::ldexp(1.0, 127);
  Value power = x;
  if (rounding != PowerRounding::Nearest) {
    // A power of two has an exponent and no fraction.
    auto real = llvm::cast<FloatType>(getTensorType(x).getElementType());
    unsigned width = real.getWidth(), fraction = real.getFPMantissaWidth() - 1;
    Type bits = IntegerType::get(real.getContext(), width, IntegerType::Unsigned);
    TensorType type = getTensorType(x).withElementType(bits);
    auto number = [&](uint64_t value) {
      auto scalar = TensorType::getScalar(bits);
      auto dense = DenseElementsAttr::get(llvm::cast<ShapedType>(scalar),
                                          IntegerAttr::get(bits, llvm::APInt(width, value)));
      return b.broadcast(b.create<ConstantOp>(scalar, dense), {}, type.getDims());
    };
    uint64_t below = (uint64_t(1) << fraction) - 1;
    Value whole = b.create<BitcastOp>(x, bits);
    if (rounding == PowerRounding::Up)
      whole = b.add(whole, number(below));
    whole = b.create<AndOp>(whole, number((~uint64_t(0) >> (64 - width)) & ~below));
    power = b.create<BitcastOp>(whole, real);
    // The smallest power is no normal number of f32, and NaN lost what makes it one.
    Value isSmall = b.compare(CompareKind::le, x, b.fillLike(x, smallest));
    power = choose(b, isSmall, power, smallest);
    power = choose(b, b.create<IsNanOp>(x), power, NAN);
  }
  if (!saturates) {
    Value isTooSmall = b.compare(CompareKind::lt, x, b.fillLike(x, smallest));
    Value isTooLarge = b.compare(CompareKind::ge, power, b.fillLike(x, 1.5 * largest));
    power = choose(b, b.create<OrOp>(isTooSmall, isTooLarge), power, NAN);
  }
  return b.convert(power, element);
}

} // namespace tessera::graph
