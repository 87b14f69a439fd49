//===- SharedMemory.cpp - Shared memory that sees races -----------------------------------===//
#include "test/gpu/SharedMemory.h"

#include <algorithm>

namespace tessera::ptx {

SharedMemory::SharedMemory(uint64_t size, uint32_t threads)
    : bytes(size), writers(size), isWritten(size), warpEpochs((threads + 31) / 32, 1),
      proxyFences(threads), known(threads), warps((threads + 31) / 32) {
  readers.resize(size * warps);
}

void SharedMemory::beginBlock() {
  // What a block finds there is not defined: a pattern that no kernel gives by accident.
  std::fill(bytes.begin(), bytes.end(), uint8_t(0xcd));
  std::fill(isWritten.begin(), isWritten.end(), uint8_t(0));
  std::fill(known.begin(), known.end(), Known());
  ++epoch;
}

static void merge(const SharedMemory::Known &from, SharedMemory::Known &to) {
  if (to.size() < from.size())
    to.resize(from.size());
  for (size_t i = 0; i < from.size(); ++i)
    to[i] = std::max(to[i], from[i]);
}

void SharedMemory::warpBarrier(uint32_t warp) {
  ++warpEpochs[warp];
  // What one of its threads waited for, all know.
  const size_t first = size_t(warp) * 32, last = std::min(first + 32, known.size());
  Known all;
  for (size_t thread = first; thread < last; ++thread)
    merge(known[thread], all);
  for (size_t thread = first; !all.empty() && thread < last; ++thread)
    known[thread] = all;
}

void SharedMemory::release(uint32_t thread, Known &to) {
  if (thread < known.size())
    merge(known[thread], to);
  if (to.size() <= thread)
    to.resize(thread + 1);
  to[thread] = now++;
}

void SharedMemory::acquire(uint32_t thread, const Known &from) { merge(from, known[thread]); }

void SharedMemory::arrive(uint32_t copies, uint64_t offset, uint64_t count) {
  for (uint64_t at = offset; at < offset + count; ++at) {
    writers[at] = {epoch, 0, copies, ~0u, now, false};
    isWritten[at] = 1;
  }
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
    if (isWritten[at] && writers[at].thread < proxyFences.size() &&
        writers[at].fence == proxyFences[writers[at].thread])
      return writers[at].thread;
  return -1;
}

std::string SharedMemory::touch(uint32_t thread, uint64_t offset, uint64_t count, Access access) {
  const uint32_t warp = thread / 32, lane = uint32_t(1) << thread % 32;
  const auto text = [&](uint32_t other, const char *did, uint64_t at) {
    const std::string who =
        other < known.size() ? "thread " + std::to_string(other) : std::string("a bulk copy");
    return "races with " + who + ", which " + did + " byte " + std::to_string(at) +
           " of shared memory with no barrier between";
  };
  for (uint64_t at = offset; at < offset + count; ++at) {
    Writer &writer = writers[at];
    const uint32_t otherWarp = writer.thread < known.size() ? writer.thread / 32 : ~0u;
    if (writer.epoch == epoch && writer.thread != thread &&
        (otherWarp != warp || writer.warpEpoch == warpEpochs[warp]) &&
        !(access == Access::Atomic && writer.isAtomic) &&
        knownUpTo(thread, writer.thread) < writer.tick)
      return text(writer.thread, "wrote", at);
    Readers *row = &readers[at * warps];
    if (access == Access::Read) {
      Readers &mine = row[warp];
      if (mine.epoch != epoch || mine.warpEpoch != warpEpochs[warp])
        mine = {epoch, warpEpochs[warp], 0, 0};
      mine.lanes |= lane;
      mine.tick = now;
      continue;
    }
    for (uint32_t w = 0; w < warps; ++w) {
      if (row[w].epoch != epoch || (w == warp && row[w].warpEpoch != warpEpochs[warp]))
        continue;
      uint32_t others = w == warp ? row[w].lanes & ~lane : row[w].lanes;
      for (; others; others &= others - 1)
        if (const uint32_t other = w * 32 + uint32_t(__builtin_ctz(others));
            knownUpTo(thread, other) < row[w].tick)
          return text(other, "read", at);
    }
    writer = {epoch, warpEpochs[warp], thread, proxyFences[thread], now, access == Access::Atomic};
    isWritten[at] = 1;
  }
  return "";
}

} // namespace tessera::ptx
