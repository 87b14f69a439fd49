//===- RowLoops.cpp - A row summed by accumulators side by side -------------------------------===//
#include "compiler/scheduling/rules/Plan.h"

namespace tessera::scheduling {

void writeRowSum(ScheduleWriter &writer, const ReducerPlan &row, const std::string &name,
                 llvm::ArrayRef<std::string> reductionLoops,
                 llvm::function_ref<StageWriter(const std::string &)> place) {
  const std::string &k = reductionLoops.back();
  StageWriter part = place(name + "_part");
  part.boundExtent(k + "_i", row.rowWidth);
  StageWriter update = writer.update(name + "_part");
  writeAhead(update, row.ahead, k + "_o");
  llvm::SmallVector<std::string> order{k + "_i", k + "_o"};
  order.append(reductionLoops.rbegin() + 1, reductionLoops.rend());
  update.reorder(order);
  for (StageWriter *stage : {&part, &update}) {
    stage->vectorizeEven(k + "_i", row.lanes);
    if (row.rowWidth > row.lanes)
      stage->unroll(k + "_i");
  }
  for (const Fold &fold : row.folds) {
    StageWriter few = place(fold.stage);
    few.boundExtent(fold.inner, fold.width);
    few.vectorizeEven(fold.inner, fold.width);
    StageWriter sum = writer.update(fold.stage);
    sum.reorder({fold.inner, fold.outer});
    sum.vectorizeEven(fold.inner, fold.width);
    sum.unroll(fold.outer);
  }
  if (row.hasMerge)
    place(name + "_merge");
  if (!row.rest.empty()) {
    constexpr int64_t kLanes = 4;
    StageWriter rest = place(row.rest);
    rest.boundExtent(k + "_w", kLanes);
    StageWriter sum = writer.update(row.rest);
    llvm::SmallVector<std::string> loops{k + "_w", k + "_u"};
    loops.append(reductionLoops.rbegin() + 1, reductionLoops.rend());
    sum.reorder(loops);
    for (StageWriter *stage : {&rest, &sum})
      stage->vectorizeEven(k + "_w", kLanes);
    if (row.restMerge != name)
      place(row.restMerge);
    writer.update(row.restMerge).unroll(k + "_w");
  }
  if (!row.folds.empty())
    writer.update(row.hasMerge ? name + "_merge" : name).unroll(row.folds.back().inner);
}

} // namespace tessera::scheduling
