//===- PlanReducer.cpp - The kind of plan and the tiles of a reducing stage -------------------===//
#include "compiler/scheduling/rules/Plan.h"

#include "compiler/scheduling/restructure/Restructure.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tessera::scheduling {

static int64_t lanesFor(const Target &target, linalg::GenericOp stage) {
  unsigned bits = 32;
  for (Value result : stage.getResults())
    bits = std::max(bits, getElementTypeOrSelf(result.getType()).getIntOrFloatBitWidth());
  return target.lanes(bits);
}

std::optional<int64_t> packedDim(const Access &read, unsigned loop) {
  std::optional<int64_t> dim;
  if (!read.operand)
    return dim;
  for (auto [d, form] : llvm::enumerate(read.dims)) {
    if (!form.linear || form.loops.count() > 1)
      return std::nullopt;
    if (form.movesByOne(loop))
      dim = d;
  }
  return dim;
}

bool Planner::isConstant(Value tensor) {
  auto argument = dyn_cast<BlockArgument>(tensor);
  return argument &&
         kernel.getArgAttr(argument.getArgNumber(), kernel::KernelDialect::kConstantAttr);
}

/// A register tile, a row or a point: see step 4 in Planner.cpp.
ReducerPlan Planner::plan(const StageInfo &stage, const Place &place) {
  ReducerPlan plan;
  plan.stage = stage.name;
  plan.stageKind = stage.kind;
  plan.host = place.host;
  plan.lanes = lanesFor(target, stage.op);
  plan.work = iterations(stage) * std::max(1u, stage.flopsPerPoint);
  const StageInfo &host = *info.lookup(place.host);
  AffineMap output = stage.op.getMatchingIndexingMap(stage.op.getDpsInitOperand(0));
  int innermost = host.innermostOutputLoop() ? int(*host.innermostOutputLoop()) : -1;
  std::optional<unsigned> columns;
  for (auto [dim, expr] : llvm::enumerate(output.getResults())) {
    unsigned loop = cast<AffineDimExpr>(expr).getPosition();
    plan.dims.push_back(stage.loops[loop]);
    plan.hostLoops.push_back(host.loops[place.loops[dim]]);
    if (place.loops[dim] == innermost)
      columns = loop;
  }
  // The reduction that is contiguous in a read nests innermost; constants are packed in any order.
  SmallVector<unsigned> order;
  for (unsigned loop : stage.reductionLoops.set_bits())
    order.push_back(loop);
  auto contiguous = [&](unsigned loop) {
    return llvm::any_of(stage.reads, [&](const Access &read) { return read.isContiguousIn(loop); });
  };
  auto contiguity = [&](unsigned loop) {
    return llvm::any_of(stage.reads,
                        [&](const Access &read) {
                          return read.isContiguousIn(loop) && !isConstant(read.tensor);
                        }) +
           contiguous(loop);
  };
  llvm::sort(order, [&](unsigned a, unsigned b) {
    return std::pair(contiguity(a), a) < std::pair(contiguity(b), b);
  });
  for (unsigned loop : order)
    plan.reductionLoops.push_back(stage.loops[loop]);

  bool isProduct = stage.kind == StageKind::Contraction || stage.kind == StageKind::Window;
  // Products of two sides can be packed; other reads along the columns have to be contiguous
  // already.
  bool columnsFit = columns && place.direct && stage.kind != StageKind::Scan;
  if (columnsFit && !(isProduct && (!stage.m.empty() && !stage.n.empty())))
    for (const Access &read : stage.reads)
      if (read.dependsOn(*columns) && !read.isContiguousIn(*columns) && !isProduct)
        columnsFit &= read.slides(stage.reductionLoops)
                          ? read.dims.back().loops.test(*columns)
                          : stage.isProduct && packedDim(read, *columns);
  // A product of one row (or column): nothing is read twice, so a copy in tiles costs more than it
  // saves.
  auto isOne = [&](ArrayRef<unsigned> loops) {
    return llvm::all_of(loops, [&](unsigned loop) { return stage.extents[loop] == 1; });
  };
  bool isVector = stage.kind == StageKind::Contraction && (isOne(stage.m) || isOne(stage.n));
  if (columnsFit && isProduct && (stage.m.empty() || stage.n.empty() || isVector))
    columnsFit = llvm::all_of(stage.reads, [&](const Access &read) {
      return !read.dependsOn(*columns) || read.isContiguousIn(*columns) ||
             (isVector && isConstant(read.tensor));
    });
  columnsFit |= columns && place.direct && findUnpackedRows(stage, *columns);
  if (columnsFit && stage.extentOr(*columns, kAssumedExtent) > 1) {
    plan.kind = ReducerPlan::Tile;
    planTile(plan, stage, *columns);
    return plan;
  }
  bool associative = true;
  for (unsigned result = 0; result < stage.op.getNumResults(); ++result)
    associative &= matchCombiner(stage.op, result).has_value();
  unsigned last = order.back();
  // A row shorter than a vector: by a shorter one (layer norms of 256 rows of 15: 5.5 us, one after
  // the other 7.0; of 7 the same).
  constexpr int64_t kShortLanes = 8;
  const int64_t lanes = std::min<int64_t>(
      plan.lanes, llvm::bit_floor<uint64_t>(stage.extentOr(last, kAssumedExtent)));
  if (associative && stage.kind != StageKind::Scan && contiguous(last) &&
      lanes >= std::min<int64_t>(plan.lanes, kShortLanes)) {
    plan.kind = ReducerPlan::Row;
    plan.lanes = lanes;
  }
  return plan;
}

