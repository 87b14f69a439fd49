//===- GlobalMemory.h - Who touched the memory of a device in a launch ------*- C++ -*-===//
#ifndef TESSERA_TEST_GPU_GLOBALMEMORY_H
#define TESSERA_TEST_GPU_GLOBALMEMORY_H

#include "test/gpu/SharedMemory.h"

#include <memory>
#include <unordered_map>

namespace tessera::ptx {

/// A thread of a block, between two of its barriers.
struct Toucher {
  uint32_t block = 0, epoch = 0, thread = 0;
};

/// Two threads of a launch race when both touch a byte, one of them writes, not both are atomic,
/// and no barrier of their block stands between: nothing orders blocks.
class GlobalMemory {
public:
  /// "" or with whom the thread races.
  std::string touch(const Toucher &now, uint64_t address, uint64_t bytes, Access access);

private:
  /// All that touched a byte in one way since it was last written.
  struct Group {
    Toucher last;
    bool isAny = false, isMany = false, isOfBlocks = false;

    void add(const Toucher &now);
    bool isBefore(const Toucher &now) const;
  };
  struct Byte {
    Group writers, readers;
    bool isAtomic = false;
  };
  static constexpr uint64_t kPage = 1024;

  std::unordered_map<uint64_t, std::unique_ptr<Byte[]>> pages;
};

} // namespace tessera::ptx

#endif
