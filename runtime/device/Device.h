// What runs kernels. A device is a constant table; it has no state of its own.
#ifndef TESSERA_RUNTIME_DEVICE_DEVICE_H
#define TESSERA_RUNTIME_DEVICE_DEVICE_H

#include "runtime/base/KernelAbi.h"

namespace tessera::rt {

struct Device {
  const char *name;
  const char *family; // of the variants that it takes
  bool runsCode;      // false: no CPU feature is asked for, code is not made executable
  int32_t (*launch)(KernelEntry entry, const KernelContext *context, void *const *args);
};

const Device &cpuDevice();
// Runs programs, checks everything, launches nothing.
const Device &nullDevice();

// Null for an unknown name.
const Device *findDevice(const char *name);

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_DEVICE_DEVICE_H