/// A piece of a filter has at least so many steps: less does not pay for loading and storing
/// accumulators.
static constexpr int64_t kFewSteps = 64;

/// Of a register tile of a window: a piece of its filter fits into half of L1.
static int64_t mostVectors(const Target &target) {
  return std::clamp<int64_t>(target.l1Bytes / 2 / (kFewSteps * target.vectorBits / 8), 1, 8);
}

/// Of a window that slides along the columns: where it has taps there, vectors lie across lines of
/// the cache, and are taken from several where it moves by more than one.
static double loadsPerVector(const StageInfo &stage, unsigned columns) {
  double loads = 1;
  for (const Access &read : stage.reads)
    for (const IndexForm &form : read.dims) {
      if (!form.linear || !form.loops.test(columns) || form.loops.count() < 2)
        continue;
      bool isAcross = form.coefficients[columns] > 1;
      for (unsigned loop : form.loops.set_bits())
        isAcross |= loop != columns && stage.extents[loop] != 1;
      loads = std::max(loads, double(form.coefficients[columns]) * (isAcross ? 2 : 1));
    }
  return loads;
}

/// Reduces elements of which each is read once: windows may not overlap.
static bool reducesApart(const StageInfo &stage) {
  if (stage.kind != StageKind::DepthwiseWindow || stage.isProduct)
    return stage.kind == StageKind::Reduction;
  return llvm::all_of(stage.reads, [&](const Access &read) {
    return llvm::all_of(read.dims, [&](const IndexForm &form) {
      if (!form.linear || !form.loops.anyCommon(stage.reductionLoops) || form.loops.count() == 1)
        return form.linear;
      int64_t window = 0, step = std::numeric_limits<int64_t>::max();
      for (unsigned loop : form.loops.set_bits()) {
        const int64_t by = form.coefficients[loop], extent = stage.extents[loop];
        if (!stage.reductionLoops.test(loop))
          step = std::min(step, by);
        else if (ShapedType::isDynamic(extent) || by < 0)
          return false;
        else
          window += by * (extent - 1);
      }
      return step > window;
    });
  });
}

/// A product of one row with a matrix that lies there row by row, and that nobody packs.
bool Planner::readsOnce(const StageInfo &stage, unsigned columns) {
  return stage.kind == StageKind::Contraction && llvm::all_of(stage.reads, [&](const Access &read) {
           return !read.dependsOn(columns) ||
                  (read.operand && read.isContiguousIn(columns) && !isConstant(read.tensor));
         });
}

