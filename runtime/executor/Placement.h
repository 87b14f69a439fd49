// Places of temporaries that live at overlapping times.
#ifndef TESSERA_RUNTIME_EXECUTOR_PLACEMENT_H
#define TESSERA_RUNTIME_EXECUTOR_PLACEMENT_H

#include "runtime/base/Allocator.h"

namespace tessera::rt {

struct Place {
  uint64_t bytes;       // a multiple of kBufferAlignment
  uint32_t first, last; // instructions, both included
  uint64_t offset;      // the result
};

// Gives every place an offset such that two that live at the same time do not overlap, and returns
// the bytes needed. `scratch` has room for two numbers per place. Deterministic; quadratic in the
// number of places.
uint64_t placeByBestFit(Span<Place> places, uint32_t *scratch);

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_EXECUTOR_PLACEMENT_H
