//===- BlockStream.h - States of a stream, merged by the warps of a block --------*- C++ -*-===//
//
// A block takes some rows and goes over all keys, some at a time: their factors come to shared
// memory (StreamCopy.cpp), warps of 16 rows each multiply scores (StreamMultiply.cpp), the stages
// that follow from a score are computed in its register, values of a row meet among the lanes that
// have it, weights go to the second product as they are, and the merging stage's own scalar code
// takes the result to the states, which stay in registers as well. Nothing here knows what is
// merged: an attention's softmax is what the stages say.
//
//===----------------------------------------------------------------------===//
#ifndef TESSERA_COMPILER_CODEGEN_NVGPU_BLOCKSTREAM_H
#define TESSERA_COMPILER_CODEGEN_NVGPU_BLOCKSTREAM_H

#include "compiler/codegen/nvgpu/SharedTile.h"
#include "dialects/kernel/StreamStages.h"

namespace tessera::nvgpu {

/// The stage that gives a tensor element by element, with the scalar it yields; null for others.
std::pair<mlir::linalg::GenericOp, mlir::Value> placedBy(mlir::Value tensor);
/// `select(condition, x, 0)`, or null.
mlir::arith::SelectOp zeroedBy(mlir::Value scalar);

class BlockStream : SharedTile {
public:
  BlockStream(GpuFunction &function, schedule::GpuStreamOp directive)
      : SharedTile(function), directive(directive) {}

  mlir::LogicalResult emit();

private:
  using Reduction = kernel::StreamStages::Reduction;

  /// Where a stage is computed; index values. What it does not depend on may be unknown.
  struct Place {
    Value block, row, key, column, depth;
  };
  /// Keys that are lifted at a time: of which block, from which of its keys on.
  struct Step {
    Value block, first;
  };
  /// A factor in shared memory: lines are rows or keys, along them lie the depth or the columns.
  struct Factor {
    const Reduction *reduction = nullptr;
    Value scalar;
    mlir::Type element;
    bool isOfRows = false;
    int64_t extent = 0, perChunk = 0; ///< along a line
    int64_t lines = 0, chunks = 0, offset = 0;
    bool isOwn = false;              ///< every warp has one
    bool isRing = false;             ///< one for each of several steps
    bool isContiguousAcross = false; ///< memory runs from line to line
    // Of one that is in memory as it is: an argument, and how its chunks can be copied.
    Value argument;
    Alignment alignment;
    // Of keys that follow each other along a dimension of it: for boxes, where there are maps.
    std::optional<Map> boxes;
  };
  /// An element of a factor: its place in memory, and whether it is not 0 by a condition (or null).
  struct Source {
    const GpuFunction::Memory *memory = nullptr;
    mlir::Type element;
    Values place;
    Value isThere;
  };

  // BlockStream.cpp
  mlir::LogicalResult fail(const llvm::Twine &why) { return f.fail(directive, why); }
  mlir::LogicalResult read();
  mlir::LogicalResult layOut();
  Factor makeFactor(const Reduction &reduction, Value scalar, bool isOfRows, int64_t extent,
                    int64_t padded, int64_t lines);
  mlir::FailureOr<Values> run();
  Step stepOf(Value number);
  /// The step behind this one that is needed.
  mlir::FailureOr<Value> nextStep(Value number);
  void setThread(Value number);
  Values firstStates();
  /// The condition by which the merging stage keeps its states as they are for a block; or null.
  Value findCondition();
  /// Whether a block changes the state of any row; the same for all warps.
  mlir::FailureOr<Value> isNeeded(Value block);
  /// From a step on (i64), which begins a block: the first one of a block that is needed.
  mlir::FailureOr<Value> skipBlocks(Value number);
  Values loopsOf(llvm::ArrayRef<int> follows, const Place &place);
  /// The row of the output for one of the block; the last one where it lies behind it.
  Value rowAt(Value row);
  Value isRow(Value row);
  void meet();
  mlir::LogicalResult store(llvm::ArrayRef<Value> states);
  /// What several warps have of the same rows is merged.
  mlir::LogicalResult storeMerged(llvm::ArrayRef<Value> states);
  /// A warp's states, `pitch` sums from row to row; those that are alike behind all rows.
  void writeColumns(llvm::ArrayRef<Value> states, Value region, int64_t pitch, int64_t firstUnit,
                    int64_t units);
  int64_t regionBytes(int64_t pitch) const;
  Value alikeByte(Value region, int64_t pitch, unsigned state, Value line);
  mlir::LogicalResult writeAlike(llvm::ArrayRef<Value> states, Value region, int64_t pitch);
  Values readStates(Value region, int64_t pitch, Value line, Value column);
  mlir::LogicalResult storeOutputs(Value row, Value column, llvm::ArrayRef<Value> merged);
  mlir::LogicalResult storeElements(Value region, int64_t pitch, int64_t base, int64_t width);