/// Rows go by in pieces as long as pages: a few columns of all rows would ask for as many pages as
/// there are rows, for each few columns again. Products read lines of several rows at a time (a row
/// times 8192 x 6144: 13.9 ms on Zen 5, so 5.3; with 2 rows 6.9, with 8 rows 6.6, and in pieces of
/// 1024 columns 5.7), other sums one row after the other, as they lie in memory (columns of 1024 x
/// 512: 27 us, with 8 rows 35), and long pieces of them (4096 x 4096, the same: 35 GB/s, in pieces
/// of 8 KB of all rows 28).
void Planner::walkRows(ReducerPlan &plan, int64_t vectors, int64_t depth, int64_t columns) {
  constexpr int64_t kPieceBytes = 8192, kWholeRowBytes = 16384, kFewRows = 16;
  // Processors with tiles follow fewer rows at a time (Granite Rapids: 28.1 ms, with 4 rows 32.0;
  // in pieces of 48 KB 25.3, which leave nothing to share between threads).
  const int64_t productRows = target.matrixTiles ? 2 : 4;
  const bool isProduct = plan.stageKind == StageKind::Contraction;
  const int64_t piece = isProduct ? kPieceBytes : kWholeRowBytes;
  plan.block.columnTiles = std::max<int64_t>(1, piece / (vectors * target.vectorBits / 8));
  plan.block.depth = productRows;
  plan.block.groupedBlocks = 0;
  plan.pieceLoops = isProduct ? 1 : 0;
  plan.splitPiece = isProduct;
  plan.blocked =
      (ShapedType::isDynamic(depth) || depth >= (isProduct ? 2 * productRows : kFewRows)) &&
      (ShapedType::isDynamic(columns) || columns > plan.columnTile);
  // Something for each thread.
  if (isProduct && target.cores > 1 && !ShapedType::isDynamic(columns))
    while (plan.block.columnTiles > 1 && columns < 8 * plan.block.columnTiles * plan.columnTile)
      plan.block.columnTiles /= 2;
}

