//===- MatrixTiles.h - A product by instructions for tiles of matrices -----------------*- C++
//-*-===//
// Between the generator, which calls a function for a block of the product, and the one that writes
// that function (llvm/DefineMatrixTiles.h).
#ifndef TESSERA_COMPILER_CODEGEN_MATRIXTILES_H
#define TESSERA_COMPILER_CODEGEN_MATRIXTILES_H

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::codegen {

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

/// How a factor is read. Loops are the dimensions of the sums (outermost first), then the
/// reductions.
struct MatrixFactor {
  /// The index of a dimension moves by so much with a loop; with the last reduction, in one step.
  struct Move {
    unsigned dim, loop;
    int64_t by;
  };
  bool isUnsigned = false;
  std::vector<Move> moves;
  std::vector<int64_t> widths; ///< per dimension, outermost first: elements that a step reads
};

/// Sums of products as schedule.tile_multiply describes them. The function is
/// `i32 name(lhs, rhs, i32 extents of the sums but for the place in a tile, i32 extents of the
/// reductions, i32 rows, sums)`, of buffers (halide_buffer_t); it computes the block that `sums`
/// describes. Rows (`rowTiles` tiles of `rows`) past the last one are never read. Called with
/// buffers without memory it says what it will read of those that are factors.
struct MatrixTiles {
  std::string name;
  bool isFloat = false;                ///< bf16 summed in f32; else bytes summed in i32
  unsigned rank = 4;                   ///< of the sums; the last two are row and column in a tile
  unsigned rowTiles = 0;               ///< which dimension of the sums counts tiles of rows
  unsigned columnTiles = 1;            ///< or of columns
  int64_t rows = kMatrixRows;          ///< of a tile
  int64_t stepBytes = kMatrixRowBytes; ///< what a step of the last reduction reads of a row
  std::vector<int64_t> reductions;     ///< extents, -1 where unknown
  MatrixFactor lhs, rhs;

  int64_t elementBytes() const { return isFloat ? 2 : 1; }
};

} // namespace tessera::codegen

#endif
