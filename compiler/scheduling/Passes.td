//===- Passes.td - Passes that schedule kernels ------------------------------------===//
#ifndef TESSERA_COMPILER_SCHEDULING_PASSES_TD
#define TESSERA_COMPILER_SCHEDULING_PASSES_TD

include "mlir/Pass/PassBase.td"

def KernelApplyRestructure : Pass<"kernel-apply-restructure", "::mlir::ModuleOp"> {
  let summary = "Applies the directives of schedules that rewrite kernels";
  let description = [{
    Rewrites each kernel as the restructuring directives of its schedule say, in order, and removes
    the directives. Loop directives stay: they refer to the kernel as it is afterwards.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect",
    "::tessera::kernel::KernelDialect"];
}

def PrintKernelAnalysis : Pass<"print-kernel-analysis", "::mlir::ModuleOp"> {
  let summary = "Prints what the stages of kernels are and cost";
  let description = [{
    Remarks on every stage: its kind, the roles of its loops, operations per point; on every kernel: the
    estimated operations and bytes.
  }];
}

#endif
