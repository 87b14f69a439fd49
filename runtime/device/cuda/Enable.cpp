// The C interface of the device.
#include "runtime/device/cuda/CudaDevice.h"

#include "runtime/api/tessera_cuda.h"
#include "runtime/device/cuda/Driver.h"

#include <cstring>

using namespace tessera::rt;

extern "C" {

tessera_code tessera_cuda_enable(tessera_error **error) {
  return tessera_add_device(reinterpret_cast<const tessera_device *>(&cudaDevice()), kDeviceAbi,
                            error);
}

uint32_t tessera_cuda_device_count(char *problem, uint64_t size) {
  const cuda::Driver *driver = nullptr;
  const Status status = cuda::openDriver(driver);
  if (size) {
    std::strncpy(problem, status.ok() ? "" : status.message(), size - 1);
    problem[size - 1] = 0;
  }
  return status.ok() ? uint32_t(driver->count) : 0;
}

tessera_code tessera_cuda_get_device(uint32_t number, tessera_cuda_device *device) {
  cuda::Driver driver;
  uint64_t memory = 0;
  if (!device || !cuda::describeDevice(number, driver, memory).ok())
    return TESSERA_UNKNOWN_NAME;
  *device = {};
  std::strncpy(device->name, driver.deviceName, sizeof(device->name) - 1);
  device->capability = uint32_t(driver.major * 10 + driver.minor);
  device->memory = memory;
  return TESSERA_OK;
}

} // extern "C"
