#include "tools/common/Inputs.h"

#include "tools/common/NarrowNumbers.h"
#include "tools/common/StringArrays.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace tessera::tools {
namespace {

// f16 and bf16 by their bits (IEEE 754 binary16; bf16 is the upper half of binary32).
float halfToFloat(uint16_t bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const float sign = bits & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 31)
    return mantissa ? NAN : sign * INFINITY;
  if (exponent == 0)
    return sign * std::ldexp(float(mantissa), -24);
  return sign * std::ldexp(float(1024 + mantissa), exponent - 25);
}
uint16_t floatToHalf(float value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const float magnitude = std::fabs(value);
  if (std::isnan(value))
    return 0x7e00;
  if (magnitude >= 65520.0f)
    return sign | 0x7c00;
  int exponent;
  std::frexp(magnitude, &exponent);
  const int shift = exponent < -13 ? 24 : 11 - exponent;
  const auto mantissa = uint32_t(std::nearbyint(std::ldexp(magnitude, shift)));
  if (exponent < -13)
    return uint16_t(sign | mantissa);
  return uint16_t(sign | (uint32_t(exponent + 14) << 10) + (mantissa - 1024));
}
float bfloatToFloat(uint16_t bits) {
  const uint32_t wide = uint32_t(bits) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}
uint16_t floatToBfloat(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if (std::isnan(value))
    return 0x7fc0;
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

template <typename T> T read(const Array &array, size_t index) {
  T value;
  std::memcpy(&value, array.data.data() + index * sizeof(T), sizeof(T));
  return value;
}
template <typename T> void write(Array &array, size_t index, T value) {
  std::memcpy(array.data.data() + index * sizeof(T), &value, sizeof(T));
}

bool isReal(tessera_type type) { return type <= TESSERA_BF16 || isNarrowFloat(type); }

} // namespace

size_t elementCount(const Array &array) {
  size_t count = 1;
  for (int64_t extent : array.dims)
    count *= size_t(extent);
  return count;
}

double elementOf(const Array &array, size_t i) {
  switch (array.type) {
  case TESSERA_F64: return read<double>(array, i);
  case TESSERA_F32: return read<float>(array, i);
  case TESSERA_F16: return halfToFloat(read<uint16_t>(array, i));
  case TESSERA_BF16: return bfloatToFloat(read<uint16_t>(array, i));
  case TESSERA_I8: return read<int8_t>(array, i);
  case TESSERA_I16: return read<int16_t>(array, i);
  case TESSERA_I32: return read<int32_t>(array, i);
  case TESSERA_I64: return double(read<int64_t>(array, i));
  case TESSERA_U16: return read<uint16_t>(array, i);
  case TESSERA_U32: return read<uint32_t>(array, i);
  case TESSERA_U64: return double(read<uint64_t>(array, i));
  case TESSERA_U8:
  case TESSERA_BOOL: return read<uint8_t>(array, i);
  default: return narrowToDouble(array.type, read<uint8_t>(array, i));
  }
}

void setElement(Array &array, size_t i, double value) {
  switch (array.type) {
  case TESSERA_F64: return write<double>(array, i, value);
  case TESSERA_F32: return write<float>(array, i, float(value));
  case TESSERA_F16: return write<uint16_t>(array, i, floatToHalf(float(value)));
  case TESSERA_BF16: return write<uint16_t>(array, i, floatToBfloat(float(value)));
  case TESSERA_I8: return write<int8_t>(array, i, int8_t(value));
  case TESSERA_I16: return write<int16_t>(array, i, int16_t(value));
  case TESSERA_I32: return write<int32_t>(array, i, int32_t(value));
  case TESSERA_I64: return write<int64_t>(array, i, int64_t(value));
  case TESSERA_U16: return write<uint16_t>(array, i, uint16_t(value));
  case TESSERA_U32: return write<uint32_t>(array, i, uint32_t(value));
  case TESSERA_U64: return write<uint64_t>(array, i, uint64_t(value));
  case TESSERA_BOOL: return write<uint8_t>(array, i, value != 0);
  case TESSERA_U8: return write<uint8_t>(array, i, uint8_t(value));
  default: return write<uint8_t>(array, i, doubleToNarrow(array.type, value));
  }
}

