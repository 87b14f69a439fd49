//===- ElementaryFunctions.cpp - exp, log, sin, ... as arithmetic ---------------------------===//

#include "compiler/transforms/kernel/ElementaryFunctions.h"

#include <cmath>

using namespace mlir;
using namespace tessera;

using E = ElementaryFunctions;

//===----------------------------------------------------------------------===//
// Words
//===----------------------------------------------------------------------===//

Value E::number(double value) { return arith::ConstantOp::create(b, FloatAttr::get(type, value)); }
Value E::integer(int64_t value) {
  return arith::ConstantOp::create(b, b.getIntegerAttr(b.getIntegerType(type.getWidth()), value));
}
Value E::infinity(bool negative) {
  return arith::ConstantOp::create(
      b, FloatAttr::get(type, llvm::APFloat::getInf(type.getFloatSemantics(), negative)));
}
Value E::nan() {
  return arith::ConstantOp::create(
      b, FloatAttr::get(type, llvm::APFloat::getQNaN(type.getFloatSemantics())));
}
Value E::add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
Value E::sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
Value E::mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
Value E::div(Value x, Value y) { return arith::DivFOp::create(b, x, y); }
Value E::fma(Value x, Value y, Value z) { return math::FmaOp::create(b, x, y, z); }
Value E::neg(Value x) { return arith::NegFOp::create(b, x); }
Value E::abs(Value x) { return math::AbsFOp::create(b, x); }
Value E::sqrt(Value x) { return math::SqrtOp::create(b, x); }
Value E::withSignOf(Value magnitude, Value sign) {
  return math::CopySignOp::create(b, magnitude, sign);
}
Value E::choose(Value condition, Value x, Value y) {
  return arith::SelectOp::create(b, condition, x, y);
}
Value E::less(Value x, Value y) {
  return arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, y);
}
Value E::equal(Value x, Value y) {
  return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, y);
}
Value E::isNan(Value x) { return arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, x); }
Value E::both(Value x, Value y) { return arith::AndIOp::create(b, x, y); }

Value E::polynomial(Value x, ArrayRef<double> coefficients) {
  Value result = number(coefficients.front());
  for (double coefficient : coefficients.drop_front())
    result = fma(result, x, number(coefficient));
  return result;
}

Value E::shallowPolynomial(Value x, ArrayRef<double> coefficients) {
  Value square = mul(x, x), result;
  for (size_t i = 0; i < coefficients.size(); i += 2) {
    Value pair = fma(x, number(coefficients[i]), number(coefficients[i + 1]));
    result = result ? fma(result, square, pair) : pair;
  }
  return result;
}

Value E::toInteger(Value x) {
  Value safe = choose(isNan(x), number(0), x);
  return arith::FPToSIOp::create(b, b.getIntegerType(type.getWidth()), safe);
}

Value E::powerOfTwo(Value n) {
  Value biased = arith::AddIOp::create(b, n, integer(isDouble ? 1023 : 127));
  Value bits = arith::ShLIOp::create(b, biased, integer(isDouble ? 52 : 23));
  return arith::BitcastOp::create(b, type, bits);
}

Value E::scale(Value x, Value n) {
  Value half = arith::ShRSIOp::create(b, n, integer(1));
  Value rest = arith::SubIOp::create(b, n, half);
  return mul(mul(x, powerOfTwo(half)), powerOfTwo(rest));
}

Value E::nearest(Value x, Value &inBits) {
  inBits = add(x, number(0x1.8p23));
  return sub(inBits, number(0x1.8p23));
}

Value E::scaleNormal(Value x, Value inBits) {
  Type word = b.getIntegerType(type.getWidth());
  Value exponent = arith::ShLIOp::create(b, arith::BitcastOp::create(b, word, inBits), integer(23));
  Value bits = arith::AddIOp::create(b, arith::BitcastOp::create(b, word, x), exponent);
  return arith::BitcastOp::create(b, type, bits);
}

