//===- KernelApplyRestructure.cpp - Apply the directives that rewrite kernels -----------------===//
#include "compiler/scheduling/Passes.h"
#include "compiler/scheduling/restructure/Restructure.h"

#include "mlir/IR/Verifier.h"

using namespace mlir;

namespace tessera::scheduling {

#define GEN_PASS_DEF_KERNELAPPLYRESTRUCTURE
#include "compiler/scheduling/Passes.h.inc"

namespace {
struct KernelApplyRestructure : impl::KernelApplyRestructureBase<KernelApplyRestructure> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    llvm::DenseMap<Operation *, schedule::FuncOp> scheduled;
    for (auto schedule : getOperation().getOps<schedule::FuncOp>()) {
      auto kernel = symbols.lookup<kernel::FuncOp>(schedule.getKernel());
      if (!kernel) {
        schedule.emitOpError() << "'" << schedule.getKernel() << "' is no kernel.func";
        return signalPassFailure();
      }
      if (!scheduled.try_emplace(kernel, schedule).second) {
        schedule.emitOpError() << "kernel '" << schedule.getKernel() << "' has another schedule, '"
                               << scheduled[kernel].getSymName() << "'";
        return signalPassFailure();
      }
      for (Operation &op : llvm::make_early_inc_range(schedule.getBody().front())) {
        if (!schedule::isRestructuring(&op))
          break;
        if (failed(applyRestructuring(kernel, &op)))
          return signalPassFailure();
        if (failed(verify(kernel))) {
          op.emitOpError() << "left kernel '" << kernel.getSymName() << "' in no legal form";
          return signalPassFailure();
        }
        op.erase();
      }
    }
  }
};
} // namespace

} // namespace tessera::scheduling
