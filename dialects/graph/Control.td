//===- Control.td - Functions, branches, loops ---------------------------------===//

include "dialects/graph/GraphBase.td"

def Graph_FuncOp : Graph_Op<"func", [AffineScope, IsolatedFromAbove, FunctionOpInterface,
    OpAsmOpInterface]> {
  let summary = "A function of tensors; its symbols stand for extents";
  let description = [{
    ```
    graph.func @main(%x: !graph.tensor<[B, 8], f32> {graph.name = "input"})
        -> (!graph.tensor<[B, 8], f32> {graph.name = "output"})
        attributes {dims = {B = #graph.range<1, 64>}} {
      graph.return %x : !graph.tensor<[B, 8], f32>
    }
    ```
    `graph.name` is the model's name of an argument or result. A symbol gets its value when the function
    is called: from an argument whose extent is the symbol alone (all such extents must agree), or, when
    no argument has it, from the `graph.bind_dim` that names it.

    * (C1) Every symbol that a type or attribute in the function uses is declared in `dims`.
    * (C2) `dims` maps symbols to ranges.
    * (C3) Arguments and results are graph tensors.
    * (C4) The body has one block, which ends with `graph.return`.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type,
                       OptionalAttr<StrAttr>:$sym_visibility, OptionalAttr<DictionaryAttr>:$dims,
                       OptionalAttr<DictArrayAttr>:$arg_attrs,
                       OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region AnyRegion:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let builders = [
    /// With an empty entry block.
    OpBuilder<(ins "llvm::StringRef":$name, "mlir::FunctionType":$type,
                   CArg<"mlir::DictionaryAttr", "{}">:$dims)>
  ];
  let skipDefaultBuilders = 1;
  let extraClassDeclaration = [{
    llvm::ArrayRef<mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    llvm::ArrayRef<mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    mlir::Region *getCallableRegion() { return isExternal() ? nullptr : &getBody(); }

    /// The declared range of a symbol, null when it is not declared.
    RangeAttr getRange(llvm::StringRef symbol);
    /// Declares a symbol (or changes its range).
    void setRange(llvm::StringRef symbol, RangeAttr range);
    /// A symbol that is not declared yet, and begins with the hint.
    std::string getFreshSymbol(llvm::StringRef hint);
    /// The ops that bind symbols to data (graph.bind_dim), by symbol.
    llvm::StringMap<BindDimOp> getBoundSymbols();
    /// The model's names; an empty string when the function has none.
    llvm::StringRef getArgName(unsigned i);
    llvm::StringRef getResultName(unsigned i);
  }];
}

def Graph_ReturnOp : Graph_Op<"return", [Pure, Terminator, HasParent<"FuncOp">, ReturnLike]> {
  let summary = "The results of a function";
  let description = [{
    * (C1) The operands have the types of the function's results.
  }];
  let arguments = (ins Variadic<Graph_Tensor>:$operands);
  let assemblyFormat = "($operands^ `:` type($operands))? attr-dict";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, mlir::ValueRange{}); }]>];
  let hasVerifier = 1;
}

def Graph_CallOp : Graph_Op<"call", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The results of a function for these arguments";
  let description = [{
    `%y = graph.call @f(%x) : (!graph.tensor<[B, 8], f32>) -> !graph.tensor<[B, 4], f32>`. The callee's
    symbols get their values from the operands' extents. `graph-inline-calls` replaces calls by bodies.

    * (C1) The symbol names a `graph.func`.
    * (C2) The operands have the types of the callee's arguments, each symbol replaced by one extent: that
      of an operand where an argument has the symbol alone.
    * (C3) The results have the callee's result types with the same replacements.
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<Graph_Tensor>:$operands);
  let results = (outs Variadic<Graph_Tensor>:$outputs);
  let assemblyFormat = "$callee `(` $operands `)` attr-dict `:` functional-type($operands, $outputs)";
  let extraClassDeclaration = [{
    /// What the callee's symbols stand for in this call.
    llvm::StringMap<DimAttr> getSymbolValues(FuncOp callee);
  }];
}

def Graph_YieldOp : Graph_Op<"yield", [Pure, Terminator, ReturnLike]> {
  let summary = "The values of a region";
  let arguments = (ins Variadic<Graph_Tensor>:$operands);
  let assemblyFormat = "($operands^ `:` type($operands))? attr-dict";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, mlir::ValueRange{}); }]>];
}

def Graph_IfOp : Graph_Op<"if", [RecursiveMemoryEffects, NoRegionArguments,
    SingleBlockImplicitTerminator<"YieldOp">, DeclareOpInterfaceMethods<RegionBranchOpInterface>]> {
  let summary = "One of two regions";
  let description = [{
    ```
    %r = graph.if %c : !graph.tensor<[], i1> -> !graph.tensor<[N], f32> {
      graph.yield %a : !graph.tensor<[N], f32>
    } else {
      graph.yield %b : !graph.tensor<[N], f32>
    }
    ```
    * (C1) `cond` is a bool scalar.
    * (C2) Both regions yield values of the result types.
  }];
  let arguments = (ins Graph_BoolTensor:$cond);
  let results = (outs Variadic<Graph_Tensor>:$outputs);
  let regions = (region SizedRegion<1>:$thenRegion, SizedRegion<1>:$elseRegion);
  let assemblyFormat = [{
    $cond attr-dict `:` type($cond) (`->` type($outputs)^)? $thenRegion `else` $elseRegion
  }];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def Graph_ConditionOp : Graph_Op<"condition", [Pure, Terminator, HasParent<"WhileOp">]> {
  let summary = "Whether a loop runs once more";
  let description = [{
    * (C1) The operand is a bool scalar.
  }];
  let arguments = (ins Graph_BoolTensor:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
  let hasVerifier = 1;
}

def Graph_WhileOp : Graph_Op<"while", [RecursiveMemoryEffects, SingleBlock]> {
  let summary = "Repeats the body while the condition holds";
  let description = [{
    ```
    %r:2 = graph.while (%i = %zero, %acc = %x) : !graph.tensor<[], si64>, !graph.tensor<[N], f32> {
      %c = graph.compare lt %i, %n : !graph.tensor<[], si64>
      graph.condition %c : !graph.tensor<[], i1>
    } do (%j, %a) {
      ...
      graph.yield %next, %sum : !graph.tensor<[], si64>, !graph.tensor<[N], f32>
    }
    ```
    Both regions take the carried values; both may use values from outside. A carried value that the body
    yields as it got it becomes a value from outside, and one that nothing needs is no longer carried.

    * (C1) The regions' arguments, the yielded values and the results have the operands' types.
    * (C2) The first region ends with `graph.condition`, the second with `graph.yield`.
  }];
  let arguments = (ins Variadic<Graph_Tensor>:$inits);
  let results = (outs Variadic<Graph_Tensor>:$outputs);
  let regions = (region SizedRegion<1>:$condRegion, SizedRegion<1>:$bodyRegion);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}
