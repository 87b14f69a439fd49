// Where the tensors of kernels are: in the host's memory, or in a device's own.
#ifndef TESSERA_RUNTIME_DEVICE_MEMORY_H
#define TESSERA_RUNTIME_DEVICE_MEMORY_H

#include "runtime/base/Allocator.h"
#include "runtime/device/Device.h"

#include <cstring>

namespace tessera::rt {

// What happens in order. Launches, copies within the device and what has to be in order with them
// are in the main lane; the others move bytes beside it.
enum class Lane : uint32_t { Main = 0, Up = 1, Down = 2 };
constexpr uint32_t kLanes = 3;

// Moves bytes between the host and where kernels compute; with the host's memory these are plain
// copies. What was asked for in a lane happens in order, also with launches between; only toDevice,
// toHost and wait have it done when they return. Errors of earlier launches may come from any of
// them.
class Memory {
public:
  explicit Memory(const DeviceMemory *remote) : remote(remote) {}
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;
  ~Memory() {
    releaseMark(last);
    for (void *end : ends)
      releaseMark(end);
    if (own)
      remote->releaseQueue(remote->device, own);
    for (void *side : sides)
      if (side)
        remote->releaseQueue(remote->device, side);
  }

  // The main lane's, of the device; null: the ordinary one. What an earlier call has left is
  // forgotten.
  Status setStream(void *chosen) {
    stream = queue = chosen;
    isBegun[0] = isBegun[1] = false;
    if (!remote || !remote->makeQueue)
      return {};
    if (!own)
      TESSERA_TRY(remote->makeQueue(remote->device, own));
    remote->setStream(own, chosen);
    queue = own;
    return {};
  }
  bool hasStream() const { return stream; }
  // What launches take.
  void *getQueue() const { return queue; }
  // After this nothing waits for the host.
  Status submit() const { return own ? remote->submit(remote->device, own) : Status(); }
  // What waits will not be done.
  void forget() {
    if (own)
      remote->setStream(own, stream);
  }

  bool isRemote() const { return remote != nullptr; }
  bool knowsMemory() const { return remote && remote->available; }
  Status available(uint64_t &free, uint64_t &total) const {
    return remote->available(remote->device, free, total);
  }
  bool hasMarks() const { return remote && remote->mark; }
  bool hasSides() const { return hasMarks() && remote->makeSide; }
  // Before a side lane is used in a run. Only where there are side lanes.
  Status begin(Lane lane) {
    const uint32_t side = uint32_t(lane) - 1;
    if (isBegun[side])
      return {};
    if (!sides[side])
      TESSERA_TRY(remote->makeSide(remote->device, sides[side]));
    if (isBehind)
      TESSERA_TRY(remote->after(remote->device, sides[side], last));
    isBegun[side] = true;
    return {};
  }
  // At the end of a run that nobody has waited for: side lanes of later ones come after it.
  Status leave() {
    isBehind = hasSides();
    return isBehind ? remote->mark(remote->device, queue, last) : Status();
  }

