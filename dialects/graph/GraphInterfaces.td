//===- GraphInterfaces.td - What an op can say about itself ----------------===//

#ifndef TESSERA_GRAPH_INTERFACES
#define TESSERA_GRAPH_INTERFACES

include "mlir/IR/OpBase.td"

def Graph_DecomposableOpInterface : OpInterface<"DecomposableOpInterface"> {
  let cppNamespace = "::tessera::graph";
  let description = [{
    A composite: an op whose meaning is a graph of simpler ops, and nothing else.
  }];
  let methods = [
    InterfaceMethod<[{
      Builds the ops that the composite stands for (primitives or simpler composites) at the
      builder's insertion point and returns one value for each result, of the results' types.
    }], "llvm::FailureOr<llvm::SmallVector<mlir::Value>>", "decompose",
        (ins "mlir::OpBuilder &":$builder)>
  ];
}

def Graph_ShapeContentsOpInterface : OpInterface<"ShapeContentsOpInterface"> {
  let cppNamespace = "::tessera::graph";
  let description = [{
    An op that can say what its integer result holds as expressions over the symbols
    (`ShapeContents.h` has the analysis that asks).
  }];
  let methods = [
    InterfaceMethod<[{
      The elements of the only result, row-major, given those of its operands (empty optionals where
      nothing is known of the operand). Called only for results of static shape and few elements.
    }], "std::optional<llvm::SmallVector<::tessera::graph::DimAttr>>", "getShapeContents",
        (ins "llvm::ArrayRef<std::optional<llvm::SmallVector<::tessera::graph::DimAttr>>>":$operands)>
  ];
}

#endif // TESSERA_GRAPH_INTERFACES
