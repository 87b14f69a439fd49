//===- Gpu.cpp - Loop directives for GPUs ----------------------------------------------------===//
#include "compiler/scheduling/rules/Plan.h"

#include "dialects/kernel/SharedStages.h"
#include "dialects/kernel/TurnedReads.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace tessera::scheduling {

/// Enough warps to hide a read behind the others, few enough registers for two blocks at once.
static constexpr int64_t kThreads = 256;
/// A block for so few elements would leave most of its threads without work.
static constexpr int64_t kFewElements = 32;
/// More steps of a thread than it takes to keep a result in memory and read it.
static constexpr double kManySteps = 1024;

/// Fewer vectors would leave multiprocessors without work that has it element by element; of a row,
/// most of a block.
static constexpr int64_t kLeastVectors = 32 * kThreads, kLeastVectorsOfRow = 16;

/// Neighbouring threads take neighbouring elements, or vectors of them. A thread reduces by itself.
static void writeElements(ScheduleWriter &writer, linalg::GenericOp stage, const Roots &roots) {
  SmallVector<std::string> loops;
  for (auto [name, kind] :
       llvm::zip_equal(kernel::getLoopNames(stage), stage.getIteratorTypesArray()))
    if (kind == utils::IteratorType::parallel)
      loops.push_back(name);
  if (loops.empty())
    return;
  StageWriter out = writer.stage(kernel::getStageName(stage).str());
  GpuLanes lanes;
  if (findReductions(stage, roots).empty())
    lanes = chooseGpuLanes(stage, loops, roots, kLeastVectors);
  out.split(writeGpuLanes(out, loops, "element", lanes), "block", "thread", kThreads);
  out.gpuBlocks("block");
  out.gpuThreads("thread");
}

/// A square of what is read along one loop and written along others (TurnedReads.h): by 32 x 8
/// threads.
static constexpr int64_t kSquare = 32, kLines = 8;
/// Fewer would leave most of a square empty.
static constexpr int64_t kLeastSide = 8;

static bool writeTurned(ScheduleWriter &writer, linalg::GenericOp output, const Roots &roots) {
  if (!findReductions(output, roots).empty())
    return false;
  SmallVector<kernel::TurnedRead> reads = kernel::findTurnedReads(output, [&](Value tensor) {
    auto stage = tensor.getDefiningOp<linalg::GenericOp>();
    return isa<BlockArgument>(tensor) || (stage && roots.contains(stage));
  });
  const StageInfo info = analyzeStage(output);
  const AffineMap map = output.getMatchingIndexingMap(output.getDpsInitOperand(0));
  for (const kernel::TurnedRead &read : reads) {
    SmallVector<std::string> before, behind;
    int64_t extent = 1;
    bool isBehind = false;
    for (AffineExpr expr : map.getResults()) {
      const unsigned loop = cast<AffineDimExpr>(expr).getPosition();
      if (loop == read.loop) {
        isBehind = true;
        continue;
      }
      (isBehind ? behind : before).push_back(info.loops[loop]);
      if (isBehind)
        extent *= std::min<int64_t>(info.extentOr(loop, kGpuExtent), 1 << 20);
    }
    if (extent < kLeastSide || info.extentOr(read.loop, kGpuExtent) < kLeastSide)
      continue;
    StageWriter out = writer.stage(info.name);
    const std::string along = info.loops[read.loop];
    out.split(out.fuseAll(behind, "behind"), "row_tile", "row", kSquare);
    out.split(along, "column_tile", "column", kSquare);
    out.split("column", "turn", "line", kLines);
    out.gpuThreads("row", 0);
    out.gpuThreads("line", 1);
    before.append({"column_tile", "row_tile"});
    out.gpuBlocks(out.fuseAll(before, "block"));
    out.gpuTurn(along, "row", "column");
    return true;
  }
  return false;
}

namespace {
/// Stages that blocks compute for outputs: where, by output.
struct SharedStages {
  llvm::MapVector<Operation *, std::vector<std::pair<std::string, std::string>>> consumers;

  /// What is reduced for others of them is known when a stage is computed.
  bool isComputed(linalg::GenericOp stage, const Roots &roots) const {
    return llvm::all_of(findReductions(stage, roots), [&](linalg::GenericOp reduction) {
      return reduction == stage || consumers.count(reduction);
    });
  }

