#include "runtime/device/cuda/CudaDevice.h"

#include "runtime/api/tessera_cuda.h"

extern "C" tessera_code tessera_cuda_enable(tessera_error **error) {
  return tessera_add_device(reinterpret_cast<const tessera_device *>(&tessera::rt::cudaDevice()),
                            tessera::rt::kDeviceAbi, error);
}
