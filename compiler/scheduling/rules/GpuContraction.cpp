//===- GpuContraction.cpp - Sums of products by tiles, on a GPU
//--------------------------------===//
//
// Where every element of an output follows from one sum of products, a block computes a tile of it:
// the factors of the tile pass through shared memory, and each is read there as often as the tile
// is wide. Several outputs of one such sum share its tile. Matched by structure: contractions and
// windows with rows and columns.
//
//===----------------------------------------------------------------------===//
#include "compiler/scheduling/restructure/Restructure.h"
#include "compiler/scheduling/rules/Plan.h"

#include "dialects/kernel/Product.h"
#include "dialects/kernel/SharedStages.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace tessera::scheduling {

/// Fewer elements are not worth the rest of a tile.
static constexpr int64_t kLeastElements = 64;
/// Multiprocessors of the devices that the tiles were chosen for (108 to 132).
static constexpr int64_t kMultiprocessors = 120;
/// A part of a sum has at least so many steps of a tile's depth.
static constexpr int64_t kLeastSteps = 8;
/// What a line of a tile costs, in elements of the tile: bringing it to shared memory.
static constexpr int64_t kLineCost = 24;
/// What an element costs by wgmma, beside one by mma.
static constexpr double kGroupCost = 0.55;
/// With so few rows, instructions of four warps multiply zeros most of the time.
static constexpr int64_t kLeastGroupRows = 33;
/// A step of the depth takes a line of so many chunks of 16 bytes; wgmma counts in lines of 128.
static constexpr int64_t kChunks = 4, kGroupChunks = 8;
static constexpr int64_t kMostStages = 4, kOrdinaryStages = 3;
/// Elements of a tile beside which there is no second block: it has the memory for itself.
static constexpr int64_t kLargeTile = 256 * 128;

namespace {
struct Tile {
  int64_t rows, columns, rowWarps, columnWarps;
  bool isGroup = false; ///< by wgmma
};

/// One sum of products, and the loops of the output that are its rows, columns, and neither.
struct Contraction {
  linalg::GenericOp stage;
  SmallVector<std::string> rows, columns, batch, depth; // innermost last
  int64_t rowExtent = 1, columnExtent = 1, batchExtent = 1, depthExtent = 1;
  bool isKnown = true;     ///< all extents
  int64_t depthChunk = 4;  ///< elements in 16 bytes
  bool isTurned = false;   ///< instructions of four warps would have to turn 32 bits
  bool byteFloats = false; ///< read as they are
  schedule::Unit unit = schedule::Unit::Fma;
};
} // namespace

/// How elements are multiplied: those of fewer bits than 32 only by instructions for matrices.
static bool chooseUnit(linalg::GenericOp stage, const GpuTarget &target, Contraction &result) {
  std::optional<kernel::Product> product = kernel::matchProduct(stage);
  if (!product)
    return false;
  if (std::optional<kernel::MatrixProduct> matrix =
          kernel::matchMatrixProduct(*product, target.byteFloats)) {
    result.unit = schedule::Unit::Mma;
    result.byteFloats = bool(matrix->lhsFloat);
    result.depthChunk = 128 / matrix->lhs.getType().getIntOrFloatBitWidth();
    return true;
  }
  Value x = kernel::stripExtensions(product->lhs), y = kernel::stripExtensions(product->rhs);
  if (x.getType() != y.getType() || x.getType().getIntOrFloatBitWidth() < 32)
    x = product->lhs;
  const int64_t bits = x.getType().getIntOrFloatBitWidth();
  const int64_t sumBits = product->combiner.op->getResult(0).getType().getIntOrFloatBitWidth();
  result.depthChunk = 128 / bits;
  return (bits == 32 || bits == 64) && (sumBits == 32 || sumBits == 64);
}

