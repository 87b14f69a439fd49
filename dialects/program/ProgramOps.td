//===- ProgramOps.td - The program dialect ------------------------------------------===//

#ifndef TESSERA_DIALECTS_PROGRAM_PROGRAMOPS
#define TESSERA_DIALECTS_PROGRAM_PROGRAMOPS

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Program_Dialect : Dialect {
  let name = "program";
  let cppNamespace = "::tessera::program";
  let summary = "When and where in memory: buffers, launches, sizes, control flow";
  let description = [{
    A `program.func` is what the runtime executes, one op per instruction. Sizes are `i64` registers;
    buffers are memory with extents in registers: the memory of kernels, or, where `on_host` says so, the host's, which
    kernels of devices with memory of their own do not see. Everything before `program.body` computes sizes from
    symbols alone: it runs once for each shape.
  }];
  let useDefaultTypePrinterParser = 1;
}

def Program_BufferType : TypeDef<Program_Dialect, "Buffer"> {
  let mnemonic = "buffer";
  let summary = "Memory of elements; the extents are registers of its definition";
  let description = "`!program.buffer<f32, 2>`: element type (integers with their sign, i1 = bool) and rank.";
  let parameters = (ins "::mlir::Type":$elementType, "int64_t":$rank);
  let assemblyFormat = "`<` $elementType `,` $rank `>`";
}

class Program_Op<string mnemonic, list<Trait> traits = []> : Op<Program_Dialect, mnemonic, traits>;

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

