#ifndef TESSERA_GRAPH_TO_KERNEL_PASSES
#define TESSERA_GRAPH_TO_KERNEL_PASSES

include "mlir/Pass/PassBase.td"

def GraphFormKernels : Pass<"graph-form-kernels", "::mlir::ModuleOp"> {
  let summary = "Groups ops into kernels and replaces them by launches";
  let description = [{
    Which ops share a kernel is decided by what fusing costs (KernelLoweringOpInterface), not by
    their names: maps join what they read when that saves a pass over memory; a reduction takes the
    maps before it; a contraction takes the maps of its own domain after it. Views (reshape), control
    flow, variables and constants that are no splat stay in the graph.
  }];
  let options = [
    Option<"gpu", "gpu", "bool", "false",
           "Loops of kernels leave iterations to many threads, where that takes more work">,
    Option<"explain", "explain", "bool", "false", "Say of ops why they do not share a kernel">
  ];
  let dependentDialects = ["kernel::KernelDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif
