// Threads that compute parallel loops. A launch wakes nobody when the workers still spin from the
// last one, which is what makes it cheap; idle workers sleep. So does a caller whose workers take
// long to come to an end: beside busy programs one may wait for a processor, and can have the
// caller's. Short jobs are measured, alone and shared, and go on as took less time: what it costs
// to hand work over, and to fetch data that lies in the cache of another core, is a matter of
// machines.
#ifndef TESSERA_RUNTIME_EXECUTOR_THREADPOOL_H
#define TESSERA_RUNTIME_EXECUTOR_THREADPOOL_H

#include "runtime/base/Allocator.h"
#include "runtime/base/KernelAbi.h"

#include <atomic>
#include <pthread.h>

namespace tessera::rt {

class ThreadPool {
public:
  explicit ThreadPool(const Allocator &allocator) : allocator(allocator) {}
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;
  ~ThreadPool();

  // `threads` that compute, the caller of run included.
  Status start(uint32_t threads);
  uint32_t threads() const { return workers + 1; }

  // Runs task(context, i, closure) for i in [min, min + extent); from one thread at a time.
  // `shouldStop` is asked before each task; once it says yes the rest is left out and the result is
  // kKernelCancelled. Otherwise 0 or the status of the failing task with the smallest index. From
  // within a task: serially.
  int32_t run(const KernelContext *context, KernelTask task, int32_t min, int32_t extent,
              uint8_t *closure, bool (*shouldStop)(const KernelContext *));

private:
  // What is known of a loop of some extent, in ticks of the processor's clock.
  struct Habit {
    KernelTask task = nullptr;
    int32_t extent = 0;
    uint32_t runs = 0;
    uint64_t alone = 0, shared = 0; // 0: not measured
    bool isLong() const { return shared > kLong; }
    bool savesTime() const { return shared < alone - alone / 4; }
  };

  // The tasks that a thread begins with: what it computed of one job, and has in its caches, is
  // what it reads in the next one. Who is done goes on with what the others left.
  struct alignas(64) Share {
    std::atomic<int32_t> next{0};
    int32_t end = 0;
  };
  struct Worker {
    ThreadPool *pool = nullptr;
    pthread_t thread{};
    uint32_t number = 0; // the thread that calls run is 0
  };

  static void *enter(void *worker);
  void work(uint32_t number);
  void divide();
  void takeTasks(uint32_t number);
  bool takeShare(Share &share);
  Habit &habitOf(KernelTask task, int32_t extent);
  bool shouldShare(Habit &habit, uint64_t now);
  int32_t runAlone(const KernelContext *context, KernelTask task, int32_t min, int32_t extent,
                   uint8_t *closure, bool (*shouldStop)(const KernelContext *));

  void waitForWorkers();

  static constexpr uint32_t kOpen = 0x80000000u, kAwaited = 0x40000000u;
  // Ticks: there are 2 to 4 in a nanosecond. Longer jobs are always shared. Waking a worker costs
  // the caller kWake, and it comes within kComing; what happened before a pause of kPause says
  // nothing of what follows.
  static constexpr uint64_t kLong = 150'000, kWake = 30'000, kComing = 150'000, kPause = 300'000;
  static constexpr uint32_t kHabits = 256, kFirstRuns = 3;
  // Runs: of a trial, and from one to the next, where no worker has to be woken, and where one has.
  static constexpr uint32_t kTrial = 8, kTryAgain = 256, kTryAsleep = 1024;
  const Allocator &allocator;
  Worker *handles = nullptr;
  Share *shares = nullptr; // of each thread
  uint32_t workers = 0, capacity = 0;

  // The job. Written only while the gate is closed and nobody is inside.
  const KernelContext *context = nullptr;
  KernelTask task = nullptr;
  uint8_t *closure = nullptr;
  bool (*shouldStop)(const KernelContext *) = nullptr;
  int32_t min = 0, extent = 0;

  alignas(64) std::atomic<bool> stopped{false}; // by shouldStop
  std::atomic<uint64_t> failure{~0ull};         // index << 32 | status of the first failing task
  // kOpen | workers inside; kAwaited: the caller sleeps until none is.
  alignas(64) std::atomic<uint32_t> gate{0};
  alignas(64) std::atomic<uint32_t> epoch{0}; // one more for every job, and for the end
  std::atomic<uint32_t> sleepers{0};
  std::atomic<bool> quit{false};

  // Of the thread that calls run.
  Habit habits[kHabits];
  uint64_t lastEnd = 0, missed = 0; // ticks that sleeping workers would have saved since the pause
  uint64_t comesUntil = 0;          // a worker that was woken may still be on its way
};

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_EXECUTOR_THREADPOOL_H
