#include "test/runtime/Modules.h"

#include <cmath>
#include <cstring>
#include <ctime>
#include <thread>

using namespace tessera::test;
using namespace tessera::rt;

namespace {

bool never(const KernelContext *) { return false; }

struct Seen {
  std::vector<std::atomic<int>> counts;
  std::atomic<int> outside{0};
  explicit Seen(size_t size) : counts(size) {}
};

} // namespace

TEST(ThreadPool, runsEveryTaskOnce) {
  for (uint32_t threads : {1u, 2u, 3u, 8u}) {
    ThreadPool pool(systemAllocator());
    EXPECT_OK(pool.start(threads));
    EXPECT_EQ(pool.threads(), threads);
    for (int32_t extent : {0, 1, 2, 7, 1000})
      for (int round = 0; round < 20; ++round) {
        Seen seen{size_t(extent)};
        const int32_t status = pool.run(
            nullptr,
            [](const KernelContext *, int32_t i, uint8_t *closure) {
              auto *seen = reinterpret_cast<Seen *>(closure);
              if (i < 5 || size_t(i - 5) >= seen->counts.size())
                ++seen->outside;
              else
                ++seen->counts[size_t(i - 5)];
              return int32_t(0);
            },
            5, extent, reinterpret_cast<uint8_t *>(&seen), never);
        EXPECT_EQ(status, 0);
        EXPECT_EQ(seen.outside, 0);
        for (const std::atomic<int> &count : seen.counts)
          ASSERT_EQ(count, 1);
      }
  }
}

TEST(ThreadPool, reportsTheFailureWithTheSmallestIndex) {
  ThreadPool pool(systemAllocator());
  EXPECT_OK(pool.start(3));
  for (int round = 0; round < 50; ++round)
    EXPECT_EQ(pool.run(
                  nullptr,
                  [](const KernelContext *, int32_t i, uint8_t *) { return i >= 7 ? -i : 0; }, 0,
                  100, nullptr, never),
              -7);
}

TEST(ThreadPool, idleThreadsWakeUpAgain) {
  ThreadPool pool(systemAllocator());
  EXPECT_OK(pool.start(2));
  for (int round = 0; round < 10; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1)); // Longer than they spin.
    std::atomic<int> sum{0};
    EXPECT_EQ(pool.run(
                  nullptr,
                  [](const KernelContext *, int32_t i, uint8_t *closure) {
                    *reinterpret_cast<std::atomic<int> *>(closure) += i;
                    return int32_t(0);
                  },
                  0, 100, reinterpret_cast<uint8_t *>(&sum), never),
              0);
    EXPECT_EQ(sum, 4950);
  }
}

// What others compute takes them long here, as it does where data has to come from another core.
TEST(ThreadPool, shortLoopsThatGainNothingStayWithTheCaller) {
  ThreadPool pool(systemAllocator());
  EXPECT_OK(pool.start(2));
  struct Job {
    std::thread::id caller = std::this_thread::get_id();
    std::atomic<int> others{0};
  } job;
  constexpr int kRounds = 400, kLast = 100;
  for (int round = 0; round < kRounds; ++round) {
    if (round == kRounds - kLast)
      job.others = 0;
    EXPECT_EQ(pool.run(
                  nullptr,
                  [](const KernelContext *, int32_t, uint8_t *closure) {
                    auto *job = reinterpret_cast<Job *>(closure);
                    const bool isCaller = std::this_thread::get_id() == job->caller;
                    job->others += !isCaller;
                    const auto end = std::chrono::steady_clock::now() +
                                     std::chrono::microseconds(isCaller ? 2 : 15);
                    while (std::chrono::steady_clock::now() < end)
                      ;
                    return int32_t(0);
                  },
                  0, 2, reinterpret_cast<uint8_t *>(&job), never),
              0);
  }
  EXPECT_LT(job.others, kLast / 4);
}