  void write(ScheduleWriter &writer, const Roots &roots) {
    for (auto &[op, places] : consumers) {
      auto stage = cast<linalg::GenericOp>(op);
      const std::string name = kernel::getStageName(stage).str();
      StageWriter whole = writer.stage(name);
      for (const auto &[output, loop] : places)
        whole.computeAt(output, loop);
      SmallVector<std::string> loops;
      for (auto [loop, kind] :
           llvm::zip_equal(kernel::getLoopNames(stage), stage.getIteratorTypesArray()))
        if (kind == utils::IteratorType::reduction)
          loops.push_back(loop);
      StageWriter update = writer.update(name);
      GpuLanes lanes;
      if (isComputed(stage, roots))
        lanes = chooseGpuLanes(stage, loops, roots, kLeastVectorsOfRow);
      update.split(writeGpuLanes(update, loops, "part", lanes), "step", "thread", kThreads);
      update.gpuThreads("thread");
    }
  }
};
} // namespace

namespace {
/// The loops of an output by rows: those that its shared reductions follow, and the others.
struct Rows {
  SmallVector<kernel::SharedStage> shared;
  SmallVector<std::string> rows, elements;
};
} // namespace

/// Where elements of an output share reductions (those of their row), a block takes a row: its
/// threads reduce together, then compute the elements. Nothing where that does not pay.
static std::optional<Rows> findRows(linalg::GenericOp output, const Roots &roots) {
  Rows result;
  llvm::SetVector<linalg::GenericOp> reachable = findReductions(output, roots);
  for (kernel::SharedStage &stage : kernel::findSharedStages(output))
    if (!roots.contains(stage.stage) && reachable.contains(stage.stage))
      result.shared.push_back(stage);
  llvm::SmallBitVector isRow(output.getNumLoops());
  for (const kernel::SharedStage &stage : result.shared)
    for (unsigned loop : stage.loops)
      isRow.set(loop);
  const StageInfo info = analyzeStage(output);
  SmallVector<std::string> names = kernel::getLoopNames(output);
  int64_t count = 1;
  for (auto [loop, kind] : llvm::enumerate(output.getIteratorTypesArray())) {
    if (kind != utils::IteratorType::parallel)
      continue;
    (isRow.test(loop) ? result.rows : result.elements).push_back(names[loop]);
    if (!isRow.test(loop))
      count *= std::min<int64_t>(info.extentOr(unsigned(loop), kFewElements), 1 << 20);
  }
  if (result.shared.empty() || result.rows.empty() || result.elements.empty() ||
      count < kFewElements)
    return std::nullopt;
  return result;
}

static bool writeRows(ScheduleWriter &writer, linalg::GenericOp output, SharedStages &all,
                      const Roots &roots) {
  std::optional<Rows> found = findRows(output, roots);
  if (!found)
    return false;
  const std::string name = kernel::getStageName(output).str();
  StageWriter out = writer.stage(name);
  const std::string row = out.fuseAll(found->rows, "row");
  out.gpuBlocks(row);
  for (const kernel::SharedStage &stage : found->shared)
    all.consumers[stage.stage].push_back({name, row});
  GpuLanes lanes;
  if (all.isComputed(output, roots))
    lanes = chooseGpuLanes(output, found->elements, roots, kLeastVectorsOfRow);
  out.split(writeGpuLanes(out, found->elements, "element", lanes), "step", "thread", kThreads);
  out.gpuThreads("thread");
  return true;
}

llvm::SetVector<linalg::GenericOp> findReductions(linalg::GenericOp output, const Roots &roots) {
  llvm::SetVector<linalg::GenericOp> reductions;
  llvm::SetVector<Operation *> seen;
  seen.insert(output);
  for (size_t i = 0; i < seen.size(); ++i) {
    auto stage = dyn_cast<linalg::GenericOp>(seen[i]);
    if (stage && stage.getNumReductionLoops())
      reductions.insert(stage);
    seen[i]->walk([&](Operation *op) {
      for (Value operand : op->getOperands())
        if (auto producer = operand.getDefiningOp<linalg::GenericOp>())
          if (!roots.contains(producer))
            seen.insert(producer);
    });
  }
  return reductions;
}

/// How many steps an element takes that computes what it reads, and so on.
static double countSteps(linalg::GenericOp output, const Roots &roots) {
  llvm::DenseMap<Operation *, double> steps;
  std::function<double(linalg::GenericOp)> count = [&](linalg::GenericOp stage) {
    if (auto known = steps.find(stage); known != steps.end())
      return known->second;
    double most = 1, own = 1;
    stage->walk([&](Operation *op) {
      for (Value operand : op->getOperands())
        if (auto producer = operand.getDefiningOp<linalg::GenericOp>();
            producer && !roots.contains(producer))
          most = std::max(most, count(producer));
    });
    const StageInfo info = analyzeStage(stage);
    for (unsigned loop : info.reductionLoops.set_bits())
      own *= double(info.extentOr(loop, kGpuExtent));
    return steps[stage] = own * most;
  };
  return count(output);
}

