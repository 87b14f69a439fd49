//===- FakeDriver.cpp - A library with the interface of the CUDA driver --------------------===//
//
// Its device is the interpreter of PTX, so that the runtime's device "cuda" runs without a GPU. As
// with a GPU, addresses mean nothing to the host, memory is limited, nothing is done before
// somebody waits (copies from the host read what is there then), and what goes wrong in a kernel
// appears there. What the machine is like:
//   FAKE_CUDA_VERSION (12040), FAKE_CUDA_DEVICES (1), FAKE_CUDA_CAPABILITY (80),
//   FAKE_CUDA_FAIL (0; the number of a launch whose kernel fails),
//   FAKE_CUDA_MEMORY (bytes; 1 GB), FAKE_CUDA_GRAPHS, FAKE_CUDA_MAPS (1; 0: it makes none)
// fakeCudaCalls("cuLaunchKernel") tells how often that was called.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/cuda/Driver.h"
#include "test/gpu/Machine.h"
#include "test/gpu/TensorMap.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

using namespace tessera;
using rt::cuda::DevicePtr;
using rt::cuda::Result;

namespace {

constexpr Result kInvalidValue = 1, kNoContext = 201, kNotFound = 500, kLaunchFailed = 719;
constexpr uint64_t kBias = uint64_t(1) << 48; // Above what a process has.

long setting(const char *name, long fallback) {
  const char *text = std::getenv(name);
  return text ? std::atol(text) : fallback;
}

struct Machine {
  std::map<DevicePtr, size_t> allocations;
  size_t used = 0;
  bool hasContext = false;
  bool hasFailed = false; // a kernel; stays so, as with a GPU
  long launches = 0;
  std::vector<std::function<void()>> queue; ///< of all streams
};
Machine machine;
std::map<std::string, long> calls;

uint8_t *onHost(DevicePtr address) { return reinterpret_cast<uint8_t *>(address - kBias); }

/// Whether the bytes lie in one allocation.
bool isInside(DevicePtr address, size_t bytes) {
  auto after = machine.allocations.upper_bound(address);
  if (after == machine.allocations.begin())
    return false;
  const auto &[begin, size] = *std::prev(after);
  return address - begin <= size && bytes <= size - (address - begin);
}

/// Does what was asked for.
void catchUp() {
  for (size_t i = 0; i < machine.queue.size(); ++i)
    if (!machine.hasFailed)
      machine.queue[i]();
  machine.queue.clear();
}

Result state() {
  return !machine.hasContext ? kNoContext : machine.hasFailed ? kLaunchFailed : rt::cuda::kSuccess;
}

template <typename Element> Result fill(DevicePtr to, size_t pitch, Element value, size_t count) {
  if (const Result result = state())
    return result;
  for (size_t i = 0; i < count; ++i) {
    if (!isInside(to + i * pitch, sizeof(Element)))
      return kInvalidValue;
  }
  machine.queue.push_back([=] {
    for (size_t i = 0; i < count; ++i)
      std::memcpy(onHost(to + i * pitch), &value, sizeof(Element));
  });
  return rt::cuda::kSuccess;
}

} // namespace

struct rt::cuda::ModuleRecord {
  std::string text;
  ptx::Program program;
};
struct rt::cuda::FunctionRecord {
  const ptx::Program *program;
  std::string name;
  unsigned shared = 48 << 10; // what a launch may ask for
};
struct rt::cuda::EventRecord {
  std::chrono::steady_clock::time_point passed;
};
using rt::cuda::ContextRecord;
using rt::cuda::EventRecord;
using rt::cuda::FunctionRecord;
using rt::cuda::ModuleRecord;
using rt::cuda::StreamRecord;

#define EXPORT extern "C" __attribute__((visibility("default"))) Result

extern "C" __attribute__((visibility("default"))) long fakeCudaCalls(const char *name) {
  return calls[name];
}
extern "C" void countFakeCall(const char *name, long by) { calls[name] += by; }

