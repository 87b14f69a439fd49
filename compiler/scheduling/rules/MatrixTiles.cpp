//===- MatrixTiles.cpp - Products by instructions for tiles of matrices -----------------------===//
// AMX multiplies 16 rows of 64 bytes by 16 columns and adds to 16 x 16 sums of 32 bits. Four such
// tiles of sums are computed side by side, so that each tile of a factor is loaded for two of them:
// two tiles of rows, one of 32 columns. The columns lie in memory as they are loaded: in groups, of
// 4 bytes, along the reduction.
// 1. Rows are read as they lie in memory where the reduction is contiguous there and steps of equal
//    length fill it: of windows the channels of a place, nothing is copied for its taps.
// 2. Else they are copied, in tiles one after the other.
#include "compiler/scheduling/restructure/Restructure.h"
#include "compiler/scheduling/rules/Plan.h"

#include "dialects/schedule/MatrixTiles.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tessera::scheduling {

using schedule::kMatrixColumns;
using schedule::kMatrixGroupBytes;
using schedule::kMatrixRowBytes;
using schedule::kMatrixRows;

/// Of a block: pieces of columns stay in L1 while so many tiles of rows pass by; the sums take at
/// most 64 KB. So many bytes of columns come from L2 for one block of rows after the other.
static constexpr int64_t kRowTiles = 16, kColumnTiles = 2, kGroupBytes = 2 << 20;

static int64_t elementBytes(const GroupedFactors &factors) { return factors.isFloat ? 2 : 1; }

/// Whether the rows of a product are read as they lie (1); `depth` is the loop that is summed by
/// the instructions. Bytes that many columns share come faster from a copy in tiles, made once
/// (Granite Rapids, u8 x i8, 512, 1024 and 2048 cubed: 0.83, 0.77 and 0.75 of the time), bf16 do
/// not (1.1, 1.04 and 1.02).
static bool readsInPlace(const StageInfo &stage, const GroupedFactors &factors, unsigned columns,
                         unsigned depth) {
  constexpr int64_t kManyColumns = 512;
  if (stage.kind == StageKind::Contraction && !factors.isFloat &&
      stage.extentOr(columns, 0) >= kManyColumns)
    return false;
  const Access &rows = *factors.grouped;
  const int64_t extent = stage.extents[depth];
  return rows.operand && rows.isContiguousIn(depth) && !ShapedType::isDynamic(extent) &&
         schedule::matrixStepBytes(extent * elementBytes(factors)) > 0 &&
         llvm::all_of(rows.dims, [&](const IndexForm &form) {
           return form.linear && !form.clamped &&
                  (!form.loops.test(depth) || form.loops.count() == 1) &&
                  llvm::all_of(form.loops.set_bits(),
                               [&](unsigned loop) { return form.coefficients[loop] > 0; });
         });
}

/// Lines of equal tiles: of 56 places four of 14, of 17 two of 9.
static int64_t rowsOfTile(int64_t extent) {
  if (ShapedType::isDynamic(extent))
    return kMatrixRows;
  return llvm::divideCeil(extent, llvm::divideCeil(extent, kMatrixRows));
}

