//===- Plan.h - What the rules decide about a kernel ---------------------------------*- C++
//-*-===//
// The rules work in two steps. Planning decides, stage by stage, how it is computed, and writes the
// restructuring directives (applying them to a copy of the kernel, so that later decisions see the
// result). Then the loop directives are written for the kernel as it has become.
#ifndef TESSERA_COMPILER_SCHEDULING_RULES_PLAN_H
#define TESSERA_COMPILER_SCHEDULING_RULES_PLAN_H

#include "compiler/scheduling/Choices.h"
#include "compiler/scheduling/CostModel.h"
#include "compiler/scheduling/KernelAnalysis.h"
#include "compiler/scheduling/rules/ScheduleWriter.h"

#include "dialects/kernel/StreamStages.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

#include <set>

namespace tessera::scheduling {

/// Accumulators that lie side by side become fewer: stage `stage` has `width` of them, and sums
/// those of its step `outer` (loop `inner`: the ones it keeps).
struct Fold {
  std::string stage, outer, inner;
  int64_t width;
};

/// An argument that is read in order and once, so many bytes in a step.
struct Ahead {
  int64_t argument, bytes;
};

/// How a reducing stage is computed inside of the output stage that needs it.
struct ReducerPlan {
  enum Kind {
    Point, ///< one value at a time, where it is needed
    Row,   ///< one value at a time, by accumulators side by side (block_reduction)
    Tile,  ///< a register tile at a time (pad_to_tile)
  } kind = Point;
  std::string stage;
  StageKind stageKind = StageKind::Reduction;
  std::string host; ///< the output stage
  /// The loop of the host for each dimension of the stage.
  llvm::SmallVector<std::string> hostLoops;
  llvm::SmallVector<std::string> dims;           ///< the loops of the stage, per dimension
  llvm::SmallVector<std::string> reductionLoops; ///< outermost first, in the order they should nest
  double work = 0;

