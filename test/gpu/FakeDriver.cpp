//===- FakeDriver.cpp - A library with the interface of the CUDA driver --------------------===//
//
// Its devices are interpreters of PTX, so that the runtime's device "cuda" runs without a GPU. As
// with a GPU, addresses mean nothing to the host, memory is limited and belongs to one device,
// nothing is done before somebody waits (copies from the host's page-locked memory read what is
// there then; those of other memory are done at once, as is all that they wait for), and what goes
// wrong in a kernel appears there. Streams that do not block are in no order with others but what
// events say; events have a time for which copies take as long as bytes take, beside kernels. What
// the machine is like:
//   FAKE_CUDA_VERSION (12040), FAKE_CUDA_DEVICES (1), FAKE_CUDA_CAPABILITY (80),
//   FAKE_CUDA_FAIL (0; the number of a launch whose kernel fails), FAKE_CUDA_FAIL_FILE,
//   FAKE_CUDA_HANG_FILE (the kernel that finds this file takes it away, and fails or never ends),
//   FAKE_CUDA_MEMORY (bytes of a device; 1 GB), FAKE_CUDA_GRAPHS, FAKE_CUDA_MAPS (1; 0: it makes
//   none), FAKE_CUDA_EAGER (0; 1: streams that do not block work at once, as early as they may),
//   FAKE_CUDA_JIT (1; 0: it refuses all PTX), FAKE_CUDA_NO_BINARY (the target of PTX that it makes
//   no code of: "sm_90a"), FAKE_CUDA_REFUSE (0; the number of a launch that it does not take),
//   FAKE_CUDA_HOST_MEMORY (1; 0: none is page-locked), FAKE_CUDA_FULL (0; the number of an
//   allocation for which there is no room, whatever is free)
// It refuses PTX that is newer than its version, and runs nothing for other devices than its own.
// fakeCudaCalls("cuLaunchKernel") tells how often that was called.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/cuda/Driver.h"
#include "test/gpu/Machine.h"
#include "test/gpu/TensorMap.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

using namespace tessera;
using rt::cuda::DevicePtr;
using rt::cuda::EventRecord;
using rt::cuda::Result;

namespace {

constexpr Result kInvalidValue = 1, kInvalidDevice = 101, kNoContext = 201, kNotFound = 500,
                 kNotReady = 600, kOutOfResources = 701, kLaunchFailed = 719;
constexpr uint64_t kBias = uint64_t(1) << 48; // Above what a process has.

long setting(const char *name, long fallback) {
  const char *text = std::getenv(name);
  return text ? std::atol(text) : fallback;
}

bool takesAway(const char *name) {
  const char *path = std::getenv(name);
  return path && ::unlink(path) == 0;
}

/// Work of a stream, or a place in it.
struct Item {
  enum Kind { Work, Record, Wait } kind;
  std::function<void()> work;
  double issued;      ///< when it was asked for, in nanoseconds
  double cost;        ///< of copies; kernels take what the interpreter takes
  EventRecord *event; ///< Record, Wait
  long number;        ///< of the event's records
};

} // namespace

struct rt::cuda::StreamRecord {
  std::deque<Item> items;
  double clock = 0;
};
struct rt::cuda::EventRecord {
  rt::cuda::StreamRecord *stream = nullptr; ///< that it was recorded in last
  long asked = 0, passed = 0;               ///< records
  double time = 0;
};

