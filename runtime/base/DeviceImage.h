// A kernel for a device with its own instruction set, as it stands in a code segment: how to launch
// it, and its text (PTX). Written by compiler/codegen, read by runtime/device. Little-endian,
// 4-byte fields, at any address; offsets count from the first byte of the header.
//
//   DeviceImageHeader, DeviceArg[args], DeviceStep[steps], DeviceLaunch[launches], DeviceMap[maps],
//   names and text, all ending in 0
//
// A kernel is launched in parts, one after the other, which hand on what they keep in scratch
// outputs. All get the same parameters.
//
// The parameters of a kernel, 8 bytes each: of a tensor its address, its extents, its strides (in
// elements; both outermost first); of a scalar its value; in the order of the arguments. A launch
// with maps gets for each of them whether it could be made, then, from the next multiple of 64
// bytes on, the maps, of 128 bytes each, for bulk copies (CUtensorMap).
#ifndef TESSERA_RUNTIME_BASE_DEVICEIMAGE_H
#define TESSERA_RUNTIME_BASE_DEVICEIMAGE_H

#include <stdint.h>

namespace tessera::rt {

constexpr uint32_t kDeviceImageMagic = 0x47575354; // "TSWG"
constexpr uint32_t kDeviceImageVersion = 4;
// The most that a block gets on any device (sm_90 and sm_100).
constexpr uint32_t kMaxSharedBytes = 227 << 10;

struct DeviceImageHeader {
  uint32_t magic, version;
  uint32_t bytes; // of all
  uint32_t args, steps, launches, maps;
  uint32_t text; // offset
};
constexpr uint32_t kNoStep = 0xffffffffu;

struct DeviceLaunch {
  uint32_t name;        // offset
  uint32_t extents[6];  // steps that compute the grid (x, y, z) and the block; kNoStep: 1
  uint32_t sharedBytes; // for each block, beside what its text declares
};

// Boxes of a tensor that a launch copies; the maps of a launch stand together.
struct DeviceMap {
  uint32_t launch, arg;
  uint32_t swizzle; // bytes within which chunks of 16 change places: 32, 64, 128
  uint32_t box[5];  // elements; the innermost dimension first
};
constexpr uint32_t kMaxMapRank = 5, kMapWords = 16;

enum class DeviceArgKind : uint32_t { Input = 0, Output = 1, Scalar = 2 };

// Of tensors also the rank and the bytes of an element.
struct DeviceArg {
  uint32_t kind, rank, elementBytes;
};

// What computes an extent of the grid from those of the arguments. A step refers to earlier ones.
enum class DeviceStepKind : uint32_t {
  Number = 0,   // low, high: 64 bits
  Extent = 1,   // of argument a, dimension b
  Scalar = 2,   // argument a
  Multiply = 3, // of steps a and b, as the next
  CeilDivide = 4,
  Max = 5,
};

struct DeviceStep {
  DeviceStepKind kind;
  uint32_t a, b;
};

static_assert(sizeof(DeviceImageHeader) == 32 && sizeof(DeviceArg) == 12 &&
              sizeof(DeviceStep) == 12 && sizeof(DeviceLaunch) == 32 && sizeof(DeviceMap) == 32);

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_BASE_DEVICEIMAGE_H
