//===- HostTensor.h - Tensors and signatures of models, without MLIR ----------*- C++ -*-===//
#ifndef TESSERA_COMPILER_API_HOSTTENSOR_H
#define TESSERA_COMPILER_API_HOSTTENSOR_H

#include <cstdint>
#include <string>
#include <vector>

namespace tessera {

/// Elements in row-major order; the type by the name that the runtime gives it (f32, i64, u8, bool,
/// ...).
struct HostTensor {
  std::string type;
  std::vector<int64_t> dims;
  std::vector<uint8_t> data;
};

/// An input or output of a model.
struct PortInfo {
  struct Dim {
    int64_t extent; ///< -1: an expression over symbols
    std::string text;
    int64_t min, max; ///< of a symbol; max is -1 without an upper end
  };
  std::string name, type;
  std::vector<Dim> dims;
  bool areStrings = false; ///< whose bytes are along the last axis
};

} // namespace tessera

#endif
