#ifndef TESSERA_CODEGEN_LOOPS_PASSES
#define TESSERA_CODEGEN_LOOPS_PASSES

include "mlir/Pass/PassBase.td"

def KernelPackLoopOperands : Pass<"kernel-pack-loop-operands", "::mlir::ModuleOp"> {
  let summary = "Keeps what contractions in loops read at every step in the order of its use";
  let description = [{
    A weight whose dimension along the result is not the last one is cut into tiles along it: by
    `kernel.layout` when it is a constant of the model, by a stage before the loop otherwise.
  }];
}

def KernelReserveScratch : Pass<"kernel-reserve-scratch", "::mlir::ModuleOp"> {
  let summary = "Gives kernels with loops of their own a result for what they keep in memory";
  let description = [{
    Kernels never allocate. What a kernel of the `loops` generator keeps between its stages lies on the
    stack when it is small and of constant size. For everything else the kernel gets one more result,
    marked `kernel.scratch`: bytes, whose number is computed from the kernel's extents.
  }];
}

#endif
