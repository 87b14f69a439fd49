//===- CostModel.h - What a kernel costs, estimated ----------------------------*- C++ -*-===//
#ifndef TESSERA_COMPILER_SCHEDULING_COSTMODEL_H
#define TESSERA_COMPILER_SCHEDULING_COSTMODEL_H

#include "compiler/scheduling/KernelAnalysis.h"
#include "compiler/scheduling/Target.h"

namespace tessera::scheduling {

/// What an extent that is not known is taken for.
constexpr int64_t kAssumedExtent = 128;

struct KernelCost {
  double flops = 0;
  double bytesRead = 0, bytesWritten = 0; ///< arguments and results, each element once
  bool exact = true;                      ///< every extent is known
  /// Operations per byte against what the machine can do: below 1 memory decides.
  double balance(const Target &target) const;
};
KernelCost estimate(kernel::FuncOp kernel, const KernelInfo &info);

/// Number of iterations of a stage; unknown extents count as kAssumedExtent.
double iterations(const StageInfo &stage);

/// A register tile of a contraction: `rows` values that are broadcast against `vectors` vectors.
struct RegisterTile {
  int64_t rows = 1, vectors = 1;
};
/// What a number of rows that only a run knows is taken for: so many that the last tile does not
/// matter, or the places of a line, which are few as often as not.
enum class UnknownRows { many, line };
/// The tile that needs the fewest cycles for rows x columns outputs, by the model: per step of the
/// reduction rows * vectors multiply-adds (2 per cycle) against rows + vectors loads (2 per cycle),
/// all tiles in full. `rows` and `columns` are extents, or ShapedType::kDynamic.
/// `temporaries`: registers that a multiply-add of several instructions needs beside;
/// `loadsPerVector`: of one along the columns, where they do not lie as they are wanted.
RegisterTile chooseRegisterTile(const Target &target, int64_t lanes, int64_t rows, int64_t columns,
                                int64_t temporaries = 0, int64_t mostVectors = 8,
                                double loadsPerVector = 1, UnknownRows unknown = UnknownRows::many);

/// Tiles of a cache block, and the length of the reduction in it.
struct CacheBlock {
  int64_t rowTiles = 1, columnTiles = 1, depth = 512;
  int64_t groupedBlocks = 0; ///< blocks side by side that all rows pass by; 0: all of them
};
/// `rows` and `columns` are the extents of the whole result, `depth` that of the reduction, or
/// ShapedType::kDynamic.
CacheBlock chooseCacheBlock(const Target &target, RegisterTile tile, int64_t lanes,
                            int64_t elementBytes, int64_t rows, int64_t columns, int64_t depth);

} // namespace tessera::scheduling

#endif
