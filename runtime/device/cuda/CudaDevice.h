// The device "cuda": the first GPU that the CUDA driver has.
#ifndef TESSERA_RUNTIME_DEVICE_CUDA_CUDADEVICE_H
#define TESSERA_RUNTIME_DEVICE_CUDA_CUDADEVICE_H

#include "runtime/device/Device.h"

namespace tessera::rt {

// Launches go to the stream of the call, in order, and do not wait; its memory is the GPU's. Marks
// are CUDA events.
const Device &cudaDevice();

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_DEVICE_CUDA_CUDADEVICE_H
