#include "tools/common/NarrowNumbers.h"

#include <algorithm>
#include <cmath>

namespace tessera::tools {
namespace {

struct Float {
  tessera_type type;
  int bits, mantissa, bias;
  uint8_t largest; // code of the largest number
  bool hasInfinity;
  uint8_t nan; // one of the codes of NaN; 0: there is none
};
constexpr Float kFloats[] = {{TESSERA_F8E4M3FN, 8, 3, 7, 0x7e, false, 0x7f},
                             {TESSERA_F8E5M2, 8, 2, 15, 0x7b, true, 0x7e},
                             {TESSERA_F8E4M3FNUZ, 8, 3, 8, 0x7f, false, 0x80},
                             {TESSERA_F8E5M2FNUZ, 8, 2, 16, 0x7f, false, 0x80},
                             {TESSERA_F6E2M3FN, 6, 3, 1, 0x1f, false, 0},
                             {TESSERA_F6E3M2FN, 6, 2, 3, 0x1f, false, 0},
                             {TESSERA_F4E2M1FN, 4, 1, 1, 0x7, false, 0}};

const Float *floatOf(tessera_type type) {
  for (const Float &row : kFloats)
    if (row.type == type)
      return &row;
  return nullptr;
}

int integerBits(tessera_type type) { return type == TESSERA_I4 || type == TESSERA_U4 ? 4 : 2; }

// Of a code without a sign.
double magnitudeOf(const Float &format, int code) {
  const int exponent = code >> format.mantissa, fraction = code & ((1 << format.mantissa) - 1);
  if (exponent == 0)
    return std::ldexp(fraction, 1 - format.bias - format.mantissa);
  return std::ldexp(fraction + (1 << format.mantissa), exponent - format.bias - format.mantissa);
}

// Magnitudes only, ties up: 2^(code - 127), 255 is NaN.
uint8_t doubleToPower(double value) {
  if (std::isnan(value))
    return 255;
  const double magnitude = std::fabs(value);
  if (magnitude < std::ldexp(1.0, -127))
    return 0;
  int exponent; // magnitude = fraction * 2^exponent, fraction in [0.5, 1)
  const double fraction = std::frexp(magnitude, &exponent);
  return std::isinf(magnitude)
             ? 254
             : uint8_t(std::clamp(exponent - 1 + 127 + (fraction >= 0.75 ? 1 : 0), 0, 254));
}

} // namespace

bool isNarrowFloat(tessera_type type) { return floatOf(type) || type == TESSERA_F8E8M0FNU; }

bool isNarrowInteger(tessera_type type) { return type >= TESSERA_I4 && type <= TESSERA_U2; }

tessera_type seenAs(tessera_type wanted, tessera_type given) {
  if (wanted == TESSERA_BF16)
    return given == TESSERA_U16 ? wanted : given;
  const bool isNarrow = isNarrowFloat(wanted) || isNarrowInteger(wanted);
  return isNarrow && given == TESSERA_U8 ? wanted : given;
}

double narrowToDouble(tessera_type type, uint8_t code) {
  if (type == TESSERA_F8E8M0FNU)
    return code == 255 ? NAN : std::ldexp(1.0, code - 127);
  if (isNarrowInteger(type)) {
    const int bits = integerBits(type), low = code & ((1 << bits) - 1);
    const bool isNegative = (type == TESSERA_I4 || type == TESSERA_I2) && low >> (bits - 1);
    return isNegative ? low - (1 << bits) : low;
  }
  const Float &format = *floatOf(type);
  const int sign = code >> (format.bits - 1) & 1, magnitude = code & ((1 << (format.bits - 1)) - 1);
  if (format.nan >> 7 ? code == format.nan
                      : magnitude > format.largest + (format.hasInfinity ? 1 : 0))
    return NAN;
  const double value = magnitude > format.largest ? INFINITY : magnitudeOf(format, magnitude);
  return sign ? -value : value;
}

uint8_t doubleToNarrow(tessera_type type, double value) {
  if (type == TESSERA_F8E8M0FNU)
    return doubleToPower(value);
  if (isNarrowInteger(type))
    return uint8_t(int(value) & ((1 << integerBits(type)) - 1));
  const Float &format = *floatOf(type);
  if (std::isnan(value))
    return format.nan;
  // Codes of magnitudes are in the order of the magnitudes; the step beyond the largest decides
  // what is too large.
  const double magnitude = std::fabs(value);
  int code = 0;
  while (code <= format.largest && magnitudeOf(format, code + 1) <= magnitude)
    ++code;
  const double below = magnitude - magnitudeOf(format, code);
  const double above = magnitudeOf(format, code + 1) - magnitude;
  code += above < below || (above == below && code % 2);
  if (code > format.largest)
    code = format.largest + (format.hasInfinity ? 1 : 0);
  const bool hasMinusZero = !(format.nan >> 7);
  return uint8_t(code |
                 (std::signbit(value) && (code || hasMinusZero) ? 1 << (format.bits - 1) : 0));
}

} // namespace tessera::tools