TEST(ThreadPool, loopsInsideATaskRunSerially) {
  ThreadPool pool(systemAllocator());
  EXPECT_OK(pool.start(2));
  struct Job {
    ThreadPool &pool;
    std::atomic<int> count{0};
  } job{pool};
  EXPECT_EQ(pool.run(
                nullptr,
                [](const KernelContext *, int32_t, uint8_t *closure) {
                  return reinterpret_cast<Job *>(closure)->pool.run(
                      nullptr,
                      [](const KernelContext *, int32_t, uint8_t *closure) {
                        ++reinterpret_cast<Job *>(closure)->count;
                        return int32_t(0);
                      },
                      0, 10, closure, never);
                },
                0, 10, reinterpret_cast<uint8_t *>(&job), never),
            0);
  EXPECT_EQ(job.count, 100);
}

static double secondsOf(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

TEST(ThreadPool, idleThreadsUseNoProcessor) {
  ThreadPool pool(systemAllocator());
  EXPECT_OK(pool.start(4));
  const auto nothing = [](const KernelContext *, int32_t, uint8_t *) { return int32_t(0); };
  EXPECT_EQ(pool.run(nullptr, nothing, 0, 100, nullptr, never), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(20)); // They spin, a little.
  const double begin = secondsOf(CLOCK_PROCESS_CPUTIME_ID);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(secondsOf(CLOCK_PROCESS_CPUTIME_ID) - begin, 0.005);
}

// A worker that sleeps stands for one whose processor went to another program.
TEST(ThreadPool, aCallerThatWaitsLeavesItsProcessor) {
  ThreadPool pool(systemAllocator());
  EXPECT_OK(pool.start(2));
  struct Job {
    std::thread::id caller = std::this_thread::get_id();
    std::atomic<bool> isTaken{false};
  };
  for (int round = 0; round < 3; ++round) {
    Job job;
    const double begin = secondsOf(CLOCK_THREAD_CPUTIME_ID);
    EXPECT_EQ(pool.run(
                  nullptr,
                  [](const KernelContext *, int32_t, uint8_t *closure) {
                    auto *job = reinterpret_cast<Job *>(closure);
                    if (std::this_thread::get_id() != job->caller) {
                      job->isTaken = true;
                      std::this_thread::sleep_for(std::chrono::milliseconds(100));
                    } else {
                      while (!job->isTaken)
                        std::this_thread::sleep_for(std::chrono::milliseconds(1));
                    }
                    return int32_t(0);
                  },
                  0, 2, reinterpret_cast<uint8_t *>(&job), never),
              0);
    EXPECT_LT(secondsOf(CLOCK_THREAD_CPUTIME_ID) - begin, 0.05);
  }
}

// A kernel whose tasks depend on their index only, as compiled kernels do.
static int32_t sines(const KernelContext *context, void *const *args) {
  return context->parallelFor(
      context,
      [](const KernelContext *, int32_t row, uint8_t *closure) {
        void *const *args = reinterpret_cast<void *const *>(closure);
        float sum = 0;
        for (int i = 0; i < 4; ++i)
          sum += std::sin(floats(args, 0)[row * 4 + i] * 1e3f);
        for (int i = 0; i < 4; ++i)
          floats(args, 1)[row * 4 + i] = sum / float(i + 3);
        return int32_t(0);
      },
      0, static_cast<const KernelBuffer *>(args[0])->dim[1].extent,
      reinterpret_cast<uint8_t *>(const_cast<void **>(args)));
}

TEST(ThreadPool, theNumberOfThreadsDoesNotChangeABit) {
  ModuleDesc desc = makeTwice();
  desc.variants[0].kernels[0] =
      makeKernel("sines", sines, {input(ElementType::F32, 2), output(ElementType::F32, 2)});
  ModulePtr module = load(desc);
  std::vector<float> x(400), first(400);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = float(i) * 0.37f;
  for (uint32_t threads : {1u, 2u, 3u, 8u, 16u}) {
    ContextPtr context = makeContext(*module, threads);
    std::vector<float> y(400);
    const TensorView out = view(y, {100, 4});
    EXPECT_OK(context->setInput(0, 0, view(x, {100, 4})));
    EXPECT_OK(context->setOutput(0, 0, &out));
    EXPECT_OK(context->run(0, 0));
    if (threads == 1)
      first = y;
    EXPECT_EQ(std::memcmp(first.data(), y.data(), y.size() * sizeof(float)), 0) << threads;
  }
}