void Planner::planTile(ReducerPlan &plan, const StageInfo &stage, unsigned columns) {
  plan.columns = stage.loops[columns];
  for (const Access &read : stage.reads)
    for (const IndexForm &form : read.dims)
      plan.columnsSlide |= form.loops.test(columns) && form.loops.anyCommon(stage.reductionLoops);
  int64_t columnExtent = stage.extents[columns];
  bool isProduct = stage.kind == StageKind::Contraction || stage.kind == StageKind::Window;
  // Rows: the innermost dimension of the result that the operand along the columns does not have.
  std::optional<unsigned> rows, outerRows;
  AffineMap output = stage.op.getMatchingIndexingMap(stage.op.getDpsInitOperand(0));
  if (stage.isProduct || stage.kind == StageKind::DepthwiseWindow) {
    bool columnsOnLeft = llvm::is_contained(stage.m, columns);
    bool columnsInBoth = llvm::is_contained(stage.batch, columns);
    for (AffineExpr expr : output.getResults()) {
      unsigned loop = cast<AffineDimExpr>(expr).getPosition();
      if (loop == columns || stage.extentOr(loop, kAssumedExtent) == 1)
        continue;
      bool fits = columnsInBoth
                      ? llvm::is_contained(stage.m, loop) || llvm::is_contained(stage.n, loop)
                      : llvm::is_contained(columnsOnLeft ? stage.n : stage.m, loop);
      if (fits && stage.isProduct) {
        outerRows = rows;
        rows = loop;
      }
    }
  }
  RegisterTile tile{1, 4};
  std::optional<DepthwiseTile> window;
  if (!isProduct && rows)
    window = chooseDepthwiseTile(target, stage, columns, plan.lanes, *rows, outerRows);
  if (isProduct)
    // The sums of pairs are added by an instruction of their own.
    tile = chooseRegisterTile(
        target, plan.lanes, rows ? stage.extents[*rows] : 1, columnExtent,
        matchIntegerProduct(stage) ? 1 : 0,
        stage.kind == StageKind::Window && !plan.columnsSlide ? mostVectors(target) : 8,
        plan.columnsSlide ? loadsPerVector(stage, columns) : 1,
        stage.kind == StageKind::Window ? UnknownRows::line : UnknownRows::many);
  else if (rows)
    tile = window ? RegisterTile{window->rows, window->vectors} : RegisterTile{4, 2};
  else if (!ShapedType::isDynamic(columnExtent))
    tile.vectors = std::clamp<int64_t>(llvm::divideCeil(columnExtent, plan.lanes), 1, 4);
  else
    tile.vectors = 2;
  if (rows || isProduct) {
    if (rows)
      tile.rows = choices.choose(stage.name, "rows", tile.rows, {1, 2, 3, 4, 5, 6, 8, 10, 12});
    tile.vectors = choices.choose(stage.name, "vectors", tile.vectors, {1, 2, 3, 4, 6});
    // More sums than registers would go by memory.
    while (tile.rows > 1 && tile.rows * tile.vectors + 2 > target.vectorRegisters)
      --tile.rows;
  }
  // Four vectors hide the latency of their sums behind what unpacks them.
  std::optional<int64_t> unpackedRows = findUnpackedRows(stage, columns);
  plan.walksRows = !rows && plan.reductionLoops.size() == 1 && !unpackedRows &&
                   (reducesApart(stage) || readsOnce(stage, columns));
  if (plan.walksRows && stage.kind == StageKind::Contraction)
    tile.vectors = target.vectorRegisters / 2;
  if (unpackedRows)
    tile = {*unpackedRows, std::clamp<int64_t>(8 / *unpackedRows, 1, 4)};
  if (rows && !ShapedType::isDynamic(stage.extents[*rows]))
    tile.rows = std::min(tile.rows, stage.extents[*rows]);
  // All rows of a tile are of one group. Half of the registers hide the latency of their sums, and
  // lines of pictures are short.
  if (rows && stage.isProduct && stage.groups[*rows]) {
    tile.rows = std::min<int64_t>(stage.groups[*rows], 8);
    while (stage.groups[*rows] % tile.rows != 0)
      --tile.rows;
    tile.vectors = std::clamp<int64_t>(target.vectorRegisters / 2 / tile.rows, 1, tile.vectors);
  }
  if (!ShapedType::isDynamic(columnExtent))
    tile.vectors = std::min(tile.vectors, llvm::divideCeilSigned(columnExtent, plan.lanes));
  // Fewer columns than lanes: shorter vectors.
  if (!ShapedType::isDynamic(columnExtent) && columnExtent < plan.lanes)
    plan.lanes = std::max<int64_t>(2, llvm::PowerOf2Ceil(columnExtent));
  plan.columnTile = tile.vectors * plan.lanes;
  if (rows && tile.rows > 1) {
    plan.rows = stage.loops[*rows];
    plan.rowTile = tile.rows;
  }
  int64_t depth = plan.reductionLoops.size() == 1
                      ? stage.extents[stage.loopNumber(plan.reductionLoops[0])]
                      : ShapedType::kDynamic;
  plan.block = chooseCacheBlock(target, {plan.rowTile, tile.vectors}, plan.lanes,
                                target.vectorBits / 8 / lanesFor(target, stage.op),
                                rows ? stage.extents[*rows] : 1, columnExtent, depth);
  if (stage.kind == StageKind::Contraction && plan.reductionLoops.size() == 1 && !unpackedRows &&
      !findUnpacking(stage, columns)) {
    // The sums of a block lie on the stack.
    constexpr int64_t kMostSums = 64 << 10;
    const int64_t tileBytes = plan.rowTile * tile.vectors * target.vectorBits / 8;
    plan.block.depth =
        choices.choose(stage.name, "depth", plan.block.depth, {128, 256, 384, 512, 768, 1024});
    plan.block.columnTiles =
        choices.choose(stage.name, "column_tiles", plan.block.columnTiles, {1, 2, 4, 8});
    plan.block.rowTiles =
        choices.choose(stage.name, "row_tiles", plan.block.rowTiles, {1, 2, 3, 4, 6, 8});
    while (plan.block.rowTiles > 1 &&
           plan.block.rowTiles * plan.block.columnTiles * tileBytes > kMostSums)
      --plan.block.rowTiles;
  }
  if (stage.kind == StageKind::Contraction && plan.reductionLoops.size() == 1) {
    plan.blocked =
        !plan.rows.empty() && (ShapedType::isDynamic(depth) || depth > plan.block.depth * 3 / 2);
    plan.pieceLoops = 1;
    if (std::optional<Unpacking> unpacking = findUnpacking(stage, columns); unpackedRows) {
      plan.blocked = false;
    } else if (unpacking && !plan.rows.empty() && !ShapedType::isDynamic(depth)) {
      // Each block unpacks its columns once, so that it pays to be high. They lie on the stack.
      constexpr int64_t kDepth = 512, kRows = 48, kPanelBytes = 64 << 10;
      int64_t columnBytes = tile.vectors * target.vectorBits / 8;
      int64_t units = depth / unpacking->period;
      int64_t most =
          std::max<int64_t>(1, std::min(kDepth, kPanelBytes / columnBytes) / unpacking->period);
      while (units % most)
        --most;
      plan.block.depth = most * unpacking->period;
      plan.block.rowTiles = llvm::divideCeil(kRows, plan.rowTile);
      plan.blocked = depth % unpacking->period == 0;
    }
  }
  if (plan.walksRows)
    walkRows(plan, tile.vectors, depth, columnExtent);
  if (!plan.walksRows && planMatrixTiles(plan, stage, columns, outerRows))
    return;
  if (stage.isProduct && !plan.columnsSlide)
    planGroups(plan, stage, columns);
  if (window && !plan.rows.empty() && plan.group == 1)
    planTaps(plan, stage, *window, outerRows);
  plan.peels = plan.blocked && plan.splitPiece && !plan.walksRows && plan.group == 1 &&
               stage.kind == StageKind::Contraction && !findUnpacking(stage, columns);
  if (stage.kind == StageKind::Window && !plan.rows.empty() && !plan.columnsSlide) {
    if (outerRows)
      plan.outerRows = stage.loops[*outerRows];
    blockWindow(plan, stage);
  }
}

