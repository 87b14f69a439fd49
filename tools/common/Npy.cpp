#include "tools/common/Npy.h"

#include "tools/common/Files.h"
#include "tools/common/Inputs.h"
#include "tools/common/StringArrays.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace tessera::tools {
namespace {

constexpr char kMagic[] = "\x93NUMPY";
constexpr uint64_t kMaxHeader = 1 << 16; // A header has a hundred bytes.
constexpr size_t kMaxRank = TESSERA_MAX_RANK;

struct TypeName {
  const char *descr;
  tessera_type type;
};
constexpr TypeName kTypes[] = {
    {"<f8", TESSERA_F64},        {"<f4", TESSERA_F32},        {"<f2", TESSERA_F16},
    {"|i1", TESSERA_I8},         {"<i2", TESSERA_I16},        {"<i4", TESSERA_I32},
    {"<i8", TESSERA_I64},        {"|u1", TESSERA_U8},         {"<u2", TESSERA_U16},
    {"<u4", TESSERA_U32},        {"<u8", TESSERA_U64},        {"|b1", TESSERA_BOOL},
    {"<u2", TESSERA_BF16},       {"|u1", TESSERA_F8E4M3FN},   {"|u1", TESSERA_F8E5M2},
    {"|u1", TESSERA_F8E4M3FNUZ}, {"|u1", TESSERA_F8E5M2FNUZ}, {"|u1", TESSERA_F8E8M0FNU},
    {"|u1", TESSERA_F4E2M1FN},   {"|u1", TESSERA_I4},         {"|u1", TESSERA_U4},
    {"|u1", TESSERA_I2},         {"|u1", TESSERA_U2},         {"|u1", TESSERA_F6E2M3FN},
    {"|u1", TESSERA_F6E3M2FN}};

// The text after `'key':` in the header's dictionary.
std::string valueOf(const std::string &header, const char *key) {
  const size_t at = header.find(std::string("'") + key + "'");
  const size_t colon = at == std::string::npos ? at : header.find(':', at);
  return colon == std::string::npos ? "" : header.substr(colon + 1);
}

bool parseShape(const std::string &text, std::vector<int64_t> &dims) {
  const char *at = text.c_str();
  while (*at == ' ')
    ++at;
  if (*at++ != '(')
    return false;
  for (;;) {
    while (*at == ' ' || *at == ',')
      ++at;
    if (*at == ')')
      return true;
    char *end = nullptr;
    errno = 0;
    const long long extent = std::strtoll(at, &end, 10);
    if (end == at || errno || extent < 0 || dims.size() == kMaxRank)
      return false;
    dims.push_back(extent);
    at = end;
  }
}

// 'U5' and 'S5' behind the byte order: characters of 4 bytes, or bytes. 0 where it is neither.
size_t characterBytes(const std::string &descr, size_t &characters) {
  const size_t quote = descr.find('\'');
  if (quote > 2 || descr.size() < quote + 4)
    return 0;
  const char kind = descr[quote + 2], order = descr[quote + 1];
  char *end = nullptr;
  const unsigned long long count = std::strtoull(descr.c_str() + quote + 3, &end, 10);
  if (*end != '\'' || count > (1u << 30) || (order != '<' && !(kind == 'S' && order == '|')))
    return 0;
  characters = count;
  return kind == 'U' ? 4 : kind == 'S' ? 1 : 0;
}

// Strings of a fixed number of characters as UTF-8.
std::string toStrings(const std::vector<uint8_t> &data, size_t count, size_t size,
                      size_t characters, Array &array) {
  std::vector<std::string> strings;
  strings.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const uint8_t *at = data.data() + i * size * characters;
    std::string text = size == 4 ? utf8Of(at, characters)
                                 : std::string(reinterpret_cast<const char *>(at), characters);
    while (!text.empty() && !text.back())
      text.pop_back();
    strings.push_back(std::move(text));
  }
  return setStrings(array, strings);
}

} // namespace

