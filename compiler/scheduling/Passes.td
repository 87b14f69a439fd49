//===- Passes.td - Passes that schedule kernels ------------------------------------===//
#ifndef TESSERA_COMPILER_SCHEDULING_PASSES_TD
#define TESSERA_COMPILER_SCHEDULING_PASSES_TD

include "mlir/Pass/PassBase.td"

def ScheduleDefault : Pass<"schedule-default", "::mlir::ModuleOp"> {
  let summary = "Gives every kernel without a schedule one by rules";
  let description = [{
    The rules look at the structure of stages (see print-kernel-analysis) and at the target that the
    options describe, never at the machine that compiles.

    ```mlir
    kernel.func @double(%x: tensor<?xf32>) -> tensor<?xf32> { ... stage "out", loop "i" ... }
    // =>
    schedule.func @double_schedule for @double {
      schedule.stage "out" {
        schedule.split "i" into "i_task", "i_rest" by 16384 tail guard
        ...
      }
    }
    ```
  }];
  let options = [
    Option<"vectorBits", "vector-bits", "int64_t", "256", "Width of a vector register">,
    Option<"vectorRegisters", "vector-registers", "int64_t", "0",
           "Number of vector registers; 0: 32 for 512 bits, else 16">,
    Option<"dotProducts", "dot-products", "bool", "false", "Sums of four products u8 x s8 in one instruction">,
    Option<"bf16Products", "bf16-products", "bool", "false", "Sums of two products of bf16 in one instruction">,
    Option<"matrixTiles", "matrix-tiles", "bool", "false", "Products of bf16 and of 8 bits by tiles of matrices (AMX)">,
    Option<"l1Bytes", "l1-bytes", "int64_t", "32768", "Size of the first data cache">,
    Option<"l2Bytes", "l2-bytes", "int64_t", "524288", "Size of the second cache">,
    Option<"groupBytes", "group-bytes", "int64_t", "2097152", "Columns of a product that all rows pass by">,
    Option<"cores", "cores", "int64_t", "2", "1: never spread work over threads">,
    Option<"gpu", "gpu", "bool", "false", "Schedules for a GPU: one thread for each element of an output">,
    Option<"sharedBytes", "shared-bytes", "int64_t", "49152", "Shared memory that a block of a GPU may ask for">,
    Option<"warpGroups", "warp-groups", "bool", "false", "Four warps multiply matrices together (wgmma)">,
    Option<"byteFloats", "byte-floats", "bool", "false", "Instructions for matrices multiply 8-bit floats">,
    Option<"explain", "explain", "bool", "false",
           "Say how streams are merged on a GPU, and why; with machine, how long kernels of a CPU take">,
    Option<"machine", "machine", "std::string", "\"\"",
           "Rates that times are predicted with, flops=1.5e11,memory_rate=3e10,... (Machine.h)">];
  let dependentDialects = ["::tessera::schedule::ScheduleDialect"];
}

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
