#include "test/runtime/Modules.h"

#include <cstring>

using namespace tessera::rt;
using tessera::test::CountingAllocator;

static bool isAligned(const void *memory, size_t alignment) {
  return reinterpret_cast<uintptr_t>(memory) % alignment == 0;
}

TEST(Arena, givesZeroedAlignedMemoryThatDoesNotOverlap) {
  CountingAllocator counting;
  const Allocator allocator = counting.get();
  {
    Arena arena(allocator);
    std::vector<std::pair<uint8_t *, size_t>> pieces;
    for (size_t size : {1u, 7u, 0u, 4096u, 100000u, 3u, 16384u})
      for (size_t alignment : {1u, 8u, 64u}) {
        auto *memory = static_cast<uint8_t *>(arena.bytes(size, alignment));
        ASSERT_NE(memory, nullptr);
        EXPECT_TRUE(isAligned(memory, alignment));
        for (size_t i = 0; i < size; ++i)
          ASSERT_EQ(memory[i], 0);
        std::memset(memory, int(pieces.size() + 1), size);
        pieces.push_back({memory, size});
      }
    for (size_t p = 0; p < pieces.size(); ++p)
      for (size_t i = 0; i < pieces[p].second; ++i)
        ASSERT_EQ(pieces[p].first[i], uint8_t(p + 1));
    EXPECT_NE(arena.array<int64_t>(0), nullptr);
    EXPECT_EQ(arena.array<int64_t>(SIZE_MAX / 2), nullptr);
    EXPECT_EQ(arena.bytes(SIZE_MAX, 8), nullptr);
  }
  EXPECT_EQ(counting.live(), 0);
}

TEST(Block, growsOnly) {
  CountingAllocator counting;
  const Allocator allocator = counting.get();
  {
    Block block(allocator);
    EXPECT_OK(block.reserve(100));
    uint8_t *const memory = block.data();
    EXPECT_TRUE(isAligned(memory, kBufferAlignment));
    EXPECT_OK(block.reserve(50));
    EXPECT_EQ(block.data(), memory);
    EXPECT_EQ(counting.count(), 1u);
    counting.failAt = 2;
    EXPECT_STATUS(block.reserve(200), Code::OutOfMemory, "out of memory");
    EXPECT_EQ(block.size(), 0u);
    EXPECT_OK(block.reserve(200));
  }
  EXPECT_EQ(counting.live(), 0);
}

TEST(List, keepsWhatItHoldsWhenMemoryEnds) {
  CountingAllocator counting;
  const Allocator allocator = counting.get();
  List<int> list(allocator);
  for (int i = 0; i < 256; ++i)
    ASSERT_TRUE(list.push_back(i));
  counting.failAt = counting.count() + 1;
  EXPECT_FALSE(list.push_back(256));
  ASSERT_EQ(list.size(), 256u);
  EXPECT_TRUE(list.push_back(256));
  for (int i = 0; i <= 256; ++i)
    EXPECT_EQ(list[size_t(i)], i);
  list.reset();
  EXPECT_EQ(list.size(), 0u);
  EXPECT_EQ(counting.live(), 0);
}

TEST(Create, destroysWhatItMade) {
  CountingAllocator counting;
  const Allocator allocator = counting.get();
  int destroyed = 0;
  struct Counter {
    int &count;
    explicit Counter(int &count) : count(count) {}
    ~Counter() { ++count; }
  };
  auto *object = create<Counter>(allocator, destroyed);
  ASSERT_NE(object, nullptr);
  destroy(allocator, object);
  destroy<Counter>(allocator, nullptr);
  EXPECT_EQ(destroyed, 1);
  counting.failAt = counting.count() + 1;
  EXPECT_EQ(create<Counter>(allocator, destroyed), nullptr);
  EXPECT_EQ(counting.live(), 0);
}
