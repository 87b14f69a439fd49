// Arithmetic that says when it overflows. Everything that comes from a file or a shape goes through
// these; `true` means the result is right.
#ifndef TESSERA_RUNTIME_BASE_CHECKED_H
#define TESSERA_RUNTIME_BASE_CHECKED_H

#include <cstdint>

namespace tessera::rt {

template <typename T> [[nodiscard]] inline bool checkedAdd(T a, T b, T &result) {
  return !__builtin_add_overflow(a, b, &result);
}
template <typename T> [[nodiscard]] inline bool checkedSub(T a, T b, T &result) {
  return !__builtin_sub_overflow(a, b, &result);
}
template <typename T> [[nodiscard]] inline bool checkedMul(T a, T b, T &result) {
  return !__builtin_mul_overflow(a, b, &result);
}

// Rounds to minus infinity. False for b = 0 and for INT64_MIN / -1.
[[nodiscard]] inline bool checkedFloorDiv(int64_t a, int64_t b, int64_t &result) {
  if (b == 0 || (a == INT64_MIN && b == -1))
    return false;
  result = a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
  return true;
}
[[nodiscard]] inline bool checkedCeilDiv(int64_t a, int64_t b, int64_t &result) {
  if (b == 0 || (a == INT64_MIN && b == -1))
    return false;
  result = a / b + ((a % b != 0 && (a < 0) == (b < 0)) ? 1 : 0);
  return true;
}
// The sign of the divisor.
[[nodiscard]] inline bool checkedMod(int64_t a, int64_t b, int64_t &result) {
  if (b == 0)
    return false;
  if (b == -1) { // INT64_MIN % -1 traps
    result = 0;
    return true;
  }
  result = a % b;
  if (result != 0 && (result < 0) != (b < 0))
    result += b;
  return true;
}

// `alignment` is a power of two.
[[nodiscard]] inline bool checkedAlignUp(uint64_t value, uint64_t alignment, uint64_t &result) {
  if (!checkedAdd(value, alignment - 1, result))
    return false;
  result &= ~(alignment - 1);
  return true;
}

} // namespace tessera::rt

#endif // TESSERA_RUNTIME_BASE_CHECKED_H
