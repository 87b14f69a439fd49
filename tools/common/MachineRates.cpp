#include "tools/common/MachineRates.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <memory>
#include <new>
#include <thread>
#include <unistd.h>
#include <vector>

namespace tessera::tools {
namespace {

constexpr size_t kStep = 512; // bytes that one turn of a loop reads

// Processor time of this thread, in seconds.
double threadTime() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

double wallTime() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

// Loads every byte in vectors; nothing is done with them.
void readAll(const char *data, size_t bytes, int vectorBits) {
  size_t steps = bytes / kStep;
#if defined(__x86_64__)
#define TESSERA_LOADS(R)                                                                           \
  "vmovups (%0), %%" R "0\n\t vmovups 64(%0), %%" R "1\n\t vmovups 128(%0), %%" R                  \
  "2\n\t vmovups 192(%0), %%" R "3\n\t vmovups 256(%0), %%" R "4\n\t vmovups 320(%0), %%" R        \
  "5\n\t vmovups 384(%0), %%" R "6\n\t vmovups 448(%0), %%" R "7\n\t"
#define TESSERA_LOADS_BEHIND(R)                                                                    \
  "vmovups 32(%0), %%" R "0\n\t vmovups 96(%0), %%" R "1\n\t vmovups 160(%0), %%" R                \
  "2\n\t vmovups 224(%0), %%" R "3\n\t vmovups 288(%0), %%" R "4\n\t vmovups 352(%0), %%" R        \
  "5\n\t vmovups 416(%0), %%" R "6\n\t vmovups 480(%0), %%" R "7\n\t"
#define TESSERA_READ(LOADS)                                                                        \
  __asm__ volatile("1:\n\t" LOADS "add $512, %0\n\t dec %1\n\t jnz 1b\n\t vzeroupper"              \
                   : "+r"(data), "+r"(steps)                                                       \
                   :                                                                               \
                   : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "memory",     \
                     "cc")
  if (vectorBits >= 512) {
    TESSERA_READ(TESSERA_LOADS("zmm"));
    return;
  }
  if (vectorBits >= 256) {
    TESSERA_READ(TESSERA_LOADS("ymm") TESSERA_LOADS_BEHIND("ymm"));
    return;
  }
#endif
  uint64_t sums[8] = {};
  for (size_t i = 0; i < steps * kStep; i += sizeof(sums))
    for (size_t lane = 0; lane < 8; ++lane)
      sums[lane] += reinterpret_cast<const uint64_t *>(data + i)[lane];
  for (uint64_t sum : sums)
    __asm__ volatile("" : : "r"(sum) : "memory");
}

// Two halves side by side, which is faster where memory is slow to answer.
void readHalves(const char *data, size_t bytes, int vectorBits) {
  size_t steps = bytes / kStep;
#if defined(__x86_64__)
  const char *other = data + steps * (kStep / 2);
#define TESSERA_READ_BOTH(LOADS)                                                                   \
  __asm__ volatile("1:\n\t" LOADS "add $256, %0\n\t add $256, %1\n\t dec %2\n\t jnz 1b\n\t"        \
                   "vzeroupper"                                                                    \
                   : "+r"(data), "+r"(other), "+r"(steps)                                          \
                   :                                                                               \
                   : "xmm0", "xmm1", "xmm2", "xmm3", "memory", "cc")
#define TESSERA_QUARTER(P, AT, R)                                                                  \
  "vmovups " AT "(" P "), %%" R "0\n\t vmovups " AT "+64(" P "), %%" R "1\n\t"
#define TESSERA_HALF_QUARTER(P, AT)                                                                \
  "vmovups " AT "+32(" P "), %%ymm2\n\t vmovups " AT "+96(" P "), %%ymm3\n\t"
  if (vectorBits >= 512) {
    TESSERA_READ_BOTH(TESSERA_QUARTER("%0", "0", "zmm") TESSERA_QUARTER("%0", "128", "zmm")
                          TESSERA_QUARTER("%1", "0", "zmm") TESSERA_QUARTER("%1", "128", "zmm"));
    return;
  }
  if (vectorBits >= 256) {
    TESSERA_READ_BOTH(TESSERA_QUARTER("%0", "0", "ymm") TESSERA_HALF_QUARTER("%0", "0")
                          TESSERA_QUARTER("%0", "128", "ymm") TESSERA_HALF_QUARTER("%0", "128")
                              TESSERA_QUARTER("%1", "0", "ymm") TESSERA_HALF_QUARTER("%1", "0")
                                  TESSERA_QUARTER("%1", "128", "ymm")
                                      TESSERA_HALF_QUARTER("%1", "128"));
    return;
  }
#endif
  readAll(data, steps * kStep, vectorBits);
}

using Read = void (*)(const char *data, size_t bytes, int vectorBits);

// Bytes a second, of the best of several runs of about a tenth of a millisecond or one pass.
double readRate(const char *data, size_t bytes, int vectorBits, double seconds,
                Read read = readAll) {
  constexpr size_t kLeastBytes = size_t(4) << 20;
  const size_t passes = std::max<size_t>(1, kLeastBytes / bytes);
  double best = 1e9;
  read(data, bytes, vectorBits);
  for (double begin = threadTime(), end = begin; end - begin < seconds;) {
    const double start = threadTime();
    for (size_t pass = 0; pass < passes; ++pass)
      read(data, bytes, vectorBits);
    end = threadTime();
    best = std::min(best, end - start);
  }
  return double(bytes * passes) / best;
}

// All at once, each with a part of its own.
double readTogether(const char *data, size_t bytes, unsigned threads, int vectorBits,
                    Read read = readAll) {
  std::vector<double> each(threads);
  std::vector<std::thread> others;
  const size_t part = bytes / threads / kStep * kStep;
  for (unsigned i = 0; i < threads; ++i)
    others.emplace_back(
        [&, i] { each[i] = readRate(data + i * part, part, vectorBits, 0.05, read); });
  for (std::thread &other : others)
    other.join();
  double rate = 0;
  for (double one : each)
    rate += one;
  return rate;
}

// Of the first CPU; `index` as the kernel lists them.
double cacheBytes(int level, double otherwise) {
  for (int index = 0; index < 8; ++index) {
    const std::string folder =
        "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    std::ifstream levelFile(folder + "level"), typeFile(folder + "type"), sizeFile(folder + "size");
    int found = 0;
    std::string type, size;
    if (!(levelFile >> found) || !(typeFile >> type) || !(sizeFile >> size))
      continue;
    if (found != level || type == "Instruction" || size.empty())
      continue;
    const double unit = size.back() == 'M' ? 1 << 20 : size.back() == 'K' ? 1 << 10 : 1;
    return double(std::strtoull(size.c_str(), nullptr, 10)) * unit;
  }
  return otherwise;
}

// A thread that waits for a number to change, as the threads of a pool do while they spin.
double measureHandOver() {
  constexpr int kTurns = 2000;
  std::atomic<int> asked{0}, answered{0};
  std::thread other([&] {
    for (int turn = 1; turn <= kTurns; ++turn) {
      while (asked.load(std::memory_order_acquire) < turn) {
      }
      answered.store(turn, std::memory_order_release);
    }
  });
  double best = 1e9;
  for (int turn = 1; turn <= kTurns; ++turn) {
    const double start = wallTime();
    asked.store(turn, std::memory_order_release);
    while (answered.load(std::memory_order_acquire) < turn) {
    }
    best = std::min(best, wallTime() - start);
  }
  other.join();
  return best;
}

} // namespace

std::string MachineRates::text() const {
  char text[512];
  std::snprintf(text, sizeof(text),
                "vector_bits=%d threads=%u flops=%.6g byte_products=%.6g bf16_products=%.6g "
                "l1_bytes=%.0f l2_bytes=%.0f l3_bytes=%.0f l1_rate=%.6g l2_rate=%.6g l3_rate=%.6g "
                "memory_rate=%.6g all_memory_rate=%.6g share_seconds=%.6g",
                peak.vectorBits, threads, peak.flopsPerCore, peak.byteProductsPerCore,
                peak.bfloatProductsPerCore, l1Bytes, l2Bytes, l3Bytes, l1Rate, l2Rate, l3Rate,
                memoryRate, allMemoryRate, shareSeconds);
  return text;
}

double measureMemoryRate(unsigned threads, int vectorBits) {
  // So much that what a cache keeps of it from one pass to the next hardly counts.
  const size_t bytes = std::max<size_t>(size_t(384) << 20, size_t(cacheBytes(3, 8 << 20)) * 12);
  const std::unique_ptr<char[]> memory(new (std::nothrow) char[bytes]);
  if (!memory)
    return 0;
  std::fill_n(memory.get(), bytes, char(1));
  threads = std::max(1u, threads);
  return std::max(readTogether(memory.get(), bytes, threads, vectorBits),
                  readTogether(memory.get(), bytes, threads, vectorBits, readHalves));
}

MachineRates measureMachineRates(int vectorBits) {
  MachineRates rates;
  rates.peak = measureMachinePeak(vectorBits);
  rates.threads = std::max(1u, std::thread::hardware_concurrency());
  rates.l1Bytes = cacheBytes(1, 32 << 10);
  rates.l2Bytes = cacheBytes(2, 512 << 10);
  rates.l3Bytes = cacheBytes(3, 8 << 20);
  if (rates.l3Bytes < rates.l2Bytes * 4)
    rates.l3Bytes = rates.l2Bytes * 4;
  const int bits = rates.peak.vectorBits;
  const size_t far = std::max<size_t>(size_t(128) << 20, size_t(rates.l3Bytes) * 4);
  const std::unique_ptr<char[]> memory(new (std::nothrow) char[far]);
  rates.memoryRate = rates.allMemoryRate = rates.peak.bytesPerSecond;
  if (!memory) {
    rates.l1Rate = rates.l2Rate = rates.l3Rate = rates.memoryRate;
    return rates;
  }
  std::fill_n(memory.get(), far, char(1));
  const auto rate = [&](double bytes) {
    return readRate(memory.get(), std::max<size_t>(kStep, size_t(bytes) / kStep * kStep), bits,
                    0.02);
  };
  rates.l1Rate = rate(rates.l1Bytes / 2);
  rates.l2Rate = rate((rates.l1Bytes + rates.l2Bytes) / 2);
  rates.l3Rate = rate(std::min(rates.l3Bytes / 2, rates.l2Bytes * 4));
  rates.memoryRate = readRate(memory.get(), far, bits, 0.05);
  rates.allMemoryRate = readTogether(memory.get(), far, rates.threads, bits);
  rates.allMemoryRate = std::max(rates.allMemoryRate, rates.memoryRate);
  // To there and back once for the work and once for its end.
  rates.shareSeconds = rates.threads > 1 ? 2 * measureHandOver() : 0;
  return rates;
}

} // namespace tessera::tools