  // StreamGroups.cpp: four warps multiply together, and others copy
  enum Event { Full, Empty };
  mlir::LogicalResult runGroups();
  mlir::LogicalResult produce(Value first, Value own);
  mlir::LogicalResult consume(Value first, Value own);
  llvm::SmallVector<llvm::SmallVector<Factor *>> parts();
  Value barrierOf(Event event, size_t part, Value slot);
  mlir::FailureOr<Value> bring(size_t part, const Step &step, Value slot, Value parity,
                               Value pending);
  std::optional<unsigned> findKeys(mlir::linalg::GenericOp stage, Value scalar, unsigned keys);
  bool followsByOne(mlir::linalg::GenericOp stage, Value place, unsigned keys);
  bool mayBeBoxed(const Factor &factor, MapRequest &request);
  void addMaps();
  mlir::FailureOr<Value> isBox(const Factor &factor, const Step &step);
  mlir::LogicalResult beginBoxes(const Factor &factor, const Step &step, Value barrier);
  Values groupScores(const Factor &queries, const Factor &keys);
  Values groupColumns(llvm::ArrayRef<Value> weights, int64_t unit, int64_t units);

  // StreamMerge.cpp
  mlir::FailureOr<Values> merge(const Step &step, llvm::ArrayRef<Value> scores,
                                llvm::ArrayRef<Value> states);
  mlir::LogicalResult reduceRows(const Reduction &reduction, llvm::ArrayRef<Value> scores);
  mlir::FailureOr<Values> computeWeights(llvm::ArrayRef<Value> scores);
  mlir::FailureOr<Values> mergeStates(llvm::ArrayRef<Value> weights, llvm::ArrayRef<Value> states);
  /// Of one element, by the scalar code of the stage.
  mlir::FailureOr<Values> mergeElement(const Place &place, llvm::ArrayRef<Value> running,
                                       llvm::ArrayRef<Value> added);
  bool followsColumns(Value scalar);
  void setRow(unsigned row);
  /// Scores are of all products, one after the other.
  void setScore(llvm::ArrayRef<Value> scores, size_t number);
  Value exchange(Value value, int64_t distance);
  Value acrossRow(Value value, llvm::function_ref<Value(Value, Value)> combine);

  // StreamCopy.cpp
  bool findSource(Factor &factor, mlir::linalg::GenericOp stage, Value scalar, unsigned along);
  mlir::FailureOr<Source> source(mlir::linalg::GenericOp stage, Value scalar,
                                 llvm::ArrayRef<Value> loops);
  mlir::LogicalResult copy(const Factor &factor, const Step &step);
  mlir::LogicalResult copyPiece(const Factor &factor, const Step &step, Value line, Value first,
                                int64_t elements);
  mlir::FailureOr<Value> loadElement(const Factor &factor, const Step &step, Value line,
                                     Value along);
  Value elementByte(const Factor &factor, Value line, Value element);
  mlir::LogicalResult computeChunk(const Factor &factor, const Step &step, Value line, Value chunk);
  Values placeOf(const Factor &factor, const Step &step, Value line, Value along, Value &isThere);

