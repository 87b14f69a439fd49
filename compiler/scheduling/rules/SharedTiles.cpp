//===- SharedTiles.cpp - Tiles of what is computed in the loops of one output -----------------===//
#include "compiler/scheduling/rules/Plan.h"

using namespace mlir;

namespace tessera::scheduling {

/// All tiles of an output have one size: by matrices or none.
LogicalResult Planner::planReducers(ArrayRef<std::string> names, std::vector<ReducerPlan> &plans) {
  for (const std::string &name : names) {
    const StageInfo *stage = info.lookup(name);
    if (!stage || stage->op->use_empty())
      continue;
    std::optional<Place> place = findPlace(*stage);
    if (!place)
      return stage->op.emitOpError() << "has no place in the loops of an output";
    plans.push_back(plan(*stage, *place));
  }
  for (const ReducerPlan &a : plans)
    for (const ReducerPlan &b : plans)
      if (a.host == b.host && a.byMatrixTiles && b.kind == ReducerPlan::Tile && !b.byMatrixTiles) {
        allowMatrixTiles = false;
        plans.clear();
        return planReducers(names, plans);
      }
  return success();
}

/// Tiles in the loops of one output have the size that the heaviest wants; what does not fit is
/// computed point by point.
void Planner::unify(MutableArrayRef<ReducerPlan> plans) {
  auto hostLoop = [](const ReducerPlan &plan, const std::string &loop) {
    for (auto [dim, host] : llvm::zip_equal(plan.dims, plan.hostLoops))
      if (dim == loop)
        return host;
    return std::string();
  };
  for (ReducerPlan &plan : plans) {
    if (plan.kind != ReducerPlan::Tile)
      continue;
    const ReducerPlan *main = &plan;
    for (const ReducerPlan &other : plans)
      if (other.kind == ReducerPlan::Tile && other.host == plan.host && other.work > main->work)
        main = &other;
    if (main == &plan)
      continue;
    bool fits = hostLoop(plan, plan.columns) == hostLoop(*main, main->columns) &&
                plan.dims.size() == main->dims.size();
    std::string rows;
    for (auto [dim, host] : llvm::zip_equal(plan.dims, plan.hostLoops))
      if (!main->rows.empty() && host == hostLoop(*main, main->rows))
        rows = dim;
    if (!fits || rows.empty() != main->rows.empty()) {
      plan.kind = ReducerPlan::Point;
      continue;
    }
    plan.rows = rows;
    plan.rowTile = main->rowTile;
    plan.columnTile = main->columnTile;
    plan.lanes = main->lanes;
    plan.block = main->block;
    plan.blocked &= main->blocked;
    plan.outerTile = main->outerTile;
    plan.outerRows.clear();
    plan.lineTile = main->lineTile;
    plan.lines.clear();
    for (auto [dim, host] : llvm::zip_equal(plan.dims, plan.hostLoops))
      if (!main->outerRows.empty() && host == hostLoop(*main, main->outerRows))
        plan.outerRows = dim;
    for (auto [dim, host] : llvm::zip_equal(plan.dims, plan.hostLoops))
      if (!main->lines.empty() && host == hostLoop(*main, main->lines))
        plan.lines = dim;
  }
  // Either all of one output are kept in cache blocks, or none.
  for (ReducerPlan &plan : plans)
    for (ReducerPlan &other : plans)
      if (plan.kind == ReducerPlan::Tile && other.kind == ReducerPlan::Tile &&
          plan.host == other.host) {
        other.blocked &= plan.blocked;
        other.peels &= plan.peels && plan.blocked;
      }
  // The sums of all blocks of an output lie on the stack at a time.
  constexpr int64_t kMostSums = 64 << 10, kSumBytes = 4;
  for (ReducerPlan &plan : plans) {
    const auto isBeside = [&](const ReducerPlan &other) {
      return other.kind == ReducerPlan::Tile && other.blocked && other.host == plan.host;
    };
    const int64_t most = kMostSums / std::max<int64_t>(1, llvm::count_if(plans, isBeside));
    while (isBeside(plan) && plan.block.rowTiles > 1 &&
           plan.block.rowTiles * plan.rowTile * plan.block.columnTiles * plan.columnTile *
                   kSumBytes >
               most)
      --plan.block.rowTiles;
  }
}

} // namespace tessera::scheduling
