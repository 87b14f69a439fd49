#include "tools/common/ThisProgram.h"

#include <cstdlib>
#include <dlfcn.h>
#include <unistd.h>

namespace tessera::tools {

std::string folderOfThis() {
  static const char here = 0;
  Dl_info self;
  if (!::dladdr(&here, &self) || !self.dli_fname)
    return "";
  char *real = ::realpath(self.dli_fname, nullptr);
  std::string path = real ? real : self.dli_fname;
  std::free(real);
  // The path of a program that was found through $PATH is only its name.
  if (path.find('/') == std::string::npos)
    if (char *own = ::realpath("/proc/self/exe", nullptr)) {
      path = own;
      std::free(own);
    }
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

std::string findBesideThis(const std::string &name) {
  for (const char *relative : {"", "../bin/", "../lib/", "../../lib/"})
    if (const std::string path = folderOfThis() + relative + name;
        ::access(path.c_str(), F_OK) == 0)
      return path;
  return "";
}

} // namespace tessera::tools
