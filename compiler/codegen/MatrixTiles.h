//===- MatrixTiles.h - A product by instructions for tiles of matrices -----------------*- C++
//-*-===//
// Between the generator, which calls a function for a block of the product, and the one that writes
// that function (llvm/DefineMatrixTiles.h).
#ifndef TESSERA_COMPILER_CODEGEN_MATRIXTILES_H
#define TESSERA_COMPILER_CODEGEN_MATRIXTILES_H

#include "dialects/schedule/MatrixTiles.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::codegen {

using schedule::kMatrixColumns;
using schedule::kMatrixGroupBytes;
using schedule::kMatrixRowBytes;
using schedule::kMatrixRows;

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