std::string readNpy(const std::string &path, Array &array) {
  std::FILE *file = std::fopen(path.c_str(), "rb");
  if (!file)
    return "cannot open '" + path + "': " + std::strerror(errno);
  struct Closer {
    std::FILE *file;
    ~Closer() { std::fclose(file); }
  } closer{file};
  const auto bad = [&](const char *what) { return "'" + path + "' is no .npy file: " + what; };
  uint8_t start[12] = {};
  if (std::fread(start, 1, 10, file) != 10 || std::memcmp(start, kMagic, 6) != 0)
    return bad("it does not begin with the magic bytes");
  uint64_t length = start[8] | start[9] << 8;
  if (start[6] >= 2) {
    if (std::fread(start + 10, 1, 2, file) != 2)
      return bad("its header is cut short");
    length |= uint64_t(start[10]) << 16 | uint64_t(start[11]) << 24;
  }
  if (length > kMaxHeader)
    return bad("its header is too long");
  std::string header(length, ' ');
  if (std::fread(header.data(), 1, length, file) != length)
    return bad("its header is cut short");
  const std::string descr = valueOf(header, "descr"), order = valueOf(header, "fortran_order");
  const TypeName *type = nullptr;
  for (const TypeName &candidate : kTypes)
    if (!type && descr.find(std::string("'") + candidate.descr + "'") < 3)
      type = &candidate;
  size_t characters = 0;
  const size_t characterSize = type ? 0 : characterBytes(descr, characters);
  if (!type && !characterSize)
    return bad("its elements are of a type that Tessera has not (little-endian numbers, bools, and "
               "strings of a fixed length; save x.astype(str))");
  if (order.find("False") > 2)
    return bad("it is in Fortran order; save numpy.ascontiguousarray(x)");
  array = {};
  array.type = type ? type->type : tessera_type(TESSERA_U8);
  if (!parseShape(valueOf(header, "shape"), array.dims))
    return bad("its shape cannot be read");
  uint64_t bytes = type ? tessera_type_bytes(array.type) : characterSize * characters;
  for (int64_t extent : array.dims)
    if (__builtin_mul_overflow(bytes, uint64_t(extent), &bytes) || bytes > (uint64_t(1) << 40))
      return bad("its shape is too large");
  // The file must really be that long before memory is taken for it.
  const long position = std::ftell(file);
  std::fseek(file, 0, SEEK_END);
  if (position < 0 || uint64_t(std::ftell(file) - position) < bytes)
    return bad("its data is cut short");
  std::fseek(file, position, SEEK_SET);
  array.data.resize(bytes);
  if (std::fread(array.data.data(), 1, bytes, file) != bytes)
    return bad("its data is cut short");
  if (type)
    return "";
  const size_t count = elementCount(array);
  if (count > size_t(INT32_MAX))
    return bad("it has more than 2^31 - 1 strings");
  const std::vector<uint8_t> data = std::move(array.data);
  return toStrings(data, count, characterSize, characters, array);
}

std::string writeNpy(const std::string &path, const Array &array) {
  std::string descr;
  for (const TypeName &candidate : kTypes)
    if (candidate.type == array.type)
      descr = candidate.descr;
  std::vector<uint32_t> characters;
  if (array.areStrings) {
    std::vector<std::vector<uint32_t>> strings;
    size_t longest = 1;
    for (size_t i = 0; i < stringCount(array); ++i)
      longest = std::max(longest, strings.emplace_back(codePointsOf(stringOf(array, i))).size());
    descr = "<U" + std::to_string(longest);
    for (std::vector<uint32_t> &string : strings) {
      string.resize(longest, 0);
      characters.insert(characters.end(), string.begin(), string.end());
    }
  }
  std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (";
  for (size_t d = 0; d + array.areStrings < array.dims.size(); ++d)
    header += std::to_string(array.dims[d]) + ",";
  header += "), }";
  // Data begins at a multiple of 64.
  while ((10 + header.size() + 1) % 64)
    header += ' ';
  header += '\n';
  std::vector<uint8_t> bytes(kMagic, kMagic + 6);
  bytes.insert(bytes.end(), {1, 0, uint8_t(header.size() & 255), uint8_t(header.size() >> 8)});
  bytes.insert(bytes.end(), header.begin(), header.end());
  if (array.areStrings) {
    const auto *data = reinterpret_cast<const uint8_t *>(characters.data());
    bytes.insert(bytes.end(), data, data + characters.size() * 4);
  } else {
    bytes.insert(bytes.end(), array.data.begin(), array.data.end());
  }
  return writeFile(path, bytes);
}

} // namespace tessera::tools