  // Tile: loop `columns` lies on vectors, loop `rows` (may be none) is unrolled beside it.
  std::string columns, rows;
  int64_t lanes = 8, columnTile = 8, rowTile = 1;
  /// Of a window: the loop around `rows` of which so many iterations pass by a piece of the filter,
  /// too; "": none.
  std::string outerRows;
  int64_t outerTile = 1;
  /// Of a depthwise window: the loop around `rows` of which so many iterations are in the register
  /// tile; "": none. So many innermost reductions, its taps, are written out.
  std::string lines;
  int64_t lineTile = 1;
  unsigned unrolledTaps = 0;
  int64_t filterArgument = -1; ///< a filter, or a weight for few rows, that comes from beyond L2
  int64_t filterAhead = 0;     ///< bytes of it that are asked for ahead
  bool columnsSlide = false;   ///< a window moves along the columns (else they are channels)
  bool blocked = false;        ///< accumulators of a cache block, the reduction in pieces
  bool walksRows = false;      ///< nothing is read twice: pieces of rows, several rows at a time
  CacheBlock block;
  /// Of a blocked tile: the last piece is summed in registers, stage by stage, and stored as the
  /// output; `head`, once there is one, has the sums of the others.
  bool peels = false;
  std::string head;
  unsigned pieceLoops = 0; ///< of a blocked tile: so many innermost reduction loops make a piece,
  bool splitPiece = true;  ///< or (of one loop) `block.depth` steps of it
  // Tile of short integers: so many steps of the innermost reduction are one instruction's, loop
  // `grouped` of the stage; the operand that is broadcast is widened to 16 bits before.
  int64_t group = 1;
  bool widen = false;
  std::string grouped;
  bool byMatrixTiles = false; ///< multiplied by instructions for matrices (MatrixTiles.cpp)
  /// Of a tile whose columns are unpacked (Unpacking): the stage that unpacks a panel of columns
  /// (a blocked tile: for `block.depth` steps, kept in memory; else in registers, where it is
  /// read), its loops along the reduction, across the panel, and others.
  std::string panel, panelDepth, panelColumns;
  llvm::SmallVector<std::string> panelOthers;
  int64_t panelPeriod = 1, panelStride = 1;
  /// The argument that is unpacked, and its bytes for a unit of `panelPeriod` steps of a tile.
  int64_t panelArgument = 0, panelBytes = 0;
  /// Where steps of a unit share factors (factor_reduction): the stage that sums the unit, its
  /// reduction, and the stage that sums what the columns have in common, or "".
  std::string unit, unitLoop, unitSums;
  // Row: what block_reduction made, or (the width) shall make.
  int64_t rowWidth = 0;
  bool hasMerge = false;
  llvm::SmallVector<Fold> folds;
  /// What the accumulators leave is summed by few lanes, in stage `rest`, "" where it is short.
  std::string rest, restMerge;
  std::vector<Ahead> ahead; ///< in a step of `rowWidth` elements
};

/// Operations that make a task worth handing to another thread (some ten microseconds).
inline constexpr int64_t kTaskWork = 32768;

/// How far ahead filters of windows are asked for: they wait behind many multiply-adds. 3x3 of 512
/// channels on 7x7 took 4.9 ms instead of 4.0 (four layers), with 6 KB 4.05.
inline constexpr int64_t kFilterPrefetchBytes = 24 << 10;

/// What Halide places on the stack by itself. Larger buffers get there as "registers", but for
/// these it wants to bound every extent itself, and does not always find as good a bound as is
/// stated.
inline constexpr int64_t kHalideStackBytes = 16 << 10;

/// How a stage that merges the states of blocks is computed inside of one output, and with it what
/// gives these states (PlanStream.cpp).
struct StreamPlan {
  /// A stage that is kept for one block and one step of rows.
  struct Member {
    enum Kind {
      Map,   ///< no reduction
      Tile,  ///< a product, by register tiles
      Row,   ///< accumulators side by side (block_reduction)
      Point, ///< one value after the other
    } kind = Map;
    std::string stage;
    llvm::SmallVector<std::string> loops; ///< per dimension
    llvm::SmallVector<int64_t> bounds;    ///< how much of each is kept, at most
    llvm::SmallVector<bool> isFull;       ///< or always
    llvm::SmallVector<int64_t> steps;     ///< what the extent is a multiple of
    llvm::SmallVector<std::string> reductionLoops;
    std::string rows;    ///< the loop over rows, or empty
    std::string columns; ///< Tile: the loop on vectors
    std::string host;    ///< Tile: the stage in whose loops the register tile lives, or empty
    int64_t lanes = 8, rowTile = 1, columnTile = 8;
    bool isPadded = false; ///< Tile: the columns are two loops
    int64_t bytes = 0;     ///< of its largest result, as far as it is kept
    ReducerPlan row;
    /// Row: in a step of its last loop. Tile: in one of its innermost reduction.
    std::vector<Ahead> ahead;
  };
  std::string stage, blocks, rows; ///< that merges, its loop over blocks, its loop over rows or ""
  llvm::SmallVector<std::string> loops; ///< its other loops, per dimension
  llvm::SmallVector<int64_t> bounds;
  llvm::SmallVector<bool> isShared; ///< whether all that is kept follows the loop
  bool inOrder = false; ///< the last loop: some states are the same for all its iterations
  std::string host;
  llvm::SmallVector<std::string> hostLoops; ///< per dimension: of the output; "" where not shared
  int64_t lanes = 8;
  int64_t rowBlock = 1; ///< rows of which the states are kept
  int64_t rowStep = 1;  ///< rows for which a block is lifted at a time
  double work = 0;
  std::vector<Member> members;
};

/// A stage of which one row is kept on the stack while all that reads it is computed.
struct KeptRow {
  std::string stage;
  llvm::SmallVector<std::string> loops; ///< of the stage; the last ones are the row
  llvm::SmallVector<int64_t> bounds;    ///< the most their extents can be
  double work = 0;                      ///< of a point
};

/// A loop of an output (by position, never the last one) whose iterations do different things in
/// turn, after so many again the first.
struct Turn {
  unsigned loop;
  int64_t period;
};

struct OutputPlan {
  std::string stage;
  llvm::SmallVector<std::string> loops; ///< outermost first, in the order of the result
  llvm::SmallVector<int64_t> extents;
  std::vector<ReducerPlan> reducers;
  std::vector<KeptRow> keptRows;
  std::optional<StreamPlan> stream; ///< then there are no reducers
  double workPerPoint = 1;          ///< of the stage itself, with what is inlined
  double taskWork = kTaskWork;      ///< operations that a task has at least
  int64_t elementBits = 32;         ///< of the widest element it handles
  std::optional<unsigned>
      transposed; ///< a loop that is contiguous in a read, while the last one is not
  /// A loop whose next step reads on where the last loop ends, while the result goes on elsewhere:
  /// panels cut from rows.
  std::optional<unsigned> continued;
  /// The loop before the last one goes on where the last one ends, when reading and writing.
  bool isContinued = false;
  /// Along the last loop elements come from one place for so many steps, then from another: what
  /// was put side by side. 0: not so.
  int64_t piece = 0;
  llvm::SmallVector<Turn> turns;
};

/// A stage that unpacks a constant argument: it reads nothing else, and each of its dimensions but
/// the last is a dimension of the argument. Units of `period` elements along the last repeat their
/// form; in a unit, elements `stride` apart share what they read.
struct Unpacking {
  mlir::BlockArgument argument;
  llvm::SmallVector<int64_t> argumentDims; ///< for each dimension but the last
  int64_t period = 1, stride = 1;
};
std::optional<Unpacking> matchUnpacking(kernel::FuncOp kernel, const StageInfo &stage);

/// A register tile of a depthwise window: places in `rows` of `lines`, and vectors of channels;
/// `taps` are the reductions that are written out, the one along the rows last.
struct DepthwiseTile {
  llvm::SmallVector<unsigned, 2> taps;
  int64_t rows = 1, lines = 1, vectors = 1;
};
/// The tile that costs least by the model: none where the loop `rows` does not slide over few taps.
/// `lines`: the loop around it, if there is one.
std::optional<DepthwiseTile> chooseDepthwiseTile(const Target &target, const StageInfo &stage,
                                                 unsigned columns, int64_t lanes, unsigned rows,
                                                 std::optional<unsigned> lines);

/// Reads the copy of a kernel while restructuring it, and writes the directives.
class Planner {
public:
  Planner(kernel::FuncOp copy, ScheduleWriter &writer, const Target &target, Choices &choices)
      : kernel(copy), writer(writer), target(target), choices(choices) {}
  mlir::FailureOr<std::vector<OutputPlan>> run();

private:
  void analyze();
  bool isReturned(const StageInfo &stage);
  bool isPlaced(const StageInfo &stage);
  bool isOutput(const StageInfo &stage) { return !stage.reduces() && isReturned(stage); }
  mlir::LogicalResult apply(mlir::Operation *directive);
  mlir::LogicalResult keepInMemory(const std::string &stage);
  mlir::LogicalResult materializePrologues();
  mlir::LogicalResult separateResults();
  /// (2) Once results are separate (Runs.cpp); `reducers` gets the stages that it makes.
  mlir::LogicalResult splitRuns(llvm::SmallVectorImpl<std::string> &reducers);

