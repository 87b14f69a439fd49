//===- KeptRows.cpp - Rows of costly values that several stages of one output read -----------===//
#include "compiler/scheduling/rules/Plan.h"

using namespace mlir;

namespace tessera::scheduling {

/// Computed again, what costs less than that takes less than a store and its loads.
static constexpr unsigned kCheap = 8;
/// Of all rows that are kept in one kernel: they lie on the stack.
static constexpr int64_t kMostBytes = 64 << 10;

/// Whether all that reads a stage reads it at its own place, dimension by dimension: sums of its
/// rows, and what has a row as it has.
static bool isReadInPlace(linalg::GenericOp stage, unsigned &readers) {
  for (OpOperand &use : stage->getUses()) {
    auto reader = dyn_cast<linalg::GenericOp>(use.getOwner());
    if (!reader || !reader.isDpsInput(&use) || !reader.getMatchingIndexingMap(&use).isIdentity())
      return false;
    ++readers;
  }
  return true;
}

void Planner::keepRows(ArrayRef<ReducerPlan> reducers) {
  const StageInfo *host = nullptr;
  for (const StageInfo &stage : info.stages)
    if (isOutput(stage)) {
      if (host)
        return;
      host = &stage;
    }
  if (!host || reducers.empty())
    return;
  // The loops of the output around a row.
  const SmallVector<std::string> &around = reducers.front().hostLoops;
  for (const ReducerPlan &reducer : reducers)
    if (reducer.kind == ReducerPlan::Tile || reducer.hostLoops != around || around.empty())
      return;
  SmallVector<int64_t> extents;
  AffineMap output = host->op.getMatchingIndexingMap(host->op.getDpsInitOperand(0));
  for (auto [position, expr] : llvm::enumerate(output.getResults())) {
    unsigned loop = cast<AffineDimExpr>(expr).getPosition();
    if (position < around.size() && host->loops[loop] != around[position])
      return;
    extents.push_back(host->extents[loop]);
  }
  int64_t bytes = 0;
  std::map<std::string, unsigned> costs; // of a point, with what is inlined
  for (const StageInfo &stage : info.stages) {
    if (stage.reduces() || isReturned(stage) || stage.op->getNumResults() != 1)
      continue;
    unsigned &cost = costs[stage.name];
    cost = stage.flopsPerPoint;
    for (const Access &read : stage.reads)
      if (Operation *producer = read.tensor.getDefiningOp())
        if (const StageInfo *from = info.lookup(producer); from && costs.count(from->name))
          cost += costs[from->name];
    auto type = cast<RankedTensorType>(stage.op.getResultTypes()[0]);
    unsigned readers = 0;
    if (cost <= kCheap || type.getRank() != int64_t(extents.size()) ||
        !stage.op.getMatchingIndexingMap(stage.op.getDpsInitOperand(0)).isIdentity() ||
        !isReadInPlace(stage.op, readers) || readers < 2)
      continue;
    int64_t own = std::max(8u, type.getElementTypeBitWidth()) / 8;
    bool isShort = true;
    KeptRow row{stage.name, {}, {}, double(cost)};
    for (unsigned loop = 0; loop < stage.loops.size(); ++loop) {
      row.loops.push_back(stage.loops[loop]);
      row.bounds.push_back(stage.bounds[loop]);
      if (loop < around.size())
        continue;
      isShort &= !ShapedType::isDynamic(stage.bounds[loop]) && stage.bounds[loop] <= kMostBytes;
      own *= isShort ? stage.bounds[loop] : 1;
      isShort &= own <= kMostBytes;
    }
    if (!isShort || bytes + own > kMostBytes)
      continue;
    bytes += own;
    keptRows.push_back(row);
    cost = 1; // a load, from here on
  }
}

} // namespace tessera::scheduling
