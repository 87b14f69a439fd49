// Where the tensors of kernels are: in the host's memory, or in a device's own.
#ifndef TESSERA_RUNTIME_DEVICE_MEMORY_H
#define TESSERA_RUNTIME_DEVICE_MEMORY_H

#include "runtime/base/Allocator.h"
#include "runtime/device/Device.h"

#include <cstring>

namespace tessera::rt {

// Moves bytes between the host and where kernels compute; with the host's memory these are plain
// copies. What was asked for happens in order, also with launches between; only toDevice, toHost
// and wait have it done when they return. Errors of earlier launches may come from any of them.
class Memory {
public:
  explicit Memory(const DeviceMemory *remote) : remote(remote) {}
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;
  ~Memory() {
    for (void *mark : marks)
      if (mark)
        remote->releaseMark(mark);
    if (own)
      remote->releaseQueue(own);
  }

  // Of the device, in which all that follows is done; null: the ordinary one. What an earlier call
  // has left is forgotten.
  Status setStream(void *chosen) {
    stream = queue = chosen;
    if (!remote || !remote->makeQueue)
      return {};
    if (!own)
      TESSERA_TRY(remote->makeQueue(own));
    remote->setStream(own, chosen);
    queue = own;
    return {};
  }
  bool hasStream() const { return stream; }
  // What launches take.
  void *getQueue() const { return queue; }
  // After this nothing waits for the host.
  Status submit() const { return own ? remote->submit(own) : Status(); }
  // What waits will not be done.
  void forget() {
    if (own)
      remote->setStream(own, stream);
  }

  bool isRemote() const { return remote != nullptr; }
  Status toDevice(uint8_t *to, const void *from, uint64_t bytes) const {
    TESSERA_TRY(upload(to, from, bytes));
    return wait();
  }
  Status toHost(void *to, const uint8_t *from, uint64_t bytes) const {
    TESSERA_TRY(download(to, from, bytes));
    return wait();
  }
  // The same, done when wait has returned: many of them wait once.
  Status upload(uint8_t *to, const void *from, uint64_t bytes) const {
    return transfer(remote ? remote->toDevice : nullptr, to, from, bytes);
  }
  Status download(void *to, const uint8_t *from, uint64_t bytes) const {
    return transfer(remote ? remote->toHost : nullptr, to, from, bytes);
  }
  // The ranges do not overlap.
  Status copy(uint8_t *to, const uint8_t *from, uint64_t bytes) const {
    return transfer(remote ? remote->copy : nullptr, to, from, bytes);
  }
  Status fill(uint8_t *to, uint64_t pattern, uint32_t elementBytes, uint64_t elements) const {
    if (remote)
      return elements ? remote->fill(queue, to, pattern, elementBytes, elements) : Status();
    for (uint64_t i = 0; i < elements; ++i)
      std::memcpy(to + i * elementBytes, &pattern, elementBytes);
    return {};
  }
  Status wait() const { return remote ? remote->wait(queue) : Status(); }

  // The device's own time between beginTiming and endTiming, which waits. Without a clock of its
  // own, `nanoseconds` stays as it is.
  Status beginTiming() { return remote && remote->mark ? remote->mark(queue, marks[0]) : Status(); }
  Status endTiming(int64_t &nanoseconds) {
    if (!remote || !remote->mark)
      return wait();
    TESSERA_TRY(remote->mark(queue, marks[1]));
    TESSERA_TRY(wait());
    return remote->elapsed(marks[0], marks[1], nanoseconds);
  }

private:
  Status transfer(Status (*move)(void *, void *, const void *, uint64_t), void *to,
                  const void *from, uint64_t bytes) const {
    if (!bytes)
      return {};
    if (move)
      return move(queue, to, from, bytes);
    std::memcpy(to, from, bytes);
    return {};
  }

  const DeviceMemory *remote;
  void *stream = nullptr; // the caller's
  void *own = nullptr;    // of makeQueue
  void *queue = nullptr;  // one of them
  void *marks[2] = {};
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
    TESSERA_TRY(remote->allocate(wanted, made));
    memory = static_cast<uint8_t *>(made);
    bytes = wanted;
    return {};
  }
  void reset() {
    if (memory)
      remote->release(memory);
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
