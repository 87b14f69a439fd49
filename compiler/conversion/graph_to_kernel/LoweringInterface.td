//===- LoweringInterface.td - How an op of the graph becomes stages -----------------===//

#ifndef TESSERA_GRAPH_TO_KERNEL_LOWERINGINTERFACE
#define TESSERA_GRAPH_TO_KERNEL_LOWERINGINTERFACE

include "mlir/IR/OpBase.td"

def KernelLoweringOpInterface : OpInterface<"KernelLoweringOpInterface"> {
  let cppNamespace = "::tessera";
  let description = [{
    An op that kernels can compute. Attached here, to ops that do not know of it.
  }];
  let methods = [
    InterfaceMethod<"What fusing the op costs.", "::tessera::FusionClass", "getFusionClass">,
    InterfaceMethod<[{
      Builds the stages that compute the op and returns one tensor for each result; on failure the
      op has emitted an error.
    }], "::llvm::FailureOr<::llvm::SmallVector<::mlir::Value>>", "lowerToStages",
        (ins "::tessera::KernelEmitter &":$emitter)>
  ];
}

#endif