//===----------------------------------------------------------------------===//
// Exponentials
//===----------------------------------------------------------------------===//

/// ln 2 in two parts: products of the first with integers of 11 bits are exact.
static constexpr double kLn2High = 0x1.62e42fefap-1, kLn2Low = 0x1.cf79abc9e3b3ap-40;
static constexpr double kLn2HighF = 0x1.62ep-1, kLn2LowF = 0x1.0bfbe8p-15;

Value E::expReduced(Value r) {
  // The relative error for |r| <= ln 2 / 2 is at most 0.06 half ulps (minimax, coefficients rounded
  // one after the other); evaluated in f32 it is 0.71 ulps.
  if (!isDouble)
    return polynomial(
        r, {0x1.6a4cb4p-10, 0x1.123986p-7, 0x1.5558bp-5, 0x1.555492p-3, 0x1.fffffcp-2, 1.0, 1.0});
  // Taylor: the next term is below a quarter of an ulp for |r| <= ln 2 / 2.
  SmallVector<double> coefficients;
  double factorial = 1;
  for (int i = 1; i <= 13; ++i)
    coefficients.push_back(factorial *= 1.0 / i);
  std::reverse(coefficients.begin(), coefficients.end());
  coefficients.push_back(1.0);
  return polynomial(r, coefficients);
}

/// Between two numbers, or NaN: each step is an instruction of most processors.
Value E::clamp(Value x, double low, double high) {
  Value below = choose(less(number(high), x), number(high), x);
  return choose(less(below, number(low)), number(low), below);
}

Value E::exp(Value x) {
  // Beyond these the result is infinite or zero whatever the argument.
  Value clamped = clamp(x, isDouble ? -746 : -104.5, isDouble ? 710 : 89);
  Value n = math::RoundEvenOp::create(b, mul(clamped, number(1.44269504088896340736)));
  Value r = fma(n, number(isDouble ? -kLn2High : -kLn2HighF), clamped);
  r = fma(n, number(isDouble ? -kLn2Low : -kLn2LowF), r);
  return scale(expReduced(r), toInteger(n));
}

Value E::exp2(Value x) {
  Value clamped = clamp(x, isDouble ? -1076 : -151, isDouble ? 1025 : 129);
  Value n = math::RoundEvenOp::create(b, clamped);
  Value r = mul(sub(clamped, n), number(0.69314718055994530942));
  return scale(expReduced(r), toInteger(n));
}

Value E::expm1(Value x) {
  SmallVector<double> coefficients;
  double factorial = 1;
  for (int i = 2; i <= (isDouble ? 17 : 9); ++i)
    coefficients.push_back(factorial *= 1.0 / i);
  std::reverse(coefficients.begin(), coefficients.end());
  // x + x^2 * (1/2 + x/6 + ...)
  Value small = fma(mul(x, x), polynomial(x, coefficients), x);
  Value large = sub(exp(x), number(1));
  Value result = choose(less(abs(x), number(0.5)), small, large);
  return choose(equal(x, number(0)), x, result);
}

//===----------------------------------------------------------------------===//
// Logarithms
//===----------------------------------------------------------------------===//

Value E::splitMantissa(Value x, Value &m) {
  int mantissaBits = isDouble ? 52 : 23;
  // Subnormals are scaled into the normal range first.
  Value isTiny = less(x, number(isDouble ? 0x1p-1022 : 0x1p-126));
  Value scaled = choose(isTiny, mul(x, number(std::ldexp(1.0, mantissaBits))), x);
  Value bits = arith::BitcastOp::create(b, b.getIntegerType(type.getWidth()), scaled);
  // Subtract the bits of sqrt(1/2), so that the exponent rounds there.
  int64_t rootBits = isDouble ? 0x3fe6a09e667f3bcd : 0x3f3504f3;
  Value shifted = arith::SubIOp::create(b, bits, integer(rootBits));
  Value k = arith::ShRSIOp::create(b, shifted, integer(mantissaBits));
  Value exponentBits = arith::ShLIOp::create(b, k, integer(mantissaBits));
  m = arith::BitcastOp::create(b, type, arith::SubIOp::create(b, bits, exponentBits));
  Value correction = arith::SelectOp::create(b, isTiny, integer(-mantissaBits), integer(0));
  return arith::SIToFPOp::create(b, type, arith::AddIOp::create(b, k, correction));
}