  Status toDevice(uint8_t *to, const void *from, uint64_t bytes) const {
    TESSERA_TRY(upload(to, from, bytes));
    return waitMain();
  }
  Status toHost(void *to, const uint8_t *from, uint64_t bytes) const {
    TESSERA_TRY(download(to, from, bytes));
    return waitMain();
  }
  // The same, done when wait has returned: many of them wait once.
  Status upload(uint8_t *to, const void *from, uint64_t bytes, Lane lane = Lane::Main) const {
    return transfer(remote ? remote->toDevice : nullptr, lane, to, from, bytes);
  }
  Status download(void *to, const uint8_t *from, uint64_t bytes, Lane lane = Lane::Main) const {
    return transfer(remote ? remote->toHost : nullptr, lane, to, from, bytes);
  }
  // The ranges do not overlap.
  Status copy(uint8_t *to, const uint8_t *from, uint64_t bytes) const {
    return transfer(remote ? remote->copy : nullptr, Lane::Main, to, from, bytes);
  }
  Status fill(uint8_t *to, uint64_t pattern, uint32_t elementBytes, uint64_t elements) const {
    if (remote)
      return elements ? remote->fill(remote->device, queue, to, pattern, elementBytes, elements)
                      : Status();
    for (uint64_t i = 0; i < elements; ++i)
      std::memcpy(to + i * elementBytes, &pattern, elementBytes);
    return {};
  }
  // For all lanes, at once. Errors are the kernels'.
  Status wait() {
    if (!remote)
      return {};
    bool areJoined = true;
    for (uint32_t side = 0; side < kLanes - 1; ++side)
      areJoined = areJoined &&
                  (!isBegun[side] || (remote->mark(remote->device, sides[side], ends[side]).ok() &&
                                      remote->after(remote->device, queue, ends[side]).ok()));
    Status status = waitMain();
    Status others = areJoined ? Status() : waitBeside();
    isBehind = false;
    return status.ok() ? std::move(others) : std::move(status);
  }
  Status waitMain() const { return remote ? remote->wait(remote->device, queue) : Status(); }
  // For the lanes beside the main one.
  Status waitBeside() const {
    Status status;
    for (uint32_t side = 0; side < kLanes - 1; ++side)
      if (isBegun[side])
        if (Status mine = remote->wait(remote->device, sides[side]); status.ok())
          status = std::move(mine);
    return status;
  }

  // Only where there are marks. One that is null is made first.
  Status mark(Lane lane, void *&mark) const {
    return remote->mark(remote->device, queueOf(lane), mark);
  }
  Status after(Lane lane, void *mark) const {
    return remote->after(remote->device, queueOf(lane), mark);
  }
  Status waitFor(void *mark) const { return remote->waitFor(remote->device, mark); }
  Status elapsed(void *first, void *last, int64_t &nanoseconds) const {
    return remote->elapsed(remote->device, first, last, nanoseconds);
  }
  void releaseMark(void *mark) const {
    if (mark)
      remote->releaseMark(remote->device, mark);
  }

private:
  void *queueOf(Lane lane) const { return lane == Lane::Main ? queue : sides[uint32_t(lane) - 1]; }
  Status transfer(Status (*move)(void *, void *, void *, const void *, uint64_t), Lane lane,
                  void *to, const void *from, uint64_t bytes) const {
    if (!bytes)
      return {};
    if (move)
      return move(remote->device, queueOf(lane), to, from, bytes);
    std::memcpy(to, from, bytes);
    return {};
  }

  const DeviceMemory *remote;
  void *stream = nullptr; // the caller's
  void *own = nullptr;    // of makeQueue
  void *queue = nullptr;  // one of them
  void *sides[kLanes - 1] = {};
  bool isBegun[kLanes - 1] = {}; // in this run
  void *ends[kLanes - 1] = {};   // marks
  void *last = nullptr;          // a mark
  bool isBehind = false;         // nobody waits for it
};

// A block of what kernels see that only grows; growing loses the contents.
class DeviceBlock {
public:
  DeviceBlock(const Allocator &allocator, const DeviceMemory *remote)
      : remote(remote), local(allocator) {}
  DeviceBlock(const DeviceBlock &) = delete;
  DeviceBlock &operator=(const DeviceBlock &) = delete;
  ~DeviceBlock() { reset(); }

  Status reserve(uint64_t wanted) {
    if (!remote)
      return local.reserve(wanted);
    if (wanted <= bytes)
      return {};
    reset();
    void *made = nullptr;
    TESSERA_TRY(remote->allocate(remote->device, wanted, made));
    memory = static_cast<uint8_t *>(made);
    bytes = wanted;
    return {};
  }
  void reset() {
    if (memory)
      remote->release(remote->device, memory);
    memory = nullptr;
    bytes = 0;
    local.reset();
  }
  // Of the host's memory; null when it is a device's.
  Block *host() { return remote ? nullptr : &local; }
  uint8_t *data() const { return remote ? memory : local.data(); }
  uint64_t size() const { return remote ? bytes : local.size(); }

private:
  const DeviceMemory *remote;
  Block local;
  uint8_t *memory = nullptr;
  uint64_t bytes = 0;
};

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_DEVICE_MEMORY_H
