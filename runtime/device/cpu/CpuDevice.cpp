#include "runtime/device/Device.h"

const tessera::rt::Device &tessera::rt::cpuDevice() {
  static constexpr Device device{
      "cpu", "cpu", true,
      [](void *kernel, const KernelContext *context, void *, void *const *args, Status &) {
        return reinterpret_cast<KernelEntry>(kernel)(context, args);
      }};
  return device;
}