Value E::log(Value x) {
  Value m, e = splitMantissa(x, m);
  // log m = f - (f^2/2 - s (f^2/2 + R)), s = f / (2 + f), R = 2/3 s^2 + 2/5 s^4 + ... (fdlibm).
  Value f = sub(m, number(1));
  Value s = div(f, add(f, number(2)));
  Value z = mul(s, s);
  SmallVector<double> coefficients;
  for (int i = isDouble ? 25 : 11; i >= 3; i -= 2)
    coefficients.push_back(2.0 / i);
  Value r = mul(z, polynomial(z, coefficients));
  Value half = mul(number(0.5), mul(f, f));
  Value low = fma(e, number(isDouble ? kLn2Low : kLn2LowF), mul(s, add(half, r)));
  Value result = fma(e, number(isDouble ? kLn2High : kLn2HighF), sub(f, sub(half, low)));
  // inf, 0, negative and NaN.
  result = choose(equal(x, infinity()), x, result);
  result = choose(equal(x, number(0)), infinity(true), result);
  result = choose(less(x, number(0)), nan(), result);
  return choose(isNan(x), x, result);
}

Value E::log1p(Value x) {
  // log(u) x / (u - 1) repairs the rounding of u = 1 + x (Kahan; Goldberg 1991, theorem 4).
  Value u = add(x, number(1));
  Value result = mul(log(u), div(x, sub(u, number(1))));
  result = choose(equal(u, number(1)), x, result);
  return choose(equal(x, infinity()), x, result);
}

// Values in two parts (Dekker 1971). What is subtracted to find an error must not be contracted
// with the product it came from: a cleared bit makes it opaque, and products of halves are exact,
// contracted or not.

Value E::clearBits(Value x, int64_t count) {
  Value bits = arith::BitcastOp::create(b, b.getI64Type(), x);
  Value kept = arith::AndIOp::create(b, bits, integer(-(int64_t(1) << count)));
  return arith::BitcastOp::create(b, type, kept);
}
E::Pair E::twoSum(Value x, Value y) {
  Value sum = add(x, y), rest = sub(sum, x);
  return {sum, add(sub(x, sub(sum, rest)), sub(y, rest))};
}
E::Pair E::twoProduct(Value x, Value y) {
  Value product = clearBits(mul(x, y), 1);
  Value xHigh = clearBits(x, 27), xLow = sub(x, xHigh), yHigh = clearBits(y, 27),
        yLow = sub(y, yHigh);
  Value rest = sub(sub(sub(product, mul(xHigh, yHigh)), mul(xLow, yHigh)), mul(xHigh, yLow));
  return {product, sub(mul(xLow, yLow), rest)};
}
E::Pair E::multiply(Pair x, Pair y) {
  auto [high, low] = twoProduct(x.high, y.high);
  return twoSum(high, add(low, add(mul(x.high, y.low), mul(x.low, y.high))));
}
E::Pair E::sum(Pair x, Pair y) {
  auto [high, low] = twoSum(x.high, y.high);
  return twoSum(high, add(low, add(x.low, y.low)));
}

