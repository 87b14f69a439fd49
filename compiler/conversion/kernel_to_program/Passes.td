#ifndef TESSERA_KERNEL_TO_PROGRAM_PASSES
#define TESSERA_KERNEL_TO_PROGRAM_PASSES

include "mlir/Pass/PassBase.td"

def KernelToProgram : Pass<"kernel-to-program", "::mlir::ModuleOp"> {
  let summary = "Gives every value a buffer and every function its instructions";
  let description = [{
    Replaces each `graph.func`, whose kernels have been formed, by a `program.func`. A result is written
    where it is wanted: into an output, or the buffer of the branch it leaves; the rest are temporaries.
    Reshapes are views. What is assumed of extents becomes `program.assert`.
  }];
  let dependentDialects = ["program::ProgramDialect"];
}

#endif
