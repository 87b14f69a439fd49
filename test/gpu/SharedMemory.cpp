//===- SharedMemory.cpp - Shared memory that sees races -----------------------------------===//
#include "test/gpu/SharedMemory.h"

#include <algorithm>

namespace tessera::ptx {

SharedMemory::SharedMemory(uint64_t size, uint32_t threads)
    : bytes(size), writers(size), isWritten(size), warpEpochs((threads + 31) / 32, 1),
      proxyFences(threads), warps((threads + 31) / 32) {
  readers.resize(size * warps);
}

void SharedMemory::beginBlock() {
  // What a block finds there is not defined: a pattern that no kernel gives by accident.
  std::fill(bytes.begin(), bytes.end(), uint8_t(0xcd));
  std::fill(isWritten.begin(), isWritten.end(), uint8_t(0));
  ++epoch;
}

void SharedMemory::beginArrival(uint64_t offset, uint64_t count) {
  std::fill_n(isWritten.begin() + int64_t(offset), count, uint8_t(0));
}

uint64_t SharedMemory::findUnwritten(uint64_t offset, uint64_t count) const {
  for (uint64_t i = 0; i < count; ++i)
    if (!isWritten[offset + i])
      return i;
  return count;
}

int64_t SharedMemory::findUnfenced(uint64_t offset, uint64_t count) const {
  for (uint64_t at = offset; at < offset + count; ++at)
    if (writers[at].fence == proxyFences[writers[at].thread])
      return writers[at].thread;
  return -1;
}

std::string SharedMemory::touch(uint32_t thread, uint64_t offset, uint64_t count, Access access) {
  const uint32_t warp = thread / 32, lane = uint32_t(1) << thread % 32;
  const auto text = [&](uint32_t other, const char *did, uint64_t at) {
    return "races with thread " + std::to_string(other) + ", which " + did + " byte " +
           std::to_string(at) + " of shared memory with no barrier between";
  };
  for (uint64_t at = offset; at < offset + count; ++at) {
    Writer &writer = writers[at];
    const uint32_t otherWarp = writer.thread / 32;
    if (writer.epoch == epoch && writer.thread != thread &&
        (otherWarp != warp || writer.warpEpoch == warpEpochs[warp]) &&
        !(access == Access::Atomic && writer.isAtomic))
      return text(writer.thread, "wrote", at);
    Readers *row = &readers[at * warps];
    if (access == Access::Read) {
      Readers &mine = row[warp];
      if (mine.epoch != epoch || mine.warpEpoch != warpEpochs[warp])
        mine = {epoch, warpEpochs[warp], 0};
      mine.lanes |= lane;
      continue;
    }
    for (uint32_t w = 0; w < warps; ++w) {
      if (row[w].epoch != epoch || (w == warp && row[w].warpEpoch != warpEpochs[warp]))
        continue;
      const uint32_t others = w == warp ? row[w].lanes & ~lane : row[w].lanes;
      if (others)
        return text(w * 32 + uint32_t(__builtin_ctz(others)), "read", at);
    }
    writer = {epoch, warpEpochs[warp], thread, proxyFences[thread], access == Access::Atomic};
    isWritten[at] = 1;
  }
  return "";
}

} // namespace tessera::ptx