/// `lines`: the loop around the rows along which a block has several of them, if there is one.
bool Planner::planMatrixTiles(ReducerPlan &plan, const StageInfo &stage, unsigned columns,
                              std::optional<unsigned> lines) {
  // What fills less than half of the tiles is better off with vectors.
  constexpr int64_t kFewest = kMatrixRows, kFewestPlaces = 4;
  const bool isWindow = stage.kind == StageKind::Window;
  if (!target.matrixTiles || !allowMatrixTiles || plan.rows.empty() || plan.columnsSlide ||
      (stage.kind != StageKind::Contraction && !isWindow))
    return false;
  std::optional<GroupedFactors> factors = findGroupedFactors(target, stage, columns);
  if (!factors || !packedDim(*factors->packed, columns))
    return false;
  const unsigned rows = stage.loopNumber(plan.rows);
  // The reduction whose steps lie side by side is the last one.
  const unsigned depth = stage.loopNumber(plan.reductionLoops.back());
  for (const std::string &loop : plan.reductionLoops) {
    const unsigned number = stage.loopNumber(loop);
    if (!packedDim(*factors->packed, number) || (number != depth && stage.extentOr(number, 0) < 1))
      return false;
  }
  const int64_t along = stage.extents[rows];
  const bool isInPlace = readsInPlace(stage, *factors, columns, depth);
  if (!isInPlace && (isWindow || plan.reductionLoops.size() != 1 ||
                     !packedDim(*factors->grouped, rows) || !packedDim(*factors->grouped, depth)))
    return false;
  // Lines of a product that are long, or may be, are blocks of their own.
  if (!isInPlace || (!isWindow && (ShapedType::isDynamic(along) || along >= kRowTiles * kFewest)))
    lines.reset();
  const int64_t places = stage.extentOr(rows, kFewest);
  if (stage.extentOr(columns, kFewest) < kFewest || stage.extentOr(depth, kFewest) < kFewest ||
      places < kFewestPlaces || places * (lines ? stage.extentOr(*lines, kFewest) : 1) < kFewest)
    return false;
  plan.byMatrixTiles = true;
  plan.group = kMatrixGroupBytes / elementBytes(*factors);
  plan.lanes = target.lanes(32);
  plan.rowTile = isInPlace ? rowsOfTile(along) : kMatrixRows;
  plan.columnTile = kMatrixColumns;
  plan.blocked = true;
  plan.outerRows.clear();
  plan.block.columnTiles = isWindow || lines ? 1 : kColumnTiles;
  plan.block.rowTiles = kRowTiles;
  const int64_t blockBytes = kColumnTiles * kMatrixColumns * elementBytes(*factors) *
                             stage.extentOr(depth, kAssumedExtent);
  plan.block.groupedBlocks = std::max<int64_t>(1, kGroupBytes / std::max<int64_t>(1, blockBytes));
  if (lines) {
    // High enough for all tiles of the block to be there.
    plan.outerRows = stage.loops[*lines];
    if (!ShapedType::isDynamic(along))
      plan.block.rowTiles = std::min<int64_t>(kRowTiles, llvm::divideCeil(along, plan.rowTile));
    else
      plan.block.rowTiles = kRowTiles / 4;
    plan.outerTile = kRowTiles / plan.block.rowTiles;
    if (!ShapedType::isDynamic(stage.extents[*lines]))
      plan.outerTile = std::min(plan.outerTile, stage.extents[*lines]);
  }
  return true;
}

LogicalResult Planner::packMatrixTiles(const ReducerPlan &plan) {
  const StageInfo &stage = *info.lookup(plan.stage);
  const unsigned columns = stage.loopNumber(plan.columns);
  const unsigned depth = stage.loopNumber(plan.reductionLoops.back());
  const GroupedFactors factors = *findGroupedFactors(target, stage, columns);
  if (readsInPlace(stage, factors, columns, depth))
    return packGroups(plan);
  const Access &read = *factors.grouped;
  const int64_t m = *packedDim(read, stage.loopNumber(plan.rows));
  const int64_t k = *packedDim(read, depth);
  SmallVector<int64_t> outer;
  for (int64_t dim = 0; dim < int64_t(read.dims.size()); ++dim)
    if (dim != m && dim != k)
      outer.push_back(dim);
  outer.append({m, k});
  const std::string copy = plan.stage + "_" + plan.rows + "_packed";
  OpBuilder builder = writer.restructuring();
  if (failed(apply(schedule::CopyPackedOp::create(
          builder, writer.loc(), plan.stage, read.operand->getOperandNumber(), copy,
          ArrayRef<int64_t>{m, k},
          ArrayRef<int64_t>{plan.rowTile, kMatrixRowBytes / elementBytes(factors)}, outer))) ||
      failed(keepInMemory(copy)))
    return failure();
  return packGroups(plan);
}

} // namespace tessera::scheduling
