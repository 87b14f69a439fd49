//===- BlockTile.h - A tile of a sum of products, by the warps of a block --------*- C++ -*-===//
//
// Factors go to shared memory, some steps of the depth ahead, in chunks of 16 bytes: asynchronously
// where a chunk lies in memory as it is (TileCopy.cpp), else its elements are computed like those
// of any stage. Warps multiply what lies there (TileMultiply.cpp). At the end every warp turns its
// sums over through shared memory, so that neighbouring threads get neighbouring elements of the
// output, for which the stages behind the sum are computed in registers.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_COMPILER_CODEGEN_NVGPU_BLOCKTILE_H
#define TESSERA_COMPILER_CODEGEN_NVGPU_BLOCKTILE_H

#include "compiler/codegen/nvgpu/SharedTile.h"
#include "dialects/kernel/Product.h"

namespace tessera::nvgpu {

/// Columns of a warp of which 32 lanes take two rows at a time.
constexpr int64_t kNarrowColumns = 16;

class BlockTile : SharedTile {
public:
  BlockTile(GpuFunction &function, schedule::GpuTileOp directive)
      : SharedTile(function), directive(directive) {}

  mlir::LogicalResult emit();

private:
  /// Rows, columns or depth: a loop, which may be several fused, that a split cut into tiles.
  struct Axis {
    schedule::SplitOp split;
    llvm::SmallVector<std::string> parts; ///< innermost last
  };

  /// A factor, and how its tile lies in shared memory: in lines of chunks.
  struct Factor {
    Value scalar; ///< of the body
    mlir::Type element;
    bool alongDepth = true; ///< a line is a row (column) of the tile; else a step of the depth
    bool isUnsigned = false;
    mlir::Type floating;  ///< what bytes are codes of, for instructions that read these
    Axis *axis = nullptr; ///< rows or columns
    int64_t perChunk = 0; ///< elements
    int64_t lines = 0, chunks = 0;
    int64_t offset = 0; ///< in the memory of a step
    // Of one that is in memory, element by element: chunks may be copied as they are.
    Value argument;
    mlir::AffineMap map; ///< from the loops of the stage
    Alignment alignment;
    bool isContiguousAcross = false; ///< memory runs along the axis, though chunks do not
    std::optional<Map> boxes;        ///< for bulk copies, and whether there are such at launch
  };

  /// A place in the tile; index values. Row or column may be unknown.
  struct Place {
    Value row, column, step, depth;
  };

  // BlockTile.cpp
  mlir::LogicalResult fail(const llvm::Twine &why) { return f.fail(directive, why); }
  mlir::LogicalResult read();
  mlir::LogicalResult mapLoops();
  bool isAlong(const Axis &axis, unsigned loop);
  mlir::LogicalResult readFactors();
  void findMemory(Factor &factor);
  mlir::LogicalResult layOut();
  /// What follows from the number of the thread.
  void setThread(Value number);
  mlir::LogicalResult beginSums();
  mlir::LogicalResult run();
  mlir::LogicalResult runCopies(Value count);
  mlir::LogicalResult storeTile();
  mlir::LogicalResult storeElements(Value firstRow, Value first);
  /// The indices of the loops of the stage: the last ones where a place lies behind them.
  Values place(const Place &at);
  /// How much of an axis is left from a position on. Without an outer position: that of the block.
  Value remaining(const Axis &axis, Value outerPosition, Value innerPosition);

  // TileCopy.cpp
  mlir::LogicalResult copy(Factor &factor, Value step, Value to);
  /// `element`: its number in the line.
  Place placeOf(const Factor &factor, Value step, Value line, Value element);
  Place placeOf(const Factor &factor, Value step, Value line, Value chunk, int64_t element);
  /// Neighbours in a line, up to a chunk; where they begin.
  void copyPiece(const Factor &factor, Value step, Value to, Value line, Value first,
                 int64_t elements);
  mlir::FailureOr<Value> loadElement(const Factor &factor, const Place &at);
  Value byteOf(const Factor &factor, Value to, Value line, Value element);
  mlir::LogicalResult computeChunk(const Factor &factor, Value step, Value to, Value line,
                                   Value chunk);
  Alignment alignmentOf(const Factor &factor);
  Value slot(const Factor &factor, Value line, Value chunk);

  // TileMultiply.cpp
  mlir::FailureOr<Values> multiply(Value buffer, Values sums);
  Values multiplyMatrices(Value buffer, Values sums);
  Value multiplyBytes(mlir::Type type, llvm::ArrayRef<Value> lhs, llvm::ArrayRef<Value> rhs,
                      llvm::ArrayRef<Value> sum);
  mlir::FailureOr<Values> multiplyElements(Value buffer, Values sums);
  Values loadMatrices(const Factor &factor, Value buffer, int64_t behind, int64_t step);
  Values loadWords(const Factor &factor, Value buffer, Value first, int64_t step);
  Values loadElements(const Factor &factor, Value buffer, Value first, int64_t number,
                      int64_t lanes, int64_t step);

  // TileBulk.cpp: by copies of boxes
  bool mayBeBoxed(const Factor &factor);
  MapRequest requestMap(Factor &factor);
  void addMaps();
  mlir::LogicalResult runBulk(Value count);
  void beginBoxes(Value step, Value slot);

  // TileRing.cpp: by four warps for the others
  enum Event { Full, Empty };
  Value barrierOf(Event event, Value slot);
  mlir::LogicalResult runRing();
  mlir::LogicalResult produceBoxes(Value count);
  mlir::LogicalResult produceChunks(Value count);
  mlir::LogicalResult consume(Value count);

  // TileGroups.cpp: by four warps
  Values beginGroups(Value buffer, Values sums);
  Values finishGroups(Values sums);
  static GroupLayout layoutOf(const Factor &factor);
  /// The type of a factor as instructions for matrices name it.
  static llvm::StringRef nameOf(const Factor &factor);

  /// Writes the sums of `passRows` rows of the warp's tile to its memory.
  void writeSums(int64_t pass, Value first);
  /// Where the sum of a row and column of a pass lies there, in elements.
  Value sumPlace(Value row, Value column);

  schedule::GpuTileOp directive;
  mlir::linalg::GenericOp stage;
  kernel::Product product;
  bool isMatrix = false, isGroup = false; ///< by instructions for matrices; of four warps
  mlir::Type sumType;
  /// Outputs whose elements follow from the sums, with the loops of each for those of the stage.
  llvm::SmallVector<std::pair<mlir::linalg::GenericOp, llvm::SmallVector<std::string>>> outputs;
  GpuFunction::Loops outer, inner;          ///< of the output, with its block; of the update
  llvm::SmallVector<std::string> loopNames; ///< of the stage; parallel ones as in the output
  Axis rows, columns, steps;
  Factor left, right;                                        ///< along rows, along columns
  int64_t stepBytes = 0, barrierOffset = 0, multiplying = 0; ///< threads
  int64_t warpRows = 0, warpColumns = 0;                     ///< of a warp's part of the tile
  int64_t vector = 0, passRows = 0, pitch = 0;
  int64_t passStride = 0;    ///< from the rows of one pass of a warp to those of the next
  Value warpRow, warpColumn; ///< i32: where the part of the warp begins
  Values sums;
};

} // namespace tessera::nvgpu

#endif
