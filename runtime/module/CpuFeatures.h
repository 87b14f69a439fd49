// What this CPU, with this operating system, can run. Names are LLVM's ("avx512f", "sse4.1").
#ifndef TESSERA_RUNTIME_MODULE_CPUFEATURES_H
#define TESSERA_RUNTIME_MODULE_CPUFEATURES_H

#include <cstdint>

namespace tessera::rt {

// False for unknown names: what is not known cannot be promised.
bool hasCpuFeature(const char *name);

// Some state must be asked for before its first use (AMX tiles on Linux). False when refused.
bool enableCpuFeature(const char *name);

// Bytes of the largest cache that this CPU reads through; a guess where it does not say.
uint64_t lastCacheBytes();

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_MODULE_CPUFEATURES_H
