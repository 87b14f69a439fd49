// NumPy's .npy files (format specification: numpy.lib.format): version 1 and 2, C order,
// little-endian.
#ifndef TESSERA_TOOLS_COMMON_NPY_H
#define TESSERA_TOOLS_COMMON_NPY_H

#include "runtime/api/tessera.h"

#include <string>
#include <vector>

namespace tessera::tools {

struct Array {
  tessera_type type = TESSERA_F32;
  std::vector<int64_t> dims;
  std::vector<uint8_t> data; // row-major
  bool areStrings = false;   // bytes of U8, the last axis those of one string (StringArrays.h)
};

// Strings are read from NumPy's U and S, and written as U. Both return "" or one sentence. bf16 and
// what has fewer than 8 bits or is an 8-bit float have no NumPy type: they are written as unsigned
// integers of their bits.
std::string readNpy(const std::string &path, Array &array);
std::string writeNpy(const std::string &path, const Array &array);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_NPY_H
