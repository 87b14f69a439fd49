// The CUDA driver, found when it is needed: nothing of CUDA is there when Tessera is built, and its
// headers are not either. Names, types and numbers are those of NVIDIA's "CUDA Driver API".
#ifndef TESSERA_RUNTIME_DEVICE_CUDA_DRIVER_H
#define TESSERA_RUNTIME_DEVICE_CUDA_DRIVER_H

#include "runtime/base/Status.h"

#include <cstddef>
#include <utility>

namespace tessera::rt::cuda {

using Result = int32_t;
constexpr Result kSuccess = 0, kOutOfMemory = 2, kNoDevice = 100, kNoBinaryForGpu = 209,
                 kInvalidPtx = 218, kUnsupportedPtxVersion = 222;
using DevicePtr = unsigned long long;
struct ContextRecord;
struct ModuleRecord;
struct FunctionRecord;
struct StreamRecord;
struct EventRecord;
struct GraphRecord;
struct GraphNode;
struct GraphExec;

// CUDA_KERNEL_NODE_PARAMS, the first version.
struct KernelNode {
  FunctionRecord *function;
  unsigned gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes;
  void **parameters, **extra;
};
// CUDA_MEMCPY3D.
struct CopyEnd {
  size_t x, y, z, level;
  int memoryType;
  const void *host;
  DevicePtr device;
  void *array, *reserved;
  size_t pitch, height;
};
struct CopyNode {
  CopyEnd from, to;
  size_t width, height, depth; // the first in bytes
};
constexpr int kDeviceMemoryType = 2;
// CUDA_MEMSET_NODE_PARAMS.
struct FillShape {
  DevicePtr to;
  size_t pitch;
  unsigned value, elementBytes;
  size_t width, height; // the first in elements
};

constexpr int kAttributeMajor = 75, kAttributeMinor = 76; // of a device: its compute capability
constexpr unsigned kNonBlocking = 1; // of a stream: in no order with the default one
constexpr unsigned kNoTiming = 2;    // of an event
constexpr int kMemoryTypeAttribute = 2, kHostMemoryType = 1; // of an address
constexpr int kMaxDynamicSharedBytes = 8;                    // of a function
constexpr int kJitErrorLog = 5, kJitErrorLogBytes = 6;       // options of cuModuleLoadDataEx
void *const kParameterPointer = reinterpret_cast<void *>(1); // of cuLaunchKernel's `extra`
void *const kParameterSize = reinterpret_cast<void *>(2);

// name, name in the library, parameters
#define TESSERA_CUDA_FUNCTIONS(X)                                                                  \
  X(init, "cuInit", (unsigned))                                                                    \
  X(driverGetVersion, "cuDriverGetVersion", (int *))                                               \
  X(deviceGetCount, "cuDeviceGetCount", (int *))                                                   \
  X(deviceGet, "cuDeviceGet", (int *, int))                                                        \
  X(deviceGetName, "cuDeviceGetName", (char *, int, int))                                          \
  X(deviceGetAttribute, "cuDeviceGetAttribute", (int *, int, int))                                 \
  X(primaryContextRetain, "cuDevicePrimaryCtxRetain", (ContextRecord **, int))                     \
  X(contextGetCurrent, "cuCtxGetCurrent", (ContextRecord **))                                      \
  X(contextSetCurrent, "cuCtxSetCurrent", (ContextRecord *))                                       \
  X(deviceTotalMem, "cuDeviceTotalMem_v2", (size_t *, int))                                        \
  X(streamCreate, "cuStreamCreate", (StreamRecord **, unsigned))                                   \
  X(streamDestroy, "cuStreamDestroy_v2", (StreamRecord *))                                         \
  X(streamSynchronize, "cuStreamSynchronize", (StreamRecord *))                                    \
  X(streamWaitEvent, "cuStreamWaitEvent", (StreamRecord *, EventRecord *, unsigned))               \
  X(eventCreate, "cuEventCreate", (EventRecord **, unsigned))                                      \
  X(eventRecord, "cuEventRecord", (EventRecord *, StreamRecord *))                                 \
  X(eventSynchronize, "cuEventSynchronize", (EventRecord *))                                       \
  X(eventElapsedTime, "cuEventElapsedTime", (float *, EventRecord *, EventRecord *))               \
  X(eventDestroy, "cuEventDestroy_v2", (EventRecord *))                                            \
  X(memGetInfo, "cuMemGetInfo_v2", (size_t *, size_t *))                                           \
  X(memAlloc, "cuMemAlloc_v2", (DevicePtr *, size_t))                                              \
  X(memFree, "cuMemFree_v2", (DevicePtr))                                                          \
  X(memHostAlloc, "cuMemHostAlloc", (void **, size_t, unsigned))                                   \
  X(memFreeHost, "cuMemFreeHost", (void *))                                                        \
  X(pointerGetAttribute, "cuPointerGetAttribute", (void *, int, DevicePtr))                        \
  X(launchHostFunc, "cuLaunchHostFunc", (StreamRecord *, void (*)(void *), void *))                \
  X(copyToDevice, "cuMemcpyHtoDAsync_v2", (DevicePtr, const void *, size_t, StreamRecord *))       \
  X(copyToHost, "cuMemcpyDtoHAsync_v2", (void *, DevicePtr, size_t, StreamRecord *))               \
  X(copyOnDevice, "cuMemcpyDtoDAsync_v2", (DevicePtr, DevicePtr, size_t, StreamRecord *))          \
  X(fill8, "cuMemsetD8Async", (DevicePtr, unsigned char, size_t, StreamRecord *))                  \
  X(fill16, "cuMemsetD16Async", (DevicePtr, unsigned short, size_t, StreamRecord *))               \
  X(fill32, "cuMemsetD32Async", (DevicePtr, unsigned, size_t, StreamRecord *))                     \
  X(fillRows32, "cuMemsetD2D32Async",                                                              \
    (DevicePtr, size_t, unsigned, size_t, size_t, StreamRecord *))                                 \
  X(moduleLoadData, "cuModuleLoadDataEx",                                                          \
    (ModuleRecord **, const void *, unsigned, int *, void **))                                     \
  X(moduleUnload, "cuModuleUnload", (ModuleRecord *))                                              \
  X(moduleGetFunction, "cuModuleGetFunction", (FunctionRecord **, ModuleRecord *, const char *))   \
  X(functionSetAttribute, "cuFuncSetAttribute", (FunctionRecord *, int, int))                      \
  X(launchKernel, "cuLaunchKernel",                                                                \
    (FunctionRecord *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,       \
     StreamRecord *, void **, void **))                                                            \
  X(getErrorName, "cuGetErrorName", (Result, const char **))                                       \
  X(getErrorString, "cuGetErrorString", (Result, const char **))

// What a driver may lack: without them, everything is launched one by one. CUDA 11.4 has them all.
#define TESSERA_CUDA_GRAPH_FUNCTIONS(X)                                                            \
  X(graphCreate, "cuGraphCreate", (GraphRecord **, unsigned))                                      \
  X(graphDestroy, "cuGraphDestroy", (GraphRecord *))                                               \
  X(graphAddKernel, "cuGraphAddKernelNode",                                                        \
    (GraphNode **, GraphRecord *, GraphNode *const *, size_t, const KernelNode *))                 \
  X(graphAddCopy, "cuGraphAddMemcpyNode",                                                          \
    (GraphNode **, GraphRecord *, GraphNode *const *, size_t, const CopyNode *, ContextRecord *))  \
  X(graphAddFill, "cuGraphAddMemsetNode",                                                          \
    (GraphNode **, GraphRecord *, GraphNode *const *, size_t, const FillShape *, ContextRecord *)) \
  X(graphInstantiate, "cuGraphInstantiateWithFlags",                                               \
    (GraphExec **, GraphRecord *, unsigned long long))                                             \
  X(graphSetKernel, "cuGraphExecKernelNodeSetParams",                                              \
    (GraphExec *, GraphNode *, const KernelNode *))                                                \
  X(graphSetCopy, "cuGraphExecMemcpyNodeSetParams",                                                \
    (GraphExec *, GraphNode *, const CopyNode *, ContextRecord *))                                 \
  X(graphSetFill, "cuGraphExecMemsetNodeSetParams",                                                \
    (GraphExec *, GraphNode *, const FillShape *, ContextRecord *))                                \
  X(graphExecDestroy, "cuGraphExecDestroy", (GraphExec *))                                         \
  X(graphLaunch, "cuGraphLaunch", (GraphExec *, StreamRecord *))

// What a driver may lack: without it, kernels make no bulk copies. CUDA 12.0 has it.
#define TESSERA_CUDA_MAP_FUNCTIONS(X)                                                              \
  X(tensorMapEncode, "cuTensorMapEncodeTiled",                                                     \
    (void *, int, unsigned, void *, const uint64_t *, const uint64_t *, const unsigned *,          \
     const unsigned *, int, int, int, int))

// More than a machine has.
constexpr uint32_t kMaxDevices = 64;

// The driver, with one of its devices.
struct Driver {
#define TESSERA_CUDA_POINTER(name, symbol, parameters) Result(*name) parameters;
  TESSERA_CUDA_FUNCTIONS(TESSERA_CUDA_POINTER)
  // All of them, or graphLaunch is null.
  TESSERA_CUDA_GRAPH_FUNCTIONS(TESSERA_CUDA_POINTER)
  TESSERA_CUDA_MAP_FUNCTIONS(TESSERA_CUDA_POINTER)
#undef TESSERA_CUDA_POINTER
  int version;         // 12040: CUDA 12.4
  int count;           // of devices
  int device;          // the driver's handle
  int major, minor;    // compute capability of the device
  char deviceName[80]; // "NVIDIA H100 80GB HBM3"
  ContextRecord *context;

