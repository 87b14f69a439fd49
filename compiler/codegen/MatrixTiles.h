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

/// Sums of products as schedule.tile_multiply describes them. The function is
/// `i32 name(lhs, rhs, i32 steps, sums)`, of buffers (halide_buffer_t); it computes the block that
/// `sums` describes. Called with factors without memory it says what it will read of them.
struct MatrixTiles {
  std::string name;
  bool isFloat = false; ///< bf16 summed in f32; else bytes summed in i32
  bool lhsUnsigned = false, rhsUnsigned = false;
  // Dimensions, outermost first. The last two of the sums are place in the tile.
  unsigned rank = 4;              ///< of the sums
  unsigned rowTiles = 0;          ///< which dimension of the sums counts tiles of rows
  unsigned columnTiles = 1;       ///< or of columns
  std::vector<unsigned> lhsOuter; ///< the dimension of the sums that each dimension of lhs before
                                  ///< its last four follows
  std::vector<unsigned> rhsOuter; ///< the same of rhs
};

inline constexpr int64_t kMatrixEdge = 32;     ///< rows and columns of a tile of sums
inline constexpr int64_t kMatrixRowBytes = 64; ///< of a factor, for one step of the instructions

} // namespace tessera::codegen

#endif
