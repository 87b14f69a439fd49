// Copies between the host's ordinary memory and a device, in the order of a stream, that do not
// hold up who asks for them. The driver copies such memory only while the caller waits ("CUDA
// Driver API", "API synchronization behavior"): here it goes through two pieces of page-locked
// memory, which functions of a second stream fill, or empty, while the other piece is moved.
#ifndef TESSERA_RUNTIME_DEVICE_CUDA_STAGING_H
#define TESSERA_RUNTIME_DEVICE_CUDA_STAGING_H

#include "runtime/device/cuda/Driver.h"

namespace tessera::rt::cuda {

// Long enough for the rate of the bus, short enough to stay in a cache.
constexpr size_t kPieceBytes = size_t(1) << 20;

class Staging {
public:
  // Host memory is read, or written, until the stream has passed the copy.
  Status upload(const Driver &driver, StreamRecord *stream, DevicePtr to, const void *from,
                size_t bytes);
  Status download(const Driver &driver, StreamRecord *stream, void *to, DevicePtr from,
                  size_t bytes);
  // Nothing is under way any more.
  void release(const Driver &driver);

private:
  Status prepare(const Driver &driver);
  Status move(const Driver &driver, void *to, const void *from, size_t bytes);

  uint8_t *memory = nullptr;
  StreamRecord *moving = nullptr;
  EventRecord *isFull[2] = {}, *isEmpty[2] = {};
  bool isUsed[2] = {};  // isEmpty was recorded
  unsigned next = 0;    // the piece
  bool hasNone = false; // there is no such memory: copies are the driver's own
};

} // namespace tessera::rt::cuda

#endif // TESSERA_RUNTIME_DEVICE_CUDA_STAGING_H