/// The taps of a depthwise window, and how many lines of it are in the register tile.
void Planner::planTaps(ReducerPlan &plan, const StageInfo &stage, const DepthwiseTile &window,
                       std::optional<unsigned> lines) {
  plan.unrolledTaps = window.taps.size();
  for (unsigned loop : window.taps) {
    llvm::erase(plan.reductionLoops, stage.loops[loop]);
    plan.reductionLoops.push_back(stage.loops[loop]);
  }
  if (!lines)
    return;
  const int64_t vectors = plan.columnTile / plan.lanes;
  plan.lineTile = choices.choose(stage.name, "lines", window.lines, {1, 2, 3, 4});
  while (plan.lineTile > 1 && plan.lineTile * plan.rowTile * vectors + 2 > target.vectorRegisters)
    --plan.lineTile;
  if (plan.lineTile > 1)
    plan.lines = stage.loops[*lines];
}

/// Elements of 16 bits that are broadcast would be converted one by one, and for every tile of
/// columns again. They are converted once, by vectors; the operand along the columns is converted
/// where it is loaded.
LogicalResult Planner::widenBroadcast(ReducerPlan &plan) {
  constexpr double kReadOften = 2; // the copy costs a store and a load
  const StageInfo &stage = *info.lookup(plan.stage);
  unsigned columns = stage.loopNumber(plan.columns);
  for (const Access &read : stage.reads) {
    if (!read.operand || read.dependsOn(columns) || isConstant(read.tensor))
      continue;
    BlockArgument element = stage.op.getMatchingBlockArgument(read.operand);
    auto extend = element.hasOneUse() ? dyn_cast<arith::ExtFOp>(*element.user_begin()) : nullptr;
    auto type = cast<RankedTensorType>(read.tensor.getType());
    if (!extend)
      continue;
    double elements = 1;
    for (int64_t extent : type.getShape())
      elements *= ShapedType::isDynamic(extent) ? kAssumedExtent : extent;
    if (iterations(stage) < kReadOften * elements)
      continue;
    std::string copy = plan.stage + "_wide";
    OpBuilder builder = writer.restructuring();
    if (failed(apply(schedule::WidenOperandOp::create(builder, writer.loc(), plan.stage,
                                                      read.operand->getOperandNumber(),
                                                      extend.getType(), copy))))
      return failure();
    return keepInMemory(copy);
  }
  return success();
}

