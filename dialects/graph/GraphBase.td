//===- GraphBase.td - Base classes that the op categories share ------------===//

#ifndef TESSERA_GRAPH_BASE
#define TESSERA_GRAPH_BASE

include "dialects/graph/GraphDialect.td"
include "dialects/graph/GraphInterfaces.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/CallInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/LoopLikeInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

//===----------------------------------------------------------------------===//
// Operand types
//===----------------------------------------------------------------------===//

class Graph_TensorOf<code elementPredicate, string summary>
    : Type<And<[CPred<"::llvm::isa<::tessera::graph::TensorType>($_self)">,
                SubstLeaves<"$_self",
                  "::llvm::cast<::tessera::graph::TensorType>($_self).getElementType()",
                  CPred<elementPredicate>>]>,
           summary, "::tessera::graph::TensorType">;

def Graph_Tensor : Type<CPred<"::llvm::isa<::tessera::graph::TensorType>($_self)">, "graph tensor",
                        "::tessera::graph::TensorType">;
def Graph_NumberTensor : Graph_TensorOf<"::tessera::isNumber($_self)", "tensor of numbers">;
def Graph_FloatTensor : Graph_TensorOf<"::llvm::isa<::mlir::FloatType>($_self)",
                                       "tensor of floats">;
def Graph_IntTensor : Graph_TensorOf<"::tessera::isInteger($_self)", "tensor of integers">;
def Graph_BoolTensor : Graph_TensorOf<"::tessera::isBool($_self)", "tensor of bools">;
def Graph_BitsTensor : Graph_TensorOf<"::tessera::isInteger($_self) || ::tessera::isBool($_self)",
                                      "tensor of integers or bools">;
def Graph_NumberOrBoolTensor : Graph_TensorOf<
    "::tessera::isNumber($_self) || ::tessera::isBool($_self)", "tensor of numbers or bools">;
def Graph_BlockTensor : Graph_TensorOf<"::llvm::isa<::tessera::graph::BlockType>($_self)",
                                       "tensor of packed blocks">;

//===----------------------------------------------------------------------===//
// Enums
//===----------------------------------------------------------------------===//

class Graph_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::tessera::graph";
  let genSpecializedAttr = 0;
}
class Graph_EnumAttr<EnumAttrInfo info, string mnemonic> : EnumAttr<Graph_Dialect, info, mnemonic> {
  let assemblyFormat = "`` $value";
}

//===----------------------------------------------------------------------===//
// Op classes
//===----------------------------------------------------------------------===//

/// Every op of the dialect.
class Graph_Op<string mnemonic, list<Trait> traits = []> : Op<Graph_Dialect, mnemonic, traits>;

/// An op without effects whose result types follow from its operands and attributes: the C++ side
/// writes `inferReturnTypes`, which also checks the constraints on operands.
class Graph_InferredOp<string mnemonic, list<Trait> traits = []>
    : Graph_Op<mnemonic, !listconcat([Pure, InferTypeOpAdaptor], traits)>;

/// As Graph_InferredOp, but the result's element type may differ from the inferred one where the
/// op's constraints allow it; the dims must be those inferred.
class Graph_InferredDimsOp<string mnemonic, list<Trait> traits = []>
    : Graph_Op<mnemonic, !listconcat([Pure, InferTypeOpAdaptorWithIsCompatible], traits)> {
  code compatible = [{
    bool $cppClass::isCompatibleReturnTypes(::mlir::TypeRange inferred, ::mlir::TypeRange actual) {
      return haveSameDims(inferred, actual);
    }
  }];
  let extraClassDefinition = compatible;
}

/// Inference "the result has the type of the first operand".
class Graph_SameTypeInference {
  code definition = [{
    ::llvm::LogicalResult $cppClass::inferReturnTypes(
        ::mlir::MLIRContext *, ::std::optional<::mlir::Location>, Adaptor adaptor,
        ::llvm::SmallVectorImpl<::mlir::Type> &inferred) {
      inferred.push_back(adaptor.getOperands().front().getType());
      return ::mlir::success();
    }
  }];
}

#endif // TESSERA_GRAPH_BASE
