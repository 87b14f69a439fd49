// The library of host operators is looked for beside the one (or the program) that the runtime is
// part of, and where programs and libraries lie side by side. It is never closed: the table may be
// in use.
#include "runtime/api/OpenHost.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <unistd.h>

namespace tessera::rt {

namespace {

constexpr size_t kMaxPathBytes = 4096;

// The path of what this code was loaded from; "" when nobody knows it. False: it is too long.
bool findThis(char *path) {
  static const char here = 0;
  Dl_info self{};
  path[0] = 0;
  const char *name = ::dladdr(&here, &self) ? self.dli_fname : nullptr;
  // A program that was found through $PATH has only its name.
  if (!name || !std::strchr(name, '/'))
    name = "/proc/self/exe";
  char *real = ::realpath(name, nullptr);
  if (!real)
    return errno != ENAMETOOLONG;
  const int size = std::snprintf(path, kMaxPathBytes, "%s", real);
  std::free(real);
  return size >= 0 && size_t(size) < kMaxPathBytes;
}

} // namespace

Result<const HostTable *> openHost() {
  char self[kMaxPathBytes], path[kMaxPathBytes];
  if (!findThis(self))
    return Status::error(Code::SystemError, "the path of the runtime is too long");
  const char *slash = std::strrchr(self, '/');
  const int folder = slash ? int(slash + 1 - self) : 0;
  static constexpr const char *places[] = {"", "../lib/", "../../lib/"};
  bool isFound = false;
  for (const char *place : places) {
    const int size =
        std::snprintf(path, sizeof(path), "%.*s%s%s", folder, self, place, kHostLibraryName);
    isFound = size >= 0 && size_t(size) < sizeof(path) && ::access(path, F_OK) == 0;
    if (isFound)
      break;
  }
  if (!isFound)
    return Status::error(Code::SystemError,
                         "%s, which has the host operators, is not in '%.*s', where the runtime is",
                         kHostLibraryName, folder, self);
  void *library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return Status::error(Code::SystemError, "the host operators cannot be opened: %s", ::dlerror());
  auto entry = reinterpret_cast<HostEntry>(::dlsym(library, kHostEntryName));
  if (!entry)
    return Status::error(Code::SystemError, "'%s' is no library of host operators: it has no %s",
                         path, kHostEntryName);
  return entry();
}

} // namespace tessera::rt
