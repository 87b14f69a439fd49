//===- State.td - Variables that keep their value between calls ----------------===//

include "dialects/graph/GraphBase.td"

def Graph_VariableResource : Resource<"::tessera::graph::VariableResource">;

def Graph_VariableOp : Graph_Op<"variable", [Symbol, HasParent<"::mlir::ModuleOp">]> {
  let summary = "A named state of the module";
  let description = [{
    `graph.variable @h : !graph.tensor<[2, 128], f32> = dense<0.0> : !graph.tensor<[2, 128], f32>`.
    Every context has its own value; it begins with the initial value.

    * (C1) The type has a static shape.
    * (C2) The initial value has the variable's type.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<StrAttr>:$sym_visibility,
                       TypeAttrOf<Graph_Tensor>:$type, TypedAttrInterface:$initial);
  let assemblyFormat = "$sym_name `:` $type `=` $initial attr-dict";
  let hasVerifier = 1;
}

def Graph_ReadVariableOp : Graph_Op<"read_variable", [
    MemoryEffects<[MemRead<Graph_VariableResource>]>,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The value of a variable at this point of the program's order";
  let description = [{
    * (C1) The variable exists and has the result's type.
  }];
  let arguments = (ins FlatSymbolRefAttr:$variable);
  let results = (outs Graph_Tensor:$result);
  let assemblyFormat = "$variable attr-dict `:` type($result)";
}

def Graph_WriteVariableOp : Graph_Op<"write_variable", [
    MemoryEffects<[MemWrite<Graph_VariableResource>]>,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Gives a variable a new value, seen by all later reads";
  let description = [{
    A call that fails leaves all variables as they were before it.

    * (C1) The variable exists and has the value's type.
  }];
  let arguments = (ins FlatSymbolRefAttr:$variable, Graph_Tensor:$value);
  let assemblyFormat = "$variable `,` $value attr-dict `:` type($value)";
}
