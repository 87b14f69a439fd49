//===- MatrixTiles.h - What instructions for tiles of matrices multiply ----------------*- C++
//-*-===//
// AMX (Intel SDM vol. 1, chapter 18). Between the rules, which cut products into tiles, and the
// generator.
#ifndef TESSERA_DIALECTS_SCHEDULE_MATRIXTILES_H
#define TESSERA_DIALECTS_SCHEDULE_MATRIXTILES_H

#include <cstdint>

namespace tessera::schedule {

inline constexpr int64_t kMatrixRows = 16;      ///< of a tile of sums, at most
inline constexpr int64_t kMatrixColumns = 32;   ///< of two tiles side by side
inline constexpr int64_t kMatrixRowBytes = 64;  ///< of a factor, for one step of the instructions
inline constexpr int64_t kMatrixGroupBytes = 4; ///< what an instruction sums in a place

/// Bytes that each step takes of a row of so many, in equal steps: at most 64, in whole groups. 0:
/// there are no such steps.
constexpr int64_t matrixStepBytes(int64_t rowBytes) {
  constexpr int64_t kFewestBytes = 16;
  for (int64_t steps = (rowBytes + kMatrixRowBytes - 1) / kMatrixRowBytes;
       steps > 0 && rowBytes / steps >= kFewestBytes; ++steps)
    if (rowBytes % steps == 0 && rowBytes / steps % kMatrixGroupBytes == 0)
      return rowBytes / steps;
  return 0;
}

} // namespace tessera::schedule

#endif
