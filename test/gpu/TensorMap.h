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

/// What a driver's function for maps gives; false: it would refuse. Strides of all dimensions but
/// the first.
inline bool encode(TensorMap &map, unsigned elementBytes, unsigned rank, uint64_t address,
                   const uint64_t *extents, const uint64_t *strides, const uint32_t *box,
                   unsigned swizzle) {
  map = {};
  map.rank = uint8_t(rank);
  map.elementBytes = uint8_t(elementBytes);
  map.swizzle = uint8_t(swizzle);
  map.address = address;
  bool fits = rank >= 1 && rank <= 5 && address % 16 == 0 && box[0] * elementBytes % 16 == 0 &&
              (!swizzle || box[0] * elementBytes <= swizzle);
  for (unsigned i = 0; i < rank; ++i) {
    map.extents[i] = uint32_t(extents[i]);
    map.box[i] = box[i];
    fits = fits && extents[i] && extents[i] <= uint64_t(1) << 32 && box[i] && box[i] <= 256;
    if (i)
      map.strides[i - 1] = strides[i - 1];
    fits = fits && (!i || (strides[i - 1] % 16 == 0 && strides[i - 1] < uint64_t(1) << 40));
  }
  return fits;
}

} // namespace tessera::ptx

#endif
