//===- ElementaryFunctions.h - exp, log, sin, ... as arithmetic ------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_TRANSFORMS_KERNEL_ELEMENTARYFUNCTIONS_H
#define TESSERA_COMPILER_TRANSFORMS_KERNEL_ELEMENTARYFUNCTIONS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace tessera {

/// Builds scalar arithmetic for f32 or f64. Series are Taylor's or those of fdlibm's argument
/// reductions (Sun Microsystems, 1993), with as many terms as the type needs.
class ElementaryFunctions {
public:
  using Value = mlir::Value;
  ElementaryFunctions(mlir::ImplicitLocOpBuilder &builder, mlir::FloatType type)
      : b(builder), type(type), isDouble(type.getWidth() == 64) {}

  Value exp(Value x);
  Value exp2(Value x);
  Value expm1(Value x);
  Value log(Value x);
  Value log1p(Value x);
  Value pow(Value x, Value y);
  Value sin(Value x);
  Value cos(Value x);
  Value tan(Value x);
  Value asin(Value x);
  Value acos(Value x);
  Value atan(Value x);
  Value atan2(Value y, Value x);
  Value sinh(Value x);
  Value cosh(Value x);
  Value tanh(Value x);
  Value asinh(Value x);
  Value acosh(Value x);
  Value atanh(Value x);
  Value erf(Value x);
  Value rsqrt(Value x);
  /// x - y trunc(x / y), exactly.
  Value remainder(Value x, Value y);
  /// x (of f64) rounded once to a type of 16 bits.
  Value truncateDouble(Value x, mlir::FloatType narrow);

private:
  Value number(double value);
  Value integer(int64_t value);
  Value infinity(bool negative = false);
  Value nan();
  Value add(Value x, Value y);
  Value sub(Value x, Value y);
  Value mul(Value x, Value y);
  Value div(Value x, Value y);
  Value fma(Value x, Value y, Value z);
  Value neg(Value x);
  Value abs(Value x);
  Value sqrt(Value x);
  Value withSignOf(Value magnitude, Value sign);
  Value choose(Value condition, Value x, Value y);
  Value less(Value x, Value y);
  Value equal(Value x, Value y);
  Value isNan(Value x);
  Value both(Value x, Value y);
  /// Horner's scheme, highest coefficient first.
  Value polynomial(Value x, llvm::ArrayRef<double> coefficients);
  /// The same of an even number of coefficients, by a product more and half the steps that wait for
  /// each other.
  Value shallowPolynomial(Value x, llvm::ArrayRef<double> coefficients);

  /// A value in two parts: their exact sum, of which the second is small beside the first.
  struct Pair {
    Value high, low;
  };
  Pair twoSum(Value x, Value y);
  Pair twoProduct(Value x, Value y);
  Pair multiply(Pair x, Pair y);
  Pair sum(Pair x, Pair y);
  /// log x of positive finite f64 values, to about 2^-65 of its magnitude.
  Pair logInTwoParts(Value x);
  /// x^y given |x|^y.
  Value powOf(Value x, Value y, Value result);
  /// The remainder of positive finite f64 values; products of quotients and divisors are exact, or
  /// taken in two parts.
  Value longDivision(Value x, Value y, int steps, int bitsPerStep, bool inTwoParts);
  /// The remainder given that of |x| and |y|.
  Value remainderOf(Value x, Value y, Value rest);
  /// x with its lowest bits zero (f64).
  Value clearBits(Value x, int64_t count);
  /// x = m 2^e with m in [sqrt(1/2), sqrt(2)); gives e as a float.
  Value splitMantissa(Value x, Value &m);

  Value clamp(Value x, double low, double high);
  /// The nearest integer to x (finite after clamping) as an integer; 0 for NaN.
  Value toInteger(Value x);
  /// 2^n for n in the range of normal exponents.
  Value powerOfTwo(Value n);
  /// e^r for |r| <= ln 2 / 2.
  Value expReduced(Value r);
  /// x * 2^n in two steps, so that results may overflow and be subnormal.
  Value scale(Value x, Value n);
  /// The nearest integer to an f32 below 2^22; `inBits` has it in its lowest bits, too.
  Value nearest(Value x, Value &inBits);
  /// x * 2^n where both are normal f32.
  Value scaleNormal(Value x, Value inBits);
  Value tanhSingle(Value x);
  Value erfSingle(Value x);
  /// x - n * pi / 2 and n mod 4.
  Value reduceQuarterTurns(Value x, Value &quadrant);
  Value sinReduced(Value r);
  Value cosReduced(Value r);
  Value sinOrCos(Value x, int quarterTurns);

  mlir::ImplicitLocOpBuilder &b;
  mlir::FloatType type;
  bool isDouble;
};

} // namespace tessera

#endif
