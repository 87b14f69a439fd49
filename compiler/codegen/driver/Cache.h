//===- Cache.h - Compiled kernels on disk -----------------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_CODEGEN_DRIVER_CACHE_H
#define TESSERA_COMPILER_CODEGEN_DRIVER_CACHE_H

#include <optional>
#include <string>
#include <string_view>

namespace tessera::codegen {

/// Answers by key, one file each. Keys are compared whole: a collision of file names costs a
/// compilation, never a wrong kernel. Safe to use from several threads and processes: files appear
/// complete, under their name, or not at all. A cache that cannot be read or written is only slow.
class Cache {
public:
  /// An empty folder name turns the cache off.
  explicit Cache(std::string folder) : folder(std::move(folder)) {}

  /// $TESSERA_CACHE_DIR, or $XDG_CACHE_HOME/tessera, or ~/.cache/tessera; "" when
  /// $TESSERA_CACHE_DIR is set and empty, or there is no home.
  static std::string defaultFolder();

  std::optional<std::string> find(std::string_view key) const;
  void store(std::string_view key, std::string_view value) const;

private:
  std::string pathOf(std::string_view key) const;

  std::string folder;
};

} // namespace tessera::codegen

#endif