E::Pair E::logInTwoParts(Value x) {
  Value m, e = splitMantissa(x, m);
  // log m = 2 s + s^3 (2/3 + 2/5 s^2 + ...), s = f / (2 + f); what s^2 multiplies needs one part
  // only.
  Value f = sub(m, number(1)), d = add(f, number(2));
  Value dLow = sub(f, sub(d, number(2)));
  Value s = div(f, d);
  auto [back, backLow] = twoProduct(s, d);
  Value sLow = div(sub(sub(sub(f, back), backLow), mul(s, dLow)), d);
  Pair quotient{s, sLow}, square = multiply(quotient, quotient);
  SmallVector<double> coefficients;
  for (int i = 27; i >= 5; i -= 2)
    coefficients.push_back(2.0 / i);
  Value rest = mul(square.high, polynomial(square.high, coefficients));
  constexpr double kTwoThirds = 2.0 / 3, kTwoThirdsLow = 0x1.5555555555555p-55;
  Pair series = sum({number(kTwoThirds), number(kTwoThirdsLow)}, {rest, number(0)});
  Pair cubic = multiply(multiply(quotient, square), series);
  Pair mantissa = sum({mul(number(2), s), mul(number(2), sLow)}, cubic);
  Pair exponent{mul(e, number(kLn2High)), mul(e, number(kLn2Low))};
  return sum(exponent, mantissa);
}

Value E::pow(Value x, Value y) {
  // For f32 in f64, where the error of y log x does not matter.
  if (!isDouble) {
    auto wide = llvm::cast<FloatType>(Type(b.getF64Type()));
    E f(b, wide);
    Value wideX = arith::ExtFOp::create(b, wide, x), wideY = arith::ExtFOp::create(b, wide, y);
    Value power = f.exp(f.mul(wideY, f.log(f.abs(wideX))));
    return arith::TruncFOp::create(b, type, f.powOf(wideX, wideY, power));
  }
  Value magnitude = abs(x);
  Pair logarithm = logInTwoParts(magnitude);
  auto [high, low] = twoProduct(y, logarithm.high);
  // e^(high + low) = e^high (1 + low).
  Value power = exp(high);
  Value precise = fma(power, add(low, mul(y, logarithm.low)), power);
  // The logarithm of 0 and infinity has one part, and so have powers without a finite one.
  Value isUsual = both(both(less(number(0), magnitude), less(magnitude, infinity())),
                       both(less(abs(high), number(745)), less(power, infinity())));
  return powOf(x, y, choose(isUsual, precise, exp(mul(y, log(magnitude)))));
}

Value E::powOf(Value x, Value y, Value result) {
  Value magnitude = abs(x), one = number(1), zero = number(0);
  // Negative bases: integer exponents only; odd ones keep the sign.
  Value isWhole = equal(math::TruncOp::create(b, y), y);
  Value halved = mul(y, number(0.5));
  Value isEven = equal(math::TruncOp::create(b, halved), halved);
  Value isNegative = arith::CmpIOp::create(
      b, arith::CmpIPredicate::slt, arith::BitcastOp::create(b, b.getI64Type(), x), integer(0));
  Value isOdd = both(
      isWhole, arith::XOrIOp::create(b, isEven, arith::ConstantOp::create(b, b.getBoolAttr(true))));
  result = choose(both(isNegative, isOdd), neg(result), result);
  Value isFinite = less(magnitude, infinity());
  Value undefined =
      both(both(less(x, zero), isFinite),
           arith::CmpFOp::create(b, arith::CmpFPredicate::ONE, math::TruncOp::create(b, y), y));
  result = choose(undefined, nan(), result);
  result = choose(isNan(x), x, choose(isNan(y), y, result));
  // |x| = 1 with an infinite exponent; then x^0 and 1^y, also for NaN.
  Value isInfinite = equal(abs(y), infinity());
  result = choose(both(equal(magnitude, one), isInfinite), one, result);
  result = choose(equal(y, zero), one, result);
  return choose(equal(x, one), one, result);
}

//===----------------------------------------------------------------------===//
// Circular functions
//===----------------------------------------------------------------------===//

