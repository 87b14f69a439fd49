// Memory comes from an allocator that the user may give; a test fails each allocation in turn.
#ifndef TESSERA_RUNTIME_BASE_ALLOCATOR_H
#define TESSERA_RUNTIME_BASE_ALLOCATOR_H

#include "runtime/base/Status.h"

#include <cstddef>
#include <type_traits>
#include <utility>

namespace tessera::rt {

// Plain functions, as in the C API. `alignment` is a power of two. Called from any thread.
struct Allocator {
  void *(*allocate)(void *user, size_t size, size_t alignment) = nullptr;
  void (*release)(void *user, void *memory, size_t size, size_t alignment) = nullptr;
  void *user = nullptr;
};

const Allocator &systemAllocator();

// Makes and destroys one object.
template <typename T, typename... Args> T *create(const Allocator &allocator, Args &&...args) {
  void *memory = allocator.allocate(allocator.user, sizeof(T), alignof(T));
  return memory ? new (memory) T(std::forward<Args>(args)...) : nullptr;
}
template <typename T> void destroy(const Allocator &allocator, T *object) {
  if (!object)
    return;
  object->~T();
  allocator.release(allocator.user, object, sizeof(T), alignof(T));
}

// A block of bytes that only grows; growing loses the contents.
class Block {
public:
  explicit Block(const Allocator &allocator) : allocator(&allocator) {}
  Block(const Block &) = delete;
  Block &operator=(const Block &) = delete;
  ~Block() { reset(); }

  Status reserve(size_t bytes);
  void reset();
  // Its memory is the caller's from now on, who knows how it was asked for.
  void *release() {
    bytes = 0;
    return std::exchange(memory, nullptr);
  }
  uint8_t *data() const { return memory; }
  size_t size() const { return bytes; }

private:
  const Allocator *allocator;
  uint8_t *memory = nullptr;
  size_t bytes = 0;
};

// Many small objects with one lifetime. Nothing is destroyed one by one, so only types without a
// destructor. Memory is zero.
class Arena {
public:
  explicit Arena(const Allocator &allocator) : allocator(&allocator) {}
  Arena(const Arena &) = delete;
  Arena &operator=(const Arena &) = delete;
  ~Arena();

  // Null when memory ran out; never null for 0 elements.
  template <typename T> T *array(size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    if (count > (size_t(1) << 40) / sizeof(T))
      return nullptr;
    void *memory = bytes(count * sizeof(T), alignof(T));
    if (!memory)
      return nullptr;
    T *first = static_cast<T *>(memory);
    for (size_t i = 0; i < count; ++i)
      new (first + i) T{};
    return first;
  }
  void *bytes(size_t size, size_t alignment);

private:
  struct Chunk {
    Chunk *next;
    size_t size;
  };
  const Allocator *allocator;
  Chunk *chunks = nullptr;
  uint8_t *cursor = nullptr;
  uint8_t *end = nullptr;
};

// A view of `size` elements that somebody else owns.
template <typename T> struct Span {
  T *data = nullptr;
  size_t size = 0;

  T &operator[](size_t i) const { return data[i]; }
  T *begin() const { return data; }
  T *end() const { return data + size; }
  bool empty() const { return size == 0; }
};

// A growing array of plain values; push_back reports a lack of memory.
template <typename T> class List {
public:
  static_assert(std::is_trivially_copyable_v<T>);
  explicit List(const Allocator &allocator) : allocator(&allocator) {}
  List(const List &) = delete;
  List &operator=(const List &) = delete;
  ~List() { release(); }

  [[nodiscard]] bool push_back(const T &value) {
    if (count == capacity && !grow())
      return false;
    items[count++] = value;
    return true;
  }
  void clear() { count = 0; }
  void reset() {
    release();
    count = 0;
  }
  size_t size() const { return count; }
  T &operator[](size_t i) const { return items[i]; }
  T *begin() const { return items; }
  T *end() const { return items + count; }

private:
  bool grow() {
    const size_t wanted = capacity ? capacity * 2 : 256;
    auto *fresh =
        static_cast<T *>(allocator->allocate(allocator->user, wanted * sizeof(T), alignof(T)));
    if (!fresh)
      return false;
    for (size_t i = 0; i < count; ++i)
      fresh[i] = items[i];
    release();
    items = fresh;
    capacity = wanted;
    return true;
  }
  void release() {
    if (items)
      allocator->release(allocator->user, items, capacity * sizeof(T), alignof(T));
    items = nullptr;
    capacity = 0;
  }
  const Allocator *allocator;
  T *items = nullptr;
  size_t count = 0, capacity = 0;
};

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_BASE_ALLOCATOR_H
