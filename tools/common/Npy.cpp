#include "tools/common/Npy.h"

#include "tools/common/Files.h"

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
    {"|u1", TESSERA_I2},         {"|u1", TESSERA_U2}};

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
  if (!type)
    return bad("its elements are of a type that Tessera has not (little-endian numbers and bools)");
  if (order.find("False") > 2)
    return bad("it is in Fortran order; save numpy.ascontiguousarray(x)");
  array = {};
  array.type = type->type;
  if (!parseShape(valueOf(header, "shape"), array.dims))
    return bad("its shape cannot be read");
  uint64_t bytes = tessera_type_bytes(array.type);
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
  return "";
}

std::string writeNpy(const std::string &path, const Array &array) {
  const char *descr = nullptr;
  for (const TypeName &candidate : kTypes)
    if (candidate.type == array.type)
      descr = candidate.descr;
  std::string header = std::string("{'descr': '") + descr + "', 'fortran_order': False, 'shape': (";
  for (int64_t extent : array.dims)
    header += std::to_string(extent) + ",";
  header += "), }";
  // Data begins at a multiple of 64.
  while ((10 + header.size() + 1) % 64)
    header += ' ';
  header += '\n';
  std::vector<uint8_t> bytes(kMagic, kMagic + 6);
  bytes.insert(bytes.end(), {1, 0, uint8_t(header.size() & 255), uint8_t(header.size() >> 8)});
  bytes.insert(bytes.end(), header.begin(), header.end());
  bytes.insert(bytes.end(), array.data.begin(), array.data.end());
  return writeFile(path, bytes);
}

} // namespace tessera::tools
