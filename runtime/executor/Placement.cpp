// Greedy by size (Y. Pisarchyk, J. Lee: Efficient Memory Management for Deep Neural Net Inference,
// 2020):
// 1. the largest first, equal sizes in their own order;
// 2. walk over those already placed that live at the same time, by offset: the smallest gap that
// fits;
// 3. none fits: behind the last of them.
#include "runtime/executor/Placement.h"

#include <algorithm>

namespace tessera::rt {

uint64_t placeByBestFit(Span<Place> places, uint32_t *scratch) {
  uint32_t *order = scratch, *placed = scratch + places.size; // `placed` is sorted by offset
  for (size_t i = 0; i < places.size; ++i)
    order[i] = uint32_t(i);
  std::sort(order, order + places.size, [&](uint32_t a, uint32_t b) {
    return places[a].bytes != places[b].bytes ? places[a].bytes > places[b].bytes : a < b;
  });
  uint64_t total = 0;
  for (size_t count = 0; count < places.size; ++count) {
    Place &mine = places[order[count]];
    uint64_t end = 0, best = 0, smallest = UINT64_MAX;
    for (size_t i = 0; i < count; ++i) {
      const Place &other = places[placed[i]];
      if (other.last < mine.first || mine.last < other.first)
        continue;
      if (other.offset >= end && other.offset - end >= mine.bytes &&
          other.offset - end < smallest) {
        smallest = other.offset - end;
        best = end;
      }
      end = std::max(end, other.offset + other.bytes);
    }
    mine.offset = smallest == UINT64_MAX ? end : best;
    total = std::max(total, mine.offset + mine.bytes);
    size_t at = count;
    for (; at && places[placed[at - 1]].offset > mine.offset; --at)
      placed[at] = placed[at - 1];
    placed[at] = order[count];
  }
  return total;
}

} // namespace tessera::rt
