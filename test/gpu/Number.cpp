//===- Number.cpp - Formats and rounding --------------------------------------------------===//
#include "test/gpu/Number.h"

#include <bit>
#include <cfenv>
#include <cmath>
#include <limits>

namespace tessera::ptx {
namespace {

struct Format {
  int bits, mantissa, bias;
  bool hasInfinity; ///< e4m3 has none, and NaN only where all bits are set
};

Format formatOf(Type type) {
  switch (type) {
  case Type::F16: return {16, 10, 15, true};
  case Type::BF16: return {16, 7, 127, true};
  case Type::TF32: // The low 13 bits of a register are 0.
  case Type::F32: return {32, 23, 127, true};
  case Type::E4M3: return {8, 3, 7, false};
  case Type::E5M2: return {8, 2, 15, true};
  default: return {64, 52, 1023, true};
  }
}

double powerOfTwo(int exponent) { return std::bit_cast<double>(uint64_t(exponent + 1023) << 52); }

/// While it lives, the machine rounds so.
class Rounding {
public:
  explicit Rounding(Round round) : old(std::fegetround()) {
    const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    std::fesetround(modes[int(round)]);
    std::feclearexcept(FE_ALL_EXCEPT);
  }
  ~Rounding() { std::fesetround(old); }

private:
  int old;
};

/// What the compiler may not move out of the region of a rounding mode.
template <typename T> T opaque(T value) {
  volatile T kept = value;
  return kept;
}

/// The machine rounds to nearest where nobody says otherwise: what it has an instruction for needs
/// no change of its mode, which costs more than everything else here.
template <typename Float> uint64_t bitsOf(Float value) {
  if constexpr (sizeof(Float) == 4)
    return std::isnan(value) ? 0x7fffffff : std::bit_cast<uint32_t>(value);
  else
    return std::isnan(value) ? 0x7ff8000000000000 : std::bit_cast<uint64_t>(value);
}

/// f(a, b, c) in f64 such that a second rounding to a format of at most 50 bits gives what one
/// rounding would: rounded to odd (Boldo and Melquiond, 2008).
template <typename Function> double toOdd(Function function) {
  Rounding rounding(Round::Zero);
  const double result = opaque(function());
  if (std::fetestexcept(FE_INEXACT) && std::isfinite(result))
    return std::bit_cast<double>(std::bit_cast<uint64_t>(result) | 1);
  return result;
}

template <typename Function> uint64_t compute(Type type, Round round, Function function) {
  if (type == Type::F64) {
    Rounding rounding(round);
    const double result = opaque(function());
    return std::isnan(result) ? canonicalNan(type) : std::bit_cast<uint64_t>(result);
  }
  return fromDouble(type, toOdd(function), round);
}

} // namespace

uint64_t signBit(Type type) { return uint64_t(1) << (formatOf(type).bits - 1); }

uint64_t canonicalNan(Type type) {
  return type == Type::F64 ? 0x7ff8000000000000 : signBit(type) - 1;
}

double toDouble(Type type, uint64_t bits) {
  if (type == Type::F64)
    return std::bit_cast<double>(bits);
  if (type == Type::F32)
    return std::bit_cast<float>(uint32_t(bits));
  if (type == Type::TF32) // Hardware reads the upper 19 bits.
    return std::bit_cast<float>(uint32_t(bits) & 0xffffe000u);
  const Format f = formatOf(type);
  const int exponentBits = f.bits - 1 - f.mantissa;
  const int64_t mantissa = int64_t(bits & ((uint64_t(1) << f.mantissa) - 1));
  const int exponent = int(bits >> f.mantissa) & ((1 << exponentBits) - 1);
  const bool isTop = exponent == (1 << exponentBits) - 1;
  double value;
  if (isTop && f.hasInfinity)
    value = mantissa ? std::numeric_limits<double>::quiet_NaN()
                     : std::numeric_limits<double>::infinity();
  else if (isTop && mantissa == (1 << f.mantissa) - 1)
    value = std::numeric_limits<double>::quiet_NaN();
  else if (exponent == 0)
    value = double(mantissa) * powerOfTwo(1 - f.bias - f.mantissa);
  else
    value = std::bit_cast<double>(uint64_t(exponent - f.bias + 1023) << 52 |
                                  uint64_t(mantissa) << (52 - f.mantissa));
  return bits & signBit(type) ? -value : value;
}

uint64_t fromDouble(Type type, double value, Round round, bool isSaturated) {
  if (std::isnan(value))
    return canonicalNan(type);
  if (type == Type::F64)
    return std::bit_cast<uint64_t>(value);
  if (type == Type::F32 && round == Round::Nearest)
    return std::bit_cast<uint32_t>(float(value));
  Format f = formatOf(type);
  const int padding = type == Type::TF32 ? 13 : 0;
  f.mantissa -= padding;
  const bool isNegative = std::signbit(value);
  const uint64_t sign = isNegative ? signBit(type) : 0;
  const double magnitude = std::fabs(value);
  const int exponentBits = formatOf(type).bits - 1 - formatOf(type).mantissa;
  const uint64_t infinity = ((uint64_t(1) << exponentBits) - 1) << f.mantissa;
  const uint64_t largest = f.hasInfinity ? infinity - 1 : infinity + (1u << f.mantissa) - 2;
  const uint64_t tooLarge = f.hasInfinity ? infinity : largest + 1; // e4m3: NaN
  const bool isAway = round == (isNegative ? Round::Down : Round::Up);
  uint64_t bits;
  if (std::isinf(value)) {
    bits = tooLarge;
  } else {
    // In units of the last place: an integer and a rest.
    const uint64_t given = std::bit_cast<uint64_t>(magnitude), hiddenBit = uint64_t(1) << 52;
    const int found = std::max(int(given >> 52), 1) - 1023;
    const int exponent = std::max(found, 1 - f.bias);
    const uint64_t all = (given & (hiddenBit - 1)) | (given >= hiddenBit ? hiddenBit : 0);
    const int dropped = std::min(52 - f.mantissa + exponent - found, 63);
    const uint64_t rest = all & ((uint64_t(1) << dropped) - 1), half = uint64_t(1) << (dropped - 1);
    uint64_t units = all >> dropped;
    if (round == Round::Nearest ? rest > half || (rest == half && (units & 1))
        : round == Round::Away  ? rest >= half
                                : isAway && rest > 0)
      ++units;
    // A subnormal number has no hidden bit; carries walk into the exponent by themselves.
    const uint64_t hidden = uint64_t(1) << f.mantissa;
    bits = units < hidden ? units : (uint64_t(exponent + f.bias) << f.mantissa) + units - hidden;
    if (bits > largest)
      bits = round == Round::Nearest || round == Round::Away || isAway ? tooLarge : largest;
  }
  if (isSaturated && bits >= tooLarge)
    bits = largest;
  return sign | bits << padding;
}

uint64_t fusedMultiplyAdd(Type type, double a, double b, double c, Round round) {
  if (round == Round::Nearest && type == Type::F32)
    return bitsOf(std::fma(float(a), float(b), float(c)));
  if (round == Round::Nearest && type == Type::F64)
    return bitsOf(std::fma(a, b, c));
  // An f32's product is exact in f64.
  return compute(type, round, [&] { return std::fma(opaque(a), b, c); });
}
uint64_t add(Type type, double a, double b, Round round) {
  if (round == Round::Nearest && type == Type::F32)
    return bitsOf(float(a) + float(b));
  if (round == Round::Nearest && type == Type::F64)
    return bitsOf(a + b);
  return compute(type, round, [&] { return opaque(a) + opaque(b); });
}
uint64_t multiply(Type type, double a, double b, Round round) {
  if (round == Round::Nearest && type == Type::F32)
    return bitsOf(float(a) * float(b));
  if (round == Round::Nearest && type == Type::F64)
    return bitsOf(a * b);
  return compute(type, round, [&] { return opaque(a) * opaque(b); });
}
uint64_t divide(Type type, double a, double b, Round round) {
  if (round == Round::Nearest && type == Type::F32)
    return bitsOf(float(a) / float(b));
  if (round == Round::Nearest && type == Type::F64)
    return bitsOf(a / b);
  return compute(type, round, [&] { return opaque(a) / opaque(b); });
}
uint64_t squareRoot(Type type, double a, Round round) {
  if (round == Round::Nearest && type == Type::F32)
    return bitsOf(std::sqrt(float(a)));
  if (round == Round::Nearest && type == Type::F64)
    return bitsOf(std::sqrt(a));
  return compute(type, round, [&] { return std::sqrt(opaque(a)); });
}

double toIntegral(double value, Round round) {
  switch (round) {
  case Round::Zero: return std::trunc(value);
  case Round::Down: return std::floor(value);
  case Round::Up: return std::ceil(value);
  case Round::Away: return std::round(value);
  case Round::Nearest: break;
  }
  const double down = std::floor(value), rest = value - down;
  const double even = std::fmod(down, 2) == 0 ? down : down + 1;
  return std::copysign(rest < 0.5 ? down : rest > 0.5 ? down + 1 : even, value);
}

uint64_t toInteger(Type type, double value, Round round) {
  if (std::isnan(value))
    return 0;
  const double integral = toIntegral(value, round);
  const int bits = int(getBytes(type)) * 8;
  if (isSigned(type)) {
    const double end = std::ldexp(1.0, bits - 1);
    const int64_t max = int64_t((uint64_t(1) << (bits - 1)) - 1);
    return uint64_t(integral >= end ? max : integral < -end ? -max - 1 : int64_t(integral));
  }
  const uint64_t max = ~uint64_t(0) >> (64 - bits);
  return integral >= std::ldexp(1.0, bits) ? max : integral <= 0 ? 0 : uint64_t(integral);
}

uint64_t fromInteger(Type type, uint64_t bits, bool isSigned, Round round) {
  if (round == Round::Nearest && type == Type::F32)
    return bitsOf(isSigned ? float(int64_t(bits)) : float(bits));
  return compute(type, round,
                 [&] { return isSigned ? double(opaque(int64_t(bits))) : double(opaque(bits)); });
}

bool isNan(Type type, uint64_t bits) { return std::isnan(toDouble(type, bits)); }

bool isSubnormal(Type type, uint64_t bits) {
  const Format f = formatOf(type);
  bits &= signBit(type) - 1;
  return bits && bits < uint64_t(1) << f.mantissa;
}

} // namespace tessera::ptx
