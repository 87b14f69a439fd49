//===- ElementFormat.cpp - How the elements of a type are stored and rounded -===//
#include "compiler/reference/ElementFormat.h"

#include "dialects/common/BlockFormat.h"
#include "dialects/common/ElementTypes.h"
#include "dialects/graph/Graph.h"

#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

using namespace tessera::reference;
using llvm::APFloat;
using llvm::APInt;

//===----------------------------------------------------------------------===//
// FloatFormat
//===----------------------------------------------------------------------===//

static double toDouble(APFloat value) {
  bool lost;
  if (value.isNaN()) // One of f8E8M0FNU would become an infinity.
    return NAN;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
  return value.convertToDouble();
}

FloatFormat::FloatFormat(const llvm::fltSemantics &semantics)
    : semantics(semantics), width(APFloat::semanticsSizeInBits(semantics)),
      precision(APFloat::semanticsPrecision(semantics)),
      minExponent(APFloat::semanticsMinExponent(semantics)),
      largest(toDouble(APFloat::getLargest(semantics))),
      smallest(toDouble(APFloat::getSmallest(semantics))),
      hasInfinity(APFloat::semanticsHasInf(semantics)), hasNan(APFloat::semanticsHasNaN(semantics)),
      hasZero(APFloat::semanticsHasZero(semantics)) {
  hasNegativeZero = hasZero && APFloat::getZero(semantics, true).isNegative();
  if (hasNan)
    nanBits = APFloat::getQNaN(semantics).bitcastToAPInt().getZExtValue();
  if (hasInfinity)
    infinityBits = APFloat::getInf(semantics).bitcastToAPInt().getZExtValue();
  if (width <= 16)
    for (uint64_t bits = 0; bits < uint64_t(1) << width; ++bits)
      table.push_back(decodeSlowly(bits));
}

const FloatFormat *FloatFormat::find(const llvm::fltSemantics &semantics) {
  static std::mutex mutex;
  static std::map<const llvm::fltSemantics *, std::unique_ptr<FloatFormat>> formats;
  const llvm::fltSemantics &f64 = APFloat::IEEEdouble();
  if (APFloat::semanticsPrecision(semantics) > APFloat::semanticsPrecision(f64) ||
      APFloat::semanticsMaxExponent(semantics) > APFloat::semanticsMaxExponent(f64))
    return nullptr;
  std::lock_guard lock(mutex);
  std::unique_ptr<FloatFormat> &format = formats[&semantics];
  if (!format)
    format.reset(new FloatFormat(semantics));
  return format.get();
}

double FloatFormat::round(double value) const {
  if (std::isnan(value))
    return hasNan ? value : 0.0;
  double magnitude = std::fabs(value);
  if (!hasZero && magnitude <= smallest) // Only positive powers of two (f8E8M0FNU).
    return smallest;
  if (std::isfinite(magnitude) && magnitude > 0) {
    // Multiples of the last place are exact in f64.
    int exponent = std::max(std::ilogb(magnitude), minExponent);
    double place = std::ldexp(1.0, exponent - (precision - 1));
    if (place > 0) // Smaller only for f64 itself, which has nothing to round.
      magnitude = std::nearbyint(magnitude / place) * place;
  }
  if (magnitude > largest)
    magnitude = hasInfinity ? INFINITY : largest;
  if (magnitude == 0 && !hasNegativeZero)
    return 0.0;
  return hasZero ? std::copysign(magnitude, value) : magnitude;
}

double FloatFormat::roundInteger(int64_t value, bool isSigned) const {
  if (!hasZero) // By way of f64: the magnitude, as round() takes it.
    return round(isSigned ? double(value) : double(uint64_t(value)));
  APFloat result(semantics);
  result.convertFromAPInt(APInt(64, uint64_t(value)), isSigned, APFloat::rmNearestTiesToEven);
  // Types without infinity overflow to NaN there.
  return result.isNaN() || result.isInfinity()
             ? round(isSigned ? double(value) : double(uint64_t(value)))
             : toDouble(result);
}

double FloatFormat::decodeSlowly(uint64_t bits) const {
  return toDouble(APFloat(semantics, APInt(width, bits)));
}

double FloatFormat::decode(uint64_t bits) const {
  return table.empty() ? decodeSlowly(bits) : table[bits];
}

uint64_t FloatFormat::encode(double value) const {
  if (std::isnan(value))
    return nanBits;
  uint64_t sign = std::signbit(value) && hasZero ? uint64_t(1) << (width - 1) : 0;
  if (std::isinf(value))
    return sign | infinityBits;
  if (value == 0)
    return hasNegativeZero ? sign : 0;
  int exponent = std::ilogb(value);
  int shift = precision - 1 - std::max(exponent, minExponent);
  auto mantissa = uint64_t(std::ldexp(std::fabs(value), shift));
  if (!hasZero) // No subnormals either: the field 0 is the smallest exponent.
    return uint64_t(exponent - minExponent);
  uint64_t implicit = uint64_t(1) << (precision - 1);
  if (mantissa < implicit) // Subnormal.
    return sign | mantissa;
  return sign | uint64_t(exponent - minExponent + 1) << (precision - 1) | (mantissa - implicit);
}

