//===- MatrixTiles.cpp - Products by instructions for tiles of matrices -----------------------===//
// AMX multiplies 16 rows of 64 bytes by 16 columns and adds to 16 x 16 sums of 32 bits. Four such
// tiles of sums are computed side by side, so that each tile of a factor is loaded for two of them:
// 32 rows and 32 columns. Both factors lie in memory as they are loaded, whole tiles after each
// other; the columns in groups, of 4 bytes, along the reduction.
#include "compiler/scheduling/restructure/Restructure.h"
#include "compiler/scheduling/rules/Plan.h"

using namespace mlir;

namespace tessera::scheduling {

/// Rows and columns of four tiles of sums.
static constexpr int64_t kEdge = 32;
/// Bytes of a row of a tile, and those that one instruction sums in a place.
static constexpr int64_t kRowBytes = 64, kGroupBytes = 4;
/// Of a block: 32 KB of columns stay in L1 while 64 KB of rows pass by; the sums take 32 KB.
static constexpr int64_t kRowTiles = 4, kColumnTiles = 2;

static int64_t elementBytes(const GroupedFactors &factors) { return factors.isFloat ? 2 : 1; }

bool Planner::planMatrixTiles(ReducerPlan &plan, const StageInfo &stage, unsigned columns) {
  // What fills less than half of the tiles is better off with vectors.
  constexpr int64_t kFewest = kEdge / 2;
  if (!target.matrixTiles || !allowMatrixTiles || stage.kind != StageKind::Contraction ||
      plan.rows.empty() || plan.reductionLoops.size() != 1)
    return false;
  const unsigned rows = stage.loopNumber(plan.rows);
  const unsigned depth = stage.loopNumber(plan.reductionLoops.front());
  for (unsigned loop : {rows, columns, depth})
    if (stage.extentOr(loop, kEdge) < kFewest)
      return false;
  std::optional<GroupedFactors> factors = findGroupedFactors(target, stage, columns);
  if (!factors || !packedDim(*factors->packed, columns) || !packedDim(*factors->packed, depth) ||
      !packedDim(*factors->grouped, rows) || !packedDim(*factors->grouped, depth))
    return false;
  plan.byMatrixTiles = true;
  plan.group = kGroupBytes / elementBytes(*factors);
  plan.lanes = target.lanes(32);
  plan.rowTile = plan.columnTile = kEdge;
  plan.blocked = true;
  plan.block.rowTiles = kRowTiles;
  plan.block.columnTiles = kColumnTiles;
  plan.block.groupedBlocks = 0;
  return true;
}

LogicalResult Planner::packMatrixTiles(const ReducerPlan &plan) {
  const StageInfo &stage = *info.lookup(plan.stage);
  const GroupedFactors factors = *findGroupedFactors(target, stage, stage.loopNumber(plan.columns));
  const Access &read = *factors.grouped;
  const int64_t m = *packedDim(read, stage.loopNumber(plan.rows));
  const int64_t k = *packedDim(read, stage.loopNumber(plan.reductionLoops.front()));
  SmallVector<int64_t> outer;
  for (int64_t dim = 0; dim < int64_t(read.dims.size()); ++dim)
    if (dim != m && dim != k)
      outer.push_back(dim);
  outer.append({m, k});
  const std::string copy = plan.stage + "_" + plan.rows + "_packed";
  OpBuilder builder = writer.restructuring();
  if (failed(apply(schedule::CopyPackedOp::create(
          builder, writer.loc(), plan.stage, read.operand->getOperandNumber(), copy,
          ArrayRef<int64_t>{m, k}, ArrayRef<int64_t>{kEdge, kRowBytes / elementBytes(factors)},
          outer))) ||
      failed(keepInMemory(copy)))
    return failure();
  return packGroups(plan);
}

} // namespace tessera::scheduling
