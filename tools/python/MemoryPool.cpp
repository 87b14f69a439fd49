#include "tools/python/MemoryPool.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <sys/mman.h>

namespace tessera::python {
namespace {

// Below, malloc is as good.
constexpr size_t kSmallest = 256 << 10;
constexpr size_t kHugePage = 2 << 20;

} // namespace

// Sizes of pieces are few, so that a run of slightly different extents finds one: eight between
// powers of two.
size_t MemoryPool::roundUp(size_t bytes) {
  const size_t step = std::bit_floor(bytes) / 8;
  return (bytes + step - 1) / step * step;
}

void *MemoryPool::take(size_t bytes, size_t alignment) {
  alignment = std::max(alignment, sizeof(void *));
  if (bytes > SIZE_MAX / 2)
    return nullptr;
  if (bytes < kSmallest)
    return std::aligned_alloc(alignment, (bytes / alignment + 1) * alignment);
  const size_t wanted = roundUp(bytes);
  {
    std::lock_guard lock(mutex);
    const auto found = std::find_if(pieces.rbegin(), pieces.rend(),
                                    [&](const Piece &piece) { return piece.bytes == wanted; });
    if (found != pieces.rend()) {
      void *memory = found->memory;
      kept -= wanted;
      pieces.erase(std::next(found).base());
      return memory;
    }
  }
  // All pieces of a size have the same alignment: whoever takes one may need it.
  const bool isHuge = wanted >= 2 * kHugePage;
  const size_t step = isHuge ? kHugePage : 4096;
  void *memory = std::aligned_alloc(std::max(step, alignment), (wanted + step - 1) / step * step);
  if (memory && isHuge)
    (void)madvise(memory, wanted, MADV_HUGEPAGE);
  return memory;
}

void MemoryPool::give(void *memory, size_t bytes) {
  if (bytes < kSmallest) {
    std::free(memory);
    return;
  }
  std::lock_guard lock(mutex);
  pieces.push_back({memory, roundUp(bytes)});
  kept += pieces.back().bytes;
  shrink();
}

void MemoryPool::keepAtMost(size_t bytes) {
  std::lock_guard lock(mutex);
  limit = bytes;
  shrink();
}

void MemoryPool::shrink() {
  size_t first = 0;
  for (; kept > limit; ++first) {
    kept -= pieces[first].bytes;
    std::free(pieces[first].memory);
  }
  pieces.erase(pieces.begin(), pieces.begin() + std::ptrdiff_t(first));
}

tessera_allocator MemoryPool::allocator() {
  return {[](void *pool, size_t size, size_t alignment) {
            return static_cast<MemoryPool *>(pool)->take(size, alignment);
          },
          [](void *pool, void *memory, size_t size, size_t) {
            static_cast<MemoryPool *>(pool)->give(memory, size);
          },
          this};
}

} // namespace tessera::python
