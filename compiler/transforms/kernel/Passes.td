#ifndef TESSERA_KERNEL_TRANSFORMS_PASSES
#define TESSERA_KERNEL_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def KernelExpandMath : Pass<"kernel-expand-math", "::mlir::ModuleOp"> {
  let summary = "Writes elementary functions as arithmetic that vectorizes";
  let description = [{
    exp, log, tanh, sin, erf, pow, ... become straight-line arithmetic with selections, for every float
    type; f16 and bf16 compute in f32. NaN, infinities, signed zeros and subnormals are C's.
    What processors have (floor, ceil, trunc, round, sqrt, fma, abs, copysign) stays.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

#endif
