//===- Gpu.cpp - Loop directives for GPUs ----------------------------------------------------===//
#include "compiler/scheduling/rules/Plan.h"

#include "dialects/kernel/SharedStages.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace tessera::scheduling {

/// Enough warps to hide a read behind the others, few enough registers for two blocks at once.
static constexpr int64_t kThreads = 256;
/// A block for so few elements would leave most of its threads without work.
static constexpr int64_t kFewElements = 32;

/// Loops fused into one, which is called `name`; the innermost comes last.
static std::string fuseAll(StageWriter &stage, ArrayRef<std::string> loops,
                           const std::string &name) {
  std::string all = loops.back();
  for (size_t i = loops.size() - 1; i-- > 0;) {
    std::string fused = i == 0 ? name : name + std::to_string(i);
    stage.fuse(all, loops[i], fused);
    all = fused;
  }
  return all;
}

/// Neighbouring threads take neighbouring elements. A thread reduces by itself.
static void writeElements(ScheduleWriter &writer, linalg::GenericOp stage) {
  SmallVector<std::string> loops;
  for (auto [name, kind] :
       llvm::zip_equal(kernel::getLoopNames(stage), stage.getIteratorTypesArray()))
    if (kind == utils::IteratorType::parallel)
      loops.push_back(name);
  if (loops.empty())
    return;
  StageWriter out = writer.stage(kernel::getStageName(stage).str());
  out.split(fuseAll(out, loops, "element"), "block", "thread", kThreads);
  out.gpuBlocks("block");
  out.gpuThreads("thread");
}

namespace {
/// Stages that blocks compute for outputs: where, by output.
struct SharedStages {
  llvm::MapVector<Operation *, std::vector<std::pair<std::string, std::string>>> consumers;

  void write(ScheduleWriter &writer) {
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
      update.split(fuseAll(update, loops, "part"), "step", "thread", kThreads);
      update.gpuThreads("thread");
    }
  }
};
} // namespace

/// Where elements of an output share reductions (those of their row), a block takes a row: its
/// threads reduce together, then compute the elements. False where that does not pay.
static bool writeRows(ScheduleWriter &writer, linalg::GenericOp output, SharedStages &all) {
  SmallVector<kernel::SharedStage> shared = kernel::findSharedStages(output);
  llvm::SmallBitVector isRow(output.getNumLoops());
  for (const kernel::SharedStage &stage : shared)
    for (unsigned loop : stage.loops)
      isRow.set(loop);
  const StageInfo info = analyzeStage(output);
  SmallVector<std::string> rows, elements, names = kernel::getLoopNames(output);
  int64_t count = 1;
  for (auto [loop, kind] : llvm::enumerate(output.getIteratorTypesArray())) {
    if (kind != utils::IteratorType::parallel)
      continue;
    (isRow.test(loop) ? rows : elements).push_back(names[loop]);
    if (!isRow.test(loop))
      count *= std::min<int64_t>(info.extentOr(unsigned(loop), kFewElements), 1 << 20);
  }
  if (shared.empty() || rows.empty() || elements.empty() || count < kFewElements)
    return false;
  const std::string name = kernel::getStageName(output).str();
  StageWriter out = writer.stage(name);
  const std::string row = fuseAll(out, rows, "row");
  out.gpuBlocks(row);
  out.split(fuseAll(out, elements, "element"), "step", "thread", kThreads);
  out.gpuThreads("thread");
  for (const kernel::SharedStage &stage : shared)
    all.consumers[stage.stage].push_back({name, row});
  return true;
}

void writeGpuLoops(ScheduleWriter &writer, kernel::FuncOp kernel) {
  llvm::SetVector<Operation *> outputs;
  for (Value result : kernel.getBody().front().getTerminator()->getOperands())
    if (auto stage = result.getDefiningOp<linalg::GenericOp>())
      outputs.insert(stage);
  if (!outputs.empty() && writeGpuTile(writer, outputs.getArrayRef()))
    return;
  SharedStages shared;
  for (Operation *op : outputs)
    if (auto stage = cast<linalg::GenericOp>(op); !writeRows(writer, stage, shared))
      writeElements(writer, stage);
  shared.write(writer);
}

} // namespace tessera::scheduling
