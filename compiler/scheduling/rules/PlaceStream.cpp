//===- PlaceStream.cpp - Where a stream is merged, and in what form ---------------------------===//
// 1. The output in whose loops the states are merged.
// 2. Restructuring: operands of products in tiles, once for all rows; accumulators side by side;
//    reads of what ends where the rows end.
#include "compiler/scheduling/restructure/Restructure.h"
#include "compiler/scheduling/rules/StreamRegion.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace tessera::scheduling {

/// Merges several values that no known operation combines one by one.
static bool mergesStates(const StageInfo &stage) {
  return stage.reductionLoops.count() == 1 && stage.op.getNumResults() > 1 &&
         llvm::any_of(llvm::seq<unsigned>(0, stage.op.getNumResults()),
                      [&](unsigned result) { return !matchCombiner(stage.op, result); });
}

/// The output in whose loops the merging stage is computed, and its loop for each dimension: rows
/// and what runs outside of them. Another output keeps the states.
LogicalResult Planner::placeStream(StreamPlan &plan) {
  auto place = [&]() -> bool {
    const StageInfo &merge = *info.lookup(plan.stage);
    std::string host;
    SmallVector<std::string> loops;
    bool fits = !isReturned(merge);
    std::function<void(const StageInfo &, const StageInfo &, ArrayRef<int>)> walk =
        [&](const StageInfo &output, const StageInfo &stage, ArrayRef<int> follows) {
          for (const Access &read : stage.reads) {
            Operation *producer = read.tensor.getDefiningOp();
            const StageInfo *from = producer ? info.lookup(producer) : nullptr;
            if (!from || isReturned(*from))
              continue;
            SmallVector<int> dims;
            for (const IndexForm &form : read.dims)
              dims.push_back(isPlain(form) && read.operand ? follows[form.loops.find_first()] : -1);
            if (from == &merge) {
              SmallVector<std::string> here;
              for (auto [dim, isShared] : llvm::enumerate(plan.isShared)) {
                fits &= !isShared || dims[dim] >= 0;
                here.push_back(isShared && dims[dim] >= 0 ? output.loops[dims[dim]] : "");
              }
              fits &= host.empty() || (host == output.name && loops == here);
              host = output.name;
              loops = here;
              continue;
            }
            if (from->reduces()) { // It would be computed in the same loops.
              fits = false;
              continue;
            }
            SmallVector<int> inner(from->loops.size(), -1);
            for (auto [dim, loop] : llvm::enumerate(outputLoops(*from)))
              inner[loop] = dims[dim];
            walk(output, *from, inner);
          }
        };
    for (const StageInfo &output : info.stages) {
      if (!isOutput(output))
        continue;
      bool before = fits;
      std::string hostBefore = host;
      SmallVector<int> follows;
      for (unsigned loop = 0; loop < output.loops.size(); ++loop)
        follows.push_back(loop);
      walk(output, output, follows);
      // Outputs that do not read the states do not matter.
      if (host == hostBefore && host != output.name)
        fits = before;
    }
    llvm::SmallDenseSet<StringRef> distinct;
    for (const std::string &loop : loops)
      fits &= loop.empty() || distinct.insert(loop).second;
    if (!fits || host.empty())
      return false;
    plan.host = host;
    plan.hostLoops = loops;
    return true;
  };
  if (place())
    return success();
  if (!isReturned(*info.lookup(plan.stage)) && failed(keepInMemory(plan.stage)))
    return failure();
  OpBuilder builder = writer.restructuring();
  if (failed(apply(
          schedule::CacheWriteOp::create(builder, writer.loc(), plan.stage, plan.stage + "_out"))))
    return failure();
  return place() ? success() : failure();
}