Value E::reduceQuarterTurns(Value x, Value &quadrant) {
  Value n = math::RoundEvenOp::create(b, mul(x, number(0.63661977236758134308)));
  // pi / 2 in three parts of 53 bits (here of f64: f32 arguments are reduced in f64).
  Value r = fma(n, number(-0x1.921fb54442d18p+0), x);
  r = fma(n, number(-0x1.1a62633145c07p-54), r);
  r = fma(n, number(0x1.f1976b7ed8fbcp-110), r);
  // n mod 4 without leaving the range of integers for huge arguments.
  Value turns = mul(math::FloorOp::create(b, mul(n, number(0.25))), number(4));
  Value rest = sub(n, turns);
  // Infinite and NaN arguments are NaN by r; the integer only has to exist.
  Value isSmall = both(less(number(-1), rest), less(rest, number(4)));
  quadrant = toInteger(choose(isSmall, rest, number(0)));
  return r;
}

Value E::sinReduced(Value r) {
  SmallVector<double> coefficients;
  double factorial = 1;
  for (int i = 3; i <= 19; i += 2)
    coefficients.push_back(factorial *= -1.0 / (double(i - 1) * i));
  std::reverse(coefficients.begin(), coefficients.end());
  Value z = mul(r, r);
  return fma(mul(r, z), polynomial(z, coefficients), r);
}

Value E::cosReduced(Value r) {
  SmallVector<double> coefficients;
  double factorial = 1;
  for (int i = 2; i <= 18; i += 2)
    coefficients.push_back(factorial *= -1.0 / (double(i - 1) * i));
  std::reverse(coefficients.begin(), coefficients.end());
  Value z = mul(r, r);
  return fma(z, polynomial(z, coefficients), number(1));
}

Value E::sinOrCos(Value x, int quarterTurns) {
  if (!isDouble) {
    auto wide = llvm::cast<FloatType>(Type(b.getF64Type()));
    E functions(b, wide);
    Value result = functions.sinOrCos(arith::ExtFOp::create(b, wide, x), quarterTurns);
    return arith::TruncFOp::create(b, type, result);
  }
  Value quadrant;
  Value r = reduceQuarterTurns(x, quadrant);
  Value turned = arith::AddIOp::create(b, quadrant, integer(quarterTurns));
  auto hasBit = [&](int64_t bit) -> Value {
    return arith::CmpIOp::create(b, arith::CmpIPredicate::ne,
                                 arith::AndIOp::create(b, turned, integer(bit)), integer(0));
  };
  Value result = choose(hasBit(1), cosReduced(r), sinReduced(r));
  result = choose(hasBit(2), neg(result), result);
  return result;
}

Value E::sin(Value x) { return choose(equal(x, number(0)), x, sinOrCos(x, 0)); }
Value E::cos(Value x) { return sinOrCos(x, 1); }
Value E::tan(Value x) { return choose(equal(x, number(0)), x, div(sin(x), cos(x))); }

Value E::atan(Value x) {
  constexpr double kPi = 3.14159265358979323846;
  Value a = abs(x);
  // Above tan(3 pi / 8): pi/2 - atan(1/x). Above tan(pi / 8): pi/4 + atan((x - 1) / (x + 1)).
  Value isLarge = less(number(2.41421356237309504880), a);
  Value isMiddle = less(number(0.41421356237309504880), a);
  Value numerator = choose(isLarge, number(-1), choose(isMiddle, sub(a, number(1)), a));
  Value denominator = choose(isLarge, a, choose(isMiddle, add(a, number(1)), number(1)));
  Value z = div(numerator, denominator);
  Value offset = choose(isLarge, number(kPi / 2), choose(isMiddle, number(kPi / 4), number(0)));
  SmallVector<double> coefficients;
  for (int i = isDouble ? 43 : 19; i >= 3; i -= 2)
    coefficients.push_back((i / 2 % 2 ? -1.0 : 1.0) / i);
  Value square = mul(z, z);
  Value series = fma(mul(z, square), polynomial(square, coefficients), z);
  Value result = withSignOf(add(offset, series), x);
  return choose(isNan(x), x, result);
}