/// Reductions of reductions would be computed again for every element: each of them is kept in
/// memory then, and computed by a launch of its own. `known`: those that are anyway.
static Roots findRoots(ArrayRef<Operation *> outputs, const Roots &known) {
  Roots roots = known;
  for (Operation *op : outputs) {
    auto output = cast<linalg::GenericOp>(op);
    llvm::SetVector<linalg::GenericOp> reductions = findReductions(output, known);
    if (reductions.size() < 2 || countSteps(output, known) <= kManySteps ||
        isGpuReduction(output, known))
      continue;
    llvm::SmallPtrSet<Operation *, 8> shared;
    if (std::optional<Rows> rows = findRows(output, known))
      for (const kernel::SharedStage &stage : rows->shared)
        shared.insert(stage.stage);
    if (llvm::all_of(reductions, [&](Operation *stage) { return shared.contains(stage); }))
      continue;
    for (linalg::GenericOp stage : reductions)
      if (!llvm::is_contained(outputs, stage))
        roots.insert(stage);
  }
  return roots;
}

/// What one launch computes.
static void writeLaunch(ScheduleWriter &writer, ArrayRef<Operation *> outputs, const Roots &roots,
                        const GpuTarget &target) {
  if (writeGpuTile(writer, outputs, roots, target))
    return;
  SharedStages shared;
  for (Operation *op : outputs)
    if (auto stage = cast<linalg::GenericOp>(op);
        !writeRows(writer, stage, shared, roots) &&
        !writeGpuReduction(writer, stage, roots, outputs.size() == 1) &&
        (outputs.size() != 1 || !writeTurned(writer, stage, roots)))
      writeElements(writer, stage, roots);
  shared.write(writer, roots);
}

static llvm::SetVector<Operation *> findOutputs(kernel::FuncOp kernel) {
  llvm::SetVector<Operation *> outputs;
  for (Value result : kernel.getBody().front().getTerminator()->getOperands())
    if (auto stage = result.getDefiningOp<linalg::GenericOp>())
      outputs.insert(stage);
  return outputs;
}

LogicalResult writeGpuLoops(ScheduleWriter &writer, kernel::FuncOp kernel, const GpuTarget &target,
                            bool explain) {
  llvm::SetVector<Operation *> outputs = findOutputs(kernel);
  if (outputs.empty())
    return success();
  FailureOr<std::string> parts = splitGpuSum(writer, kernel, outputs.getArrayRef(), target);
  if (failed(parts))
    return failure();
  if (parts->empty())
    parts = splitGpuReduction(writer, kernel, outputs.getArrayRef());
  if (failed(parts))
    return failure();
  outputs = findOutputs(kernel);
  // A stream that all outputs follow from is merged where they are computed, others before.
  std::vector<kernel::StreamStages> streams = findGpuStreams(kernel, target, explain);
  llvm::DenseMap<Operation *, const kernel::StreamStages *> merging;
  const kernel::StreamStages *hosted = nullptr;
  Roots roots;
  for (const kernel::StreamStages &stream : streams) {
    const bool isFollowed = llvm::all_of(outputs, [&](Operation *output) {
      return kernel::followMerged(cast<linalg::GenericOp>(output), stream).has_value();
    });
    if (isFollowed) {
      hosted = &stream;
    } else if (!outputs.contains(stream.merge)) {
      merging[stream.merge] = &stream;
      roots.insert(stream.merge);
    }
  }
  if (!parts->empty()) {
    for (auto stage : kernel.getBody().front().getOps<linalg::GenericOp>())
      if (kernel::getStageName(stage) == *parts)
        roots.insert(stage);
  } else if (!hosted) {
    roots = findRoots(outputs.getArrayRef(), roots);
  }
  SmallVector<Operation *> inOrder;
  for (auto stage : kernel.getBody().front().getOps<linalg::GenericOp>())
    if (roots.contains(stage))
      inOrder.push_back(stage);
  for (Operation *stage : inOrder) {
    OpBuilder builder = writer.restructuring();
    schedule::ScratchOp::create(builder, writer.loc(), kernel::getStageName(stage));
  }
  for (Operation *stage : inOrder) {
    writer.stage(kernel::getStageName(stage).str()).computeRoot();
    if (const kernel::StreamStages *stream = merging.lookup(stage))
      writeGpuStream(writer, stage, *stream, target);
    else
      writeLaunch(writer, stage, roots, target);
  }
  if (hosted)
    writeGpuStream(writer, outputs.getArrayRef(), *hosted, target);
  else
    writeLaunch(writer, outputs.getArrayRef(), roots, target);
  return success();
}

} // namespace tessera::scheduling
