#include "runtime/device/cuda/Staging.h"

#include <cstdlib>
#include <cstring>

namespace tessera::rt::cuda {

namespace {

struct Move {
  void *to;
  const void *from;
  size_t bytes;
};

// In a thread of the driver's, where nothing of CUDA may be called.
void run(void *given) {
  auto *move = static_cast<Move *>(given);
  std::memcpy(move->to, move->from, move->bytes);
  std::free(move);
}

// Memory that its owner has page-locked is moved as it is.
bool isPageLocked(const Driver &driver, const void *memory) {
  unsigned type = 0;
  return driver.pointerGetAttribute(&type, kMemoryTypeAttribute,
                                    DevicePtr(reinterpret_cast<uintptr_t>(memory))) == kSuccess &&
         type == kHostMemoryType;
}

} // namespace

Status Staging::prepare(const Driver &driver) {
  if (memory || hasNone)
    return {};
  void *made = nullptr;
  if (driver.memHostAlloc(&made, 2 * kPieceBytes, 0) != kSuccess) {
    hasNone = true;
    return {};
  }
  memory = static_cast<uint8_t *>(made);
  TESSERA_TRY(driver.check(driver.streamCreate(&moving, kNonBlocking), "making a stream"));
  for (EventRecord **event : {&isFull[0], &isFull[1], &isEmpty[0], &isEmpty[1]})
    TESSERA_TRY(driver.check(driver.eventCreate(event, kNoTiming), "making an event"));
  return {};
}

Status Staging::move(const Driver &driver, void *to, const void *from, size_t bytes) {
  auto *move = static_cast<Move *>(std::malloc(sizeof(Move)));
  if (!move)
    return Status::outOfMemory();
  *move = {to, from, bytes};
  const Result result = driver.launchHostFunc(moving, run, move);
  if (result != kSuccess)
    std::free(move);
  return driver.check(result, "a copy of the host");
}

Status Staging::upload(const Driver &driver, StreamRecord *stream, DevicePtr to, const void *from,
                       size_t bytes) {
  const bool isLocked = isPageLocked(driver, from);
  if (!isLocked)
    TESSERA_TRY(prepare(driver));
  if (isLocked || hasNone)
    return driver.check(driver.copyToDevice(to, from, bytes, stream), "a copy to the device");
  for (size_t at = 0; at < bytes; at += kPieceBytes, next ^= 1) {
    const size_t size = bytes - at < kPieceBytes ? bytes - at : kPieceBytes;
    uint8_t *piece = memory + next * kPieceBytes;
    if (isUsed[next])
      TESSERA_TRY(driver.check(driver.streamWaitEvent(moving, isEmpty[next], 0), "an event"));
    TESSERA_TRY(move(driver, piece, static_cast<const uint8_t *>(from) + at, size));
    TESSERA_TRY(driver.check(driver.eventRecord(isFull[next], moving), "an event"));
    TESSERA_TRY(driver.check(driver.streamWaitEvent(stream, isFull[next], 0), "an event"));
    TESSERA_TRY(
        driver.check(driver.copyToDevice(to + at, piece, size, stream), "a copy to the device"));
    TESSERA_TRY(driver.check(driver.eventRecord(isEmpty[next], stream), "an event"));
    isUsed[next] = true;
  }
  return {};
}

Status Staging::download(const Driver &driver, StreamRecord *stream, void *to, DevicePtr from,
                         size_t bytes) {
  const bool isLocked = isPageLocked(driver, to);
  if (!isLocked)
    TESSERA_TRY(prepare(driver));
  if (isLocked || hasNone)
    return driver.check(driver.copyToHost(to, from, bytes, stream), "a copy from the device");
  for (size_t at = 0; at < bytes; at += kPieceBytes, next ^= 1) {
    const size_t size = bytes - at < kPieceBytes ? bytes - at : kPieceBytes;
    uint8_t *piece = memory + next * kPieceBytes;
    if (isUsed[next])
      TESSERA_TRY(driver.check(driver.streamWaitEvent(stream, isEmpty[next], 0), "an event"));
    TESSERA_TRY(
        driver.check(driver.copyToHost(piece, from + at, size, stream), "a copy from the device"));
    TESSERA_TRY(driver.check(driver.eventRecord(isFull[next], stream), "an event"));
    TESSERA_TRY(driver.check(driver.streamWaitEvent(moving, isFull[next], 0), "an event"));
    TESSERA_TRY(move(driver, static_cast<uint8_t *>(to) + at, piece, size));
    TESSERA_TRY(driver.check(driver.eventRecord(isEmpty[next], moving), "an event"));
    isUsed[next] = true;
  }
  // Who waits for the stream waits for all of it: pieces are emptied in order.
  return driver.check(driver.streamWaitEvent(stream, isEmpty[next ^ 1], 0), "an event");
}

void Staging::release(const Driver &driver) {
  if (moving) {
    (void)driver.streamSynchronize(moving);
    (void)driver.streamDestroy(moving);
  }
  for (EventRecord *event : {isFull[0], isFull[1], isEmpty[0], isEmpty[1]})
    if (event)
      (void)driver.eventDestroy(event);
  if (memory)
    (void)driver.memFreeHost(memory);
  *this = Staging();
}

} // namespace tessera::rt::cuda
