//===- NarrowElements.cpp - Elements of fewer bits than a kernel computes with --------------===//

#include "dialects/common/NarrowElements.h"

#include "dialects/common/ElementTypes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::arith;
using namespace tessera;
using llvm::APFloat;

bool tessera::isNarrow(Type type) {
  if (isFloat(type))
    return type.getIntOrFloatBitWidth() <= 8;
  return isInteger(type) && type.getIntOrFloatBitWidth() < 8;
}

Type tessera::getWideElementType(Type narrow) {
  if (isFloat(narrow))
    return Float32Type::get(narrow.getContext());
  return IntegerType::get(narrow.getContext(), 8, llvm::cast<IntegerType>(narrow).getSignedness());
}

namespace {
/// Integer arithmetic on the fields of a float type of at most 8 bits and of its wide counterpart.
class FieldBuilder {
public:
  FieldBuilder(ImplicitLocOpBuilder &b, const llvm::fltSemantics &semantics, FloatType wide)
      : b(b), semantics(semantics), wide(wide), bits(b.getIntegerType(wide.getWidth())),
        width(int(APFloat::getSizeInBits(semantics))),
        mantissa(int(APFloat::semanticsPrecision(semantics)) - 1),
        wideMantissa(int(wide.getFPMantissaWidth()) - 1),
        minExponent(APFloat::semanticsMinExponent(semantics)),
        wideBias(wide.getWidth() == 64 ? 1023 : 127) {}

  Value decode(Value code);
  Value encode(Value number);

private:
  Value decodePower(Value code);
  Value encodePower(Value magnitude);
  uint64_t codeOf(APFloat value) { return value.bitcastToAPInt().getZExtValue(); }
  uint64_t wideBits(int exponent) { // Of 2^exponent.
    return uint64_t(exponent + wideBias) << wideMantissa;
  }

  Value number(uint64_t value) {
    return ConstantOp::create(
        b, IntegerAttr::get(bits, llvm::APInt(64, value).trunc(bits.getWidth())));
  }
  Value asFloat(Value x) { return BitcastOp::create(b, wide, x); }
  Value asBits(Value x) { return BitcastOp::create(b, bits, x); }
  Value add(Value x, uint64_t y) { return AddIOp::create(b, x, number(y)); }
  Value mask(Value x, uint64_t y) { return AndIOp::create(b, x, number(y)); }
  Value left(Value x, int y) { return y ? Value(ShLIOp::create(b, x, number(uint64_t(y)))) : x; }
  Value right(Value x, int y) { return y ? Value(ShRUIOp::create(b, x, number(uint64_t(y)))) : x; }
  /// Fields without a sign are positive in their wider type.
  Value is(CmpIPredicate predicate, Value x, uint64_t y) {
    return CmpIOp::create(b, predicate, x, number(y));
  }
  Value choose(Value condition, Value x, Value y) { return SelectOp::create(b, condition, x, y); }

  ImplicitLocOpBuilder &b;
  const llvm::fltSemantics &semantics;
  FloatType wide;
  IntegerType bits;
  int width, mantissa, wideMantissa, minExponent, wideBias;
};
} // namespace

/// Only exponents (f8E8M0FNU): those of f32 have the same bias, but 0 stands for less than the
/// smallest normal number there, and the last one is NaN here.
Value FieldBuilder::decodePower(Value code) {
  Value power =
      MaxUIOp::create(b, left(code, wideMantissa), number(uint64_t(1) << (wideMantissa - 1)));
  power = choose(is(CmpIPredicate::eq, code, codeOf(APFloat::getQNaN(semantics))),
                 number(codeOf(APFloat::getQNaN(wide.getFloatSemantics()))), power);
  return asFloat(power);
}

/// 1. The fields move to their places in the wide type, where the exponent has another bias.
/// 2. Exponent 0 stands for numbers without a leading 1: with exponent 1 they are larger by the 1.
/// 3. What is no finite number is replaced, and the sign set.
Value FieldBuilder::decode(Value code) {
  code = ExtUIOp::create(b, bits, code);
  if (!APFloat::semanticsHasZero(semantics))
    return decodePower(code);
  Value magnitude = mask(code, (uint64_t(1) << (width - 1)) - 1);
  Value fields = left(magnitude, wideMantissa - mantissa);
  Value normal = add(fields, wideBits(minExponent - 1));
  Value tooLarge = asFloat(add(fields, wideBits(minExponent)));
  Value subnormal = SubFOp::create(b, tooLarge, asFloat(number(wideBits(minExponent))));
  Value result =
      choose(is(CmpIPredicate::slt, magnitude, uint64_t(1) << mantissa), asBits(subnormal), normal);
  if (APFloat::semanticsHasInf(semantics)) {
    uint64_t infinity = codeOf(APFloat::getInf(semantics));
    result = choose(is(CmpIPredicate::sge, magnitude, infinity),
                    number(codeOf(APFloat::getInf(wide.getFloatSemantics()))), result);
  }
  Value sign =
      left(right(mask(code, uint64_t(1) << (width - 1)), width - 1), int(bits.getWidth()) - 1);
  result = OrIOp::create(b, result, sign);
  if (APFloat::semanticsHasNaN(semantics)) {
    // One code, or all above infinity.
    uint64_t nan = codeOf(APFloat::getQNaN(semantics));
    bool isMinusZero = nan >> (width - 1);
    Value isNan = APFloat::semanticsHasInf(semantics)
                      ? is(CmpIPredicate::sgt, magnitude, codeOf(APFloat::getInf(semantics)))
                      : is(CmpIPredicate::eq,
                           isMinusZero ? mask(code, (uint64_t(1) << width) - 1) : magnitude, nan);
    result = choose(isNan, number(codeOf(APFloat::getQNaN(wide.getFloatSemantics()))), result);
  }
  return asFloat(result);
}

