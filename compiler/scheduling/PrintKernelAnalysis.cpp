//===- PrintKernelAnalysis.cpp - What stages are and cost
//---------------------------------------===//
#include "compiler/scheduling/CostModel.h"
#include "compiler/scheduling/Passes.h"

using namespace mlir;

namespace tessera::scheduling {

#define GEN_PASS_DEF_PRINTKERNELANALYSIS
#include "compiler/scheduling/Passes.h.inc"

namespace {
struct PrintKernelAnalysis : impl::PrintKernelAnalysisBase<PrintKernelAnalysis> {
  static std::string list(const StageInfo &stage, ArrayRef<unsigned> loops) {
    std::string text;
    for (unsigned loop : loops)
      text += (text.empty() ? "" : ",") + stage.loops[loop];
    return text;
  }

  void runOnOperation() override {
    for (auto kernel : getOperation().getOps<kernel::FuncOp>()) {
      KernelInfo info = analyzeKernel(kernel);
      for (const StageInfo &stage : info.stages) {
        std::string roles;
        if (stage.isProduct) {
          SmallVector<unsigned> k;
          for (unsigned loop : stage.reductionLoops.set_bits())
            k.push_back(loop);
          roles = " batch [" + list(stage, stage.batch) + "] m [" + list(stage, stage.m) + "] n [" +
                  list(stage, stage.n) + "] k [" + list(stage, k) + "]";
        }
        stage.op.emitRemark() << "stage '" << stage.name << "' is " << stringify(stage.kind)
                              << roles << ", " << stage.flopsPerPoint << " operations per point";
      }
      KernelCost cost = estimate(kernel, info);
      kernel.emitRemark() << (cost.exact ? "costs " : "costs about ")
                          << static_cast<int64_t>(cost.flops) << " operations, reads "
                          << static_cast<int64_t>(cost.bytesRead) << " and writes "
                          << static_cast<int64_t>(cost.bytesWritten) << " bytes";
    }
  }
};
} // namespace

} // namespace tessera::scheduling
