#include "runtime/module/CpuFeatures.h"

#include <cpuid.h>
#include <cstdint>
#include <cstring>
#include <sys/syscall.h>
#include <unistd.h>

namespace tessera::rt {
namespace {

enum Register : uint8_t { Eax, Ebx, Ecx, Edx };
// Which registers the operating system has to save (bits of XCR0).
constexpr uint64_t kNone = 0, kYmm = 0x6, kZmm = 0xe6, kTile = 0x60000;

struct Feature {
  const char *name;
  uint32_t leaf, subleaf;
  Register place;
  uint8_t bit;
  uint64_t state;
};

// Intel SDM vol. 2A, CPUID; AMD APM vol. 3, appendix E.
constexpr Feature kFeatures[] = {
    {"sse2", 1, 0, Edx, 26, kNone},        {"sse3", 1, 0, Ecx, 0, kNone},
    {"pclmul", 1, 0, Ecx, 1, kNone},       {"ssse3", 1, 0, Ecx, 9, kNone},
    {"fma", 1, 0, Ecx, 12, kYmm},          {"cx16", 1, 0, Ecx, 13, kNone},
    {"sse4.1", 1, 0, Ecx, 19, kNone},      {"sse4.2", 1, 0, Ecx, 20, kNone},
    {"movbe", 1, 0, Ecx, 22, kNone},       {"popcnt", 1, 0, Ecx, 23, kNone},
    {"aes", 1, 0, Ecx, 25, kNone},         {"avx", 1, 0, Ecx, 28, kYmm},
    {"f16c", 1, 0, Ecx, 29, kYmm},         {"bmi", 7, 0, Ebx, 3, kNone},
    {"avx2", 7, 0, Ebx, 5, kYmm},          {"bmi2", 7, 0, Ebx, 8, kNone},
    {"avx512f", 7, 0, Ebx, 16, kZmm},      {"avx512dq", 7, 0, Ebx, 17, kZmm},
    {"avx512ifma", 7, 0, Ebx, 21, kZmm},   {"avx512cd", 7, 0, Ebx, 28, kZmm},
    {"avx512bw", 7, 0, Ebx, 30, kZmm},     {"avx512vl", 7, 0, Ebx, 31, kZmm},
    {"avx512vbmi", 7, 0, Ecx, 1, kZmm},    {"avx512vbmi2", 7, 0, Ecx, 6, kZmm},
    {"gfni", 7, 0, Ecx, 8, kNone},         {"vaes", 7, 0, Ecx, 9, kYmm},
    {"vpclmulqdq", 7, 0, Ecx, 10, kYmm},   {"avx512vnni", 7, 0, Ecx, 11, kZmm},
    {"avx512bitalg", 7, 0, Ecx, 12, kZmm}, {"avx512vpopcntdq", 7, 0, Ecx, 14, kZmm},
    {"amx-bf16", 7, 0, Edx, 22, kTile},    {"avx512fp16", 7, 0, Edx, 23, kZmm},
    {"amx-tile", 7, 0, Edx, 24, kTile},    {"amx-int8", 7, 0, Edx, 25, kTile},
    {"avxvnni", 7, 1, Eax, 4, kYmm},       {"avx512bf16", 7, 1, Eax, 5, kZmm},
    {"amx-fp16", 7, 1, Eax, 21, kTile},    {"lzcnt", 0x80000001, 0, Ecx, 5, kNone},
};

uint64_t savedState() {
  uint32_t r[4];
  if (!__get_cpuid(1, &r[Eax], &r[Ebx], &r[Ecx], &r[Edx]) || !(r[Ecx] >> 27 & 1)) // OSXSAVE
    return 0;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

} // namespace

bool hasCpuFeature(const char *name) {
  for (const Feature &feature : kFeatures) {
    if (std::strcmp(feature.name, name) != 0)
      continue;
    uint32_t r[4];
    if (!__get_cpuid_count(feature.leaf, feature.subleaf, &r[Eax], &r[Ebx], &r[Ecx], &r[Edx]))
      return false;
    return (r[feature.place] >> feature.bit & 1) &&
           (feature.state == kNone || (savedState() & feature.state) == feature.state);
  }
  return false;
}

// Intel SDM vol. 2A, CPUID leaf 4; AMD APM vol. 3, appendix E, leaf 8000001D: they say the same.
uint64_t lastCacheBytes() {
  constexpr uint64_t kUnknown = 32 << 20;
  constexpr uint32_t kNoCache = 0, kInstructions = 2, kMostCaches = 16;
  constexpr uint32_t kLeaves[] = {4, 0x8000001d};
  for (uint32_t leaf : kLeaves) {
    uint64_t bytes = 0;
    uint32_t highest = 0, r[4];
    for (uint32_t cache = 0; cache < kMostCaches; ++cache) {
      if (!__get_cpuid_count(leaf, cache, &r[Eax], &r[Ebx], &r[Ecx], &r[Edx]) ||
          (r[Eax] & 0x1f) == kNoCache)
        break;
      const uint32_t level = r[Eax] >> 5 & 7;
      if ((r[Eax] & 0x1f) == kInstructions || level < highest)
        continue;
      highest = level;
      bytes = uint64_t((r[Ebx] >> 22) + 1) * ((r[Ebx] >> 12 & 0x3ff) + 1) * ((r[Ebx] & 0xfff) + 1) *
              (uint64_t(r[Ecx]) + 1);
    }
    if (bytes)
      return bytes;
  }
  return kUnknown;
}

bool enableCpuFeature(const char *name) {
  constexpr long kRequestPermission = 0x1023, kTileData = 18; // arch_prctl, Linux 5.16
  if (std::strncmp(name, "amx-", 4) != 0)
    return true;
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

} // namespace tessera::rt
