//===- KernelOps.td - Operations of the kernel dialect ----------------------------===//
#ifndef TESSERA_DIALECTS_KERNEL_KERNELOPS_TD
#define TESSERA_DIALECTS_KERNEL_KERNELOPS_TD

include "dialects/kernel/KernelAttrs.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/CallInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Kernel_FuncOp : Kernel_Op<"func", [
    FunctionOpInterface, IsolatedFromAbove, Symbol, SingleBlock,
    SingleBlockImplicitTerminator<"ReturnOp">]> {
  let summary = "A fused kernel";
  let description = [{
    - (C1) Arguments are ranked tensors, then `index` values (the symbolic extents); results are
      ranked tensors.
    - (C2) The body holds only `arith`, `math`, `tensor.empty`, `tensor.dim` of an argument, `tensor.extract`,
      `linalg.fill`, `linalg.generic`, `scf.for` and `kernel.return`; bodies of stages also hold
      `linalg.index`, loops also `scf.if`, `scf.yield`, `tensor.insert`, `extract_slice` and `insert_slice`.
    - (C3) Every linalg operation and every outermost `scf.for` carries `kernel.stage`, a name that is
      unique in the kernel.
    - (C4) `kernel.loops` names every iterator of its stage, each name once.
    - (C5) The output map of a `linalg.generic` is a projected permutation; every result of a stage
      has the same map.
    - (C6) The argument types are those of `function_type`, and `kernel.return` gives its results.
    - (C7) An argument with `kernel.layout` has the rank of the packed type, a result with `kernel.place` that
      of the place.
    - (C8) A tensor that a loop carries is updated where it is: what the region yields for it comes from
      the region's argument of the same place, through destinations (inits of stages and loops, targets of
      insertions, both branches of an `scf.if`).
  }];
  let arguments = (ins
    SymbolNameAttr:$sym_name,
    TypeAttrOf<FunctionType>:$function_type,
    OptionalAttr<DictArrayAttr>:$arg_attrs,
    OptionalAttr<DictArrayAttr>:$res_attrs,
    OptionalAttr<StrAttr>:$sym_visibility);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::FunctionType":$type)>];
  let extraClassDeclaration = [{
    ::mlir::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::mlir::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }

    /// Number of leading tensor arguments; the `index` arguments follow.
    unsigned getNumTensorArguments();
    /// The stage with this name, or null.
    ::mlir::Operation *lookupStage(::llvm::StringRef name);
    /// All stages outside of loops, in program order.
    ::llvm::SmallVector<::mlir::Operation *> getStages();
    /// Whether the kernel has loops of its own.
    bool isSequential();
  }];
}

def Kernel_ReturnOp : Kernel_Op<"return", [
    Pure, Terminator, ReturnLike, HasParent<"FuncOp">]> {
  let summary = "Gives the results of a kernel";
  let arguments = (ins Variadic<AnyRankedTensor>:$operands);
  let assemblyFormat = "attr-dict ($operands^ `:` type($operands))?";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange()); }]>];
}

def Kernel_LaunchOp : Kernel_Op<"launch", [DeclareOpInterfaceMethods<SymbolUserOpInterface>, Pure]> {
  let summary = "Computes values with a kernel";
  let description = [{
    Stands in the functions of the graph level after kernels were formed. `dims` gives the values of
    the kernel's `index` arguments: integers or expressions over the symbols of the function.

    - (C1) The symbol names a `kernel.func`.
    - (C2) Operand and result counts and ranks are those of the kernel, its scratch results left out; there
      is one entry of `dims` per `index` argument.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyType>:$operands, ArrayAttr:$dims);
  let results = (outs Variadic<AnyType>:$results);
  let assemblyFormat = [{
    $kernel `(` $operands `)` `dims` $dims attr-dict `:` functional-type($operands, $results)
  }];
}

def Kernel_JoinOp : Kernel_Op<"join", [Pure]> {
  let summary = "The tensor of which several results are parts";
  let description = [{
    Results of kernels that have a place (`kernel.place`) are parts of one tensor: every element of it lies in
    one of them, and the others hold zero there. The parts are written where the tensor is; nothing is copied.

    - (C1) At least one operand; each has the type of the result, and is a result of a `kernel.launch` that
      nothing else reads.
  }];
  let arguments = (ins Variadic<AnyType>:$parts);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$parts attr-dict `:` functional-type($parts, $result)";
  let hasVerifier = 1;
}

#endif
