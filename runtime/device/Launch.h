// What devices with their own instruction set have in common: reading an image, and what a launch
// passes.
#ifndef TESSERA_RUNTIME_DEVICE_LAUNCH_H
#define TESSERA_RUNTIME_DEVICE_LAUNCH_H

#include "runtime/base/DeviceImage.h"
#include "runtime/base/KernelAbi.h"
#include "runtime/base/Status.h"

namespace tessera::rt {

// A checked image; points into it.
struct DeviceKernel {
  const uint8_t *image = nullptr;
  DeviceImageHeader header{};
  const char *text = "";
  uint32_t parameters = 0; // of 8 bytes, without maps

  DeviceArg arg(uint32_t index) const;
  DeviceStep step(uint32_t index) const;
  DeviceLaunch launch(uint32_t index) const;
  DeviceMap map(uint32_t index) const;
  uint32_t mapsOf(uint32_t launch) const; // how many
  // Of 8 bytes, with maps.
  uint32_t parametersOf(uint32_t launch) const;
  const char *name(uint32_t launch) const;
};

struct DeviceGrid {
  uint32_t grid[3], block[3];
};

constexpr uint32_t kMaxDeviceArgs = 1024, kMaxDeviceSteps = 4096, kMaxDeviceRank = 16,
                   kMaxDeviceLaunches = 64, kMaxDeviceMaps = 64;

// Everything that the other functions rely on is checked here.
Status readDeviceImage(const uint8_t *image, uint64_t bytes, DeviceKernel &kernel);
// The extents of a launch of the kernel; `isEmpty`: one of them is 0.
Status findGrid(const DeviceKernel &kernel, uint32_t launch, void *const *args, DeviceGrid &grid,
                bool &isEmpty);
// Fills in `parameters`, with the addresses that the arguments have on the host.
void fillParameters(const DeviceKernel &kernel, void *const *args, uint64_t *parameters);

// What a map is made from: bytes, and elements; the innermost dimension, whose elements are
// neighbours, first.
struct MapRequest {
  uint64_t address;
  uint32_t rank, elementBytes, swizzle;
  uint64_t extents[kMaxMapRank], strides[kMaxMapRank]; // strides in bytes
  uint32_t box[kMaxMapRank];
};
// Makes one, at a multiple of 64 bytes, or returns false.
using MakeMap = bool (*)(const void *context, const MapRequest &request, void *map);
// Fills in the parameters of a launch behind those that all have.
void fillMaps(const DeviceKernel &kernel, uint32_t launch, void *const *args, MakeMap make,
              const void *context, uint64_t *parameters);

// From the first to the last element of a tensor.
uint64_t bytesOf(const KernelBuffer &buffer, uint32_t elementBytes);

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_DEVICE_LAUNCH_H