Value E::atan2(Value y, Value x) {
  constexpr double kPi = 3.14159265358979323846;
  Value ax = abs(x), ay = abs(y), zero = number(0);
  // The angle in the first quadrant; both zero or both infinite have no quotient.
  Value swap = less(ax, ay);
  Value quotient = div(choose(swap, ax, ay), choose(swap, ay, ax));
  Value bothZero = both(equal(ax, zero), equal(ay, zero));
  Value bothInfinite = both(equal(ax, infinity()), equal(ay, infinity()));
  quotient = choose(bothZero, zero, choose(bothInfinite, number(1), quotient));
  Value angle = atan(quotient);
  angle = choose(swap, sub(number(kPi / 2), angle), angle);
  Value isNegative = arith::CmpIOp::create(
      b, arith::CmpIPredicate::slt,
      arith::BitcastOp::create(b, b.getIntegerType(type.getWidth()), x), integer(0));
  angle = choose(isNegative, sub(number(kPi), angle), angle);
  angle = withSignOf(angle, y);
  return choose(isNan(x), x, choose(isNan(y), y, angle));
}

Value E::asin(Value x) {
  Value one = number(1);
  Value root = sqrt(mul(sub(one, x), add(one, x)));
  return choose(equal(x, number(0)), x, atan(div(x, root)));
}
Value E::acos(Value x) {
  Value one = number(1);
  return mul(number(2), atan(sqrt(div(sub(one, x), add(one, x)))));
}

//===----------------------------------------------------------------------===//
// Hyperbolic functions, erf
//===----------------------------------------------------------------------===//

Value E::sinh(Value x) {
  Value a = abs(x);
  Value e = expm1(a);
  Value usual = mul(number(0.5), add(e, div(e, add(e, number(1)))));
  Value h = exp(mul(a, number(0.5)));
  Value large = mul(mul(number(0.5), h), h);
  Value result = choose(less(number(isDouble ? 30 : 15), a), large, usual);
  return withSignOf(choose(isNan(x), x, result), x);
}
Value E::cosh(Value x) {
  Value a = abs(x);
  Value h = exp(mul(a, number(0.5)));
  Value e = exp(a);
  Value usual = mul(number(0.5), add(e, div(number(1), e)));
  return choose(less(number(isDouble ? 30 : 15), a), mul(mul(number(0.5), h), h), usual);
}
/// Minimax (Lawson's weights on a fine grid, coefficients rounded one after the other).
Value E::tanhSingle(Value x) {
  Value a = abs(x);
  // Below 0.6: x + x^3 (-1/3 + 2/15 x^2 - ...), 0.75 ulps.
  Value square = mul(a, a);
  Value series = polynomial(
      square, {-0x1.825856p-8, 0x1.54b8ap-6, -0x1.b898dep-5, 0x1.1109aep-3, -0x1.55553ep-2});
  Value small = fma(a, mul(square, series), a);
  // Above: 1 - 2 / (e^(2x) + 1), 1.4 ulps; it is 1 from 10 on.
  Value bounded = choose(less(a, number(10)), a, number(10));
  Value twice = add(bounded, bounded);
  Value exponent, n = nearest(mul(twice, number(1.44269504088896340736)), exponent);
  Value r = fma(n, number(-kLn2LowF), fma(n, number(-kLn2HighF), twice));
  Value e = scaleNormal(expReduced(r), exponent);
  Value large = sub(number(1), div(number(2), add(e, number(1))));
  return withSignOf(choose(less(number(0.6), a), large, small), x);
}

