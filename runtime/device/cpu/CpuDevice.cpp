#include "runtime/device/Device.h"

const tessera::rt::Device &tessera::rt::cpuDevice() {
  static constexpr Device device{"cpu", "cpu", true,
                                 [](KernelEntry entry, const KernelContext *context,
                                    void *const *args) { return entry(context, args); }};
  return device;
}
