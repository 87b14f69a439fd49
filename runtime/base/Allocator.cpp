#include "runtime/base/Allocator.h"
#include "runtime/base/KernelAbi.h"

#include <cstdlib>
#include <cstring>
#include <sys/mman.h>

namespace tessera::rt {
namespace {

constexpr size_t kArenaChunk = 16 << 10;
constexpr size_t kHugePage = 2 << 20;

void *allocateSystem(void *, size_t size, size_t alignment) {
  if (alignment <= alignof(max_align_t))
    return std::malloc(size ? size : 1);
  // Pages of 4 KB take longer to get than most kernels take to write them.
  const bool isHuge = size >= 2 * kHugePage;
  if (isHuge && alignment < kHugePage)
    alignment = kHugePage;
  void *memory = nullptr;
  if (posix_memalign(&memory, alignment, size ? size : 1))
    return nullptr;
  if (isHuge)
    (void)madvise(memory, size, MADV_HUGEPAGE); // A wish: without it all is the same.
  return memory;
}

void releaseSystem(void *, void *memory, size_t, size_t) { std::free(memory); }

} // namespace

const Allocator &systemAllocator() {
  static constexpr Allocator allocator{allocateSystem, releaseSystem, nullptr};
  return allocator;
}

Status Block::reserve(size_t wanted) {
  if (wanted <= bytes)
    return {};
  reset();
  memory = static_cast<uint8_t *>(allocator->allocate(allocator->user, wanted, kBufferAlignment));
  if (!memory)
    return Status::outOfMemory();
  bytes = wanted;
  return {};
}

void Block::reset() {
  if (memory)
    allocator->release(allocator->user, memory, bytes, kBufferAlignment);
  memory = nullptr;
  bytes = 0;
}

void *Arena::bytes(size_t size, size_t alignment) {
  if (size > (size_t(1) << 40))
    return nullptr;
  auto place = [&]() -> void * {
    const uintptr_t at = (reinterpret_cast<uintptr_t>(cursor) + alignment - 1) & ~(alignment - 1);
    if (!cursor || at > reinterpret_cast<uintptr_t>(end) ||
        size > reinterpret_cast<uintptr_t>(end) - at)
      return nullptr;
    cursor = reinterpret_cast<uint8_t *>(at) + size;
    return std::memset(reinterpret_cast<void *>(at), 0, size);
  };
  if (void *memory = place())
    return memory;
  const size_t wanted = sizeof(Chunk) + size + alignment;
  const size_t chunkBytes = wanted > kArenaChunk ? wanted : kArenaChunk;
  auto *chunk =
      static_cast<Chunk *>(allocator->allocate(allocator->user, chunkBytes, alignof(max_align_t)));
  if (!chunk)
    return nullptr;
  *chunk = {chunks, chunkBytes};
  chunks = chunk;
  cursor = reinterpret_cast<uint8_t *>(chunk + 1);
  end = reinterpret_cast<uint8_t *>(chunk) + chunkBytes;
  return place();
}

Arena::~Arena() {
  while (chunks) {
    Chunk *next = chunks->next;
    allocator->release(allocator->user, chunks, chunks->size, alignof(max_align_t));
    chunks = next;
  }
}

} // namespace tessera::rt