void generate(Array &array) {
  const size_t count = elementCount(array);
  array.data.assign(count * tessera_type_bytes(array.type), 0);
  // A linear congruential generator (Knuth's MMIX constants), high bits.
  uint64_t state = 0x9e3779b97f4a7c15 + count;
  const bool real = isReal(array.type);
  for (size_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005 + 1442695040888963407;
    const double unit = double(state >> 40) / double(1 << 24);
    setElement(array, i,
               real                         ? unit * 2 - 1
               : array.type == TESSERA_BOOL ? unit < 0.5
                                            : std::floor(unit * 8));
  }
}

template <typename T> static bool parseInteger(const std::string &text, Array &array, size_t i) {
  T value{};
  const char *end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end)
    return false;
  write<T>(array, i, value);
  return true;
}

// Exactly: an integer that does not fit its type, or has a fraction, is none.
static bool parseElement(const std::string &text, Array &array, size_t i) {
  switch (array.type) {
  case TESSERA_I8: return parseInteger<int8_t>(text, array, i);
  case TESSERA_I16: return parseInteger<int16_t>(text, array, i);
  case TESSERA_I32: return parseInteger<int32_t>(text, array, i);
  case TESSERA_I64: return parseInteger<int64_t>(text, array, i);
  case TESSERA_U8: return parseInteger<uint8_t>(text, array, i);
  case TESSERA_U16: return parseInteger<uint16_t>(text, array, i);
  case TESSERA_U32: return parseInteger<uint32_t>(text, array, i);
  case TESSERA_U64: return parseInteger<uint64_t>(text, array, i);
  case TESSERA_BOOL:
    write<uint8_t>(array, i, text == "1" || text == "true");
    return text == "0" || text == "1" || text == "false" || text == "true";
  default: break;
  }
  char *end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end)
    return false;
  setElement(array, i, value);
  return isReal(array.type) || elementOf(array, i) == value;
}

std::string parseInput(const std::string &text, Array &array) {
  if (!text.empty() && text[0] == '@')
    return readNpy(text.substr(1), array);
  array = {};
  const size_t equals = text.find('=');
  std::string shape = text.substr(0, equals);
  const auto bad = [&] {
    return "'" + text +
           "' is no value; expected @file.npy, or extents, type and numbers such as "
           "2x3xf32=1 or 4xi64=1,2,3,4";
  };
  for (size_t x = shape.find('x'); x != std::string::npos; x = shape.find('x')) {
    char *end = nullptr;
    const long long extent = std::strtoll(shape.c_str(), &end, 10);
    if (end != shape.c_str() + x || x == 0 || extent < 0 || array.dims.size() == TESSERA_MAX_RANK)
      return bad();
    if (extent > INT32_MAX)
      return "'" + text + "' has an extent above 2^31 - 1";
    array.dims.push_back(extent);
    shape = shape.substr(x + 1);
  }
  array.areStrings = shape == "string";
  bool isKnown = array.areStrings;
  for (tessera_type type = 0; tessera_type_name(type); ++type)
    if (shape == tessera_type_name(type)) {
      array.type = type;
      isKnown = true;
    }
  if (!isKnown)
    return bad();
  double total = 1;
  for (int64_t extent : array.dims)
    total *= double(extent);
  if (total > double(INT32_MAX))
    return "'" + text + "' has more than 2^31 - 1 elements";
  if (equals == std::string::npos && array.areStrings) {
    constexpr int64_t kBytes = 8;
    array.dims.push_back(kBytes);
    generateStrings(array);
    return "";
  }
  if (equals == std::string::npos) {
    generate(array);
    return "";
  }
  const size_t count = elementCount(array), bytes = tessera_type_bytes(array.type);
  std::vector<std::string> numbers;
  for (size_t at = equals + 1, comma = 0; comma != std::string::npos; at = comma + 1) {
    comma = text.find(',', at);
    numbers.push_back(text.substr(at, comma - at));
  }
  if (numbers.size() != 1 && numbers.size() != count)
    return "'" + text + "' has " + std::to_string(numbers.size()) +
           (array.areStrings ? " strings for " : " numbers for ") + std::to_string(count) +
           " elements";
  if (array.areStrings) {
    numbers.resize(count, numbers.front());
    return setStrings(array, numbers);
  }
  Array parsed{array.type, {int64_t(numbers.size())}, {}};
  parsed.data.assign(numbers.size() * bytes, 0);
  for (size_t i = 0; i < numbers.size(); ++i)
    if (!parseElement(numbers[i], parsed, i))
      return "'" + text + "' has '" + numbers[i] + "' where a number of type " +
             tessera_type_name(array.type) + " is expected";
  array.data.assign(count * bytes, 0);
  for (size_t i = 0; i < count; ++i)
    std::memcpy(array.data.data() + i * bytes,
                parsed.data.data() + (numbers.size() == 1 ? 0 : i * bytes), bytes);
  return "";
}

