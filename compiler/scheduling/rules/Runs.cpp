//===- Runs.cpp - Reductions of columns by runs of rows ---------------------------------------===//
// Each run of rows is reduced as it lies in memory, then the results of the runs, then the rows
// that are left. Threads share the runs, not parts of the rows, and fewer roundings follow each
// other.
#include "compiler/scheduling/rules/Plan.h"

using namespace mlir;

namespace tessera::scheduling {

LogicalResult Planner::splitRuns(SmallVectorImpl<std::string> &reducers) {
  constexpr int64_t kRunRows = 128, kFewRuns = 4;
  const SmallVector<std::string> names(reducers.begin(), reducers.end());
  for (const std::string &name : names) {
    const StageInfo *stage = info.lookup(name);
    std::optional<Place> place;
    if (!stage || stage->op->use_empty() || stage->kind != StageKind::Reduction ||
        !(place = findPlace(*stage)))
      continue;
    const ReducerPlan found = plan(*stage, *place);
    if (found.kind != ReducerPlan::Tile || !found.walksRows)
      continue;
    const std::string loop = found.reductionLoops.front();
    if (stage->extentOr(stage->loopNumber(loop), kFewRuns * kRunRows) < kFewRuns * kRunRows)
      continue;
    bool isAssociative = true;
    for (unsigned result = 0; result < stage->op.getNumResults(); ++result)
      isAssociative &= matchCombiner(stage->op, result).has_value();
    if (!isAssociative)
      continue;
    const std::string part = name + "_part", merge = name + "_merge";
    OpBuilder builder = writer.restructuring();
    if (failed(apply(schedule::BlockReductionOp::create(builder, writer.loc(), name, loop, kRunRows,
                                                        loop + "_o", loop + "_i", part,
                                                        /*contiguous=*/false, /*runs=*/true))) ||
        failed(keepInMemory(part)))
      return failure();
    reducers.push_back(part);
    if (!info.lookup(merge))
      continue;
    if (failed(keepInMemory(merge)))
      return failure();
    reducers.push_back(merge);
  }
  return separateResults();
}

} // namespace tessera::scheduling
