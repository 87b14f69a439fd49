#include "runtime/device/cuda/CudaDevice.h"

#include "runtime/device/Launch.h"
#include "runtime/device/cuda/Queue.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <pthread.h>

namespace tessera::rt {
namespace {

using cuda::DevicePtr;
using cuda::Driver;
using cuda::EventRecord;
using cuda::Queue;

// What every kernel may take on every architecture (CUDA C++ Programming Guide, "Function
// Parameters").
constexpr uint32_t kMaxParameters = 4096 / 8;
DevicePtr toPtr(const void *address) { return DevicePtr(reinterpret_cast<uintptr_t>(address)); }

// A device's state is its number.
uint32_t numberOf(const void *device) { return uint32_t(reinterpret_cast<uintptr_t>(device)); }

// Runs `body(driver)` with the device chosen for this thread.
template <typename Body> Status with(const void *device, Body &&body) {
  const Driver *driver = nullptr;
  TESSERA_TRY(cuda::openDevice(numberOf(device), driver));
  cuda::Use use(*driver);
  TESSERA_TRY(use.take());
  return body(*driver);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Status allocate(void *device, uint64_t bytes, void *&address) {
  return with(device, [&](const Driver &driver) -> Status {
    DevicePtr made = 0;
    const cuda::Result result = driver.memAlloc(&made, bytes);
    if (result == cuda::kOutOfMemory) {
      size_t free = 0, total = 0;
      (void)driver.memGetInfo(&free, &total);
      return Status::error(Code::OutOfMemory,
                           "%llu bytes of the memory of %s are needed, %zu of %zu are free",
                           (unsigned long long)bytes, driver.deviceName, free, total);
    }
    address = reinterpret_cast<void *>(uintptr_t(made));
    return driver.check(result, "cuMemAlloc");
  });
}

void release(void *device, void *address) {
  // An error of an earlier launch was reported where it was waited for.
  (void)with(device, [&](const Driver &driver) -> Status {
    (void)driver.memFree(toPtr(address));
    return {};
  });
}

Status available(void *device, uint64_t &free, uint64_t &total) {
  return with(device, [&](const Driver &driver) -> Status {
    size_t freeBytes = 0, totalBytes = 0;
    TESSERA_TRY(driver.check(driver.memGetInfo(&freeBytes, &totalBytes), "asking for free memory"));
    free = freeBytes;
    total = totalBytes;
    return {};
  });
}

// A context's, with what is not submitted yet; without one all goes to the default stream.
Status flush(const Driver &driver, void *queue, cuda::StreamRecord *&stream) {
  auto *own = static_cast<Queue *>(queue);
  stream = own ? own->stream : nullptr;
  return own ? own->flush(driver) : Status();
}

Status submit(void *device, void *queue) {
  return with(device, [&](const Driver &driver) {
    cuda::StreamRecord *stream;
    return flush(driver, queue, stream);
  });
}

Status wait(void *device, void *queue) {
  return with(device, [&](const Driver &driver) {
    cuda::StreamRecord *stream;
    TESSERA_TRY(flush(driver, queue, stream));
    return driver.check(driver.streamSynchronize(stream), "waiting for kernels");
  });
}

Status toDevice(void *device, void *queue, void *to, const void *from, uint64_t bytes) {
  return with(device, [&](const Driver &driver) {
    cuda::StreamRecord *stream;
    TESSERA_TRY(flush(driver, queue, stream));
    if (auto *own = static_cast<Queue *>(queue); own && own->ownsStream)
      return own->staging.upload(driver, stream, toPtr(to), from, bytes);
    return driver.check(driver.copyToDevice(toPtr(to), from, bytes, stream),
                        "a copy to the device");
  });
}
Status toHost(void *device, void *queue, void *to, const void *from, uint64_t bytes) {
  return with(device, [&](const Driver &driver) {
    cuda::StreamRecord *stream;
    TESSERA_TRY(flush(driver, queue, stream));
    if (auto *own = static_cast<Queue *>(queue); own && own->ownsStream)
      return own->staging.download(driver, stream, to, toPtr(from), bytes);
    return driver.check(driver.copyToHost(to, toPtr(from), bytes, stream),
                        "a copy from the device");
  });
}

// `body(driver, queue)` with the context's queue, or one for this step.
template <typename Body> Status withQueue(void *device, void *queue, Body &&body) {
  return with(device, [&](const Driver &driver) -> Status {
    if (queue)
      return body(driver, *static_cast<Queue *>(queue));
    Queue once;
    return body(driver, once);
  });
}

Status copy(void *device, void *queue, void *to, const void *from, uint64_t bytes) {
  return withQueue(device, queue, [&](const Driver &driver, Queue &own) {
    return own.copy(driver, toPtr(to), toPtr(from), bytes);
  });
}

Status fill(void *device, void *queue, void *to, uint64_t pattern, uint32_t elementBytes,
            uint64_t elements) {
  return withQueue(device, queue, [&](const Driver &driver, Queue &own) {
    const DevicePtr at = toPtr(to);
    if (elementBytes <= 4) {
      // A node of a graph takes no bits that its elements do not have.
      const unsigned value = unsigned(pattern) & (~0u >> (32 - 8 * elementBytes));
      return own.fill(driver, at, {0, 0, value, elementBytes, elements, 1});
    }
    if (elements == 1) { // Rows of one element are none.
      TESSERA_TRY(own.fill(driver, at, {0, 0, unsigned(pattern), 4, 1, 1}));
      return own.fill(driver, at + 4, {0, 0, unsigned(pattern >> 32), 4, 1, 1});
    }
    // Rows of one word, 8 bytes apart: the low halves, then the high ones.
    TESSERA_TRY(own.fill(driver, at, {0, 8, unsigned(pattern), 4, 1, elements}));
    return own.fill(driver, at + 4, {0, 8, unsigned(pattern >> 32), 4, 1, elements});
  });
}

Status makeQueue(void *, void *&queue) {
  queue = create<Queue>(systemAllocator());
  return queue ? Status() : Status::outOfMemory();
}

void setStream(void *queue, void *stream) {
  auto *own = static_cast<Queue *>(queue);
  own->discard();
  own->stream = static_cast<cuda::StreamRecord *>(stream);
}

void releaseQueue(void *device, void *queue) {
  auto *own = static_cast<Queue *>(queue);
  (void)with(device, [&](const Driver &driver) -> Status {
    own->release(&driver);
    if (own->ownsStream) {
      (void)driver.streamSynchronize(own->stream);
      own->staging.release(driver);
      (void)driver.streamDestroy(own->stream);
    }
    return {};
  });
  own->release(nullptr);
  destroy(systemAllocator(), own);
}

Status makeSide(void *device, void *&queue) {
  auto *made = create<Queue>(systemAllocator());
  if (!made)
    return Status::outOfMemory();
  Status status = with(device, [&](const Driver &driver) {
    return driver.check(driver.streamCreate(&made->stream, cuda::kNonBlocking), "making a stream");
  });
  if (!status.ok()) {
    destroy(systemAllocator(), made);
    return status;
  }
  made->ownsStream = true;
  queue = made;
  return {};
}

Status after(void *device, void *queue, void *mark) {
  return with(device, [&](const Driver &driver) {
    cuda::StreamRecord *stream;
    TESSERA_TRY(flush(driver, queue, stream));
    return driver.check(driver.streamWaitEvent(stream, static_cast<EventRecord *>(mark), 0),
                        "waiting for an event");
  });
}

Status waitFor(void *device, void *mark) {
  return with(device, [&](const Driver &driver) {
    return driver.check(driver.eventSynchronize(static_cast<EventRecord *>(mark)),
                        "waiting for kernels");
  });
}

Status mark(void *device, void *queue, void *&mark) {
  return with(device, [&](const Driver &driver) -> Status {
    cuda::StreamRecord *stream;
    TESSERA_TRY(flush(driver, queue, stream));
    auto *event = static_cast<EventRecord *>(mark);
    if (!event)
      TESSERA_TRY(driver.check(driver.eventCreate(&event, 0), "making an event"));
    mark = event;
    return driver.check(driver.eventRecord(event, stream), "recording an event");
  });
}

Status elapsed(void *device, void *first, void *last, int64_t &nanoseconds) {
  return with(device, [&](const Driver &driver) {
    float milliseconds = 0;
    const cuda::Result result = driver.eventElapsedTime(
        &milliseconds, static_cast<EventRecord *>(first), static_cast<EventRecord *>(last));
    nanoseconds = int64_t(double(milliseconds) * 1e6);
    return driver.check(result, "the time between events");
  });
}

void releaseMark(void *device, void *mark) {
  (void)with(device, [&](const Driver &driver) -> Status {
    (void)driver.eventDestroy(static_cast<EventRecord *>(mark));
    return {};
  });
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

struct Loaded {
  void *device;
  DeviceKernel kernel;
  cuda::ModuleRecord *module;
  cuda::FunctionRecord *functions[kMaxDeviceLaunches];
};

// Why the driver does not make code of it; another text of the kernel, older and for older
// processors, may be what it takes (UnsupportedCpu).
Status refusal(const Driver &driver, const char *text, cuda::Result result, const char *log) {
  int major = 0, minor = 0;
  char processor[16] = "this device";
  const char *version = std::strstr(text, ".version "), *target = std::strstr(text, ".target ");
  if (version)
    (void)std::sscanf(version, ".version %d.%d", &major, &minor);
  if (target)
    (void)std::sscanf(target, ".target %15[a-z0-9_]", processor);
  const int needed = cuda::cudaOfPtx(major, minor);
  if (result == cuda::kUnsupportedPtxVersion)
    return Status::error(Code::UnsupportedCpu,
                         "the CUDA driver, for CUDA %d.%d, is too old for its PTX %d.%d, which "
                         "needs one for CUDA %d.%d",
                         driver.version / 1000, driver.version % 1000 / 10, major, minor,
                         needed / 1000, needed % 1000 / 10);
  return Status::error(Code::UnsupportedCpu,
                       "the CUDA driver, for CUDA %d.%d, does not take its PTX %d.%d for %s%s%s",
                       driver.version / 1000, driver.version % 1000 / 10, major, minor, processor,
                       *log ? ": " : "", log);
}

Status loadText(const Driver &driver, Loaded &loaded) {
  char log[1024] = "";
  int options[] = {cuda::kJitErrorLog, cuda::kJitErrorLogBytes};
  void *values[] = {log, reinterpret_cast<void *>(sizeof(log))};
  const cuda::Result result =
      driver.moduleLoadData(&loaded.module, loaded.kernel.text, 2, options, values);
  log[sizeof(log) - 1] = 0;
  if (result == cuda::kUnsupportedPtxVersion || result == cuda::kInvalidPtx ||
      result == cuda::kNoBinaryForGpu)
    return refusal(driver, loaded.kernel.text, result, log);
  TESSERA_TRY(driver.check(result, "loading PTX"));
  for (uint32_t i = 0; i < loaded.kernel.header.launches; ++i) {
    TESSERA_TRY(driver.check(
        driver.moduleGetFunction(&loaded.functions[i], loaded.module, loaded.kernel.name(i)),
        "finding the function"));
    // 48 KB, with what the kernel declares itself, it would get without being asked.
    const uint32_t shared = loaded.kernel.launch(i).sharedBytes;
    if (shared)
      TESSERA_TRY(driver.check(driver.functionSetAttribute(
                                   loaded.functions[i], cuda::kMaxDynamicSharedBytes, int(shared)),
                               "asking for shared memory"));
  }
  return {};
}

void releaseKernel(void *kernel) {
  auto *loaded = static_cast<Loaded *>(kernel);
  if (loaded->module)
    (void)with(loaded->device, [&](const Driver &driver) -> Status {
      (void)driver.moduleUnload(loaded->module);
      return {};
    });
  std::free(loaded);
}

Status prepare(void *device, const uint8_t *image, uint64_t bytes, void *&kernel) {
  auto *loaded = static_cast<Loaded *>(std::malloc(sizeof(Loaded)));
  if (!loaded)
    return Status::outOfMemory();
  new (loaded) Loaded{};
  loaded->device = device;
  Status status = readDeviceImage(image, bytes, loaded->kernel);
  for (uint32_t i = 0; status.ok() && i < loaded->kernel.header.launches; ++i)
    if (const uint32_t words = loaded->kernel.parametersOf(i); words > kMaxParameters)
      status = Status::error(Code::LimitExceeded,
                             "it has parameters of %u bytes, a GPU takes 4096 (kMaxParameters)",
                             words * 8);
  if (status.ok())
    status = with(device, [&](const Driver &driver) { return loadText(driver, *loaded); });
  if (!status.ok()) {
    releaseKernel(loaded);
    return status;
  }
  kernel = loaded;
  return {};
}

bool makeMap(const void *context, const MapRequest &request, void *map) {
  const auto &driver = *static_cast<const Driver *>(context);
  constexpr unsigned ones[kMaxMapRank] = {1, 1, 1, 1, 1};
  constexpr int uint8 = 0, uint16 = 1, uint32 = 2; // The driver's numbers, here and below.
  const int type = request.elementBytes == 1 ? uint8 : request.elementBytes == 2 ? uint16 : uint32;
  const int swizzle = request.swizzle == 32 ? 1 : request.swizzle == 64 ? 2 : 3;
  constexpr int notInterleaved = 0, promote128Bytes = 2, zerosOutside = 0;
  return driver.tensorMapEncode &&
         driver.tensorMapEncode(
             map, type, request.rank, reinterpret_cast<void *>(uintptr_t(request.address)),
             request.extents, request.strides + 1, request.box, ones, notInterleaved, swizzle,
             promote128Bytes, zerosOutside) == cuda::kSuccess;
}

int32_t launch(void *handle, const KernelContext *, void *queue, void *const *args, Status &error) {
  const auto &loaded = *static_cast<const Loaded *>(handle);
  uint64_t parameters[kMaxParameters];
  fillParameters(loaded.kernel, args, parameters);
  error = withQueue(loaded.device, queue, [&](const Driver &driver, Queue &own) -> Status {
    for (uint32_t i = 0; i < loaded.kernel.header.launches; ++i) {
      DeviceGrid grid;
      bool isEmpty = false;
      TESSERA_TRY(findGrid(loaded.kernel, i, args, grid, isEmpty));
      if (isEmpty)
        continue;
      fillMaps(loaded.kernel, i, args, makeMap, &driver, parameters);
      TESSERA_TRY(own.launch(driver, loaded.functions[i], loaded.kernel.name(i), grid,
                             loaded.kernel.launch(i).sharedBytes, parameters,
                             loaded.kernel.parametersOf(i)));
    }
    return {};
  });
  return kKernelOk;
}

// "sm_80" runs on every device from there on; "sm_90a" on that architecture alone; "sm_100f" on
// those of its family from there on, which have the same first number.
bool hasFeature(void *device, const char *feature) {
  const Driver *driver = nullptr;
  if (!cuda::openDevice(numberOf(device), driver).ok() || std::strncmp(feature, "sm_", 3) != 0)
    return false;
  char *end = nullptr;
  const long wanted = std::strtol(feature + 3, &end, 10), here = driver->major * 10 + driver->minor;
  if (*end && end[1])
    return false;
  switch (*end) {
  case 0: return wanted <= here;
  case 'a': return wanted == here;
  case 'f': return wanted <= here && wanted / 10 == driver->major;
  default: return false;
  }
}

Status open(void *device) {
  const Driver *driver = nullptr;
  return cuda::openDevice(numberOf(device), driver);
}

void describe(void *device, char *text, size_t bytes) {
  const Driver *driver = nullptr;
  if (bytes && !cuda::openDevice(numberOf(device), driver).ok())
    *text = 0;
  else if (bytes)
    std::snprintf(text, bytes, "%s, sm_%d", driver->deviceName, driver->major * 10 + driver->minor);
}

const Device *numbered(uint32_t number);

// The tables of one number, which differ in it alone.
struct Tables {
  char name[16];
  DeviceMemory memory;
  Device device;

  explicit Tables(uint32_t number)
      : memory{allocate, release, toDevice,    toHost,    copy,      fill,         wait,
               mark,     elapsed, releaseMark, makeQueue, setStream, releaseQueue, submit,
               makeSide, after,   waitFor,     available, nullptr},
        device{name,    "cuda",     false, launch,   prepare, releaseKernel,
               &memory, hasFeature, open,  numbered, nullptr, describe} {
    std::snprintf(name, sizeof(name), number ? "cuda:%u" : "cuda", number);
    memory.device = device.state = reinterpret_cast<void *>(uintptr_t(number));
  }
};

Tables *tables[cuda::kMaxDevices];

void makeTables() {
  alignas(Tables) static unsigned char memory[sizeof(Tables) * cuda::kMaxDevices];
  for (uint32_t number = 0; number < cuda::kMaxDevices; ++number)
    tables[number] = new (memory + sizeof(Tables) * number) Tables(number);
}

const Device *numbered(uint32_t number) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  ::pthread_once(&once, makeTables);
  return number < cuda::kMaxDevices ? &tables[number]->device : nullptr;
}

} // namespace

const Device &cudaDevice() { return *numbered(0); }

} // namespace tessera::rt
