// Strings as tensors have them: the bytes of their UTF-8 along a last axis, padded with zeros.
#ifndef TESSERA_TOOLS_COMMON_STRINGARRAYS_H
#define TESSERA_TOOLS_COMMON_STRINGARRAYS_H

#include "tools/common/Npy.h"

namespace tessera::tools {

// Makes an array of the dims that it has the strings, as many as the dims say, row-major. "" or one
// sentence: a string must not end with a zero.
[[nodiscard]] std::string setStrings(Array &array, const std::vector<std::string> &strings);
size_t stringCount(const Array &array);
std::string stringOf(const Array &array, size_t index);

// Words that look like data, in an array whose dims are set, that of the bytes as well.
void generateStrings(Array &array);

// UTF-8 of the code points that `count` little-endian 32-bit numbers at `data` are, up to the last
// that is not 0, and back. What is no code point becomes U+FFFD.
std::string utf8Of(const uint8_t *data, size_t count);
std::vector<uint32_t> codePointsOf(const std::string &utf8);

// In double quotes, control characters and quotes as escapes.
std::string quotedString(const std::string &text);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_STRINGARRAYS_H
