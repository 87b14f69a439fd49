#include "tools/common/Files.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tessera::tools {
namespace {

// The temporary files of this process, for the signal handler: it may only read plain memory.
constexpr size_t kSlots = 16;
std::atomic<char *> temporaries[kSlots];

void onInterrupt(int signal) {
  for (std::atomic<char *> &slot : temporaries)
    if (const char *path = slot.load())
      ::unlink(path);
  if (::isatty(STDERR_FILENO) && ::write(STDERR_FILENO, "\r\033[K", 4) < 0) {
  }
  ::_exit(128 + signal);
}

} // namespace

void handleInterrupts() {
  struct sigaction action = {};
  action.sa_handler = onInterrupt;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

std::string OutputFile::failed(const char *what) {
  const std::string reason = std::strerror(errno);
  const std::string sentence = std::string("cannot ") + what + " '" + path + "': " + reason;
  discard();
  return sentence;
}

std::string OutputFile::open(const std::string &to) {
  discard();
  path = to;
  struct stat existing;
  if (::stat(path.c_str(), &existing) == 0 && S_ISDIR(existing.st_mode)) {
    errno = EISDIR;
    return failed("write");
  }
  // A device or a pipe cannot be replaced: it is written to.
  const bool isSpecial = ::stat(path.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode);
  if (!isSpecial) {
    temporary = path + ".tmp" + std::to_string(::getpid());
    char *copy = ::strdup(temporary.c_str());
    for (size_t i = 0; copy && i < kSlots && slot < 0; ++i) {
      char *none = nullptr;
      if (temporaries[i].compare_exchange_strong(none, copy))
        slot = int(i);
    }
    if (slot < 0)
      std::free(copy);
  }
  file = std::fopen(isSpecial ? path.c_str() : temporary.c_str(), "wb");
  return file ? "" : failed("create");
}

std::string OutputFile::append(const void *data, size_t size) {
  return size && std::fwrite(data, 1, size, file) != size ? failed("write") : "";
}

std::string OutputFile::commit(const void *data, size_t size) {
  if (std::string problem = append(data, size); !problem.empty())
    return problem;
  if (struct stat info; isProgram && !temporary.empty() &&
                        (::fstat(::fileno(file), &info) != 0 ||
                         ::fchmod(::fileno(file), info.st_mode | (info.st_mode & 0444) >> 2) != 0))
    return failed("make a program of");
  if (std::fflush(file) != 0 || (!temporary.empty() && ::fsync(::fileno(file)) != 0))
    return failed("write");
  const bool isClosed = std::fclose(file) == 0;
  file = nullptr;
  if (!isClosed)
    return failed("write");
  if (!temporary.empty() && std::rename(temporary.c_str(), path.c_str()) != 0)
    return failed("rename");
  temporary.clear();
  discard();
  return "";
}

void OutputFile::discard() {
  if (file)
    std::fclose(file);
  file = nullptr;
  if (!temporary.empty())
    ::unlink(temporary.c_str());
  temporary.clear();
  if (slot >= 0)
    std::free(temporaries[slot].exchange(nullptr));
  slot = -1;
}

std::string writeFile(const std::string &path, const void *data, size_t size) {
  OutputFile file;
  if (std::string problem = file.open(path); !problem.empty())
    return problem;
  return file.commit(data, size);
}

std::string readFile(const std::string &path, std::string &contents) {
  std::FILE *file = std::fopen(path.c_str(), "rb");
  if (!file)
    return "cannot open '" + path + "': " + std::strerror(errno);
  contents.clear();
  char buffer[1 << 16];
  size_t got = 0;
  while ((got = std::fread(buffer, 1, sizeof(buffer), file)) > 0)
    contents.append(buffer, got);
  const bool isBad = std::ferror(file) != 0;
  std::fclose(file);
  return isBad ? "cannot read '" + path + "': " + std::strerror(errno) : "";
}

} // namespace tessera::tools
