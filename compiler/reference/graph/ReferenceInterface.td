//===- ReferenceInterface.td - What an op means ------------------------------------===//

#ifndef TESSERA_REFERENCE_REFERENCEINTERFACE
#define TESSERA_REFERENCE_REFERENCEINTERFACE

include "mlir/IR/OpBase.td"

def ReferenceOpInterface : OpInterface<"ReferenceOpInterface"> {
  let cppNamespace = "::tessera::reference";
  let description = [{
    An op that the interpreter can compute. Attached from `compiler/reference`, to ops that do not know
    of it. Composites need no rule: their decomposition is their meaning.
  }];
  let methods = [
    InterfaceMethod<[{
      The results for these operands. Shapes and element types of the results are checked afterwards
      against the result types. On failure the rule has said why (Evaluation::fail).
    }], "::llvm::FailureOr<::llvm::SmallVector<::tessera::reference::Tensor>>", "evaluate",
        (ins "::llvm::ArrayRef<::tessera::reference::Tensor>":$operands,
             "::tessera::reference::Evaluation &":$evaluation)>
  ];
}

#endif
