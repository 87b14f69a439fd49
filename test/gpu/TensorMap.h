//===- TensorMap.h - What a bulk copy knows of a tensor ---------------------*- C++ -*-===//
//
// A driver's own form of CUtensorMap, which nobody else may look into.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_TEST_GPU_TENSORMAP_H
#define TESSERA_TEST_GPU_TENSORMAP_H

#include <cstdint>

namespace tessera::ptx {

constexpr uint32_t kTensorMapMagic = 0x50414d54;

struct TensorMap {
  uint32_t magic = kTensorMapMagic;
  uint8_t rank = 0, elementBytes = 0, swizzle = 0; ///< swizzle: 0, 32, 64 or 128 bytes
  uint8_t reserved = 0;
  uint64_t address = 0;
  uint64_t strides[4] = {}; ///< bytes, of all dimensions but the first
  uint32_t extents[5] = {}; ///< the dimension whose elements are neighbours first
  uint32_t box[5] = {};
  uint64_t unused[5] = {};
};
static_assert(sizeof(TensorMap) == 128);

} // namespace tessera::ptx

#endif