Value E::tanh(Value x) {
  if (!isDouble)
    return tanhSingle(x);
  Value a = abs(x);
  Value bound = number(22);
  Value bounded = choose(less(bound, a), bound, a);
  Value e = expm1(add(bounded, bounded));
  Value result = div(e, add(e, number(2)));
  return withSignOf(result, x);
}
Value E::asinh(Value x) {
  Value a = abs(x), one = number(1);
  Value square = mul(a, a);
  Value usual = log1p(add(a, div(square, add(one, sqrt(add(square, one))))));
  Value large = add(log(a), number(0.69314718055994530942));
  return withSignOf(choose(less(number(isDouble ? 0x1p28 : 0x1p13), a), large, usual), x);
}
Value E::acosh(Value x) {
  Value t = sub(x, number(1));
  Value usual = log1p(add(t, sqrt(mul(t, add(t, number(2))))));
  Value large = add(log(x), number(0.69314718055994530942));
  Value result = choose(less(number(isDouble ? 0x1p28 : 0x1p13), x), large, usual);
  return choose(less(x, number(1)), nan(), result);
}
Value E::atanh(Value x) {
  Value a = abs(x);
  Value result = mul(number(0.5), log1p(div(add(a, a), sub(number(1), a))));
  return withSignOf(result, x);
}

/// erfc(x) e^(x^2) on [1, 6] as a polynomial in u in [-1, 1], where 1 / (1 + x / 2) = 11/24 + 5/24
/// u: interpolated at the Chebyshev nodes in 60 digits; relative error 2e-17.
static constexpr double kErfcDouble[] = {
    -9.369456032869593e-13, 4.775776110782188e-13, 2.2135736614933752e-11, -7.468711818050684e-11,
    -2.68698518348558e-10,  2.625007492297143e-09, -5.886053299221601e-10, -7.005371793736792e-08,
    1.6349937383405805e-07, 1.9795619759276e-06,   -7.340517938287998e-06, -8.07922042879663e-05,
    0.00019713917772795885, 0.005588816281841403,  0.038560570425182426,   0.16189356804102495,
    0.2214295402299318};

/// Minimax, as for tanh.
Value E::erfSingle(Value x) {
  Value a = abs(x);
  // Below 0.95: x (1 + 0.128 - 0.376 x^2 + ...), 1.2 ulps.
  Value small = fma(a,
                    polynomial(mul(a, a), {-0x1.335788p-11, 0x1.458cfp-8, -0x1.b640dep-6,
                                           0x1.ce1538p-4, -0x1.8126c6p-2, 0x1.06eba6p-3}),
                    a);
  // Above: 1 - 2^u, where 2^u = erfc x to 2e-8, 1.6 ulps; it is 1 from 4 on.
  Value bounded = choose(less(a, number(4)), a, number(4));
  Value u = shallowPolynomial(bounded, {-0x1.c5fe86p-10, 0x1.66caf2p-6, -0x1.09981ep-3,
                                        -0x1.e20644p-1, -0x1.9d3c22p0, -0x1.a97946p-9});
  Value exponent, n = nearest(u, exponent);
  Value power = shallowPolynomial(sub(u, n), {0x1.5c08e4p-10, 0x1.3d0c52p-7, 0x1.c6b6e4p-5,
                                              0x1.ebf918p-3, 0x1.62e428p-1, 0x1.000002p0});
  Value large = sub(number(1), scaleNormal(power, exponent));
  return withSignOf(choose(less(number(0.95), a), large, small), x);
}

