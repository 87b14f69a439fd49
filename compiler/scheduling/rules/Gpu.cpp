//===- Gpu.cpp - Loop directives for GPUs
//------------------------------------------------------===//
#include "compiler/scheduling/rules/Plan.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace tessera::scheduling {

/// Enough warps to hide a read behind the others, few enough registers for two blocks at once.
static constexpr int64_t kThreads = 256;

void writeGpuLoops(ScheduleWriter &writer, kernel::FuncOp kernel) {
  llvm::SetVector<Operation *> outputs;
  for (Value result : kernel.getBody().front().getTerminator()->getOperands())
    if (auto stage = result.getDefiningOp<linalg::GenericOp>())
      outputs.insert(stage);
  for (Operation *op : outputs) {
    auto stage = cast<linalg::GenericOp>(op);
    // A thread reduces by itself.
    SmallVector<std::string> loops;
    for (auto [name, kind] :
         llvm::zip_equal(kernel::getLoopNames(stage), stage.getIteratorTypesArray()))
      if (kind == utils::IteratorType::parallel)
        loops.push_back(name);
    if (loops.empty())
      continue;
    // Neighbouring threads take neighbouring elements.
    StageWriter out = writer.stage(kernel::getStageName(stage).str());
    std::string all = loops.back();
    for (size_t i = loops.size() - 1; i-- > 0;) {
      std::string fused = i == 0 ? "element" : "element" + std::to_string(i);
      out.fuse(all, loops[i], fused);
      all = fused;
    }
    out.split(all, "block", "thread", kThreads);
    out.gpuBlocks("block");
    out.gpuThreads("thread");
  }
}

} // namespace tessera::scheduling
