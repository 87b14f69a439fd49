// Multiply-adds that depend on nothing else fill every unit: 12 chains cover a latency of up to 6
// cycles on two units. They are written in assembly because a compiler may fold, reorder or spill
// them. Only moves and multiply-adds on registers: no memory.
#include "tools/common/MachinePeak.h"

#include "tools/common/Files.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <new>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace tessera::tools {
namespace {

// Processor time of this thread, in seconds.
double now() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

constexpr int64_t kSteps = 100'000, kTileSteps = 10'000;
constexpr int kChains = 12;

#if defined(__x86_64__)

// One step of every chain: register i += register 14 * register 15, all of them zero.
#define TESSERA_CHAINS(I, R)                                                                       \
  I " %%" R "14, %%" R "15, %%" R "0\n\t" I " %%" R "14, %%" R "15, %%" R "1\n\t" I " %%" R        \
    "14, %%" R "15, %%" R "2\n\t" I " %%" R "14, %%" R "15, %%" R "3\n\t" I " %%" R "14, %%" R     \
    "15, %%" R "4\n\t" I " %%" R "14, %%" R "15, %%" R "5\n\t" I " %%" R "14, %%" R "15, %%" R     \
    "6\n\t" I " %%" R "14, %%" R "15, %%" R "7\n\t" I " %%" R "14, %%" R "15, %%" R "8\n\t" I      \
    " %%" R "14, %%" R "15, %%" R "9\n\t" I " %%" R "14, %%" R "15, %%" R "10\n\t" I " %%" R       \
    "14, %%" R "15, %%" R "11\n\t"
#define TESSERA_LOOP(I, R)                                                                         \
  "vzeroall\n\t1:\n\t" TESSERA_CHAINS(I, R) "dec %0\n\tjnz 1b\n\tvzeroupper"
#define TESSERA_CLOBBERS                                                                           \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",         \
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc"

void multiplyAdd(int vectorBits) {
  int64_t steps = kSteps;
  if (vectorBits == 512)
    __asm__ volatile(TESSERA_LOOP("vfmadd231ps", "zmm") : "+r"(steps) : : TESSERA_CLOBBERS);
  else if (vectorBits == 256)
    __asm__ volatile(TESSERA_LOOP("vfmadd231ps", "ymm") : "+r"(steps) : : TESSERA_CLOBBERS);
  else
    __asm__ volatile(TESSERA_LOOP("vfmadd231ps", "xmm") : "+r"(steps) : : TESSERA_CLOBBERS);
}

// vpdpbusd: sums of four products u8 x s8.
void dotProducts(int vectorBits) {
  int64_t steps = kSteps;
  if (vectorBits == 512)
    __asm__ volatile(TESSERA_LOOP("vpdpbusd", "zmm") : "+r"(steps) : : TESSERA_CLOBBERS);
  else
    __asm__ volatile(TESSERA_LOOP("%{vex%} vpdpbusd", "ymm") : "+r"(steps) : : TESSERA_CLOBBERS);
}

// vdpbf16ps: sums of two products of bf16.
void pairsOfProducts() {
  int64_t steps = kSteps;
  __asm__ volatile(TESSERA_LOOP("vdpbf16ps", "zmm") : "+r"(steps) : : TESSERA_CLOBBERS);
}

// Four tiles of 16 x 16 sums, of tiles of 16 rows of 64 bytes that are zero.
#define TESSERA_TILE_LOOP(I)                                                                       \
  "ldtilecfg %1\n\ttilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3\n\t"   \
  "tilezero %%tmm4\n\ttilezero %%tmm5\n\ttilezero %%tmm6\n\ttilezero %%tmm7\n\t1:\n\t" I           \
  " %%tmm6, %%tmm4, %%tmm0\n\t" I " %%tmm7, %%tmm4, %%tmm1\n\t" I " %%tmm6, %%tmm5, %%tmm2\n\t" I  \
  " %%tmm7, %%tmm5, %%tmm3\n\tdec %0\n\tjnz 1b\n\ttilerelease"

void tileProducts(bool bytes) {
  struct {
    uint8_t palette = 1, startRow = 0, reserved[14] = {};
    uint16_t rowBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config; // Intel SDM vol. 1, 18.2: what LDTILECFG reads
  int64_t steps = kTileSteps;
  if (bytes)
    __asm__ volatile(TESSERA_TILE_LOOP("tdpbusd") : "+r"(steps) : "m"(config) : "cc");
  else
    __asm__ volatile(TESSERA_TILE_LOOP("tdpbf16ps") : "+r"(steps) : "m"(config) : "cc");
}

// Intel SDM vol. 2A, CPUID leaf 7; the operating system is asked for the registers (Linux 5.16).
bool hasTiles(int vectorBits) {
  constexpr uint32_t kTilesOfBytesAndBfloats = 1u << 22 | 1u << 24 | 1u << 25;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  uint32_t eax, ebx, ecx, edx;
  return vectorBits >= 512 && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) &&
         (edx & kTilesOfBytesAndBfloats) == kTilesOfBytesAndBfloats &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

bool hasPairsOfProducts(int vectorBits) {
  __builtin_cpu_init();
  return vectorBits >= 512 && __builtin_cpu_supports("avx512bf16");
}

// 0: the processor has no such instruction for vectors of at most so many bits.
int widestDotProduct(int vectorBits) {
  __builtin_cpu_init();
  if (vectorBits >= 512 && __builtin_cpu_supports("avx512vnni"))
    return 512;
  return vectorBits >= 256 && __builtin_cpu_supports("avxvnni") ? 256 : 0;
}

int widestVector() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("fma"))
    return 0;
  return __builtin_cpu_supports("avx512f") ? 512 : __builtin_cpu_supports("avx2") ? 256 : 128;
}

