#ifndef TESSERA_KERNEL_TRANSFORMS_PASSES
#define TESSERA_KERNEL_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def KernelExpandMath : Pass<"kernel-expand-math", "::mlir::ModuleOp"> {
  let summary = "Writes elementary functions as arithmetic that vectorizes";
  let description = [{
    exp, log, tanh, sin, erf, pow, ... become straight-line arithmetic with selections, for every float
    type; f16 and bf16 compute in f32. NaN, infinities, signed zeros and subnormals are C's.
    What processors have (floor, ceil, trunc, round, sqrt, fma, abs, copysign) stays; for CUDA devices also
    exp2 of f32, by which they compute exp.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def KernelLiftConstants : Pass<"kernel-lift-constants", "::mlir::ModuleOp"> {
  let summary = "Makes kernels equal that differ in scalar constants only, which become arguments";
  let description = [{
    So that one compiled kernel serves all layers of a kind, whatever their scales and zero points are. Constants
    on which code depends stay (LiftConstants.cpp has the rule), and so do those that are equal in all kernels of
    a kind.
  }];
  let dependentDialects = ["::tessera::graph::GraphDialect"];
}

def KernelCheckSums : Pass<"kernel-check-sums", "::mlir::ModuleOp"> {
  let summary = "Refuses kernels that sum in fewer bits than the model asks for";
  let description = [{
    Running sums of floats have at least 32 bits, those of products of integers too, and none has fewer than
    what it sums. `kernel.asked_sums` on a kernel lists types that the model asks for itself. Changes nothing.
  }];
}

#endif