static std::optional<Contraction> findContraction(linalg::GenericOp output, const Roots &roots,
                                                  const GpuTarget &target) {
  llvm::SetVector<linalg::GenericOp> reductions = findReductions(output, roots);
  if (reductions.size() != 1)
    return std::nullopt;
  Contraction result;
  result.stage = reductions.front();
  const StageInfo info = analyzeStage(result.stage);
  if ((info.kind != StageKind::Contraction && info.kind != StageKind::Window) || info.m.empty() ||
      info.n.empty() || !result.stage.getDpsInits()[0].getDefiningOp<linalg::FillOp>() ||
      !chooseUnit(result.stage, target, result))
    return std::nullopt;
  // The loop of the output for each parallel loop of the stage: all of them, each once.
  SmallVector<std::string> names = kernel::getLoopNames(output);
  llvm::SmallDenseMap<unsigned, unsigned> loops;
  AffineMap map = result.stage.getMatchingIndexingMap(result.stage.getDpsInitOperand(0));
  if (!map.isProjectedPermutation())
    return std::nullopt;
  if (result.stage == output) {
    for (unsigned dim = 0; dim < map.getNumResults(); ++dim)
      loops[map.getDimPosition(dim)] = map.getDimPosition(dim);
  } else {
    llvm::SmallDenseSet<unsigned> used;
    for (const kernel::SharedStage &shared : kernel::findSharedStages(output))
      if (shared.stage == result.stage)
        for (auto [dim, loop] : llvm::enumerate(shared.loops)) {
          loops[map.getDimPosition(unsigned(dim))] = loop;
          used.insert(loop);
        }
    if (used.size() != output.getNumLoops())
      return std::nullopt;
  }
  if (loops.size() != result.stage.getNumParallelLoops())
    return std::nullopt;
  // The order of the output's dimensions: neighbours in a tile are neighbours in memory.
  AffineMap order = output.getMatchingIndexingMap(output.getDpsInitOperand(0));
  auto collect = [&](ArrayRef<unsigned> group, SmallVector<std::string> &to, int64_t &extent) {
    for (AffineExpr expr : order.getResults()) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      for (unsigned loop : group)
        if (dim && loops[loop] == dim.getPosition()) {
          to.push_back(names[dim.getPosition()]);
          extent *= info.extentOr(loop, kGpuExtent);
          result.isKnown &= !ShapedType::isDynamic(info.extents[loop]);
        }
    }
    return to.size() == group.size();
  };
  if (!collect(info.m, result.rows, result.rowExtent) ||
      !collect(info.n, result.columns, result.columnExtent) ||
      !collect(info.batch, result.batch, result.batchExtent) ||
      result.rowExtent * result.columnExtent < kLeastElements)
    return std::nullopt;
  result.isTurned = result.depthChunk == 4 && !llvm::all_of(info.reads, [&](const Access &read) {
                      return llvm::any_of(info.reductionLoops.set_bits(),
                                          [&](unsigned loop) { return read.isContiguousIn(loop); });
                    });
  // Of the depth the loop last along which a factor lies in memory.
  for (int last : {0, 1})
    for (unsigned loop : info.reductionLoops.set_bits())
      if (last == int(llvm::any_of(
                      info.reads, [&](const Access &read) { return read.isContiguousIn(loop); }))) {
        result.depth.push_back(info.loops[loop]);
        result.depthExtent *= info.extentOr(loop, kGpuExtent);
        result.isKnown &= !ShapedType::isDynamic(info.extents[loop]);
      }
  return result;
}

static int64_t countBlocks(const Contraction &contraction, const Tile &tile) {
  return int64_t(llvm::divideCeil(contraction.rowExtent, tile.rows)) *
         int64_t(llvm::divideCeil(contraction.columnExtent, tile.columns)) *
         contraction.batchExtent;
}

/// The tile that is done first: its work and what it brings, for as many turns as the device needs.
static Tile chooseTile(const Contraction &contraction, const GpuTarget &target) {
  // The first two ask for memory, and have all registers of a multiprocessor.
  static constexpr Tile matrixTiles[] = {
      {128, 256, 2, 4}, {256, 128, 4, 2}, {128, 128, 2, 2}, {128, 64, 2, 2}, {64, 128, 2, 2},
      {64, 64, 2, 2},   {32, 128, 1, 4},  {128, 32, 4, 1},  {16, 128, 1, 4}, {128, 16, 4, 1}};
  static constexpr Tile wordTiles[] = {
      {128, 128, 4, 2}, {64, 128, 2, 2}, {64, 64, 2, 2}, {16, 128, 1, 4}, {64, 32, 4, 1}};
  // Two times four warps keep sums of 64 x 256 in registers.
  static constexpr Tile groupTiles[] = {
      {128, 256, 8, 1, true}, {128, 128, 8, 1, true}, {128, 64, 8, 1, true}, {64, 256, 4, 1, true},
      {64, 128, 4, 1, true},  {64, 64, 4, 1, true},   {64, 32, 4, 1, true},  {64, 16, 4, 1, true}};
  // Elements of 64 bits need twice the registers.
  static constexpr Tile doubleTiles[] = {{64, 64, 2, 2}, {16, 64, 1, 4}, {64, 16, 4, 1}};
  const ArrayRef<Tile> ordinary = contraction.unit == schedule::Unit::Mma
                                      ? ArrayRef<Tile>(matrixTiles)
                                  : contraction.depthChunk == 2 ? ArrayRef<Tile>(doubleTiles)
                                                                : ArrayRef<Tile>(wordTiles);
  SmallVector<Tile> tiles(llvm::make_filter_range(ordinary, [&](const Tile &tile) {
    return (tile.rows + tile.columns) * kChunks * 16 * kOrdinaryStages <= target.sharedBytes;
  }));
  if (target.warpGroups && contraction.unit == schedule::Unit::Mma && !contraction.isTurned &&
      contraction.rowExtent >= kLeastGroupRows)
    tiles.append(std::begin(groupTiles), std::end(groupTiles));
  auto cost = [&](const Tile &tile) {
    return double(llvm::divideCeil(countBlocks(contraction, tile), kMultiprocessors)) *
           (double(tile.rows * tile.columns) * (tile.isGroup ? kGroupCost : 1) +
            double(kLineCost * (tile.rows + tile.columns)));
  };
  return *llvm::min_element(tiles, [&](const Tile &a, const Tile &b) { return cost(a) < cost(b); });
}

