//===- SharedMemory.h - Shared memory that sees races -----------------------*- C++ -*-===//
#ifndef TESSERA_TEST_GPU_SHAREDMEMORY_H
#define TESSERA_TEST_GPU_SHAREDMEMORY_H

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::ptx {

enum class Access : uint8_t { Read, Write, Atomic };

/// Two threads race when both touch a byte, one of them writes, not both are atomic, and nothing
/// ordered them: no barrier of the block between, for threads of one warp no barrier of the warp,
/// and no mbarrier at which one arrived after its access and for which the other waited before.
class SharedMemory {
public:
  SharedMemory(uint64_t bytes, uint32_t threads);

  void beginBlock();
  void blockBarrier() { ++epoch; }
  uint32_t getEpoch() const { return epoch; } ///< between two barriers of the block
  void warpBarrier(uint32_t warp);

  /// By thread (bulk copies: those of one mbarrier are one, numbered behind the threads): up to
  /// when what it did is known.
  using Known = std::vector<uint32_t>;
  /// A thread (or the bulk copies) arrives: `to` knows all that it did and knew.
  void release(uint32_t thread, Known &to);
  void acquire(uint32_t thread, const Known &from);
  /// "" or with whom the thread races.
  std::string touch(uint32_t thread, uint64_t offset, uint64_t bytes, Access access);
  /// These bytes were written by bulk copies.
  void arrive(uint32_t copies, uint64_t offset, uint64_t bytes);
  /// fence.proxy.async: what the thread wrote may be read by wgmma, once that is ordered behind.
  void fenceProxy(uint32_t thread) { ++proxyFences[thread]; }
  /// The thread that wrote one of these bytes and did not fence it since, or -1.
  int64_t findUnfenced(uint64_t offset, uint64_t bytes) const;
  /// Bytes that are on their way: nobody may read them.
  void beginArrival(uint64_t offset, uint64_t bytes);
  /// The first of these bytes that nobody wrote, or `bytes`.
  uint64_t findUnwritten(uint64_t offset, uint64_t bytes) const;

  std::vector<uint8_t> bytes;

private:
  struct Writer {
    uint32_t epoch = 0, warpEpoch = 0, thread = 0, fence = 0, tick = 0;
    bool isAtomic = false;
  };
  struct Readers { // of one warp
    uint32_t epoch = 0, warpEpoch = 0, lanes = 0, tick = 0;
  };
  std::vector<Writer> writers;
  std::vector<Readers> readers;
  std::vector<uint8_t> isWritten;
  std::vector<uint32_t> warpEpochs, proxyFences; // of warps; of threads
  uint32_t knownUpTo(uint32_t thread, uint32_t other) const {
    return other < known[thread].size() ? known[thread][other] : 0;
  }

  std::vector<Known> known; ///< by each thread
  uint32_t warps, epoch = 1, now = 1;
};

} // namespace tessera::ptx

#endif