EXPORT cuInit(unsigned) { return setting("FAKE_CUDA_DEVICES", 1) ? 0 : rt::cuda::kNoDevice; }
EXPORT cuDriverGetVersion(int *version) {
  *version = int(setting("FAKE_CUDA_VERSION", 12040));
  return 0;
}
EXPORT cuDeviceGetCount(int *count) {
  *count = int(setting("FAKE_CUDA_DEVICES", 1));
  return 0;
}
EXPORT cuDeviceGet(int *device, int number) {
  *device = number;
  return 0;
}
EXPORT cuDeviceGetName(char *name, int bytes, int) {
  std::snprintf(name, size_t(bytes), "interpreter of PTX");
  return 0;
}
EXPORT cuDeviceGetAttribute(int *value, int attribute, int) {
  const int capability = int(setting("FAKE_CUDA_CAPABILITY", 80));
  *value = attribute == rt::cuda::kAttributeMajor ? capability / 10 : capability % 10;
  return 0;
}
EXPORT cuDevicePrimaryCtxRetain(ContextRecord **context, int) {
  *context = reinterpret_cast<ContextRecord *>(&machine);
  return 0;
}
EXPORT cuCtxSetCurrent(ContextRecord *context) {
  machine.hasContext = context != nullptr;
  return 0;
}
EXPORT cuStreamSynchronize(StreamRecord *) {
  ++calls[__func__];
  catchUp();
  return state();
}

EXPORT cuEventCreate(EventRecord **event, unsigned) {
  *event = new EventRecord{};
  return state();
}
EXPORT cuEventRecord(EventRecord *event, StreamRecord *) {
  machine.queue.push_back([=] { event->passed = std::chrono::steady_clock::now(); });
  return state();
}
EXPORT cuEventElapsedTime(float *milliseconds, EventRecord *first, EventRecord *last) {
  *milliseconds = std::chrono::duration<float, std::milli>(last->passed - first->passed).count();
  return state();
}
EXPORT cuEventDestroy_v2(EventRecord *event) {
  catchUp();
  delete event;
  return 0;
}

EXPORT cuMemGetInfo_v2(size_t *free, size_t *total) {
  *total = size_t(setting("FAKE_CUDA_MEMORY", 1 << 30));
  *free = *total - machine.used;
  return 0;
}
EXPORT cuMemAlloc_v2(DevicePtr *address, size_t bytes) {
  ++calls[__func__];
  if (const Result result = state())
    return result;
  if (machine.used + bytes > size_t(setting("FAKE_CUDA_MEMORY", 1 << 30)))
    return rt::cuda::kOutOfMemory;
  void *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(memory, 0xA5, bytes);
  *address = DevicePtr(reinterpret_cast<uintptr_t>(memory)) + kBias;
  machine.allocations[*address] = bytes;
  machine.used += bytes;
  return 0;
}
EXPORT cuMemFree_v2(DevicePtr address) {
  catchUp();
  auto found = machine.allocations.find(address);
  if (found == machine.allocations.end())
    return kInvalidValue;
  machine.used -= found->second;
  machine.allocations.erase(found);
  std::free(onHost(address));
  return 0;
}

EXPORT cuMemcpyHtoDAsync_v2(DevicePtr to, const void *from, size_t bytes, StreamRecord *) {
  ++calls[__func__];
  if (const Result result = state())
    return result;
  if (!isInside(to, bytes))
    return kInvalidValue;
  machine.queue.push_back([=] { std::memcpy(onHost(to), from, bytes); });
  return 0;
}
EXPORT cuMemcpyDtoHAsync_v2(void *to, DevicePtr from, size_t bytes, StreamRecord *) {
  ++calls[__func__];
  if (const Result result = state())
    return result;
  if (!isInside(from, bytes))
    return kInvalidValue;
  machine.queue.push_back([=] { std::memcpy(to, onHost(from), bytes); });
  return 0;
}
EXPORT cuMemcpyDtoDAsync_v2(DevicePtr to, DevicePtr from, size_t bytes, StreamRecord *) {
  ++calls[__func__];
  if (const Result result = state())
    return result;
  if (!isInside(from, bytes) || !isInside(to, bytes))
    return kInvalidValue;
  machine.queue.push_back([=] { std::memcpy(onHost(to), onHost(from), bytes); });
  return 0;
}
EXPORT cuMemsetD8Async(DevicePtr to, unsigned char value, size_t count, StreamRecord *) {
  return fill<uint8_t>(to, 1, value, count);
}
EXPORT cuMemsetD16Async(DevicePtr to, unsigned short value, size_t count, StreamRecord *) {
  return fill<uint16_t>(to, 2, value, count);
}
EXPORT cuMemsetD32Async(DevicePtr to, unsigned value, size_t count, StreamRecord *) {
  return fill<uint32_t>(to, 4, value, count);
}
EXPORT cuMemsetD2D32Async(DevicePtr to, size_t pitch, unsigned value, size_t width, size_t height,
                          StreamRecord *) {
  return width == 1 ? fill<uint32_t>(to, pitch, value, height) : kInvalidValue;
}