/// Of one row (query) all that a product reads goes by once.
void Planner::askAhead(StreamPlan::Member &member) {
  const StageInfo &stage = *info.lookup(member.stage);
  if (stage.kind != StageKind::Contraction || !member.host.empty() || member.loops.empty())
    return;
  const bool isTile = member.kind == StreamPlan::Member::Tile;
  if (!isTile && member.kind != StreamPlan::Member::Row)
    return;
  const unsigned loop =
      stage.loopNumber(isTile ? member.reductionLoops.back() : member.loops.back());
  int64_t elements = 1;
  for (const std::string &other : isTile ? SmallVector<std::string>{member.columns}
                                         : SmallVector<std::string>(member.reductionLoops))
    if (int64_t bound = stage.bounds[stage.loopNumber(other)]; !ShapedType::isDynamic(bound))
      elements *= bound;
  noteAhead(member.ahead, info, stage, loop, elements);
}

LogicalResult Planner::restructureStream(StreamPlan &plan) {
  for (StreamPlan::Member &member : plan.members) {
    ReducerPlan reducer;
    reducer.stage = member.stage;
    reducer.lanes = member.lanes;
    reducer.reductionLoops = member.reductionLoops;
    reducer.rows = member.rows;
    reducer.rowWidth = member.row.rowWidth;
    if (plan.rowStep == 1)
      askAhead(member);
    if (member.kind == StreamPlan::Member::Row) {
      if (failed(blockRow(reducer)))
        return failure();
      member.row = reducer;
    }
    if (member.kind != StreamPlan::Member::Tile)
      continue;
    if (plan.rowStep > 1 && failed(pack(reducer, member.columns, member.columnTile, true)))
      return failure();
    if (!member.isPadded)
      continue;
    OpBuilder builder = writer.restructuring();
    if (failed(apply(schedule::PadToTileOp::create(builder, writer.loc(), member.stage,
                                                   member.columns, member.columnTile,
                                                   member.columns + "_t", member.columns + "_i"))))
      return failure();
  }
  if (plan.rows.empty())
    return success();
  const StageInfo &merge = *info.lookup(plan.stage);
  int rows = merge.loopNumber(plan.rows);
  auto isWhole = [&](const StageInfo &stage) { return isReturned(stage); };
  SmallVector<std::pair<std::string, std::string>> clamped;
  StreamRegion region = findStreamRegion(info, merge, isWhole);
  auto note = [&](const StageInfo &stage, unsigned loop) {
    for (const Access &read : stage.reads) {
      Operation *producer = read.tensor.getDefiningOp();
      const StageInfo *from = producer ? info.lookup(producer) : nullptr;
      if ((!from || isReturned(*from)) && read.dependsOn(loop))
        return clamped.push_back({stage.name, stage.loops[loop]});
    }
  };
  for (auto &[op, follows] : region.follows)
    if (std::optional<unsigned> loop = region.loopThatFollows(op, rows))
      note(*info.lookup(op), *loop);
  note(merge, rows);
  for (auto &[stage, loop] : clamped) {
    OpBuilder builder = writer.restructuring();
    if (failed(apply(schedule::ClampReadsOp::create(builder, writer.loc(), stage, loop))))
      return failure();
  }
  return success();
}

LogicalResult Planner::planStreams(std::vector<StreamPlan> &plans) {
  SmallVector<std::string> merging;
  for (const StageInfo &stage : info.stages)
    if (mergesStates(stage))
      merging.push_back(stage.name);
  for (const std::string &name : merging) {
    auto isWhole = [&](const StageInfo &stage) { return isReturned(stage); };
    std::optional<StreamPlan> plan = planStream(info, *info.lookup(name), target, isWhole);
    if (!plan)
      continue;
    if (failed(placeStream(*plan)) || failed(restructureStream(*plan)))
      return failure();
    StreamRegion region = findStreamRegion(info, *info.lookup(name), isWhole);
    for (auto &[op, follows] : region.follows)
      inStreams.insert(info.lookup(op)->name);
    inStreams.insert(name);
    plans.push_back(std::move(*plan));
  }
  return success();
}

} // namespace tessera::scheduling
