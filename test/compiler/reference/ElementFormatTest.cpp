// Element formats against APFloat: every bit pattern of the short types, and rounding at and around
// ties.
#include "compiler/reference/ElementFormat.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace mlir;
using namespace tessera::reference;
using llvm::APFloat;
using llvm::APInt;

namespace {

double toDouble(APFloat value) {
  bool lost;
  if (value.isNaN()) // One of f8E8M0FNU would become an infinity.
    return NAN;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
  return value.convertToDouble();
}

bool isSame(double a, double b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

std::vector<FloatType> shortFloats(MLIRContext &context) {
  return {Float16Type::get(&context),        BFloat16Type::get(&context),
          Float8E5M2Type::get(&context),     Float8E4M3Type::get(&context),
          Float8E4M3FNType::get(&context),   Float8E5M2FNUZType::get(&context),
          Float8E4M3FNUZType::get(&context), Float8E4M3B11FNUZType::get(&context),
          Float8E3M4Type::get(&context),     Float4E2M1FNType::get(&context),
          Float6E2M3FNType::get(&context),   Float6E3M2FNType::get(&context),
          Float8E8M0FNUType::get(&context)};
}

TEST(ElementFormat, EveryBitPatternComesBack) {
  MLIRContext context;
  for (FloatType type : shortFloats(context)) {
    std::string name;
    llvm::raw_string_ostream(name) << type;
    SCOPED_TRACE(name);
    ElementFormat format(type);
    ASSERT_TRUE(bool(format));
    for (uint64_t bits = 0; bits < uint64_t(1) << type.getWidth(); ++bits) {
      APFloat exact(type.getFloatSemantics(), APInt(type.getWidth(), bits));
      char stored[8] = {}, again[8] = {};
      std::memcpy(stored, &bits, format.getByteSize());
      double value = format.loadReal(stored);
      ASSERT_TRUE(isSame(value, toDouble(exact))) << bits;
      ASSERT_TRUE(isSame(format.round(value), value)) << bits;
      format.storeReal(again, value);
      if (!std::isnan(value))
        ASSERT_EQ(std::memcmp(stored, again, 8), 0) << bits << " " << value;
    }
  }
}

// Beyond the largest number APFloat gives NaN where a type has no infinity; the graph's rule
// saturates.
TEST(ElementFormat, RoundsAsAPFloatDoes) {
  MLIRContext context;
  std::mt19937_64 random(1);
  for (FloatType type : shortFloats(context)) {
    const llvm::fltSemantics &semantics = type.getFloatSemantics();
    if (!APFloat::semanticsHasZero(semantics))
      continue; // f8E8M0FNU has neither zero nor sign.
    ElementFormat format(type);
    double largest = toDouble(APFloat::getLargest(semantics));
    auto check = [&](double value) {
      bool lost;
      APFloat rounded(value);
      double expected;
      if (APFloat::semanticsHasInf(semantics) || std::fabs(value) <= largest) {
        rounded.convert(semantics, APFloat::rmNearestTiesToEven, &lost);
        expected = toDouble(rounded);
      } else {
        expected = std::copysign(largest, value);
      }
      ASSERT_TRUE(isSame(format.round(value), expected)) << value << " " << format.round(value);
    };
    for (uint64_t bits = 0; bits < uint64_t(1) << type.getWidth(); ++bits) {
      double value = toDouble(APFloat(semantics, APInt(type.getWidth(), bits)));
      if (!std::isfinite(value))
        continue;
      APFloat above(semantics, APInt(type.getWidth(), bits));
      above.next(false);
      double middle = above.isFinite() ? (value + toDouble(above)) / 2 : value;
      check(value);
      check(middle);
      check(std::nextafter(middle, INFINITY));
      check(std::nextafter(middle, -INFINITY));
    }
    for (int i = 0; i < 20000; ++i)
      check(std::ldexp(double(int64_t(random())), int(random() % 100) - 110));
    for (double value : {largest * 1.01, largest * 4, -largest * 4, 1e300, -1e300})
      check(value);
    EXPECT_EQ(std::isnan(format.round(NAN)), APFloat::semanticsHasNaN(semantics));
  }
}

TEST(ElementFormat, IntegersRoundOnce) {
  MLIRContext context;
  ElementFormat bf16{BFloat16Type::get(&context)}, f32{Float32Type::get(&context)};
  // f64 would round to the tie first.
  EXPECT_EQ(bf16.roundInteger((int64_t(1) << 62) + (int64_t(1) << 54) + 1, true), 0x1.02p62);
  EXPECT_EQ(f32.roundInteger((int64_t(1) << 60) + (int64_t(1) << 36) + 1, true), 0x1.000002p60);
  EXPECT_EQ(f32.roundInteger(-1, false), 0x1p64);
}

TEST(ElementFormat, IntegersWrapAndSaturate) {
  MLIRContext context;
  Builder b(&context);
  auto integer = [&](unsigned width, bool isSigned) {
    return ElementFormat(b.getIntegerType(width, isSigned));
  };
  EXPECT_EQ(integer(8, true).wrap(200), -56);
  EXPECT_EQ(integer(8, false).wrap(-1), 255);
  EXPECT_EQ(integer(4, true).wrap(9), -7);
  EXPECT_EQ(integer(8, true).saturate(1e9), 127);
  EXPECT_EQ(integer(8, true).saturate(-1e9), -128);
  EXPECT_EQ(integer(8, false).saturate(-3.0), 0);
  EXPECT_EQ(integer(64, true).saturate(1e300), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(integer(64, false).saturate(1e300), -1);
  EXPECT_EQ(integer(64, false).saturate(0x1p63), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(integer(32, true).saturate(double(NAN)), 0);
  EXPECT_EQ(integer(32, true).saturate(-2.9), -2);
  EXPECT_EQ(integer(8, true).saturate(int64_t(-1), /*isSignedValue=*/false), 127);
  EXPECT_EQ(integer(8, false).saturate(int64_t(300), true), 255);
  EXPECT_EQ(integer(8, false).saturate(int64_t(-1), true), 0);
}

} // namespace
