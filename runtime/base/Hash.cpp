#include "runtime/base/Hash.h"

#define XXH_INLINE_ALL
#define XXH_NO_STREAM
#include <xxhash.h>

uint64_t tessera::rt::hashBytes(const void *data, size_t size) { return XXH3_64bits(data, size); }
