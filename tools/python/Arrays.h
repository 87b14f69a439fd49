// Arrays of Python as tensors of the runtime, and back.
#ifndef TESSERA_TOOLS_PYTHON_ARRAYS_H
#define TESSERA_TOOLS_PYTHON_ARRAYS_H

#include "tools/python/MemoryPool.h"

#include <memory>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <string>

namespace tessera::python {

namespace nb = nanobind;

// Becomes tessera.Error.
struct Failure {
  std::string code, message;
};
[[noreturn]] void fail(tessera_error *error);

using AnyArray = nb::ndarray<nb::ro>;
using WritableArray = nb::ndarray<>;

// Memory of an array; `array` keeps it alive. `info` is what is expected: 16 bits of unsigned
// integers may stand for bf16, 8 bits for the 8-bit floats. Throws Failure with `what` ("input
// 'x'").
tessera_tensor viewOf(nb::handle object, const tessera_tensor_info &info, const std::string &what,
                      AnyArray &array);
tessera_tensor writableViewOf(nb::handle object, const tessera_tensor_info &info,
                              const std::string &what, WritableArray &array);

// A dense tensor in memory of a pool, 64-byte aligned, that becomes a NumPy array.
class OwnedArray {
public:
  explicit OwnedArray(std::shared_ptr<MemoryPool> pool) : pool(std::move(pool)) {}
  OwnedArray(const OwnedArray &) = delete;
  OwnedArray(OwnedArray &&from) noexcept
      : tensor(from.tensor), pool(std::move(from.pool)), held(from.held) {
    from.tensor.data = nullptr;
  }
  ~OwnedArray();

  void allocate(tessera_type type, uint32_t rank, const int64_t *dims); // throws std::bad_alloc
  // `bytes` that the pool has given already.
  void adopt(const tessera_tensor &dense, uint64_t bytes);
  uint64_t bytes() const;
  nb::object release(); // to NumPy

  tessera_tensor tensor{};

private:
  std::shared_ptr<MemoryPool> pool;
  size_t held = 0; // that were asked of the pool
};

// What Python's str() says of an object.
inline std::string textOf(nb::handle object) { return nb::cast<std::string>(nb::str(object)); }

// "f32[2, 3]".
std::string describe(const tessera_tensor &tensor);

} // namespace tessera::python

#endif // TESSERA_TOOLS_PYTHON_ARRAYS_H
