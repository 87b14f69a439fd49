// The devices "cuda" and "cuda:N": the GPUs that the CUDA driver has, numbered from 0.
#ifndef TESSERA_RUNTIME_DEVICE_CUDA_CUDADEVICE_H
#define TESSERA_RUNTIME_DEVICE_CUDA_CUDADEVICE_H

#include "runtime/device/Device.h"

namespace tessera::rt {

// Number 0. Launches go to the stream of the call, in order, and do not wait; its memory is the
// GPU's. Marks are CUDA events, queues beside it streams that do not block.
const Device &cudaDevice();

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_DEVICE_CUDA_CUDADEVICE_H
