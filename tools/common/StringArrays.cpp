#include "tools/common/StringArrays.h"

#include "tools/common/Inputs.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace tessera::tools {

size_t stringCount(const Array &array) {
  size_t count = 1;
  for (size_t d = 0; d + 1 < array.dims.size(); ++d)
    count *= size_t(array.dims[d]);
  return count;
}

std::string setStrings(Array &array, const std::vector<std::string> &strings) {
  size_t width = 0;
  for (const std::string &string : strings) {
    if (!string.empty() && string.back() == '\0')
      return "a string ends with a zero, which cannot be told from what it is padded with";
    width = std::max(width, string.size());
  }
  array.type = TESSERA_U8;
  array.areStrings = true;
  array.dims.push_back(int64_t(width));
  array.data.assign(strings.size() * width, 0);
  for (size_t i = 0; i < strings.size(); ++i)
    std::copy(strings[i].begin(), strings[i].end(), array.data.begin() + int64_t(i * width));
  return "";
}

std::string stringOf(const Array &array, size_t index) {
  const auto width = size_t(array.dims.back());
  const char *begin = reinterpret_cast<const char *>(array.data.data()) + index * width;
  size_t size = width;
  while (size && !begin[size - 1])
    --size;
  return {begin, size};
}

void generateStrings(Array &array) {
  array.type = TESSERA_U8;
  array.areStrings = true;
  generate(array);
  for (uint8_t &byte : array.data)
    byte = uint8_t(byte + 'a');
}

static void appendUtf8(std::string &text, uint32_t point) {
  if (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
    point = 0xFFFD;
  if (point < 0x80) {
    text += char(point);
    return;
  }
  const int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  static constexpr uint8_t kLead[] = {0, 0xC0, 0xE0, 0xF0};
  text += char(kLead[more] | point >> (6 * more));
  for (int i = more - 1; i >= 0; --i)
    text += char(0x80 | (point >> (6 * i) & 63));
}

std::string utf8Of(const uint8_t *data, size_t count) {
  std::vector<uint32_t> points(count);
  std::memcpy(points.data(), data, count * 4);
  while (!points.empty() && !points.back())
    points.pop_back();
  std::string text;
  for (uint32_t point : points)
    appendUtf8(text, point);
  return text;
}

std::vector<uint32_t> codePointsOf(const std::string &utf8) {
  std::vector<uint32_t> points;
  for (size_t at = 0; at < utf8.size();) {
    const auto lead = uint8_t(utf8[at++]);
    const int more = lead < 0x80 ? 0 : lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : -1;
    uint32_t point = more == 0 ? lead : lead & (0x3F >> more);
    int read = 0;
    for (; read < more && at < utf8.size() && (uint8_t(utf8[at]) & 0xC0) == 0x80; ++read)
      point = point << 6 | (uint8_t(utf8[at++]) & 63);
    points.push_back(more >= 0 && read == more ? point : 0xFFFD);
  }
  return points;
}

std::string quotedString(const std::string &text) {
  std::string result = "\"";
  for (char c : text) {
    char escape[8];
    std::snprintf(escape, sizeof(escape), "\\x%02x", uint8_t(c));
    if (c == '"' || c == '\\')
      result += std::string("\\") + c;
    else if (uint8_t(c) < 32 || c == 127)
      result += escape;
    else
      result += c;
  }
  return result + "\"";
}

} // namespace tessera::tools