EXPORT cuModuleLoadDataEx(ModuleRecord **module, const void *text, unsigned count, int *options,
                          void **values) {
  auto made = std::make_unique<ModuleRecord>();
  made->text = static_cast<const char *>(text);
  // CUDA 11.4 reads PTX up to version 7.4, 12.0 up to 8.0.
  int major = 0, minor = 0;
  const size_t at = made->text.find(".version ");
  if (at == std::string::npos ||
      std::sscanf(made->text.c_str() + at, ".version %d.%d", &major, &minor) != 2)
    return rt::cuda::kInvalidPtx;
  const long driver = setting("FAKE_CUDA_VERSION", 12040);
  if ((major + 4) * 1000 + minor * 10 > driver)
    return rt::cuda::kUnsupportedPtxVersion;
  made->program = ptx::parse(made->text);
  if (!made->program.error.empty()) {
    for (unsigned i = 0; i + 1 < count; ++i)
      if (options[i] == rt::cuda::kJitErrorLog && options[i + 1] == rt::cuda::kJitErrorLogBytes)
        std::snprintf(static_cast<char *>(values[i]), reinterpret_cast<uintptr_t>(values[i + 1]),
                      "%s", made->program.error.c_str());
    return rt::cuda::kInvalidPtx;
  }
  *module = made.release();
  return 0;
}
EXPORT cuModuleUnload(ModuleRecord *module) {
  catchUp();
  delete module; // With its functions, which are few: they are left.
  return 0;
}
EXPORT cuModuleGetFunction(FunctionRecord **function, ModuleRecord *module, const char *name) {
  if (!module->program.find(name))
    return kNotFound;
  *function = new FunctionRecord{&module->program, name, 48 << 10};
  return 0;
}
EXPORT cuFuncSetAttribute(FunctionRecord *function, int attribute, int value) {
  // Beside what the system keeps of 228 KB; 164 on sm_80.
  const int most = setting("FAKE_CUDA_CAPABILITY", 80) >= 90 ? 227 << 10 : 163 << 10;
  if (attribute != rt::cuda::kMaxDynamicSharedBytes || value > most)
    return kInvalidValue;
  function->shared = unsigned(value);
  return 0;
}

EXPORT cuLaunchKernel(FunctionRecord *function, unsigned gridX, unsigned gridY, unsigned gridZ,
                      unsigned blockX, unsigned blockY, unsigned blockZ, unsigned shared,
                      StreamRecord *, void **, void **extra) {
  ++calls[__func__];
  if (const Result result = state())
    return result;
  if (extra[0] != rt::cuda::kParameterPointer || extra[2] != rt::cuda::kParameterSize || extra[4] ||
      shared > function->shared)
    return kInvalidValue;
  ptx::Launch launch;
  const unsigned grid[] = {gridX, gridY, gridZ}, block[] = {blockX, blockY, blockZ};
  std::memcpy(launch.grid, grid, sizeof(grid));
  std::memcpy(launch.block, block, sizeof(block));
  launch.dynamicShared = shared;
  const auto *parameters = static_cast<const uint8_t *>(extra[1]);
  launch.params.assign(parameters, parameters + *static_cast<const size_t *>(extra[3]));
  machine.queue.push_back([=] {
    ptx::Launch now = launch;
    for (const auto &[address, bytes] : machine.allocations)
      now.memory.push_back({address, bytes, "an allocation", true, kBias});
    uint64_t boxes = 0;
    now.boxes = &boxes;
    const std::string message = ptx::run(*function->program, function->name, now);
    calls["cp.async.bulk.tensor"] += long(boxes);
    if (!message.empty())
      std::fprintf(stderr, "%s\n", message.c_str());
    machine.hasFailed = !message.empty() || ++machine.launches == setting("FAKE_CUDA_FAIL", 0);
  });
  return 0;
}

EXPORT cuTensorMapEncodeTiled(void *map, int type, unsigned rank, void *address,
                              const uint64_t *extents, const uint64_t *strides, const unsigned *box,
                              const unsigned *, int, int swizzle, int, int) {
  const bool fits = setting("FAKE_CUDA_MAPS", 1) &&
                    ptx::encode(*static_cast<ptx::TensorMap *>(map), 1u << type, rank,
                                reinterpret_cast<uintptr_t>(address), extents, strides, box,
                                swizzle ? 16u << swizzle : 0);
  return fits ? rt::cuda::kSuccess : kInvalidValue;
}

EXPORT cuGetErrorName(Result error, const char **name) {
  *name = error == rt::cuda::kOutOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY"
          : error == kInvalidValue        ? "CUDA_ERROR_INVALID_VALUE"
          : error == kLaunchFailed        ? "CUDA_ERROR_LAUNCH_FAILED"
                                          : nullptr;
  return *name ? 0 : kInvalidValue;
}
EXPORT cuGetErrorString(Result, const char **text) {
  *text = "as its name says";
  return 0;
}