  // StreamMultiply.cpp
  mlir::FailureOr<Values> multiplyScores();
  mlir::FailureOr<Values> multiplyScores(const Factor &queries, const Factor &keys);
  /// The columns of some units, from weights: fragments of a matrix, or what lies in memory.
  mlir::FailureOr<Values> multiplyWeights(llvm::ArrayRef<Value> weights, int64_t unit,
                                          int64_t units);
  Value loadWord(const Factor &factor, Value line, Value chunk);
  Value product(mlir::Type element, llvm::ArrayRef<Value> left, llvm::ArrayRef<Value> right,
                llvm::ArrayRef<Value> sums);
  mlir::FailureOr<Value> accumulate(const Reduction &reduction, Value left, Value right, Value sum);
  /// The byte of what lies so far in a factor, and of a chunk; of a weight.
  Value byteOf(const Factor &factor, Value byte);
  Value chunkOf(const Factor &factor, Value line, Value chunk);
  static GroupLayout layoutOf(const Factor &factor);
  Value weightByte(Value line, Value key);
  Values packWeights(llvm::ArrayRef<Value> weights);
  /// Of matrices: values as operands of two times 8 columns, for the keys of a step.
  Values loadValues(int64_t step, int64_t unit);
  int64_t keysPerStep() const { return stream.isTf32 ? 8 : 16; }
  void writeWeights(llvm::ArrayRef<Value> weights);
  Value initial(const Reduction &reduction);

  // What a lane has: `rowsOfLane` rows; of keys (columns) `width` neighbours in each unit.
  // Scores, weights and sums: `(unit * rowsOfLane + row) * width + element`.
  int64_t rowsOfLane() const { return stream.isMatrix ? 2 : 4; }
  int64_t lanesOfRow() const { return stream.isMatrix ? 4 : 8; }
  int64_t keyWidth() const { return stream.isMatrix ? 2 : 1; }
  int64_t columnWidth() const { return stream.isMatrix ? 2 : stream.perWord(); }
  int64_t keyUnits() const { return tile.keys / 8; }
  int64_t unitExtent() const { return stream.isMatrix ? 8 : 8 * stream.perWord(); } ///< of columns
  /// Whose sums are merged at a time: few take few registers.
  int64_t unitsAtOnce() const { return tile.isGroup ? std::min<int64_t>(columnUnits(), 8) : 2; }
  int64_t columnUnits() const {
    return stream.sums() ? stream.getPaddedColumns(tile) / unitExtent() / tile.columnWarps : 0;
  }
  Value lineOfLane(int64_t row); ///< in the warp
  Value firstRow();              ///< of the warp, in the block
  Value rowGroup();              ///< 64 rows of it, where four warps multiply together
  Value columnPart();            ///< which part of the columns the warp has
  Value rowOfLane(int64_t row) { return add(firstRow(), lineOfLane(row)); }
  Value keyOfLane(int64_t unit, int64_t element);
  Value columnOfLane(int64_t unit, int64_t element);

  schedule::GpuStreamOp directive;
  kernel::StreamStages stream;
  mlir::linalg::GenericOp stage; ///< that merges
  /// Outputs whose elements follow from the states, with the loops of each for those of the stage.
  llvm::SmallVector<std::pair<mlir::linalg::GenericOp, llvm::SmallVector<std::string>>> outputs;
  GpuFunction::Loops outer;
  kernel::StreamTile tile;
  int64_t rowExtent = 0; ///< of the tile
  Value rowTile, rowCount, keyCount;
  Value steps, total; ///< pieces of a block, and of all
  /// The factors of a product that gives scores.
  struct ScoreFactors {
    Factor queries, keys;
  };
  llvm::SmallVector<ScoreFactors, 1> factors; ///< as stream.scores()
  Factor values;
  int64_t weightOffset = 0, ownBytes = 0;    ///< of a warp, where it has keys of its own
  int64_t stageBytes = 0, barrierOffset = 0; ///< of a ring; of mbarriers
  Value warp, ring;                          ///< where the memory of the step at hand begins

  Step now;                                                               ///< what is merged
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<Values>> rowValues; ///< by row of the lane
};

} // namespace tessera::nvgpu

#endif