  /// The host of a reducing stage and the loops of the host for its dimensions, or nothing when
  /// it cannot be computed inside of one output point by point.
  struct Place {
    std::string host;
    llvm::SmallVector<int> loops;
    bool direct = true; ///< no other reducing stage reads it
  };
  std::optional<Place> findPlace(const StageInfo &stage);
  bool isReadAtOnePoint(const StageInfo &stage);
  ReducerPlan plan(const StageInfo &stage, const Place &place);
  void planTile(ReducerPlan &plan, const StageInfo &stage, unsigned columns);
  bool readsOnce(const StageInfo &stage, unsigned columns);
  void walkRows(ReducerPlan &plan, int64_t vectors, int64_t depth, int64_t columns);
  void planTaps(ReducerPlan &plan, const StageInfo &stage, const DepthwiseTile &window,
                std::optional<unsigned> lines);
  void blockWindow(ReducerPlan &plan, const StageInfo &stage);
  mlir::LogicalResult keepApart();
  mlir::LogicalResult keepUnplaced(llvm::ArrayRef<std::string> reducers);
  mlir::LogicalResult planReducers(llvm::ArrayRef<std::string> names,
                                   std::vector<ReducerPlan> &plans);
  /// Costly stages that reductions and their output read, where there is one output.
  void keepRows(llvm::ArrayRef<ReducerPlan> reducers);
  static void unify(llvm::MutableArrayRef<ReducerPlan> plans);
  mlir::LogicalResult restructure(ReducerPlan &plan);
  mlir::LogicalResult pack(ReducerPlan &plan, const std::string &loop, int64_t tile, bool columns);
  std::optional<Unpacking> findUnpacking(const StageInfo &stage, unsigned loop);
  std::optional<int64_t> findUnpackedRows(const StageInfo &stage, unsigned columns);
  mlir::LogicalResult unpackPanels(ReducerPlan &plan, const Access &read, int64_t dim,
                                   int64_t tile);
  mlir::LogicalResult factor(ReducerPlan &plan);
  mlir::FailureOr<ReducerPlan> planSums(const ReducerPlan &plan);
  mlir::LogicalResult blockRow(ReducerPlan &plan);
  mlir::LogicalResult peel(ReducerPlan &plan);
  void planGroups(ReducerPlan &plan, const StageInfo &stage, unsigned columns);
  mlir::LogicalResult packGroups(const ReducerPlan &plan);
  bool planMatrixTiles(ReducerPlan &plan, const StageInfo &stage, unsigned columns,
                       std::optional<unsigned> lines);
  mlir::LogicalResult packMatrixTiles(const ReducerPlan &plan);
  mlir::LogicalResult group(ReducerPlan &plan);
  mlir::LogicalResult widenBroadcast(ReducerPlan &plan);
  bool isConstant(mlir::Value tensor);

