#include "runtime/device/cuda/Driver.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <pthread.h>

namespace tessera::rt::cuda {

Status Driver::check(Result result, const char *what) const {
  if (result == kSuccess)
    return {};
  const char *name = nullptr, *text = nullptr;
  if (getErrorName(result, &name) != kSuccess || !name)
    name = "an error without a name";
  if (getErrorString(result, &text) != kSuccess || !text)
    text = "no description";
  return Status::error(result == kOutOfMemory ? Code::OutOfMemory : Code::SystemError,
                       "%s: the CUDA driver says %s (%s)", what, name, text);
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
  int count = 0, device = 0;
  TESSERA_TRY(driver.check(driver.deviceGetCount(&count), "counting devices"));
  if (count == 0)
    return Status::error(Code::SystemError, "the CUDA driver finds no device");
  TESSERA_TRY(driver.check(driver.deviceGet(&device, 0), "finding the first device"));
  TESSERA_TRY(driver.check(
      driver.deviceGetName(driver.deviceName, sizeof(driver.deviceName), device), "its name"));
  TESSERA_TRY(driver.check(driver.deviceGetAttribute(&driver.major, kAttributeMajor, device),
                           "its compute capability"));
  TESSERA_TRY(driver.check(driver.deviceGetAttribute(&driver.minor, kAttributeMinor, device),
                           "its compute capability"));
  return driver.check(driver.primaryContextRetain(&driver.context, device), "its context");
}

Driver driver;
char problem[600]; // "": it is open
Code problemCode = Code::Ok;

void openOnce() {
  const Status status = open(driver);
  problemCode = status.code();
  std::strncpy(problem, status.message(), sizeof(problem) - 1);
}

} // namespace

Status openDriver(const Driver *&opened) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  ::pthread_once(&once, openOnce);
  if (problemCode != Code::Ok)
    return Status::error(problemCode, "%s", problem);
  opened = &driver;
  return {};
}

} // namespace tessera::rt::cuda
