// What runs kernels. A device is a constant table; it has no state of its own.
#ifndef TESSERA_RUNTIME_DEVICE_DEVICE_H
#define TESSERA_RUNTIME_DEVICE_DEVICE_H

#include "runtime/base/KernelAbi.h"
#include "runtime/base/Status.h"

namespace tessera::rt {

struct Device {
  const char *name;
  const char *family; // of the variants that it takes
  bool runsCode;      // false: no CPU feature is asked for, code is not made executable
  // `kernel` is the entry of the code, or what `prepare` gave. Where the device knows more than a
  // number about what went wrong, it says so in `error`.
  int32_t (*launch)(void *kernel, const KernelContext *context, void *const *args, Status &error);
  // For devices whose kernels are no code of this process: makes one ready when the module is
  // loaded. `image` has `bytes` bytes that nobody has checked; it lives as long as the module.
  Status (*prepare)(const uint8_t *image, uint64_t bytes, void *&kernel) = nullptr;
  void (*release)(void *kernel) = nullptr;
};

const Device &cpuDevice();
// Runs programs, checks everything, launches nothing.
const Device &nullDevice();

// Null for an unknown name.
const Device *findDevice(const char *name);
// A device of the host program, found by its name from then on; not while others look for devices.
// False: there are kMaxAddedDevices already.
bool addDevice(const Device &device);
constexpr uint32_t kMaxAddedDevices = 4;
// Space for people: "cpu, null".
void listDevices(char *text, size_t bytes);

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_DEVICE_DEVICE_H