/// Half of the fraction's range is added, so that ties go up; below the normal numbers of f32 the
/// fraction has no leading 1.
Value FieldBuilder::encodePower(Value magnitude) {
  uint64_t one = uint64_t(1) << wideMantissa;
  Value rounded = right(add(magnitude, one / 2), wideMantissa);
  Value code = add(rounded, uint64_t(int64_t(127 - wideBias)));
  if (wideBias == 127) {
    Value isUp = ExtUIOp::create(b, bits, is(CmpIPredicate::sge, magnitude, one / 4 * 3));
    code = choose(is(CmpIPredicate::slt, magnitude, one), isUp, code);
  }
  code = MaxSIOp::create(b, code, number(0));
  return MinSIOp::create(b, code, number(codeOf(APFloat::getLargest(semantics))));
}

/// 1. From the smallest normal number on: the fraction is rounded to even in its place, and may
///    carry into the exponent; then the bias changes.
/// 2. Below: a sum with a number whose last place is the type's last place rounds to even.
/// 3. What is too large or no number is replaced, and the sign set.
Value FieldBuilder::encode(Value value) {
  Value all = asBits(value);
  uint64_t signBit = uint64_t(1) << (bits.getWidth() - 1);
  Value magnitude = mask(all, signBit - 1), code;
  if (!APFloat::semanticsHasZero(semantics)) {
    code = encodePower(magnitude);
  } else {
    int dropped = wideMantissa - mantissa;
    Value odd = mask(right(magnitude, dropped), 1);
    Value rounded = AddIOp::create(b, add(magnitude, (uint64_t(1) << (dropped - 1)) - 1), odd);
    Value normal = add(right(rounded, dropped), ~(wideBits(minExponent - 1) >> dropped) + 1);
    uint64_t place = wideBits(minExponent - mantissa + wideMantissa);
    Value sum = AddFOp::create(b, asFloat(magnitude), asFloat(number(place)));
    Value subnormal = add(asBits(sum), ~place + 1);
    code = choose(is(CmpIPredicate::slt, magnitude, wideBits(minExponent)), subnormal, normal);
    uint64_t largest = codeOf(APFloat::getLargest(semantics));
    uint64_t beyond =
        APFloat::semanticsHasInf(semantics) ? codeOf(APFloat::getInf(semantics)) : largest;
    code = choose(is(CmpIPredicate::sgt, code, largest), number(beyond), code);
    Value sign = left(right(all, int(bits.getWidth()) - 1), width - 1);
    Value isSigned = OrIOp::create(b, code, sign);
    bool hasMinusZero = APFloat::getZero(semantics, true).isNegative();
    code = hasMinusZero ? isSigned : choose(is(CmpIPredicate::eq, code, 0), number(0), isSigned);
  }
  uint64_t nan =
      APFloat::semanticsHasNaN(semantics) ? codeOf(APFloat::getQNaN(semantics)) : uint64_t(0);
  Value isNan =
      is(CmpIPredicate::sgt, magnitude, codeOf(APFloat::getInf(wide.getFloatSemantics())));
  return TruncIOp::create(b, b.getI8Type(), choose(isNan, number(nan), code));
}

Value tessera::decodeNarrow(ImplicitLocOpBuilder &b, Type narrow, Value code) {
  if (auto real = llvm::dyn_cast<FloatType>(narrow))
    return FieldBuilder(b, real.getFloatSemantics(), b.getF32Type()).decode(code);
  unsigned width = narrow.getIntOrFloatBitWidth();
  auto number = [&](int64_t value) {
    return ConstantOp::create(b, b.getI8IntegerAttr(int8_t(value)));
  };
  if (!narrow.isSignedInteger())
    return AndIOp::create(b, code, number((1 << width) - 1));
  Value shifted = ShLIOp::create(b, code, number(8 - width));
  return ShRSIOp::create(b, shifted, number(8 - width));
}

Value tessera::encodeNarrow(ImplicitLocOpBuilder &b, Type narrow, Value number) {
  if (auto real = llvm::dyn_cast<FloatType>(narrow))
    return FieldBuilder(b, real.getFloatSemantics(), llvm::cast<FloatType>(number.getType()))
        .encode(number);
  int64_t most = (1 << narrow.getIntOrFloatBitWidth()) - 1;
  return AndIOp::create(b, number, ConstantOp::create(b, b.getI8IntegerAttr(int8_t(most))));
}
