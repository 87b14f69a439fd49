//===- StreamStages.h - What a stage merges, block by block -----------------------*- C++ -*-===//
#ifndef TESSERA_DIALECTS_KERNEL_STREAMSTAGES_H
#define TESSERA_DIALECTS_KERNEL_STREAMSTAGES_H

#include "dialects/kernel/Product.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

#include <optional>
#include <string>

namespace tessera::kernel {

/// How many keys are lifted at a time, and which warps of threads (16 rows each) do so: along rows,
/// along columns of the states, or along keys, each with memory of its own. Where four warps
/// multiply together, four others bring keys and values, to the memories of so many steps.
struct StreamTile {
  int64_t keys = 0, rowWarps = 1, columnWarps = 1, keyWarps = 1;
  int64_t stages = 1;
  bool isGroup = false;
  int64_t warps() const { return rowWarps * columnWarps * keyWarps; }
  int64_t rows() const { return 16 * rowWarps; }
};

/// A stage that merges the states of blocks of keys (graph.stream), with the reductions that give
/// these states: scores of rows and keys, values of a row of scores, sums over keys of products
/// with weights that follow from scores. Everything else between them is elementwise.
struct StreamStages {
  /// What a loop of a reduction is, besides a loop of the merging stage.
  static constexpr int kOther = -1, kKeys = -2;

  struct Reduction {
    enum Kind { Scores, Row, Sums } kind = Row;
    mlir::linalg::GenericOp stage;
    llvm::SmallVector<int> follows; ///< per loop: that of the merging stage, kKeys, or its own
    Product product;                ///< of scores and sums: `lhs` does not depend on ...
    mlir::Value left, right;        ///< of the product: along rows; along keys (sums: columns)
    unsigned reduced = 0;           ///< the loop that is reduced
    int64_t depth = 1;              ///< of scores: the extent of that loop
  };

  mlir::linalg::GenericOp merge;
  unsigned blocks = 0;                     ///< its loop over blocks
  std::optional<unsigned> rows, columns;   ///< its loop over rows; that of sums
  llvm::SmallVector<Reduction> reductions; ///< producers first; at most one of sums
  llvm::SmallBitVector isAlike;            ///< results that are the same for all columns
  bool isMatrix = false;                   ///< products are what matrix instructions multiply
  bool isTf32 = false;                     ///< of f32, which they round
  int64_t productBytes = 0;                ///< of what products are summed in: 4 or 8
  int64_t columnExtent = 0;                ///< 0: no columns
  int64_t keyStep = 1;                     ///< what the number of keys in a block is a multiple of

  /// The products that scores are computed from: most often one.
  llvm::SmallVector<const Reduction *> scores() const;
  const Reduction *sums() const;
  int64_t perWord() const { return 16 / productBytes; } ///< of sums, in a chunk of 16 bytes
  mlir::Type typeOf(unsigned state) const {
    return mlir::getElementTypeOrSelf(merge->getResult(state).getType());
  }
  int64_t bytesOf(unsigned state) const {
    return llvm::divideCeil(typeOf(state).getIntOrFloatBitWidth(), 8);
  }
  /// The state with columns, where there are any.
  unsigned varying() const { return unsigned(isAlike.find_first_unset()); }
  /// Weights on their way from one product to the other, in memory of a warp: of 16 rows. Of those
  /// that are written together, 4 apart, two of 8 bytes are in different banks.
  int64_t getWeightPitch(const StreamTile &tile) const {
    return tile.keys + (productBytes == 8 ? 2 : 4);
  }
  int64_t getWeightBytes(const StreamTile &tile) const {
    return isMatrix || !columnExtent ? 0 : 16 * getWeightPitch(tile) * productBytes;
  }
  /// Of a row: all states that are the same for all columns.
  int64_t getAlikeBytes() const;
  /// Bytes of memory that a block of threads shares; at the end of it, of barriers.
  int64_t getSharedBytes(const StreamTile &tile) const;
  static int64_t getBarrierBytes(const StreamTile &tile) {
    return tile.isGroup ? 8 * (1 + 4 * tile.stages) : 0;
  }
  int64_t getPaddedDepth(const Reduction &score, const StreamTile &tile) const {
    return tile.isGroup ? padLine(score.depth)
                        : roundUp(score.depth, isTf32     ? 8
                                               : isMatrix ? 16
                                                          : perWord());
  }
  /// Columns that several warps share are so many that chunks of 16 bytes change places within
  /// those of one of them.
  int64_t getPaddedColumns(const StreamTile &tile) const {
    if (tile.columnWarps > 1)
      return roundUp(columnExtent, (isMatrix ? 64 : 8 * perWord()) * tile.columnWarps);
    return tile.isGroup ? padLine(columnExtent)
                        : roundUp(columnExtent, isMatrix ? 16 : 8 * perWord());
  }

private:
  /// Elements of 16 bits that wgmma has lines of.
  static int64_t padLine(int64_t extent) {
    return extent <= 16 ? 16 : extent <= 32 ? 32 : roundUp(extent, 64);
  }
  static int64_t roundUp(int64_t value, int64_t to) { return (value + to - 1) / to * to; }
};

/// Nothing, with the reason, where the stage is no such one.
std::optional<StreamStages> matchStream(mlir::linalg::GenericOp merge, std::string &why);

/// The loop of the output for each parallel loop of the merging stage, where every element of the
/// output follows from one element of the merged states (of states that are the same for all
/// columns: from any) and from no other reduction. Columns may have none: ~0u.
std::optional<llvm::SmallVector<unsigned>> followMerged(mlir::linalg::GenericOp output,
                                                        const StreamStages &stream);

} // namespace tessera::kernel

#endif
