//===- MatrixProduct.h - Which products a schedule wants by matrix tiles ---------------*- C++
//-*-===//
// Sees neither MLIR nor Halide: both halves of the translation ask.
#ifndef TESSERA_COMPILER_CODEGEN_HALIDE_MATRIXPRODUCT_H
#define TESSERA_COMPILER_CODEGEN_HALIDE_MATRIXPRODUCT_H

#include "compiler/codegen/MatrixTiles.h"
#include "compiler/codegen/halide/HalideProgram.h"

namespace tessera::halide {

/// A stage that a function computes (schedule.tile_multiply).
struct MatrixProduct {
  int32_t stage = 0;
  int32_t lhs = 0, rhs = 0;     ///< nodes that load the factors
  std::vector<int32_t> extents; ///< nodes: of the sums, but for the last two, and of reductions
  int32_t lastRow = -1;         ///< a node: rows past it are not there; -1: all tiles are full
  codegen::MatrixTiles tiles;
};

/// What the directives of a program ask for. `error`: one sentence where a stage is not what the
/// directive takes it for.
std::vector<MatrixProduct> findMatrixProducts(const HalideProgram &program, std::string &error);

} // namespace tessera::halide

#endif
