//===- Bulk.cpp - mbarriers, and copies of boxes of tensors -------------------------------===//
//
// Sections 9.7.13.15 (mbarrier) and 9.7.9.27 (cp.async.bulk.tensor). A copy arrives when somebody
// waits for its mbarrier, not before; what was in its place is gone when it is issued.
//
//===----------------------------------------------------------------------===//
#include "test/gpu/Block.h"

#include <algorithm>
#include <cstring>

namespace tessera::ptx {

PhaseBarrier *Block::findBarrier(Thread &thread, const Instruction &x, const Operand &address) {
  uint64_t place = 0;
  if (!read(thread, x, address, place))
    return nullptr;
  const auto found = barriers.find(place);
  if (found == barriers.end()) {
    fail(thread, x, "there is no mbarrier at " + std::to_string(place) + " of shared memory");
    return nullptr;
  }
  // Whoever uses it comes after its initialization.
  return resolve(thread, x, Space::Shared, place, 8, 8, Access::Read) ? &found->second : nullptr;
}

/// A phase ends when all have arrived, and all bytes.
void Block::endPhase(PhaseBarrier &barrier) {
  if (barrier.pending || barrier.bytes)
    return;
  barrier.completed = barrier.released;
  barrier.pending = barrier.count;
  ++barrier.phase;
}

bool Block::barrier(Thread &thread, const Instruction &x) {
  Operands o = operandsOf(x);
  uint64_t place = 0, number = 1;
  if (x.op == Op::BarrierInit) {
    if (!read(thread, x, o[0], place) || !read(thread, x, o[1], number))
      return false;
    if (barriers.count(place))
      return fail(thread, x, "there is an mbarrier already");
    if (!resolve(thread, x, Space::Shared, place, 8, 8, Access::Write))
      return false;
    if (number < 1 || number >= 1 << 20)
      return fail(thread, x, "an mbarrier takes 1 to 2^20 - 1 arrivals");
    PhaseBarrier made;
    made.count = made.pending = uint32_t(number);
    made.number = uint32_t(threads.size() + barriers.size());
    made.initializer = thread.number;
    made.seen.assign(threads.size(), -1);
    barriers[place] = std::move(made);
    return true;
  }
  if (x.op == Op::BarrierFence) {
    for (auto &[at, barrier] : barriers)
      barrier.isFenced |= barrier.initializer == thread.number;
    return true;
  }
  const bool hasState = x.op != Op::BarrierExpect;
  PhaseBarrier *barrier = findBarrier(thread, x, o[hasState]);
  if (!barrier || (x.operands > 1u + hasState && !read(thread, x, o[1 + hasState], number)))
    return false;
  if (hasState)
    write(thread, o[0], barrier->phase);
  if (x.op != Op::BarrierArrive)
    barrier->bytes += uint32_t(number);
  if (barrier->bytes >= 1 << 20)
    return fail(thread, x, "an mbarrier takes 2^20 - 1 bytes at most");
  if (x.op == Op::BarrierExpect)
    return true;
  const uint64_t arrivals = x.op == Op::BarrierArrive ? number : 1;
  if (arrivals > barrier->pending)
    return fail(thread, x, "more threads arrive at this mbarrier than it expects");
  barrier->pending -= uint32_t(arrivals);
  shared.release(thread.number, barrier->released);
  endPhase(*barrier);
  return true;
}

/// mbarrier.try_wait.parity: of the phase of this parity, the last one or the one at hand. A thread
/// means the first one of that parity that is not before the last one it waited for: when that and
/// the next have ended, the parity says the opposite.
bool Block::isPhaseOver(Thread &thread, const Instruction &x, bool &isOver) {
  Operands o = operandsOf(x);
  uint64_t parity = 0;
  PhaseBarrier *barrier = findBarrier(thread, x, o[1]);
  if (!barrier || !read(thread, x, o[2], parity))
    return false;
  if (parity > 1)
    return fail(thread, x, "a parity is 0 or 1");
  int64_t &seen = barrier->seen[thread.number];
  const int64_t meant = seen + ((uint64_t(seen) & 1) != parity);
  if (int64_t(barrier->phase) > meant + 1)
    return fail(thread, x,
                "phase " + std::to_string(meant) +
                    " of this mbarrier has ended, and the next one, too: its parity does not tell");
  isOver = (barrier->phase & 1) != parity;
  if (!isOver) {
    std::vector<BulkCopy> copies = std::move(barrier->copies);
    barrier->copies.clear();
    for (const BulkCopy &copy : copies)
      if (!finishBulk(*barrier, copy))
        return false;
    endPhase(*barrier);
    isOver = (barrier->phase & 1) != parity;
  }
  if (isOver) {
    seen = meant;
    shared.acquire(thread.number, barrier->completed);
  }
  return true;
}

bool Block::beginBulk(Thread &thread, const Instruction &x) {
  Operands o = operandsOf(x);
  BulkCopy copy{};
  uint64_t map = 0;
  if (!read(thread, x, o[0], copy.to) || !read(thread, x, o[1], map))
    return false;
  const uint8_t *bytes = resolve(thread, x, Space::Generic, map, 128, 64, Access::Read);
  if (!bytes)
    return false;
  std::memcpy(&copy.map, bytes, sizeof(copy.map));
  if (copy.map.magic != kTensorMapMagic)
    return fail(thread, x, "there is no tensor map");
  if (copy.map.rank != x.n)
    return fail(thread, x, "the tensor map has " + std::to_string(copy.map.rank) + " dimensions");
  uint64_t size = copy.map.elementBytes;
  for (unsigned i = 0; i < x.n; ++i) {
    uint64_t at = 0;
    if (!read(thread, x, o[2 + i], at))
      return false;
    copy.at[i] = int32_t(at);
    size *= copy.map.box[i];
  }
  copy.thread = thread.number;
  copy.x = &x;
  PhaseBarrier *barrier = findBarrier(thread, x, o[2 + x.n]);
  if (!barrier)
    return false;
  if (!barrier->isFenced)
    return fail(thread, x, "its mbarrier was initialized with no fence.mbarrier_init since");
  if (const uint64_t align = copy.map.swizzle ? 8 * copy.map.swizzle : 128; copy.to % align)
    return fail(thread, x, "its place in shared memory is no multiple of " + std::to_string(align));
  if (copy.to + size <= shared.bytes.size())
    if (const int64_t writer = shared.findUnfenced(copy.to, size); writer >= 0)
      return fail(thread, x,
                  "its place was written by thread " + std::to_string(writer) +
                      ", which executed no fence.proxy.async since");
  // From here on it may arrive.
  if (!resolve(thread, x, Space::Shared, copy.to, size, 16, Access::Write))
    return false;
  shared.beginArrival(copy.to, size);
  barrier->copies.push_back(copy);
  if (launch.boxes)
    ++*launch.boxes;
  return true;
}

/// Elements outside of the tensor are zeros; all count.
bool Block::finishBulk(PhaseBarrier &barrier, const BulkCopy &copy) {
  const TensorMap &map = copy.map;
  Thread &thread = threads[copy.thread];
  const uint64_t lineBytes = uint64_t(map.box[0]) * map.elementBytes, width = map.swizzle / 16u;
  uint64_t lines = 1;
  for (unsigned i = 1; i < map.rank; ++i)
    lines *= map.box[i];
  const int64_t first = std::clamp<int64_t>(-int64_t(copy.at[0]), 0, map.box[0]),
                last = std::clamp<int64_t>(int64_t(map.extents[0]) - copy.at[0], first, map.box[0]);
  std::vector<uint8_t> line(lineBytes);
  std::vector<std::pair<uint64_t, uint64_t>> taken;
  for (uint64_t number = 0; number < lines; ++number) {
    uint64_t rest = number, from = map.address;
    bool isInside = first < last;
    for (unsigned i = 1; i < map.rank; ++i) {
      const int64_t at = copy.at[i] + int64_t(rest % map.box[i]);
      rest /= map.box[i];
      isInside &= at >= 0 && at < int64_t(map.extents[i]);
      from += uint64_t(at) * map.strides[i - 1];
    }
    std::fill(line.begin(), line.end(), uint8_t(0));
    if (isInside) {
      const uint8_t *bytes = resolve(thread, *copy.x, Space::Global,
                                     from + uint64_t(copy.at[0] + first) * map.elementBytes,
                                     uint64_t(last - first) * map.elementBytes, 1, Access::Read);
      if (!bytes)
        return false;
      if (launch.traffic)
        taken.push_back({from + uint64_t(copy.at[0] + first) * map.elementBytes,
                         uint64_t(last - first) * map.elementBytes});
      std::memcpy(line.data() + first * map.elementBytes, bytes,
                  size_t(last - first) * map.elementBytes);
    }
    for (uint64_t byte = 0; byte < lineBytes; ++byte) {
      uint64_t to = copy.to + number * lineBytes + byte;
      if (width)
        to ^= (to >> 7 & (width - 1)) << 4;
      shared.bytes[to] = line[byte];
    }
  }
  if (launch.traffic)
    launch.traffic->noteBulk(*copy.x, std::move(taken));
  shared.arrive(barrier.number, copy.to, lines * lineBytes);
  shared.release(barrier.number, barrier.released);
  barrier.bytes -= int64_t(lines * lineBytes);
  return true;
}

} // namespace tessera::ptx
