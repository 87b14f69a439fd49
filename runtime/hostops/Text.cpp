#include "runtime/hostops/Text.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tessera::hostops {

using namespace rt;

namespace {

constexpr int kDigits = 8;

// A text that grows.
struct Writer {
  char *text;
  uint32_t size = 0;
  void put(char c) { text[size++] = c; }
  void put(const char *characters, int count) {
    for (int i = 0; i < count; ++i)
      put(characters[i]);
  }
};

// Whether a number has no digits: those are written.
bool printSpecial(double number, Writer &out) {
  if (std::isnan(number)) {
    out.put("NaN", 3);
    return true;
  }
  if (std::signbit(number))
    out.put('-');
  if (std::isinf(number))
    out.put("INF", 3);
  return std::isinf(number);
}

} // namespace

uint32_t printShort(double number, char (&text)[kFloatTextBytes]) {
  Writer out{text};
  if (printSpecial(number, out))
    return out.size;
  // The C library rounds exactly. What it writes between the digits is a matter of the process's
  // locale, so only digits are read.
  char printed[40], digits[kDigits];
  std::snprintf(printed, sizeof(printed), "%.*e", kDigits - 1, std::fabs(number));
  const char *end = std::strchr(printed, 'e');
  int count = 0;
  for (const char *at = printed; at < end && count < kDigits; ++at)
    if (*at >= '0' && *at <= '9')
      digits[count++] = *at;
  const int exponent = std::atoi(end + 1);
  while (count > 1 && digits[count - 1] == '0')
    --count;
  if (exponent < -4 || exponent >= kDigits) {
    out.put(digits[0]);
    if (count > 1)
      out.put('.');
    out.put(digits + 1, count - 1);
    out.put('e');
    out.put(exponent < 0 ? '-' : '+');
    const int magnitude = std::abs(exponent);
    if (magnitude >= 100)
      out.put(char('0' + magnitude / 100));
    out.put(char('0' + magnitude / 10 % 10));
    out.put(char('0' + magnitude % 10));
    return out.size;
  }
  const int whole = exponent + 1; // digits before the point
  if (whole <= 0)
    out.put("0.000", 2 - whole);
  for (int i = 0; i < count || i < whole; ++i) {
    if (i > 0 && i == whole)
      out.put('.');
    out.put(i < count ? digits[i] : '0');
  }
  return out.size;
}

uint32_t printPlain(float number, char (&text)[kFloatTextBytes]) {
  Writer out{text};
  if (printSpecial(number, out))
    return out.size;
  char printed[64];
  std::snprintf(printed, sizeof(printed), "%.6f", std::fabs(double(number)));
  for (const char *at = printed; *at; ++at) {
    if (*at >= '0' && *at <= '9')
      out.put(*at);
    else if (text[out.size - 1] != '.') // A locale's point may have several bytes.
      out.put('.');
  }
  return out.size;
}

int32_t textOfFloats(const HostCall *call) {
  const auto wrong = [&](const char *what) {
    std::snprintf(call->message, call->messageBytes, "%s", what);
    return kHostWrongCall;
  };
  if (call->inputCount != 1 || call->outputCount != 1)
    return wrong("floats become text in one tensor");
  const HostTensor &x = call->inputs[0], &y = call->outputs[0];
  const bool isPlain = !std::strcmp(call->options, "plain");
  if (x.rank != 1 || (x.type != ElementType::F32 && (isPlain || x.type != ElementType::F64)))
    return wrong("what becomes text is a list of f32, or of f64 that are printed short");
  if (!isPlain && std::strcmp(call->options, "short") != 0)
    return wrong("floats are printed 'short' or 'plain'");
  if (y.rank != 2 || y.type != ElementType::U8 || y.dims[0] != x.dims[0])
    return wrong("the text of each float is a row of bytes");
  auto *to = static_cast<char *>(y.data);
  const auto width = size_t(y.dims[1]);
  for (int64_t i = 0; i < x.dims[0]; ++i, to += width) {
    constexpr int64_t kPatience = 4096; // numbers between two questions whether to stop
    if (i % kPatience == 0 && call->shouldStop && call->shouldStop(call))
      return kHostStopped;
    char text[kFloatTextBytes];
    uint32_t size;
    if (x.type == ElementType::F64)
      size = printShort(static_cast<const double *>(x.data)[i], text);
    else if (isPlain)
      size = printPlain(static_cast<const float *>(x.data)[i], text);
    else
      size = printShort(double(static_cast<const float *>(x.data)[i]), text);
    if (size > width)
      return wrong("the text of a float is longer than its row");
    std::memcpy(to, text, size);
    std::memset(to + size, 0, width - size);
  }
  return kHostOk;
}

} // namespace tessera::hostops