#else

int widestVector() { return 0; }
void multiplyAdd(int) {}
int widestDotProduct(int) { return 0; }
void dotProducts(int) {}
bool hasPairsOfProducts(int) { return false; }
bool hasTiles(int) { return false; }
void tileProducts(bool) {}
void pairsOfProducts() {}

#endif

template <typename Run> double bestTime(double seconds, Run run) {
  run(); // Pages, clocks and upper halves of registers wake up.
  double best = 1e9;
  for (double begin = now(), end = begin; end - begin < seconds;) {
    double start = now();
    run();
    end = now();
    best = std::min(best, end - start);
  }
  return best;
}

double measureFlops(int vectorBits) {
  if (vectorBits == 0)
    return 0;
  double flops = 2.0 * kSteps * kChains * (vectorBits / 32);
  return flops / bestTime(0.1, [&] { multiplyAdd(vectorBits); });
}

double measureDotProducts(int vectorBits) {
  if (vectorBits == 0)
    return 0;
  double operations = 2.0 * kSteps * kChains * (vectorBits / 8);
  return operations / bestTime(0.1, [&] { dotProducts(vectorBits); });
}

double measurePairsOfProducts(int vectorBits) {
  if (!hasPairsOfProducts(vectorBits))
    return 0;
  double operations = 2.0 * kSteps * kChains * (vectorBits / 16);
  return operations / bestTime(0.1, [] { pairsOfProducts(); });
}

double measureTiles(int vectorBits, bool bytes) {
  if (!hasTiles(vectorBits))
    return 0;
  const double operations = 2.0 * kTileSteps * 4 * 16 * 16 * (bytes ? 64 : 32);
  return operations / bestTime(0.1, [&] { tileProducts(bytes); });
}

double measureRead() {
  constexpr size_t kBytes = size_t(256) << 20, kWords = kBytes / sizeof(uint64_t);
  std::unique_ptr<uint64_t[]> words(new (std::nothrow) uint64_t[kWords]);
  if (!words)
    return 0;
  for (size_t i = 0; i < kWords; ++i)
    words[i] = i;
  uint64_t total = 0;
  double best = bestTime(0.2, [&] {
    // Enough independent sums for vectors on every load unit.
    uint64_t sums[32] = {};
    for (size_t i = 0; i < kWords; i += 32)
      for (size_t lane = 0; lane < 32; ++lane)
        sums[lane] += words[i + lane];
    for (uint64_t sum : sums)
      total += sum;
  });
  // The sums count as used.
  __asm__ volatile("" : : "r"(total) : "memory");
  return double(kBytes) / best;
}

} // namespace

std::string cpuName() {
  std::string text;
  if (!readFile("/proc/cpuinfo", text).empty())
    return "unknown CPU";
  const size_t at = text.find("model name"), colon = text.find(": ", at),
               end = text.find('\n', colon);
  return at == std::string::npos || colon == std::string::npos
             ? "unknown CPU"
             : text.substr(colon + 2, end - colon - 2);
}

MachinePeak measureMachinePeak(int vectorBits) {
  MachinePeak peak;
  int widest = widestVector();
  peak.vectorBits = widest == 0 ? 0
                                : std::clamp(vectorBits >= 512   ? 512
                                             : vectorBits >= 256 ? 256
                                                                 : 128,
                                             128, widest);
  peak.flopsPerCore = measureFlops(peak.vectorBits);
  peak.byteProductsPerCore = measureDotProducts(widestDotProduct(peak.vectorBits));
  peak.bfloatProductsPerCore = measurePairsOfProducts(peak.vectorBits);
  peak.tileBytesPerCore = measureTiles(peak.vectorBits, true);
  peak.tileBfloatsPerCore = measureTiles(peak.vectorBits, false);
  peak.bytesPerSecond = measureRead();
  return peak;
}

} // namespace tessera::tools