FailureOr<std::string> splitGpuSum(ScheduleWriter &writer, kernel::FuncOp kernel,
                                   ArrayRef<Operation *> outputs, const GpuTarget &target) {
  std::optional<Contraction> found;
  for (Operation *output : outputs) {
    std::optional<Contraction> next = findContraction(cast<linalg::GenericOp>(output), {}, target);
    if (!next || (found && found->stage != next->stage))
      return std::string();
    found = std::move(next);
  }
  if (!found || !found->isKnown || found->depth.size() != 1)
    return std::string();
  const Tile tile = chooseTile(*found, target);
  const int64_t blocks = countBlocks(*found, tile);
  const int64_t step = (tile.isGroup ? kGroupChunks : kChunks) * found->depthChunk;
  int64_t parts = 1;
  while (blocks * parts * 2 <= kMultiprocessors * 2 &&
         found->depthExtent % (parts * 2 * step) == 0 &&
         found->depthExtent / (parts * 2) >= kLeastSteps * step)
    parts *= 2;
  if (parts == 1)
    return std::string();
  const std::string name = kernel::getStageName(found->stage).str(), part = name + "_part";
  OpBuilder builder = writer.restructuring();
  auto directive = schedule::BlockReductionOp::create(builder, writer.loc(), name, found->depth[0],
                                                      parts, found->depth[0], "part", part,
                                                      /*contiguous=*/true);
  if (failed(applyRestructuring(kernel, directive)))
    return failure();
  return part;
}

bool writeGpuTile(ScheduleWriter &writer, ArrayRef<Operation *> outputs, const Roots &roots,
                  const GpuTarget &target) {
  // The warps of a tile meet all the time: no other output of the launch has threads beside them.
  auto output = cast<linalg::GenericOp>(outputs.front());
  std::optional<Contraction> found = findContraction(output, roots, target);
  if (!found)
    return false;
  for (Operation *other : outputs.drop_front()) {
    std::optional<Contraction> same =
        findContraction(cast<linalg::GenericOp>(other), roots, target);
    if (!same || same->stage != found->stage)
      return false;
  }
  const Tile tile = chooseTile(*found, target);
  const std::string name = kernel::getStageName(output).str();
  const std::string inner = kernel::getStageName(found->stage).str();
  StageWriter out = writer.stage(name);
  out.split(out.fuseAll(found->rows, "rows"), "row_tile", "row", tile.rows);
  out.split(out.fuseAll(found->columns, "columns"), "column_tile", "column", tile.columns);
  SmallVector<std::string> blocks(found->batch);
  blocks.append({"row_tile", "column_tile"});
  out.gpuBlocks(out.fuseAll(blocks, "block"));
  for (Operation *other : outputs.drop_front())
    writer.stage(kernel::getStageName(other).str()).computeAt(name, "block");
  if (inner != name && !llvm::is_contained(outputs, found->stage))
    writer.stage(inner).computeAt(name, "block");
  StageWriter update = writer.update(inner);
  const int64_t chunks = tile.isGroup ? kGroupChunks : kChunks;
  update.split(update.fuseAll(found->depth, "depth"), "step", "inner", chunks * found->depthChunk);
  const int64_t stepBytes = (tile.rows + tile.columns) * chunks * 16;
  update.gpuTile("row", "column", "inner", tile.rowWarps, tile.columnWarps,
                 tile.isGroup || tile.rows * tile.columns >= kLargeTile
                     ? std::min(target.sharedBytes / stepBytes, kMostStages)
                     : kOrdinaryStages,
                 tile.isGroup ? schedule::Unit::Wgmma : found->unit, found->byteFloats,
                 /*copyWarps=*/tile.isGroup && tile.rowWarps * tile.columnWarps == 8,
                 /*bulk=*/tile.isGroup);
  return true;
}

} // namespace tessera::scheduling