Value E::erf(Value x) {
  if (!isDouble)
    return erfSingle(x);
  Value a = abs(x);
  // Below 1: 2/sqrt(pi) (x - x^3/3 + x^5/(5 2!) - ...).
  constexpr double kTwoOverRootPi = 1.12837916709551257390;
  SmallVector<double> coefficients;
  double factorial = 1;
  for (int n = 0; n <= 20; ++n) {
    coefficients.push_back(kTwoOverRootPi * factorial / (2 * n + 1));
    factorial *= -1.0 / (n + 1);
  }
  std::reverse(coefficients.begin(), coefficients.end());
  Value small = mul(x, polynomial(mul(x, x), coefficients));
  // Above: 1 - erfc, which is below half an ulp of 1 from 6 on.
  Value bounded = choose(less(number(6), a), number(6), a);
  Value t = div(number(1), fma(bounded, number(0.5), number(1)));
  Value u = mul(sub(t, number(11.0 / 24)), number(24.0 / 5));
  Value complement = mul(exp(neg(mul(bounded, bounded))), polynomial(u, kErfcDouble));
  Value large = withSignOf(sub(number(1), complement), x);
  return choose(less(a, number(1)), small, choose(isNan(x), x, large));
}

Value E::rsqrt(Value x) { return div(number(1), sqrt(x)); }

//===----------------------------------------------------------------------===//
// Remainders
//===----------------------------------------------------------------------===//

Value E::longDivision(Value x, Value y, int steps, int bitsPerStep, bool inTwoParts) {
  // The divisor times powers of two; those beyond the largest number are infinite and divide
  // nothing.
  SmallVector<Value> divisors = {y};
  for (int i = 1; i < steps; ++i)
    divisors.push_back(mul(divisors.back(), number(std::ldexp(1.0, bitsPerStep))));
  Value rest = x;
  for (Value divisor : llvm::reverse(divisors)) {
    Value quotient = math::TruncOp::create(b, div(rest, divisor));
    Value next;
    if (inTwoParts) {
      auto [high, low] = twoProduct(quotient, divisor);
      next = sub(sub(rest, high), low);
    } else {
      next = sub(rest, mul(quotient, divisor));
    }
    // A quotient just below a whole number may have been rounded up to it.
    next = choose(less(next, number(0)), add(next, divisor), next);
    rest = choose(less(rest, divisor), rest, next);
  }
  return rest;
}

Value E::remainder(Value x, Value y) {
  // 28 bits of quotient times 24 bits of divisor are exact in f64; exponents of f32 span 277 bits.
  if (!isDouble) {
    auto wide = llvm::cast<FloatType>(Type(b.getF64Type()));
    E f(b, wide);
    Value wideX = arith::ExtFOp::create(b, wide, x), wideY = arith::ExtFOp::create(b, wide, y);
    Value rest = f.longDivision(f.abs(wideX), f.abs(wideY), /*steps=*/10, /*bitsPerStep=*/28,
                                /*inTwoParts=*/false);
    return arith::TruncFOp::create(b, type, f.remainderOf(wideX, wideY, rest));
  }
  Value rest = longDivision(abs(x), abs(y), /*steps=*/42, /*bitsPerStep=*/50, /*inTwoParts=*/true);
  return remainderOf(x, y, rest);
}

Value E::remainderOf(Value x, Value y, Value rest) {
  Value defined = both(less(abs(x), infinity()), less(number(0), abs(y))); // false for NaN
  return choose(defined, withSignOf(rest, x), nan());
}

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

Value E::truncateDouble(Value x, FloatType narrow) {
  // Through f32 rounded to odd, which keeps what the second rounding has to know (Boldo and
  // Melquiond, 2008).
  Type single = b.getF32Type(), bitsType = b.getI32Type();
  auto bit = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(b, b.getIntegerAttr(bitsType, value));
  };
  Value nearest = arith::TruncFOp::create(b, single, x);
  Value back = arith::ExtFOp::create(b, type, nearest);
  Value bits = arith::BitcastOp::create(b, bitsType, nearest);
  Value towardZero = choose(less(abs(x), abs(back)), arith::SubIOp::create(b, bits, bit(1)), bits);
  Value isInexact = arith::CmpFOp::create(b, arith::CmpFPredicate::ONE, back, x);
  Value odd = choose(isInexact, arith::OrIOp::create(b, towardZero, bit(1)), bits);
  return arith::TruncFOp::create(b, narrow, arith::BitcastOp::create(b, single, odd));
}