def Program_FuncOp : Program_Op<"func", [Symbol, IsolatedFromAbove, SingleBlock, NoTerminator,
                                          NoRegionArguments]> {
  let summary = "A function of the model as the runtime executes it";
  let description = [{
    * (C1) One `program.body` stands directly in the function.
    * (C2) Before it stand registers and buffers only: nothing that reads memory, branches or writes.
    * (C3) Symbols and inputs stand before it only; symbols have distinct names; inputs are numbered from 0 in
      their order, outputs from 0 in any order.
    * (C4) Outputs, temporaries and views that stand behind it are followed by a `program.plan`.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
  let hasRegionVerifier = 1;
}

def Program_BodyOp : Program_Op<"body", [HasParent<"FuncOp">]> {
  let summary = "Ends the prologue: what follows runs at every call";
  let assemblyFormat = "attr-dict";
}

def Program_PlanOp : Program_Op<"plan"> {
  let summary = "Fixes the extents and places of the buffers defined above it, since the body or plan before";
  let description = [{
    Extents that depend on data are known only here: registers are loaded, sizes computed, buffers defined, and
    from here on the buffers can be used. Constants and variables need no plan.
  }];
  let assemblyFormat = "attr-dict";
}

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

def Program_SymbolOp : Program_Op<"symbol", [Pure]> {
  let summary = "A symbol of the function, bound by the input extents that are this symbol alone";
  let description = [{
    * (C1) 0 <= min <= max.
  }];
  let hasVerifier = 1;
  let arguments = (ins StrAttr:$name, I64Attr:$min, I64Attr:$max);
  let results = (outs I64:$result);
  let assemblyFormat = "$name `range` `[` $min `,` $max `]` attr-dict";
}

def Program_NumberOp : Program_Op<"number", [Pure]> {
  let summary = "A register that holds a number";
  let arguments = (ins I64Attr:$value);
  let results = (outs I64:$result);
  let assemblyFormat = "$value attr-dict";
}

def Program_BinaryKind : I32EnumAttr<"BinaryKind", "operation on registers", [
    I32EnumAttrCase<"add", 0>, I32EnumAttrCase<"sub", 1>, I32EnumAttrCase<"mul", 2>,
    I32EnumAttrCase<"floordiv", 3>, I32EnumAttrCase<"mod", 4>, I32EnumAttrCase<"min", 5>,
    I32EnumAttrCase<"max", 6>, I32EnumAttrCase<"eq", 7>, I32EnumAttrCase<"le", 8>]> {
  let cppNamespace = "::tessera::program";
}

def Program_BinaryOp : Program_Op<"binary", [Pure]> {
  let summary = "Arithmetic on registers; overflow and division by zero end the call with an error";
  let arguments = (ins Program_BinaryKind:$kind, I64:$x, I64:$y);
  let results = (outs I64:$result);
  let assemblyFormat = "$kind $x `,` $y attr-dict";
}

def Program_LoadOp : Program_Op<"load"> {
  let summary = "A register from an element of integers or bools (row-major index)";
  let description = [{
    * (C1) The buffer's elements are integers or bools.
  }];
  let hasVerifier = 1;
  let arguments = (ins Program_BufferType:$buffer, I64:$index);
  let results = (outs I64:$result);
  let assemblyFormat = "$buffer `[` $index `]` attr-dict `:` type($buffer)";
}

def Program_AssertOp : Program_Op<"assert"> {
  let summary = "Ends the call with a message when the register is 0";
  let arguments = (ins I64:$condition, StrAttr:$message);
  let assemblyFormat = "$condition `,` $message attr-dict";
}

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

class Program_BufferOp<string mnemonic, list<Trait> traits = []>
    : Program_Op<mnemonic, !listconcat([Pure], traits)> {
  let results = (outs Program_BufferType:$result);
}

def Program_InputOp : Program_BufferOp<"input"> {
  let summary = "Memory of an input; dim_text is for people";
  let description = [{
    * (C1) There are as many dims and texts as the buffer has dims.
  }];
  let hasVerifier = 1;
  let arguments = (ins I64Attr:$index, StrAttr:$name, Variadic<I64>:$dims, StrArrayAttr:$dim_text, UnitAttr:$on_host);
  let assemblyFormat = "$index $name `[` $dims `]` `text` $dim_text attr-dict `:` type($result)";
}
def Program_OutputOp : Program_BufferOp<"output"> {
  let summary = "Memory of an output";
  let description = [{
    * (C1) There are as many dims and texts as the buffer has dims.
  }];
  let hasVerifier = 1;
  let arguments = (ins I64Attr:$index, StrAttr:$name, Variadic<I64>:$dims, StrArrayAttr:$dim_text, UnitAttr:$on_host);
  let assemblyFormat = "$index $name `[` $dims `]` `text` $dim_text attr-dict `:` type($result)";
}
def Program_ConstantOp : Program_BufferOp<"constant"> {
  let summary = "Memory of a constant of the module; shared by content";
  let description = [{
    `layout` says for people how a packed constant lies in memory; `shape` is what is there.

    * (C1) The shape has an entry for each dim of the buffer, none negative.
  }];
  let hasVerifier = 1;
  let arguments = (ins AnyAttr:$value, DenseI64ArrayAttr:$shape, OptionalAttr<StrAttr>:$layout, UnitAttr:$on_host);
  let assemblyFormat = "$value `shape` $shape (`layout` $layout^)? attr-dict `:` type($result)";
}
def Program_VariableOp : Program_BufferOp<"variable", [
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Memory of a variable of the module";
  let description = [{
    * (C1) The shape has an entry for each dim of the buffer, none negative.
    * (C2) The variable exists.
  }];
  let hasVerifier = 1;
  let arguments = (ins FlatSymbolRefAttr:$variable, DenseI64ArrayAttr:$shape);
  let assemblyFormat = "$variable `shape` $shape attr-dict `:` type($result)";
}
def Program_TempOp : Program_BufferOp<"temp"> {
  let summary = "Memory that is used between its first and last use";
  let description = [{
    * (C1) There are as many dims as the buffer has.
  }];
  let hasVerifier = 1;
  let arguments = (ins Variadic<I64>:$dims, UnitAttr:$on_host);
  let assemblyFormat = "`[` $dims `]` attr-dict `:` type($result)";
}
def Program_MirrorOp : Program_BufferOp<"mirror", [AllTypesMatch<["source", "result"]>]> {
  let summary = "The tensor of an input or output in the memory of kernels";
  let description = [{
    * (C1) The source is an input or an output on the host.
  }];
  let hasVerifier = 1;
  let arguments = (ins Program_BufferType:$source);
  let assemblyFormat = "$source attr-dict `:` type($result)";
}
def Program_ViewOp : Program_BufferOp<"view"> {
  let summary = "The same memory from its start, row-major with other extents";
  let description = [{
    * (C1) There are as many dims as the buffer has.
    * (C2) The element type is the source's.
  }];
  let hasVerifier = 1;
  let arguments = (ins Program_BufferType:$source, Variadic<I64>:$dims);
  let assemblyFormat = "$source `[` $dims `]` attr-dict `:` type($source) `->` type($result)";
}

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

def Program_LaunchOp : Program_Op<"launch", [AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Runs a kernel: tensors, extents, then the buffers it writes";
  let description = [{
    * (C1) The kernel exists; it takes as many tensors and extents, and writes as many tensors.
    * (C2) Buffers have the ranks of its tensors.
    * (C3) No buffer is on the host.

    `operations` and `bytes` are what profiles say that the launch computes and moves.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Program_BufferType>:$inputs,
                       Variadic<I64>:$scalars, Variadic<Program_BufferType>:$outputs,
                       Optional<I64>:$operations, Optional<I64>:$bytes);
  let assemblyFormat = [{
    $kernel `(` $inputs `)` `dims` `[` $scalars `]` `into` `(` $outputs `)`
    (`operations` $operations^)? (`bytes` $bytes^)? attr-dict
    `:` functional-type($inputs, $outputs)
  }];
}

def Program_HostCallOp : Program_Op<"host_call", [AttrSizedOperandSegments]> {
  let summary = "Calls a host operator by name: tensors, then the buffers it writes";
  let description = [{
    `sources` are the nodes of the model that it comes from, for messages.

    * (C1) There are results, and at most 32 tensors.
  }];
  let hasVerifier = 1;
  let arguments = (ins StrAttr:$function, StrAttr:$options, Variadic<Program_BufferType>:$inputs,
                       Variadic<Program_BufferType>:$outputs, StrArrayAttr:$sources);
  let assemblyFormat = [{
    $function $options `(` $inputs `)` `into` `(` $outputs `)` `for` $sources attr-dict
    `:` functional-type($inputs, $outputs)
  }];
}

def Program_CopyOp : Program_Op<"copy"> {
  let summary = "Copies all elements; the extents may differ, their number may not";
  let description = [{
    * (C1) Both buffers have one element type.
  }];
  let hasVerifier = 1;
  let arguments = (ins Program_BufferType:$source, Program_BufferType:$target);
  let assemblyFormat = "$source `to` $target attr-dict `:` type($source) `,` type($target)";
}

class Program_TransferOp<string mnemonic> : Program_Op<mnemonic> {
  let hasVerifier = 1;
  let arguments = (ins Program_BufferType:$source, Program_BufferType:$target, UnitAttr:$beside);
  let assemblyFormat = "$source `to` $target (`beside` $beside^)? attr-dict `:` type($source) `,` type($target)";
}
def Program_UploadOp : Program_TransferOp<"upload"> {
  let summary = "Copies all elements from the host to the memory of kernels";
  let description = [{
    In order with launches; `beside`: at once, and launches see it after a `program.await` of the target.

    * (C1) Both buffers have one element type.
    * (C2) The source is on the host, the target is not.
    * (C3) What goes beside launches is the mirror of its source.
  }];
}
def Program_DownloadOp : Program_TransferOp<"download"> {
  let summary = "Copies all elements from the memory of kernels to the host";
  let description = [{
    In order with launches, and done after a `program.await` of the target or the end of the call; `beside`: when the
    launches before it are done, and done at the end of the call.

    * (C1) Both buffers have one element type.
    * (C2) The target is on the host, the source is not.
    * (C3) What goes beside launches is the mirror of its target.
  }];
}
def Program_AwaitOp : Program_Op<"await"> {
  let summary = "Launches from here on see the uploads of a buffer, or the host the downloads to it";
  let arguments = (ins Program_BufferType:$buffer);
  let assemblyFormat = "$buffer attr-dict `:` type($buffer)";
}

def Program_IfOp : Program_Op<"if", [NoRegionArguments, NoTerminator, SingleBlock]> {
  let summary = "One of two bodies; results are buffers written in both";
  let arguments = (ins I64:$condition);
  let regions = (region SizedRegion<1>:$thenRegion, SizedRegion<1>:$elseRegion);
  let assemblyFormat = "$condition attr-dict-with-keyword $thenRegion `else` $elseRegion";
}

def Program_WhileOp : Program_Op<"while", [NoRegionArguments, NoTerminator, SingleBlock]> {
  let summary = "Repeats the body while the condition region ends with a register that is not 0";
  let description = [{
    * (C1) The condition region ends with `program.condition`, which stands nowhere else.
  }];
  let hasRegionVerifier = 1;
  let regions = (region SizedRegion<1>:$condRegion, SizedRegion<1>:$bodyRegion);
  let assemblyFormat = "attr-dict-with-keyword $condRegion `do` $bodyRegion";
}

def Program_ConditionOp : Program_Op<"condition", [HasParent<"WhileOp">]> {
  let summary = "The last op of a while's condition region";
  let arguments = (ins I64:$value);
  let assemblyFormat = "$value attr-dict";
}

#endif
