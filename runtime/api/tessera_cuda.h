/* The device "cuda" for Tessera's runtime: modules with code for NVIDIA GPUs. The library is
 * libtessera_cuda.so; nothing of CUDA is needed to build or to load it, the driver (libcuda.so.1,
 * or what $TESSERA_CUDA_DRIVER names) is looked for when a module is loaded for the device.
 *
 *   tessera_cuda_enable(&error);
 *   tessera_load_options options = {sizeof(options)};
 *   options.device = "cuda";         // number 0; "cuda:1" is number 1
 *   tessera_module_load_file("model.tsm", &options, &module, &error);
 *
 * A module is loaded for one device; the same file may be loaded for several, and contexts of them
 * run at the same time. Tensors are in the host's memory and copied at each run, or in the GPU's
 * where the caller says so (tessera_set_device_input, tessera_set_device_output). */
#ifndef TESSERA_RUNTIME_API_TESSERA_CUDA_H
#define TESSERA_RUNTIME_API_TESSERA_CUDA_H

#include "tessera.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the device known, also on machines that have none: loading a module says so. Once is
 * enough, again does no harm. Not while other threads load modules. */
TESSERA_API tessera_code tessera_cuda_enable(tessera_error **error);

/* Since version 6 of the interface. How many devices there are, numbered from 0; 0: `problem`, of
 * `size` bytes, says why. */
TESSERA_API uint32_t tessera_cuda_device_count(char *problem, uint64_t size);
typedef struct tessera_cuda_device {
  char name[80];       /* "NVIDIA H100 80GB HBM3" */
  uint32_t capability; /* 90: runs code for sm_90 and older, and for sm_90a */
  uint32_t reserved;
  uint64_t memory; /* bytes */
} tessera_cuda_device;
/* TESSERA_UNKNOWN_NAME: there is no such number. */
TESSERA_API tessera_code tessera_cuda_get_device(uint32_t number, tessera_cuda_device *device);

#ifdef __cplusplus
}
#endif

#endif /* TESSERA_RUNTIME_API_TESSERA_CUDA_H */
