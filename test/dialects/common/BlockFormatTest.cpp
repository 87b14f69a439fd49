//===- BlockFormatTest.cpp - Encoding and decoding blocks ---------------------===//

#include "dialects/common/BlockFormat.h"

#include "gtest/gtest.h"

#include <cmath>
#include <random>

using namespace tessera;

/// The largest distance between a number and the nearest code, in units of the scale.
static float largestGap(const BlockFormat &format) {
  switch (format.code.kind) {
  case BlockCode::Integer: return 1;
  case BlockCode::Table: return format.name == "mxfp4" ? 2 : 0.31f;
  case BlockCode::Float: return format.name == "mxfp8_e4m3" ? 32 : 8192;
  }
  return 0;
}

static std::vector<float> roundTrip(const BlockFormat &format, const std::vector<float> &values) {
  const BlockCodec codec(format);
  std::vector<uint8_t> block(format.getBytes());
  std::vector<float> out(values.size());
  codec.encode(values.data(), block.data());
  codec.decode(block.data(), out.data());
  return out;
}

TEST(BlockFormat, SizesAreThoseOfTheirDefinitions) {
  const std::pair<const char *, int64_t> sizes[] = {
      {"mxfp4", 17},  {"mxfp8_e4m3", 33}, {"mxfp8_e5m2", 33}, {"nf4_g64", 34},
      {"q4_g32", 18}, {"q4a_g32", 20},    {"q8_g32", 34},     {"q8a_g32", 36}};
  for (auto [name, bytes] : sizes) {
    const BlockFormat *format = findBlockFormat(name);
    ASSERT_TRUE(format) << name;
    EXPECT_EQ(format->getBytes(), bytes) << name;
  }
  EXPECT_FALSE(findBlockFormat("q5_g32"));
}

TEST(BlockFormat, NumbersComeBackWithinHalfAStep) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 0.05f);
  for (const BlockFormat *format : getBlockFormats()) {
    const BlockCodec codec(*format);
    for (int turn = 0; turn < 100; ++turn) {
      std::vector<float> values(format->elements);
      float most = 0, least = 0, highest = 0;
      for (float &value : values) {
        value = normal(random);
        most = std::max(most, std::fabs(value));
        least = std::min(least, value);
        highest = std::max(highest, value);
      }
      std::vector<float> out = roundTrip(*format, values);
      // What is beyond the largest code (an E8M0 scale rounds down, -8..7 has no +8) saturates by
      // up to a quarter of the largest number.
      for (int64_t i = 0; i < format->elements; ++i)
        EXPECT_LE(std::fabs(out[i] - values[i]), most / 4) << format->name.str();
      // Decoded numbers are a fixed point: nothing moves a second time by more than rounding.
      std::vector<float> again = roundTrip(*format, out);
      for (int64_t i = 0; i < format->elements; ++i)
        EXPECT_NEAR(again[i], out[i], most / 100 + largestGap(*format) * 1e-6f)
            << format->name.str();
    }
  }
}

TEST(BlockFormat, IntegersOnTheGridAreExact) {
  std::vector<float> values;
  for (int i = 0; i < 32; ++i)
    values.push_back(0.25f * float(i % 16 - 8));
  EXPECT_EQ(roundTrip(*findBlockFormat("q4_g32"), values), values);
  for (float &value : values)
    value += 2.0f; // 0 to 3.75
  EXPECT_EQ(roundTrip(*findBlockFormat("q4a_g32"), values), values);
}

TEST(BlockFormat, HalvesOfBytesAreHalvesOfBlocks) {
  // ggml's Q4_0: element 0 is the low half of the first byte, element 16 its high half.
  uint8_t block[18] = {0x00, 0x3c, 0x91}; // scale 1, codes 1 and 9
  for (int i = 3; i < 18; ++i)
    block[i] = 0x88;
  std::vector<float> out(32);
  BlockCodec(*findBlockFormat("q4_g32")).decode(block, out.data());
  EXPECT_EQ(out[0], -7.0f);
  EXPECT_EQ(out[16], 1.0f);
  EXPECT_EQ(out[1], 0.0f);
}

TEST(BlockFormat, MicroscalingScalesArePowersOfTwo) {
  // OCP Microscaling Formats 1.0, section 6.3: 2^(floor(log2 max) - emax), here 2^(2 - 2).
  std::vector<float> values(32, 0.0f);
  values[0] = 5.0f;  // between 4 and 6, to the even code: 4 is 0b110, 6 is 0b111
  values[1] = -1.6f; // nearest 1.5
  values[2] = 7.5f;  // saturates to 6
  std::vector<uint8_t> block(17);
  const BlockCodec codec(*findBlockFormat("mxfp4"));
  codec.encode(values.data(), block.data());
  EXPECT_EQ(block[0], 127);
  std::vector<float> out(32);
  codec.decode(block.data(), out.data());
  EXPECT_EQ(out[0], 4.0f);
  EXPECT_EQ(out[1], -1.5f);
  EXPECT_EQ(out[2], 6.0f);
  block[0] = 255;
  codec.decode(block.data(), out.data());
  EXPECT_TRUE(std::isnan(out[0]));
}

TEST(BlockFormat, ZerosAndTinyNumbersStayFinite) {
  for (const BlockFormat *format : getBlockFormats())
    for (float value : {0.0f, 1e-30f, -1e-45f, 65504.0f}) {
      std::vector<float> values(format->elements, value);
      for (float out : roundTrip(*format, values)) {
        EXPECT_TRUE(std::isfinite(out)) << format->name.str() << ' ' << value;
        EXPECT_LE(std::fabs(out - value), std::fabs(value) * 0.25f + 1e-6f) << format->name.str();
      }
    }
}
