#include "runtime/executor/ThreadPool.h"

#include <climits>
#include <cstring>
#include <immintrin.h>
#include <linux/futex.h>
#include <new>
#include <sys/syscall.h>
#include <unistd.h>

namespace tessera::rt {
namespace {

// std::atomic's wait and notify would bring exceptions and a way to end the process. Waking up for
// nothing is fine: callers look again.
void sleepWhile(std::atomic<uint32_t> &word, uint32_t value) {
  static_assert(sizeof(word) == sizeof(uint32_t));
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void wakeAll(std::atomic<uint32_t> &word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

// About 20 microseconds: kernels of one call follow each other faster than that.
constexpr int kSpins = 1000;

thread_local bool insideTask = false;

} // namespace

ThreadPool::~ThreadPool() {
  quit.store(true);
  epoch.fetch_add(1);
  wakeAll(epoch);
  for (uint32_t i = 0; i < workers; ++i)
    pthread_join(handles[i].thread, nullptr);
  if (handles)
    allocator.release(allocator.user, handles, capacity * sizeof(Worker), alignof(Worker));
  if (shares)
    allocator.release(allocator.user, shares, (capacity + 1) * sizeof(Share), alignof(Share));
}

Status ThreadPool::start(uint32_t threads) {
  if (threads <= 1)
    return {};
  capacity = threads - 1;
  handles = static_cast<Worker *>(
      allocator.allocate(allocator.user, capacity * sizeof(Worker), alignof(Worker)));
  shares = static_cast<Share *>(
      allocator.allocate(allocator.user, threads * sizeof(Share), alignof(Share)));
  if (!handles || !shares)
    return Status::outOfMemory();
  for (uint32_t i = 0; i < threads; ++i)
    new (&shares[i]) Share;
  for (; workers < capacity; ++workers) {
    Worker &worker = *new (&handles[workers]) Worker{this, {}, workers + 1};
    if (const int error = pthread_create(&worker.thread, nullptr, enter, &worker))
      return Status::error(Code::SystemError, "cannot start thread %u of %u: %s", workers + 2,
                           threads, std::strerror(error));
  }
  return {};
}

void *ThreadPool::enter(void *worker) {
  static_cast<Worker *>(worker)->pool->work(static_cast<Worker *>(worker)->number);
  return nullptr;
}

void ThreadPool::work(uint32_t number) {
  insideTask = true; // A parallel loop inside a task runs serially.
  uint32_t seen = 0;
  while (!quit.load(std::memory_order_acquire)) {
    uint32_t now = epoch.load(std::memory_order_acquire);
    for (int spin = 0; now == seen && spin < kSpins; ++spin) {
      _mm_pause();
      now = epoch.load(std::memory_order_acquire);
    }
    if (now == seen) {
      sleepers.fetch_add(1);
      sleepWhile(epoch, seen);
      sleepers.fetch_sub(1);
      continue;
    }
    seen = now;
    uint32_t state = gate.load(std::memory_order_acquire);
    while ((state & kOpen) && !gate.compare_exchange_weak(state, state + 1))
      ;
    if (!(state & kOpen))
      continue; // Too late: the others are done.
    takeTasks(number);
    if (gate.fetch_sub(1, std::memory_order_release) == (kAwaited | 1))
      wakeAll(gate);
  }
}

void ThreadPool::divide() {
  const int64_t number = threads();
  for (int64_t i = 0; i < number; ++i) {
    shares[i].next.store(int32_t(extent * i / number), std::memory_order_relaxed);
    shares[i].end = int32_t(extent * (i + 1) / number);
  }
}

void ThreadPool::takeTasks(uint32_t number) {
  const uint32_t count = threads();
  for (uint32_t i = 0; i < count; ++i)
    if (!takeShare(shares[(number + i) % count]))
      return;
}

// Until nothing is left of it; false once the job is to stop.
bool ThreadPool::takeShare(Share &share) {
  for (;;) {
    // A look first: who finds nothing must not take the cache line from who works.
    if (share.next.load(std::memory_order_relaxed) >= share.end)
      return true;
    const int32_t i = share.next.fetch_add(1, std::memory_order_relaxed);
    if (i >= share.end)
      return true;
    if (stopped.load(std::memory_order_relaxed))
      return false;
    if (shouldStop(context)) {
      stopped.store(true, std::memory_order_relaxed);
      return false;
    }
    const int32_t status = task(context, min + i, closure);
    if (status == 0)
      continue;
    const uint64_t mine = uint64_t(uint32_t(i)) << 32 | uint32_t(status);
    uint64_t first = failure.load();
    while (mine < first && !failure.compare_exchange_weak(first, mine))
      ;
  }
}

// A worker that was inside when the last task was taken may still compute; it may also have lost
// its processor to another program.
void ThreadPool::waitForWorkers() {
  uint32_t state = gate.fetch_and(~kOpen, std::memory_order_acquire) & ~kOpen;
  for (int spin = 0; state != 0 && spin < kSpins; ++spin) {
    _mm_pause();
    state = gate.load(std::memory_order_acquire);
  }
  if (state == 0)
    return;
  state = gate.fetch_or(kAwaited, std::memory_order_acquire) | kAwaited;
  while (state != kAwaited) {
    sleepWhile(gate, state);
    state = gate.load(std::memory_order_acquire);
  }
}

int32_t ThreadPool::runAlone(const KernelContext *jobContext, KernelTask jobTask, int32_t jobMin,
                             int32_t jobExtent, uint8_t *jobClosure,
                             bool (*jobShouldStop)(const KernelContext *)) {
  for (int32_t i = 0; i < jobExtent; ++i) {
    if (jobShouldStop(jobContext))
      return kKernelCancelled;
    if (const int32_t status = jobTask(jobContext, jobMin + i, jobClosure))
      return status;
  }
  return 0;
}

ThreadPool::Habit &ThreadPool::habitOf(KernelTask jobTask, int32_t jobExtent) {
  // Loops that fall into the same place take the next ones, where there are any.
  constexpr uint32_t kTries = 8;
  const uintptr_t first = reinterpret_cast<uintptr_t>(jobTask) / 16 + uint32_t(jobExtent) * 31u;
  for (uint32_t i = 0; i < kTries; ++i) {
    Habit &habit = habits[(first + i) % kHabits];
    if (habit.task == jobTask && habit.extent == jobExtent)
      return habit;
    if (!habit.task)
      return habit = {jobTask, jobExtent};
  }
  return habits[first % kHabits] = {jobTask, jobExtent};
}

// A job is shared at first, then tried alone if it was short. What is tried is tried some times in
// a row: the first time a thread's caches lack what another one computed before. A worker that
// sleeps is woken for a long job, or when it would have saved as much as it costs to wake it. Until
// it is there jobs go on being shared: who finds nobody computes all of it, and one that wakes
// during a job that is not shared would sleep again.
bool ThreadPool::shouldShare(Habit &habit, uint64_t now) {
  if (now - lastEnd > kPause)
    missed = 0;
  ++habit.runs;
  if (habit.shared == 0 || habit.isLong() || habit.runs <= kTrial)
    return true;
  if (habit.alone == 0 || habit.runs <= 2 * kTrial)
    return false;
  const bool isThere = sleepers.load(std::memory_order_relaxed) == 0 || now < comesUntil;
  if (isThere)
    return habit.savesTime() != (habit.runs % kTryAgain < kTrial);
  if (!habit.savesTime()) {
    // What was measured may have been beside another program.
    if (habit.runs % kTryAsleep >= kTrial)
      return false;
  } else {
    missed += habit.alone - habit.shared;
    if (missed < kWake)
      return false;
    missed = 0;
  }
  comesUntil = now + kComing;
  return true;
}

int32_t ThreadPool::run(const KernelContext *jobContext, KernelTask jobTask, int32_t jobMin,
                        int32_t jobExtent, uint8_t *jobClosure,
                        bool (*jobShouldStop)(const KernelContext *)) {
  if (jobExtent <= 0)
    return 0;
  if (insideTask || workers == 0 || jobExtent == 1)
    return runAlone(jobContext, jobTask, jobMin, jobExtent, jobClosure, jobShouldStop);
  Habit &habit = habitOf(jobTask, jobExtent);
  const uint64_t begin = __rdtsc();
  const bool isShared = shouldShare(habit, begin);
  const bool woke = isShared && sleepers.load(std::memory_order_relaxed) != 0;
  int32_t status = 0;
  if (isShared) {
    context = jobContext;
    task = jobTask;
    closure = jobClosure;
    shouldStop = jobShouldStop;
    min = jobMin;
    extent = jobExtent;
    divide();
    stopped.store(false, std::memory_order_relaxed);
    failure.store(~0ull, std::memory_order_relaxed);
    gate.store(kOpen, std::memory_order_release);
    epoch.fetch_add(1);
    if (sleepers.load())
      wakeAll(epoch);
    insideTask = true;
    takeTasks(0);
    insideTask = false;
    waitForWorkers();
    const uint64_t first = failure.load();
    status = first != ~0ull   ? int32_t(uint32_t(first))
             : stopped.load() ? int32_t(kKernelCancelled)
                              : 0;
  } else {
    insideTask = true;
    status = runAlone(jobContext, jobTask, jobMin, jobExtent, jobClosure, jobShouldStop);
    insideTask = false;
  }
  lastEnd = __rdtsc();
  // A single run may have been disturbed, and one that woke a worker is none of a warm pool.
  uint64_t &known = isShared ? habit.shared : habit.alone;
  const uint64_t ticks = lastEnd - begin;
  if (woke && habit.runs <= kFirstRuns)
    return status;
  if (known == 0 || ticks < known)
    known = ticks + 1;
  else if (!woke)
    known += (ticks - known) / 8;
  return status;
}

} // namespace tessera::rt
