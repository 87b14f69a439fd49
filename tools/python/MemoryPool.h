// Memory of arrays that Python has dropped, for those of the next run: fresh memory costs more than
// many a kernel takes to fill it (a fault for every page).
#ifndef TESSERA_TOOLS_PYTHON_MEMORYPOOL_H
#define TESSERA_TOOLS_PYTHON_MEMORYPOOL_H

#include "runtime/api/tessera.h"

#include <cstddef>
#include <mutex>
#include <vector>

namespace tessera::python {

// The allocator of a context and of the arrays that come from it; it lives until the last of them
// is gone. From any thread.
class MemoryPool {
public:
  MemoryPool() = default;
  MemoryPool(const MemoryPool &) = delete;
  MemoryPool &operator=(const MemoryPool &) = delete;
  ~MemoryPool() { keepAtMost(0); }

  void *take(size_t bytes, size_t alignment); // null when there is none
  void give(void *memory, size_t bytes);      // as many as were asked for
  // Of memory that nobody has now: as much as a run's results need again.
  void keepAtMost(size_t bytes);

  tessera_allocator allocator();

private:
  struct Piece {
    void *memory;
    size_t bytes;
  };
  static size_t roundUp(size_t bytes);
  void shrink(); // with the lock

  std::mutex mutex;
  std::vector<Piece> pieces; // given last: last
  size_t kept = 0, limit = 0;
};

} // namespace tessera::python

#endif // TESSERA_TOOLS_PYTHON_MEMORYPOOL_H