  mlir::LogicalResult planStreams(std::vector<StreamPlan> &plans);
  mlir::LogicalResult placeStream(StreamPlan &plan);
  void askAhead(StreamPlan::Member &member);
  mlir::LogicalResult restructureStream(StreamPlan &plan);

  kernel::FuncOp kernel;
  ScheduleWriter &writer;
  const Target &target;
  Choices &choices;
  KernelInfo info;
  std::vector<KeptRow> keptRows;
  std::set<std::string> inStreams; ///< stages that are planned with what merges them
  bool allowMatrixTiles = true;
};

/// The factors of a product that instructions sum in groups, by what is done with them: the columns
/// are packed, the other one is read in groups.
struct GroupedFactors {
  const Access *packed = nullptr, *grouped = nullptr;
  bool packedUnsigned = false, groupedUnsigned = false;
  bool isFloat = false; ///< of bf16
};
std::optional<GroupedFactors> findGroupedFactors(const Target &target, const StageInfo &stage,
                                                 unsigned columns);

/// The dimension of an operand that can be cut into tiles of a loop: the loop is its index, and
/// every dimension follows one loop or none.
std::optional<int64_t> packedDim(const Access &read, unsigned loop);

/// Pieces of equal length that a loop of a map runs through, each from another place (a
/// concatenation compares its index with constants); 0: there are none, or too many.
int64_t pieceOf(const StageInfo &stage, unsigned loop);

/// Loops of a map that run through pieces of one element, or whose index is divided by a small
/// number.
llvm::SmallVector<Turn> turnsOf(const StageInfo &stage);
/// Of a map with turns; `worthThreads`: on several threads.
void writeTurns(ScheduleWriter &writer, const OutputPlan &plan, const Target &target,
                bool worthThreads);

/// Notes arguments of which a stage reads `elements` elements in each step of a loop, every one of
/// them once.
void noteAhead(std::vector<Ahead> &ahead, const KernelInfo &info, const StageInfo &stage,
               unsigned loop, int64_t elements);
/// Asks for them ahead, in a loop of an update.
void writeAhead(StageWriter update, llvm::ArrayRef<Ahead> ahead, const std::string &loop);

/// Writes the loop directives of one output and everything computed inside of it.
void writeLoops(ScheduleWriter &writer, const OutputPlan &plan, const Target &target);

/// What sums a row by accumulators side by side, `name`'s helpers first; `place` says where they
/// are computed.
void writeRowSum(ScheduleWriter &writer, const ReducerPlan &row, const std::string &name,
                 llvm::ArrayRef<std::string> reductionLoops,
                 llvm::function_ref<StageWriter(const std::string &)> place);

/// The same for an output in which a stream is merged.
void writeStreamLoops(ScheduleWriter &writer, const OutputPlan &plan, const Target &target);

/// For a GPU: the elements of every output, 256 to a block, or rows or tiles that a block shares.
/// `kernel` is a copy: restructuring directives are applied to it.
/// `explain`: says of streams how they are merged, and why.
mlir::LogicalResult writeGpuLoops(ScheduleWriter &writer, kernel::FuncOp kernel,
                                  const GpuTarget &target, bool explain);

/// For a GPU: stages that launches of their own compute as a whole.
using Roots = llvm::SmallPtrSet<mlir::Operation *, 8>;
/// What an extent that is not known is taken for: it may be long.
constexpr int64_t kGpuExtent = 1024;

/// For a GPU: neighbours that a thread takes together; a width of 1: none.
struct GpuLanes {
  int64_t width = 1;
  bool isFlat = false; ///< of all loops as one
};
/// Along the last of these loops, of which there shall be so many vectors at least.
GpuLanes chooseGpuLanes(mlir::linalg::GenericOp stage, llvm::ArrayRef<std::string> loops,
                        const Roots &roots, int64_t leastVectors);
/// Fuses the loops, innermost last, down to vectors, and returns the result.
std::string writeGpuLanes(StageWriter &out, llvm::ArrayRef<std::string> loops,
                          const std::string &name, const GpuLanes &lanes);

/// For a GPU: a tile of outputs that follow from one sum of products to a block. False: they do
/// not.
bool writeGpuTile(ScheduleWriter &writer, llvm::ArrayRef<mlir::Operation *> outputs,
                  const Roots &roots, const GpuTarget &target);

/// For a GPU: an output whose elements are reductions, or follow from reductions of their own:
/// threads reduce together. `isAlone`: there are no other outputs in the launch. False: none of
/// these, or it would not pay.
bool writeGpuReduction(ScheduleWriter &writer, mlir::linalg::GenericOp output, const Roots &roots,
                       bool isAlone);
/// Where known extents leave few blocks, cuts such a reduction into parts, as splitGpuSum does.
mlir::FailureOr<std::string> splitGpuReduction(ScheduleWriter &writer, kernel::FuncOp kernel,
                                               llvm::ArrayRef<mlir::Operation *> outputs);
/// Whether that is possible, and one launch with it.
bool isGpuReduction(mlir::linalg::GenericOp output, const Roots &roots);

/// For a GPU: cuts the sum of products that all outputs follow from into parts, where its tiles
/// would be few. Gives the stage of the parts, which wants a launch of its own; "": nothing is cut.
mlir::FailureOr<std::string> splitGpuSum(ScheduleWriter &writer, kernel::FuncOp kernel,
                                         llvm::ArrayRef<mlir::Operation *> outputs,
                                         const GpuTarget &target);

/// For a GPU: the stages that merge streams in one launch each.
std::vector<kernel::StreamStages> findGpuStreams(kernel::FuncOp kernel, const GpuTarget &target,
                                                 bool explain);
/// The launch of such a stage, and of the outputs that follow from it or the stage itself.
void writeGpuStream(ScheduleWriter &writer, llvm::ArrayRef<mlir::Operation *> outputs,
                    const kernel::StreamStages &stream, const GpuTarget &target);

/// The stages that reduce, of those that a launch computes for an output.
llvm::SetVector<mlir::linalg::GenericOp> findReductions(mlir::linalg::GenericOp output,
                                                        const Roots &roots);

} // namespace tessera::scheduling

#endif