Summary summaryOf(const Array &array) {
  const size_t count = elementCount(array);
  Summary summary{count, count};
  double low = 0, high = 0;
  for (size_t i = 0; i < count; ++i) {
    const double value = elementOf(array, i);
    summary.mean += value / double(count);
    if (std::isnan(value)) {
      ++summary.nans;
      continue;
    }
    if (summary.least == count || value < low) {
      low = value;
      summary.least = i;
    }
    if (summary.greatest == count || value > high) {
      high = value;
      summary.greatest = i;
    }
  }
  return summary;
}

std::string formatElement(const Array &array, size_t index) {
  if (array.type == TESSERA_I64)
    return std::to_string(read<int64_t>(array, index));
  if (array.type == TESSERA_U64)
    return std::to_string(read<uint64_t>(array, index));
  char buffer[32];
  const double value = elementOf(array, index);
  std::snprintf(buffer, sizeof(buffer), isReal(array.type) ? "%.6g" : "%.0f", value);
  return buffer;
}

static std::string summarizeStrings(const Array &array, size_t elements) {
  std::string text = "string[";
  for (size_t d = 0; d + 1 < array.dims.size(); ++d)
    text += (d ? "x" : "") + std::to_string(array.dims[d]);
  text += "]";
  const size_t count = stringCount(array);
  for (size_t i = 0; i < count && i < elements; ++i)
    text += (i ? " " : "\n  ") + quotedString(stringOf(array, i));
  return count > elements && elements ? text + " ..." : text;
}

std::string summarize(const Array &array, size_t elements) {
  if (array.areStrings)
    return summarizeStrings(array, elements);
  std::string text = tessera_type_name(array.type);
  text += "[";
  for (size_t d = 0; d < array.dims.size(); ++d)
    text += (d ? "x" : "") + std::to_string(array.dims[d]);
  text += "]";
  const size_t count = elementCount(array);
  if (count) {
    const Summary summary = summaryOf(array);
    const auto number = [&](size_t i) { return i < count ? formatElement(array, i) : "nan"; };
    char mean[32];
    std::snprintf(mean, sizeof(mean), "%.6g", summary.mean);
    text += " min " + number(summary.least) + " max " + number(summary.greatest) + " mean " + mean;
    if (summary.nans)
      text += " (" + std::to_string(summary.nans) + " NaN)";
  }
  for (size_t i = 0; i < count && i < elements; ++i)
    text += (i ? " " : "\n  ") + formatElement(array, i);
  return count > elements && elements ? text + " ..." : text;
}

} // namespace tessera::tools