  // After such an error of a kernel nothing works on the device any more in this process.
  static bool isLost(Result result);
  // An error of the driver as a status: "cuMemAlloc: ...".
  Status check(Result result, const char *what) const;
};

// The first CUDA, as in Driver::version, whose driver reads PTX of a version ("PTX ISA", release
// notes): each has a version of its own, but for 12.6.
constexpr int cudaOfPtx(int major, int minor) {
  return (major + 4) * 1000 + (major == 8 && minor >= 6 ? minor + 1 : minor) * 10;
}

// While it lives, calls of this thread go to the device. A context that was current before is so
// afterwards: what the caller does on another device goes on there.
class Use {
public:
  explicit Use(const Driver &driver) : driver(driver) {
    if (driver.contextGetCurrent(&before) != kSuccess)
      before = nullptr;
    if (before != driver.context)
      status = driver.check(driver.contextSetCurrent(driver.context), "choosing the device");
  }
  Use(const Use &) = delete;
  Use &operator=(const Use &) = delete;
  ~Use() {
    if (before && before != driver.context)
      (void)driver.contextSetCurrent(before);
  }
  Status take() { return std::move(status); }

private:
  const Driver &driver;
  ContextRecord *before = nullptr;
  Status status;
};

// The driver without a device, or why there is none. The library is looked for once, under the
// name that $TESSERA_CUDA_DRIVER gives or as libcuda.so.1; it stays open.
Status openDriver(const Driver *&driver);
// With the device of a number below kMaxDevices, whose primary context is retained once.
Status openDevice(uint32_t number, const Driver *&driver);
// Its name, compute capability and memory, without a context.
Status describeDevice(uint32_t number, Driver &driver, uint64_t &memory);

} // namespace tessera::rt::cuda

#endif // TESSERA_RUNTIME_DEVICE_CUDA_DRIVER_H