/// A filter too large for L1 would come from L2 for every register tile. It goes by in pieces that
/// fit, each for a row of tiles, and for several rows where they are short: a filter of 512
/// channels comes from L3, and 7 or 14 places are too few to wait for it.
void Planner::blockWindow(ReducerPlan &plan, const StageInfo &stage) {
  constexpr int64_t kAccumulatorBytes = 16 << 10;
  int64_t width = plan.columnTile * (target.vectorBits / 8 / lanesFor(target, stage.op));
  int64_t most = target.l1Bytes / 2 / width, steps = 1, all = 1;
  for (const std::string &loop : llvm::reverse(plan.reductionLoops)) {
    int64_t extent = stage.extents[stage.loopNumber(loop)];
    if (ShapedType::isDynamic(extent)) {
      plan.outerRows.clear();
      return;
    }
    if (steps == all && steps * extent <= most * 3 / 2) {
      steps *= extent;
      ++plan.pieceLoops;
    }
    all *= extent;
  }
  plan.splitPiece = plan.pieceLoops == 0;
  if (plan.splitPiece) {
    plan.pieceLoops = 1;
    plan.block.depth = steps = llvm::bit_floor<uint64_t>(2 * most);
  }
  plan.block.columnTiles = 1;
  const int64_t mostTiles = std::max<int64_t>(2, kAccumulatorBytes / (width * plan.rowTile));
  plan.block.rowTiles = choices.choose(stage.name, "row_tiles", mostTiles, {2, 4, 8, 16});
  plan.blocked = steps >= kFewSteps && all > steps * 3 / 2;
  if (plan.outerRows.empty())
    return;
  // Rows of unknown length may be short: where L2 does not hold the filter, blocks are high, of two
  // tiles along each row. Where it does they are of one row: what follows finds it as it lies.
  const int64_t along = stage.extents[stage.loopNumber(plan.rows)];
  const int64_t columns = stage.extents[stage.loopNumber(plan.columns)];
  const int64_t columnBytes = all * target.vectorBits / 8 / lanesFor(target, stage.op);
  if (ShapedType::isDynamic(along) && !ShapedType::isDynamic(columns) &&
      columns * columnBytes <= target.l2Bytes) {
    plan.outerRows.clear();
    return;
  }
  const int64_t tiles = ShapedType::isDynamic(along) ? 2 : llvm::divideCeil(along, plan.rowTile);
  const int64_t outer = stage.extents[stage.loopNumber(plan.outerRows)];
  plan.outerTile = std::max<int64_t>(1, mostTiles / tiles);
  if (ShapedType::isDynamic(along)) // There are multiples of a power of two as often as not.
    plan.outerTile = llvm::bit_floor<uint64_t>(plan.outerTile);
  if (!ShapedType::isDynamic(outer)) // in equal parts
    plan.outerTile =
        llvm::divideCeil(outer, llvm::divideCeil(outer, std::min(outer, plan.outerTile)));
  if (plan.outerTile == 1) {
    plan.outerRows.clear();
    return;
  }
  plan.block.rowTiles = std::min(plan.block.rowTiles, tiles);
}

} // namespace tessera::scheduling
