//===- Cache.cpp - Compiled kernels on disk ---------------------------------------------===//
#include "compiler/codegen/driver/Cache.h"

#include "runtime/base/Hash.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <cstdlib>
#include <cstring>

namespace tessera::codegen {

// A file: the length of the key (u64), the key, the value, and the hash of all that (u64).
static constexpr size_t kWord = sizeof(uint64_t);

std::string Cache::defaultFolder() {
  if (const char *own = std::getenv("TESSERA_CACHE_DIR"))
    return own;
  llvm::SmallString<128> path;
  if (const char *base = std::getenv("XDG_CACHE_HOME"); base && *base)
    path = base;
  else if (const char *home = std::getenv("HOME"); home && *home)
    llvm::sys::path::append(path, home, ".cache");
  else
    return {};
  llvm::sys::path::append(path, "tessera");
  return path.str().str();
}

std::string Cache::pathOf(std::string_view key) const {
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(
      path,
      llvm::utohexstr(rt::hashBytes(key.data(), key.size()), /*LowerCase=*/true, 16) + ".kernel");
  return path.str().str();
}

std::optional<std::string> Cache::find(std::string_view key) const {
  if (folder.empty())
    return {};
  auto file = llvm::MemoryBuffer::getFile(pathOf(key), /*IsText=*/false,
                                          /*RequiresNullTerminator=*/false);
  if (!file)
    return {};
  std::string_view bytes((*file)->getBufferStart(), (*file)->getBufferSize());
  if (bytes.size() < 2 * kWord + key.size())
    return {};
  uint64_t keySize, hash;
  std::memcpy(&keySize, bytes.data(), kWord);
  std::memcpy(&hash, bytes.data() + bytes.size() - kWord, kWord);
  if (keySize != key.size() || bytes.substr(kWord, key.size()) != key ||
      hash != rt::hashBytes(bytes.data(), bytes.size() - kWord))
    return {};
  return std::string(bytes.substr(kWord + key.size(), bytes.size() - 2 * kWord - key.size()));
}

void Cache::store(std::string_view key, std::string_view value) const {
  if (folder.empty() || llvm::sys::fs::create_directories(folder))
    return;
  std::string bytes;
  uint64_t keySize = key.size();
  bytes.append(reinterpret_cast<const char *>(&keySize), kWord);
  bytes.append(key).append(value);
  uint64_t hash = rt::hashBytes(bytes.data(), bytes.size());
  bytes.append(reinterpret_cast<const char *>(&hash), kWord);

  std::string path = pathOf(key);
  auto file = llvm::sys::fs::TempFile::create(path + ".%%%%%%");
  if (!file) {
    llvm::consumeError(file.takeError());
    return;
  }
  llvm::raw_fd_ostream out(file->FD, /*shouldClose=*/false);
  out << bytes;
  out.flush();
  bool failed = out.has_error();
  out.clear_error();
  llvm::consumeError(failed ? file->discard() : file->keep(path));
}

} // namespace tessera::codegen
