#include "runtime/device/cuda/Driver.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <pthread.h>

namespace tessera::rt::cuda {

bool Driver::isLost(Result result) {
  constexpr Result lost[] = {700, 702, 710, 714, 715, 716, 717, 718, 719};
  for (Result each : lost)
    if (result == each)
      return true;
  return false;
}

Status Driver::check(Result result, const char *what) const {
  if (result == kSuccess)
    return {};
  const char *name = nullptr, *text = nullptr;
  if (getErrorName(result, &name) != kSuccess || !name)
    name = "an error without a name";
  if (getErrorString(result, &text) != kSuccess || !text)
    text = "no description";
  return Status::error(result == kOutOfMemory ? Code::OutOfMemory : Code::SystemError,
                       "%s: the CUDA driver says %s (%s)%s", what, name, text,
                       isLost(result) ? "; only a new process can use the device again" : "");
}

namespace {

constexpr int kOldestVersion = 11000; // CUDA 11.0: the first that knows sm_80

Status resolve(void *library, const char *path, Driver &driver) {
#define TESSERA_CUDA_RESOLVE(name, symbol, parameters)                                             \
  driver.name = reinterpret_cast<Result(*) parameters>(::dlsym(library, symbol));                  \
  if (!driver.name)                                                                                \
    return Status::error(Code::SystemError,                                                        \
                         "the CUDA driver '%s' is too old: it has no %s; install one for CUDA "    \
                         "11.0 or newer",                                                          \
                         path, symbol);
  TESSERA_CUDA_FUNCTIONS(TESSERA_CUDA_RESOLVE)
#undef TESSERA_CUDA_RESOLVE
  bool hasGraphs = true;
#define TESSERA_CUDA_RESOLVE(name, symbol, parameters)                                             \
  driver.name = reinterpret_cast<Result(*) parameters>(::dlsym(library, symbol));                  \
  hasGraphs = hasGraphs && driver.name;
  TESSERA_CUDA_GRAPH_FUNCTIONS(TESSERA_CUDA_RESOLVE)
#undef TESSERA_CUDA_RESOLVE
#define TESSERA_CUDA_RESOLVE(name, symbol, parameters)                                             \
  driver.name = reinterpret_cast<Result(*) parameters>(::dlsym(library, symbol));
  TESSERA_CUDA_MAP_FUNCTIONS(TESSERA_CUDA_RESOLVE)
#undef TESSERA_CUDA_RESOLVE
  if (!hasGraphs)
    driver.graphLaunch = nullptr;
  return {};
}

Status open(Driver &driver) {
  const char *given = std::getenv("TESSERA_CUDA_DRIVER");
  const char *path = given ? given : "libcuda.so.1";
  void *library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = ::dlerror();
    return Status::error(Code::SystemError,
                         "there is no CUDA driver on this machine: %s; it comes with NVIDIA's "
                         "display driver",
                         reason ? reason : path);
  }
  TESSERA_TRY(resolve(library, path, driver));
  if (const Result result = driver.init(0); result == kNoDevice)
    return Status::error(Code::SystemError, "the CUDA driver finds no device");
  else
    TESSERA_TRY(driver.check(result, "starting"));
  TESSERA_TRY(driver.check(driver.driverGetVersion(&driver.version), "asking for the version"));
  if (driver.version < kOldestVersion)
    return Status::error(Code::SystemError,
                         "the CUDA driver is for CUDA %d.%d, modules need one for CUDA %d.%d or "
                         "newer",
                         driver.version / 1000, driver.version % 1000 / 10, kOldestVersion / 1000,
                         kOldestVersion % 1000 / 10);
  TESSERA_TRY(driver.check(driver.deviceGetCount(&driver.count), "counting devices"));
  return driver.count > 0 ? Status()
                          : Status::error(Code::SystemError, "the CUDA driver finds no device");
}

Status describe(uint32_t number, Driver &driver) {
  if (number >= uint32_t(driver.count))
    return Status::error(Code::SystemError,
                         "there is no number %u: the CUDA driver has %d device%s, numbered from 0",
                         number, driver.count, driver.count == 1 ? "" : "s");
  TESSERA_TRY(driver.check(driver.deviceGet(&driver.device, int(number)), "finding the device"));
  TESSERA_TRY(driver.check(
      driver.deviceGetName(driver.deviceName, sizeof(driver.deviceName), driver.device),
      "its name"));
  TESSERA_TRY(driver.check(driver.deviceGetAttribute(&driver.major, kAttributeMajor, driver.device),
                           "its compute capability"));
  return driver.check(driver.deviceGetAttribute(&driver.minor, kAttributeMinor, driver.device),
                      "its compute capability");
}

// What was found once, a driver or a problem.
struct Opened {
  Driver driver;
  bool isKnown;
  Code code;
  char problem[600];

  Status status() const { return code == Code::Ok ? Status() : Status::error(code, "%s", problem); }
  void note(const Status &status) {
    isKnown = true;
    code = status.code();
    std::strncpy(problem, status.message(), sizeof(problem) - 1);
  }
};

Opened base, devices[kMaxDevices];
pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

struct Lock {
  Lock() { ::pthread_mutex_lock(&mutex); }
  ~Lock() { ::pthread_mutex_unlock(&mutex); }
};

Status openBase() {
  if (!base.isKnown)
    base.note(open(base.driver));
  return base.status();
}

} // namespace

Status openDriver(const Driver *&opened) {
  Lock lock;
  TESSERA_TRY(openBase());
  opened = &base.driver;
  return {};
}

Status openDevice(uint32_t number, const Driver *&opened) {
  Lock lock;
  TESSERA_TRY(openBase());
  Opened &mine = devices[number];
  if (!mine.isKnown) {
    mine.driver = base.driver;
    Status status = describe(number, mine.driver);
    if (status.ok())
      status = mine.driver.check(
          mine.driver.primaryContextRetain(&mine.driver.context, mine.driver.device),
          "its context");
    mine.note(status);
  }
  TESSERA_TRY(mine.status());
  opened = &mine.driver;
  return {};
}

Status describeDevice(uint32_t number, Driver &driver, uint64_t &memory) {
  const Driver *opened = nullptr;
  TESSERA_TRY(openDriver(opened));
  driver = *opened;
  TESSERA_TRY(describe(number, driver));
  size_t bytes = 0;
  TESSERA_TRY(driver.check(driver.deviceTotalMem(&bytes, driver.device), "its memory"));
  memory = bytes;
  return {};
}

} // namespace tessera::rt::cuda
