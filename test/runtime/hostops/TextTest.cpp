// Floats as text: C's own notations, and calls that are refused.
#include "runtime/hostops/Text.h"

#include <cmath>
#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <string>
#include <vector>

using namespace tessera;
using namespace tessera::rt;

namespace {

std::string shortText(double number) {
  char text[hostops::kFloatTextBytes];
  return {text, hostops::printShort(number, text)};
}

std::string plainText(float number) {
  char text[hostops::kFloatTextBytes];
  return {text, hostops::printPlain(number, text)};
}

int32_t run(const char *options, HostTensor x, HostTensor y, std::string &message) {
  char text[200] = "";
  HostCall call{};
  call.options = options;
  call.inputs = &x;
  call.outputs = &y;
  call.inputCount = call.outputCount = 1;
  call.memory = UINT64_MAX;
  call.message = text;
  call.messageBytes = sizeof(text);
  const int32_t code = hostops::textOfFloats(&call);
  message = text;
  return code;
}

TEST(Text, IsWhatPrintfWrites) {
  uint64_t state = 1;
  for (int i = 0; i < 200000; ++i) {
    state = state * 6364136223846793005 + 1442695040888963407;
    double number;
    std::memcpy(&number, &state, sizeof(number));
    if (i % 2)
      number = std::ldexp(double(int64_t(state) >> 40), int(state % 64) - 40);
    if (std::isnan(number) || std::isinf(number))
      continue;
    char expected[400];
    std::snprintf(expected, sizeof(expected), "%.8g", number);
    ASSERT_EQ(shortText(number), expected);
    std::snprintf(expected, sizeof(expected), "%f", double(float(number)));
    if (!std::isinf(float(number)))
      ASSERT_EQ(plainText(float(number)), expected);
  }
}

TEST(Text, NamesWhatIsNoNumber) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (double sign : {1.0, -1.0})
    EXPECT_EQ(shortText(std::copysign(std::nan(""), sign)), "NaN");
  EXPECT_EQ(shortText(infinity), "INF");
  EXPECT_EQ(shortText(-infinity), "-INF");
  EXPECT_EQ(plainText(-float(infinity)), "-INF");
  EXPECT_EQ(shortText(-0.0), "-0");
  EXPECT_EQ(plainText(std::numeric_limits<float>::lowest()).size(), 47u);
}

TEST(Text, FillsItsRows) {
  const float numbers[] = {1.5f, -1e-30f, 3};
  const int64_t count = 3;
  std::string message;
  std::vector<char> rows(3 * 15, 'x');
  const int64_t dims[] = {3, 15};
  const HostTensor x{const_cast<float *>(numbers), &count, 1, ElementType::F32};
  const HostTensor y{rows.data(), dims, 2, ElementType::U8};
  EXPECT_EQ(run("short", x, y, message), kHostOk);
  EXPECT_STREQ(rows.data(), "1.5");
  EXPECT_STREQ(rows.data() + 15, "-1e-30");
  EXPECT_EQ(rows[44], '\0');
}

TEST(Text, RefusesWrongCalls) {
  const double numbers[] = {1.23456, 2};
  const int64_t count = 2, two[] = {2, 4}, three[] = {3, 15};
  std::vector<char> rows(64);
  std::string message;
  const HostTensor x{const_cast<double *>(numbers), &count, 1, ElementType::F64};
  EXPECT_EQ(run("short", x, {rows.data(), two, 2, ElementType::U8}, message), kHostWrongCall);
  EXPECT_EQ(message, "the text of a float is longer than its row");
  EXPECT_EQ(run("short", x, {rows.data(), three, 2, ElementType::U8}, message), kHostWrongCall);
  EXPECT_EQ(run("plain", x, {rows.data(), two, 2, ElementType::U8}, message), kHostWrongCall);
  EXPECT_EQ(run("long", x, {rows.data(), two, 2, ElementType::U8}, message), kHostWrongCall);
  EXPECT_EQ(message, "floats are printed 'short' or 'plain'");
}

} // namespace
