// The one hash of the module format.
#ifndef TESSERA_RUNTIME_BASE_HASH_H
#define TESSERA_RUNTIME_BASE_HASH_H

#include <cstddef>
#include <cstdint>

namespace tessera::rt {

// XXH3-64 with seed 0 (https://xxhash.com), compiled in. Finds corruption; not cryptographic.
uint64_t hashBytes(const void *data, size_t size);

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_BASE_HASH_H
