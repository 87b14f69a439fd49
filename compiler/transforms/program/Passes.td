#ifndef TESSERA_PROGRAM_TRANSFORMS_PASSES
#define TESSERA_PROGRAM_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def ProgramPlaceCopies : Pass<"program-place-copies", "::mlir::ModuleOp"> {
  let summary = "Says what is copied between the host and a device's memory, and when";
  let description = [{
    For modules whose target is a device with memory of its own (`tessera.target = "cuda:sm_80"`); others stay as
    they are. The caller's tensors and what host operators and loads look at are the host's; kernels see others.

        %x = program.input 0 "x"              %x = program.input 0 "x" {on_host}
        program.launch @k(%x) into(%y)   =>   %d = program.mirror %x
                                              program.upload %x to %d
                                              program.launch @k(%d) into(%e)
                                              program.download %e to %y

    Large inputs that are wanted late, and large outputs that are ready early, go beside the launches between.
  }];
}

#endif
