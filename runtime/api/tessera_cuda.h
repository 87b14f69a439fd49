/* The device "cuda" for Tessera's runtime: modules with code for NVIDIA GPUs. The library is
 * libtessera_cuda.so; nothing of CUDA is needed to build or to load it, the driver (libcuda.so.1,
 * or what $TESSERA_CUDA_DRIVER names) is looked for when a module is loaded for the device.
 *
 *   tessera_cuda_enable(&error);
 *   tessera_load_options options = {sizeof(options)};
 *   options.device = "cuda";
 *   tessera_module_load_file("model.tsm", &options, &module, &error);
 *
 * Tensors are in the host's memory and copied at each run, or in the GPU's where the caller says so
 * (tessera_set_device_input, tessera_set_device_output). */
#ifndef TESSERA_RUNTIME_API_TESSERA_CUDA_H
#define TESSERA_RUNTIME_API_TESSERA_CUDA_H

#include "tessera.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the device known, also on machines that have none: loading a module says so. Once is
 * enough, again does no harm. Not while other threads load modules. */
TESSERA_API tessera_code tessera_cuda_enable(tessera_error **error);

#ifdef __cplusplus
}
#endif

#endif /* TESSERA_RUNTIME_API_TESSERA_CUDA_H */
