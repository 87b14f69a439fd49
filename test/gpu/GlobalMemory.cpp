//===- GlobalMemory.cpp - Races between threads of a launch -------------------------------===//
#include "test/gpu/GlobalMemory.h"

namespace tessera::ptx {

void GlobalMemory::Group::add(const Toucher &now) {
  if (isAny) {
    isMany |= last.thread != now.thread || last.block != now.block;
    isOfBlocks |= last.block != now.block;
  }
  isAny = true;
  last = now;
}

/// Epochs of a block only grow: what its last one is behind, all are.
bool GlobalMemory::Group::isBefore(const Toucher &now) const {
  if (!isAny)
    return true;
  return !isOfBlocks && last.block == now.block &&
         (last.epoch != now.epoch || (!isMany && last.thread == now.thread));
}

std::string GlobalMemory::touch(const Toucher &now, uint64_t address, uint64_t bytes,
                                Access access) {
  const auto whom = [](const Group &group, const char *what) {
    return "races with block " + std::to_string(group.last.block) + ", thread " +
           std::to_string(group.last.thread) + ", which " + what;
  };
  for (uint64_t at = address; at < address + bytes; ++at) {
    std::unique_ptr<Byte[]> &page = pages[at / kPage];
    if (!page)
      page = std::make_unique<Byte[]>(kPage);
    Byte &byte = page[at % kPage];
    const bool areAtomic = access == Access::Atomic && byte.isAtomic;
    if (!areAtomic && !byte.writers.isBefore(now))
      return whom(byte.writers, byte.isAtomic ? "updated it" : "wrote it");
    if (access == Access::Read) {
      byte.readers.add(now);
      continue;
    }
    if (!byte.readers.isBefore(now))
      return whom(byte.readers, "read it");
    byte.readers = {};
    if (!areAtomic)
      byte.writers = {};
    byte.writers.add(now);
    byte.isAtomic = access == Access::Atomic;
  }
  return "";
}

} // namespace tessera::ptx