namespace {

using rt::cuda::StreamRecord;

struct Machine {
  int number = 0;
  std::map<DevicePtr, size_t> allocations;
  size_t used = 0;
  std::map<const uint8_t *, size_t> pageLocked; ///< memory of the host
  bool hasFailed = false;                       ///< a kernel; stays so, as with a GPU
  long launches = 0;
  StreamRecord main; ///< the default stream, and those of the caller, which are in order with it
  std::set<StreamRecord *> others;
};

std::map<int, Machine> machines;
thread_local Machine *current = nullptr;
std::map<std::string, long> calls;

std::recursive_mutex &mutex() {
  static auto *made = new std::recursive_mutex; // Also for threads at the end of a process.
  return *made;
}

/// The host has waited so long for copies that take time here alone.
double waited = 0;

double now() {
  return waited + std::chrono::duration<double, std::nano>(
                      std::chrono::steady_clock::now().time_since_epoch())
                      .count();
}

uint8_t *onHost(DevicePtr address) { return reinterpret_cast<uint8_t *>(address - kBias); }

/// Whether the bytes lie in one allocation of this device.
bool isInside(DevicePtr address, size_t bytes) {
  auto after = current->allocations.upper_bound(address);
  if (after == current->allocations.begin())
    return false;
  const auto &[begin, size] = *std::prev(after);
  return address - begin <= size && bytes <= size - (address - begin);
}

StreamRecord &streamOf(StreamRecord *given) {
  return given && current->others.count(given) ? *given : current->main;
}

void runOne(Machine &machine, StreamRecord &stream);

/// Does what was asked for, up to a record of an event.
void catchUp(Machine &machine, StreamRecord &stream) {
  while (!stream.items.empty())
    runOne(machine, stream);
}
void catchUp(Machine &machine, const EventRecord &event, long number) {
  while (event.passed < number && event.stream && !event.stream->items.empty())
    runOne(machine, *event.stream);
}
void catchUpAll(Machine &machine) {
  catchUp(machine, machine.main);
  for (StreamRecord *stream : machine.others)
    catchUp(machine, *stream);
}

void runOne(Machine &machine, StreamRecord &stream) {
  const Item item = std::move(stream.items.front());
  stream.items.pop_front();
  stream.clock = std::max(stream.clock, item.issued);
  switch (item.kind) {
  case Item::Record:
    item.event->time = stream.clock;
    item.event->passed = item.number;
    return;
  case Item::Wait:
    catchUp(machine, *item.event, item.number);
    stream.clock = std::max(stream.clock, item.event->time);
    return;
  case Item::Work: break;
  }
  const double before = now();
  if (!machine.hasFailed)
    item.work();
  stream.clock += item.cost ? item.cost : now() - before;
}

void ask(StreamRecord *given, std::function<void()> work, double cost = 0) {
  StreamRecord &stream = streamOf(given);
  stream.items.push_back({Item::Work, std::move(work), now(), cost, nullptr, 0});
  if (&stream != &current->main && setting("FAKE_CUDA_EAGER", 0))
    catchUp(*current, stream);
}

bool isPageLocked(const void *memory, size_t bytes) {
  const auto *begin = static_cast<const uint8_t *>(memory);
  auto after = current->pageLocked.upper_bound(begin);
  if (after == current->pageLocked.begin())
    return false;
  --after;
  return begin + bytes <= after->first + after->second;
}

/// A copy of ordinary memory of the host: the caller gets on when it is done ("CUDA Driver API",
/// "API synchronization behavior").
void finish(StreamRecord *given) {
  StreamRecord &stream = streamOf(given);
  catchUp(*current, stream);
  waited += std::max(0.0, stream.clock - now());
}

/// A microsecond, and 10 GB/s.
double costOf(size_t bytes) { return 1000 + double(bytes) / 10; }

Result state() {
  return !current ? kNoContext : current->hasFailed ? kLaunchFailed : rt::cuda::kSuccess;
}

template <typename Element>
Result fill(DevicePtr to, size_t pitch, Element value, size_t count, StreamRecord *stream) {
  std::lock_guard lock(mutex());
  if (const Result result = state())
    return result;
  for (size_t i = 0; i < count; ++i) {
    if (!isInside(to + i * pitch, sizeof(Element)))
      return kInvalidValue;
  }
  ask(stream, [=] {
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
  uint64_t fixed;  // its static shared memory
  uint64_t shared; // what a launch may ask for besides
};
using rt::cuda::ContextRecord;
using rt::cuda::FunctionRecord;
using rt::cuda::ModuleRecord;

#define EXPORT extern "C" __attribute__((visibility("default"))) Result

extern "C" __attribute__((visibility("default"))) long fakeCudaCalls(const char *name) {
  std::lock_guard lock(mutex());
  return calls[name];
}
extern "C" void countFakeCall(const char *name, long by) { calls[name] += by; }
std::recursive_mutex &fakeCudaMutex() { return mutex(); }

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
  return number < setting("FAKE_CUDA_DEVICES", 1) ? 0 : kInvalidDevice;
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
EXPORT cuDeviceTotalMem_v2(size_t *bytes, int) {
  *bytes = size_t(setting("FAKE_CUDA_MEMORY", 1 << 30));
  return 0;
}
EXPORT cuDevicePrimaryCtxRetain(ContextRecord **context, int device) {
  std::lock_guard lock(mutex());
  machines[device].number = device;
  *context = reinterpret_cast<ContextRecord *>(&machines[device]);
  return 0;
}
EXPORT cuCtxGetCurrent(ContextRecord **context) {
  *context = reinterpret_cast<ContextRecord *>(current);
  return 0;
}
EXPORT cuCtxSetCurrent(ContextRecord *context) {
  current = reinterpret_cast<Machine *>(context);
  return 0;
}
EXPORT cuStreamCreate(StreamRecord **stream, unsigned flags) {
  std::lock_guard lock(mutex());
  if (const Result result = state())
    return result;
  *stream = new StreamRecord;
  if (flags == rt::cuda::kNonBlocking)
    current->others.insert(*stream);
  return 0;
}
EXPORT cuStreamDestroy_v2(StreamRecord *stream) {
  std::lock_guard lock(mutex());
  if (!current->others.count(stream))
    return kInvalidValue;
  catchUp(*current, *stream);
  current->others.erase(stream);
  delete stream;
  return 0;
}
EXPORT cuStreamSynchronize(StreamRecord *stream) {
  std::lock_guard lock(mutex());
  ++calls[__func__];
  if (!current)
    return kNoContext;
  catchUp(*current, streamOf(stream));
  return state();
}
EXPORT cuStreamWaitEvent(StreamRecord *stream, EventRecord *event, unsigned) {
  std::lock_guard lock(mutex());
  ++calls[__func__];
  StreamRecord &mine = streamOf(stream);
  mine.items.push_back({Item::Wait, {}, now(), 0, event, event->asked});
  return state();
}

EXPORT cuEventCreate(EventRecord **event, unsigned) {
  *event = new EventRecord{};
  return state();
}
EXPORT cuEventRecord(EventRecord *event, StreamRecord *stream) {
  std::lock_guard lock(mutex());
  ++calls[__func__];
  if (const Result result = state())
    return result;
  // What was recorded before is passed first: a wait for it may still stand somewhere.
  event->stream = &streamOf(stream);
  event->stream->items.push_back({Item::Record, {}, now(), 0, event, ++event->asked});
  return state();
}
EXPORT cuEventSynchronize(EventRecord *event) {
  std::lock_guard lock(mutex());
  catchUp(*current, *event, event->asked);
  return state();
}
EXPORT cuEventElapsedTime(float *milliseconds, EventRecord *first, EventRecord *last) {
  std::lock_guard lock(mutex());
  if (first->passed < first->asked || last->passed < last->asked)
    return kNotReady;
  *milliseconds = float((last->time - first->time) / 1e6);
  return state();
}
EXPORT cuEventDestroy_v2(EventRecord *event) {
  std::lock_guard lock(mutex());
  catchUpAll(*current);
  delete event;
  return 0;
}

EXPORT cuMemGetInfo_v2(size_t *free, size_t *total) {
  std::lock_guard lock(mutex());
  *total = size_t(setting("FAKE_CUDA_MEMORY", 1 << 30));
  *free = *total - current->used;
  return 0;
}
EXPORT cuMemAlloc_v2(DevicePtr *address, size_t bytes) {
  std::lock_guard lock(mutex());
  ++calls[__func__];
  if (const Result result = state())
    return result;
  if (!bytes)
    return kInvalidValue;
  if (calls[__func__] == setting("FAKE_CUDA_FULL", 0) ||
      current->used + bytes > size_t(setting("FAKE_CUDA_MEMORY", 1 << 30)))
    return rt::cuda::kOutOfMemory;
  void *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(memory, 0xA5, bytes);
  *address = DevicePtr(reinterpret_cast<uintptr_t>(memory)) + kBias;
  current->allocations[*address] = bytes;
  current->used += bytes;
  return 0;
}
EXPORT cuMemFree_v2(DevicePtr address) {
  std::lock_guard lock(mutex());
  catchUpAll(*current);
  auto found = current->allocations.find(address);
  if (found == current->allocations.end())
    return kInvalidValue;
  current->used -= found->second;
  current->allocations.erase(found);
  std::free(onHost(address));
  return 0;
}

EXPORT cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  std::lock_guard lock(mutex());
  ++calls[__func__];
  if (const Result result = state())
    return result;
  if (!setting("FAKE_CUDA_HOST_MEMORY", 1))
    return rt::cuda::kOutOfMemory;
  *memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  std::memset(*memory, 0xA5, bytes);
  current->pageLocked[static_cast<uint8_t *>(*memory)] = bytes;
  return 0;
}
EXPORT cuMemFreeHost(void *memory) {
  std::lock_guard lock(mutex());
  catchUpAll(*current);
  if (!current->pageLocked.erase(static_cast<uint8_t *>(memory)))
    return kInvalidValue;
  std::free(memory);
  return 0;
}
EXPORT cuPointerGetAttribute(void *value, int attribute, DevicePtr address) {
  std::lock_guard lock(mutex());
  if (attribute != rt::cuda::kMemoryTypeAttribute ||
      !isPageLocked(reinterpret_cast<void *>(uintptr_t(address)), 1))
    return kInvalidValue;
  *static_cast<unsigned *>(value) = rt::cuda::kHostMemoryType;
  return 0;
}
/// Takes what it takes here.
EXPORT cuLaunchHostFunc(StreamRecord *stream, void (*function)(void *), void *data) {
  std::lock_guard lock(mutex());
  ++calls[__func__];
  if (const Result result = state())
    return result;
  ask(stream, [=] { function(data); });
  return 0;
}

EXPORT cuMemcpyHtoDAsync_v2(DevicePtr to, const void *from, size_t bytes, StreamRecord *stream) {
  std::lock_guard lock(mutex());
  ++calls[__func__];
  if (const Result result = state())
    return result;
  if (!isInside(to, bytes))
    return kInvalidValue;
  ask(stream, [=] { std::memcpy(onHost(to), from, bytes); }, costOf(bytes));
  if (!isPageLocked(from, bytes))
    finish(stream);
  return state();
}
EXPORT cuMemcpyDtoHAsync_v2(void *to, DevicePtr from, size_t bytes, StreamRecord *stream) {
  std::lock_guard lock(mutex());
  ++calls[__func__];
  if (const Result result = state())
    return result;
  if (!isInside(from, bytes))
    return kInvalidValue;
  ask(stream, [=] { std::memcpy(to, onHost(from), bytes); }, costOf(bytes));
  if (!isPageLocked(to, bytes))
    finish(stream);
  return state();
}
EXPORT cuMemcpyDtoDAsync_v2(DevicePtr to, DevicePtr from, size_t bytes, StreamRecord *stream) {
  std::lock_guard lock(mutex());
  ++calls[__func__];
  if (const Result result = state())
    return result;
  if (!isInside(from, bytes) || !isInside(to, bytes))
    return kInvalidValue;
  ask(stream, [=] { std::memcpy(onHost(to), onHost(from), bytes); });
  return 0;
}
EXPORT cuMemsetD8Async(DevicePtr to, unsigned char value, size_t count, StreamRecord *stream) {
  return fill<uint8_t>(to, 1, value, count, stream);
}
EXPORT cuMemsetD16Async(DevicePtr to, unsigned short value, size_t count, StreamRecord *stream) {
  return fill<uint16_t>(to, 2, value, count, stream);
}
EXPORT cuMemsetD32Async(DevicePtr to, unsigned value, size_t count, StreamRecord *stream) {
  return fill<uint32_t>(to, 4, value, count, stream);
}
EXPORT cuMemsetD2D32Async(DevicePtr to, size_t pitch, unsigned value, size_t width, size_t height,
                          StreamRecord *stream) {
  return width == 1 ? fill<uint32_t>(to, pitch, value, height, stream) : kInvalidValue;
}

EXPORT cuModuleLoadDataEx(ModuleRecord **module, const void *text, unsigned count, int *options,
                          void **values) {
  std::lock_guard lock(mutex());
  auto made = std::make_unique<ModuleRecord>();
  made->text = static_cast<const char *>(text);
  int major = 0, minor = 0;
  const size_t at = made->text.find(".version ");
  if (at == std::string::npos ||
      std::sscanf(made->text.c_str() + at, ".version %d.%d", &major, &minor) != 2)
    return rt::cuda::kInvalidPtx;
  const long driver = setting("FAKE_CUDA_VERSION", 12040);
  if (rt::cuda::cudaOfPtx(major, minor) > driver)
    return rt::cuda::kUnsupportedPtxVersion;
  made->program = ptx::parse(made->text);
  const char *refused = std::getenv("FAKE_CUDA_NO_BINARY");
  if (made->program.error.empty() &&
      ((refused && made->program.target == refused) ||
       !ptx::runsOn(made->program.target, int(setting("FAKE_CUDA_CAPABILITY", 80)))))
    return rt::cuda::kNoBinaryForGpu;
  if (!setting("FAKE_CUDA_JIT", 1))
    made->program.error = "ptxas application ptx input, line 1; fatal   : it was told to refuse";
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
  std::lock_guard lock(mutex());
  catchUpAll(*current);
  delete module; // With its functions, which are few: they are left.
  return 0;
}
EXPORT cuModuleGetFunction(FunctionRecord **function, ModuleRecord *module, const char *name) {
  std::lock_guard lock(mutex());
  const ptx::Kernel *kernel = module->program.find(name);
  if (!kernel)
    return kNotFound;
  const uint64_t fixed = ptx::countShared(module->program, *kernel), ordinary = 48 << 10;
  *function =
      new FunctionRecord{&module->program, name, fixed, ordinary - std::min(fixed, ordinary)};
  return 0;
}
EXPORT cuFuncSetAttribute(FunctionRecord *function, int attribute, int value) {
  const uint64_t most =
      ptx::getMostShared("sm_" + std::to_string(setting("FAKE_CUDA_CAPABILITY", 80)));
  if (attribute != rt::cuda::kMaxDynamicSharedBytes || function->fixed + uint64_t(value) > most)
    return kInvalidValue;
  function->shared = uint64_t(value);
  return 0;
}

EXPORT cuLaunchKernel(FunctionRecord *function, unsigned gridX, unsigned gridY, unsigned gridZ,
                      unsigned blockX, unsigned blockY, unsigned blockZ, unsigned shared,
                      StreamRecord *stream, void **, void **extra) {
  std::lock_guard lock(mutex());
  ++calls[__func__];
  if (const Result result = state())
    return result;
  if (calls[__func__] == setting("FAKE_CUDA_REFUSE", 0))
    return kOutOfResources;
  if (extra[0] != rt::cuda::kParameterPointer || extra[2] != rt::cuda::kParameterSize || extra[4] ||
      shared > function->shared)
    return kInvalidValue;
  ptx::Launch launch;
  const unsigned grid[] = {gridX, gridY, gridZ}, block[] = {blockX, blockY, blockZ};
  for (unsigned axis = 0; axis < 3; ++axis)
    if (!grid[axis] || !block[axis] || grid[axis] > (axis ? 65535u : 0x7fffffffu) ||
        block[axis] > (axis < 2 ? 1024u : 64u))
      return kInvalidValue;
  std::memcpy(launch.grid, grid, sizeof(grid));
  std::memcpy(launch.block, block, sizeof(block));
  launch.dynamicShared = shared;
  const auto *parameters = static_cast<const uint8_t *>(extra[1]);
  launch.params.assign(parameters, parameters + *static_cast<const size_t *>(extra[3]));
  Machine &machine = *current;
  ask(stream, [=, &machine] {
    ptx::Launch now = launch;
    for (const auto &[address, bytes] : machine.allocations)
      now.memory.push_back({address, bytes, "an allocation", true, kBias});
    uint64_t boxes = 0;
    now.boxes = &boxes;
    const std::string message = ptx::run(*function->program, function->name, now);
    calls["cp.async.bulk.tensor"] += long(boxes);
    if (!message.empty())
      std::fprintf(stderr, "%s\n", message.c_str());
    if (takesAway("FAKE_CUDA_HANG_FILE"))
      for (;;)
        ::pause();
    machine.hasFailed = !message.empty() || takesAway("FAKE_CUDA_FAIL_FILE") ||
                        ++machine.launches == setting("FAKE_CUDA_FAIL", 0);
  });
  return 0;
}

EXPORT cuTensorMapEncodeTiled(void *map, int type, unsigned rank, void *address,
                              const uint64_t *extents, const uint64_t *strides, const unsigned *box,
                              const unsigned *, int, int swizzle, int, int) {
  const bool fits = setting("FAKE_CUDA_MAPS", 1) && reinterpret_cast<uintptr_t>(map) % 64 == 0 &&
                    ptx::encode(*static_cast<ptx::TensorMap *>(map), 1u << type, rank,
                                reinterpret_cast<uintptr_t>(address), extents, strides, box,
                                swizzle ? 16u << swizzle : 0);
  return fits ? rt::cuda::kSuccess : kInvalidValue;
}

EXPORT cuGetErrorName(Result error, const char **name) {
  *name = error == rt::cuda::kOutOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY"
          : error == kInvalidValue        ? "CUDA_ERROR_INVALID_VALUE"
          : error == kOutOfResources      ? "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"
          : error == kLaunchFailed        ? "CUDA_ERROR_LAUNCH_FAILED"
                                          : nullptr;
  return *name ? 0 : kInvalidValue;
}
EXPORT cuGetErrorString(Result, const char **text) {
  *text = "as its name says";
  return 0;
}
