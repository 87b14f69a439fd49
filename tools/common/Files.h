// Files as tools read and write them.
#ifndef TESSERA_TOOLS_COMMON_FILES_H
#define TESSERA_TOOLS_COMMON_FILES_H

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <unistd.h>
#include <vector>

namespace tessera::tools {

// Writes beside the file and renames, so that a failed run leaves no half file. "" or one sentence.
inline std::string writeFile(const std::string &path, const std::vector<uint8_t> &bytes) {
  const std::string temporary = path + ".tmp" + std::to_string(::getpid());
  const auto failed = [&](const char *what) {
    const std::string reason = std::strerror(errno);
    std::remove(temporary.c_str());
    return std::string("cannot ") + what + " '" + path + "': " + reason;
  };
  std::FILE *file = std::fopen(temporary.c_str(), "wb");
  if (!file)
    return failed("create");
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  if (std::fclose(file) != 0 || !written)
    return failed("write");
  if (std::rename(temporary.c_str(), path.c_str()) != 0)
    return failed("rename");
  return "";
}

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_FILES_H