//===----------------------------------------------------------------------===//
// ElementFormat
//===----------------------------------------------------------------------===//

ElementFormat::ElementFormat(mlir::Type type) {
  if (auto real = llvm::dyn_cast<mlir::FloatType>(type)) {
    format = FloatFormat::find(real.getFloatSemantics());
    if (!format)
      return;
    elementClass = Class::Float;
    width = real.getWidth();
    bytes = getElementByteSize(type);
  } else if (tessera::isBool(type)) {
    elementClass = Class::Bool;
    width = 1;
    bytes = 1;
  } else if (auto integer = llvm::dyn_cast<mlir::IntegerType>(type);
             integer && integer.getWidth() <= 64) {
    elementClass = Class::Integer;
    width = integer.getWidth();
    isSigned = !integer.isUnsigned();
    bytes = getElementByteSize(type);
  } else if (type.isIndex()) {
    elementClass = Class::Integer;
    width = 64;
    isSigned = true;
    bytes = 8;
  } else if (auto block = llvm::dyn_cast<graph::BlockType>(type)) {
    elementClass = Class::Opaque;
    bytes = findBlockFormat(block.getFormat())->getBytes();
  } else if (llvm::isa<graph::StringType>(type)) {
    elementClass = Class::Opaque;
    bytes = sizeof(void *); // A uniqued StringAttr.
  }
}

double ElementFormat::loadReal(const char *element) const {
  if (elementClass != Class::Float) {
    int64_t value = loadInteger(element);
    return isSigned ? double(value) : double(uint64_t(value));
  }
  if (width == 64) {
    double value;
    std::memcpy(&value, element, 8);
    return value;
  }
  if (width == 32) {
    float value;
    std::memcpy(&value, element, 4);
    return value;
  }
  uint64_t bits = 0; // Little-endian.
  std::memcpy(&bits, element, bytes);
  return format->decode(width < 8 ? bits & ((1u << width) - 1) : bits);
}

void ElementFormat::storeReal(char *element, double value) const {
  if (elementClass != Class::Float) {
    storeInteger(element, saturate(value));
  } else if (width == 64) {
    std::memcpy(element, &value, 8);
  } else if (width == 32) {
    float rounded = value;
    std::memcpy(element, &rounded, 4);
  } else {
    uint64_t bits = format->encode(format->round(value));
    std::memcpy(element, &bits, bytes);
  }
}

int64_t ElementFormat::loadInteger(const char *element) const {
  uint64_t bits = 0;
  std::memcpy(&bits, element, bytes);
  return wrap(int64_t(bits));
}

void ElementFormat::storeInteger(char *element, int64_t value) const {
  if (elementClass == Class::Float) {
    storeReal(element, roundInteger(value, true));
    return;
  }
  value = wrap(value);
  if (width < 8) // Short integers are kept without their sign's extension.
    value &= (int64_t(1) << width) - 1;
  std::memcpy(element, &value, bytes);
}

double ElementFormat::round(double value) const {
  if (elementClass != Class::Float)
    return double(saturate(value));
  if (width == 64)
    return value;
  return width == 32 ? double(float(value)) : format->round(value);
}

int64_t ElementFormat::wrap(int64_t value) const {
  if (width >= 64 || width == 0)
    return value;
  auto bits = uint64_t(value) << (64 - width);
  return isSigned ? int64_t(bits) >> (64 - width) : int64_t(bits >> (64 - width));
}

double ElementFormat::roundInteger(int64_t value, bool isSignedValue) const {
  return format->roundInteger(value, isSignedValue);
}

int64_t ElementFormat::saturate(double value) const {
  if (elementClass == Class::Bool)
    return value != 0; // NaN is true.
  if (std::isnan(value))
    return 0;
  value = std::trunc(value);
  double high = std::ldexp(1.0, isSigned ? width - 1 : width), low = isSigned ? -high : 0.0;
  if (value >= high)
    return isSigned ? APInt::getSignedMaxValue(width).getSExtValue()
                    : int64_t(APInt::getMaxValue(width).getZExtValue());
  if (value < low)
    return isSigned ? APInt::getSignedMinValue(width).getSExtValue() : 0;
  return isSigned ? int64_t(value) : int64_t(uint64_t(value));
}

int64_t ElementFormat::saturate(int64_t value, bool isSignedValue) const {
  if (elementClass == Class::Bool)
    return value != 0;
  bool isNegative = isSignedValue && value < 0;
  if (isSigned) {
    int64_t high = APInt::getSignedMaxValue(width).getSExtValue();
    int64_t low = APInt::getSignedMinValue(width).getSExtValue();
    if (!isNegative && uint64_t(value) > uint64_t(high))
      return high;
    return isNegative && value < low ? low : value;
  }
  uint64_t high = APInt::getMaxValue(width).getZExtValue();
  if (isNegative)
    return 0;
  return uint64_t(value) > high ? int64_t(high) : value;
}
