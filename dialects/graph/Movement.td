//===- Movement.td - Elements change place, not value -----------------------===//

include "dialects/graph/GraphBase.td"

def Graph_BroadcastOp : Graph_Op<"broadcast", [Pure]> {
  let summary = "Places operand dim i at result dim dims[i] and repeats along the rest";
  let description = [{
    `graph.broadcast %x, dims = [1] : !graph.tensor<[N], f32> -> !graph.tensor<[B, N], f32>`.

    * (C1) `dims` has one entry for each operand dim, distinct and below the result's rank.
    * (C2) An operand extent is 1 or equal to the extent of its result dim.
    * (C3) The element type stays.
  }];
  let arguments = (ins Graph_Tensor:$x, DenseI64ArrayAttr:$dims);
  let results = (outs Graph_Tensor:$result);
  let assemblyFormat = "$x `,` `dims` `=` $dims attr-dict `:` type($x) `->` type($result)";
  let builders = [
    OpBuilder<(ins "mlir::Value":$x, "llvm::ArrayRef<int64_t>":$dims,
                   "llvm::ArrayRef<DimAttr>":$resultDims)>,
    /// Aligned at the last dim (numpy).
    OpBuilder<(ins "mlir::Value":$x, "llvm::ArrayRef<DimAttr>":$resultDims)>
  ];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Graph_ReshapeOp : Graph_Op<"reshape", [Pure,
    DeclareOpInterfaceMethods<Graph_ShapeContentsOpInterface>]> {
  let summary = "The same elements in row-major order with other extents";
  let description = [{
    `graph.reshape %x : !graph.tensor<[B, 6], f32> -> !graph.tensor<[2 * B, 3], f32>`.

    * (C1) The number of elements stays. Where it cannot be proven or refuted from the expressions,
      it is an assumption, checked when the program runs.
    * (C2) The element type stays.
  }];
  let arguments = (ins Graph_Tensor:$x);
  let results = (outs Graph_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let builders = [
    OpBuilder<(ins "mlir::Value":$x, "llvm::ArrayRef<DimAttr>":$resultDims)>
  ];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Graph_TransposeOp : Graph_InferredOp<"transpose"> {
  let summary = "Result dim i is operand dim permutation[i]";
  let description = [{
    `graph.transpose %x, perm = [1, 0] : A -> B`.

    * (C1) `perm` is a permutation of the operand's dims.
  }];
  let arguments = (ins Graph_Tensor:$x, DenseI64ArrayAttr:$perm);
  let results = (outs Graph_Tensor:$result);
  let assemblyFormat = "$x `,` `perm` `=` $perm attr-dict `:` type($x) `->` type($result)";
  let hasFolder = 1;
}

def Graph_SliceOp : Graph_Op<"slice", [Pure,
    DeclareOpInterfaceMethods<Graph_ShapeContentsOpInterface>]> {
  let summary = "Elements starts + i * steps of each dim";
  let description = [{
    `graph.slice %x, starts = [0, H - 2], steps = [1, 2] : A -> B`; the result's extents say how many.

    * (C1) `starts` and `steps` have one entry for each dim.
    * (C2) Constant steps are positive, constant starts are not negative.
    * (C3) The last element is inside: starts + (extent - 1) * steps < operand extent, checked when
      provable, otherwise an assumption that is checked when the program runs.
    * (C4) The element type stays.
  }];
  let arguments = (ins Graph_Tensor:$x, Graph_DimArrayAttr:$starts, Graph_DimArrayAttr:$steps);
  let results = (outs Graph_Tensor:$result);
  let assemblyFormat = [{
    $x `,` `starts` `=` custom<Dims>($starts) `,` `steps` `=` custom<Dims>($steps) attr-dict
    `:` type($x) `->` type($result)
  }];
  let builders = [
    OpBuilder<(ins "mlir::Value":$x, "llvm::ArrayRef<DimAttr>":$starts,
                   "llvm::ArrayRef<DimAttr>":$steps, "llvm::ArrayRef<DimAttr>":$resultDims)>
  ];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Graph_ConcatOp : Graph_InferredOp<"concat", [
    DeclareOpInterfaceMethods<Graph_ShapeContentsOpInterface>]> {
  let summary = "The operands one after the other along an axis";
  let description = [{
    `graph.concat %a, %b axis = 1 : (A, B) -> C`.

    * (C1) At least one operand; 0 <= axis < rank.
    * (C2) All operands have the same rank, element type, and extents outside the axis.
  }];
  let arguments = (ins Variadic<Graph_Tensor>:$inputs, I64Attr:$axis);
  let results = (outs Graph_Tensor:$result);
  let assemblyFormat = [{
    $inputs `axis` `=` custom<Int>($axis) attr-dict `:` functional-type(operands, results)
  }];
  let hasFolder = 1;
}

def Graph_PadMode : Graph_Enum<"PadMode", "what stands in the padding", [
  I32EnumAttrCase<"constant", 0>, I32EnumAttrCase<"reflect", 1>, I32EnumAttrCase<"edge", 2>,
  I32EnumAttrCase<"wrap", 3>]>;
def Graph_PadModeAttr : Graph_EnumAttr<Graph_PadMode, "pad_mode">;

def Graph_PadOp : Graph_InferredOp<"pad"> {
  let summary = "Adds lo elements before and hi elements after each dim";
  let description = [{
    `graph.pad constant %x, %value, lo = [0, 1], hi = [0, 1] : (A, V) -> B`. `reflect` mirrors without
    repeating the border element, `edge` repeats it, `wrap` continues at the other end.

    * (C1) `lo` and `hi` have one entry for each dim; constants are not negative (slice first).
    * (C2) Mode `constant` has a scalar `value` of x's element type, other modes have none.
    * (C3) Mode `reflect`: a constant padding is smaller than a constant extent; `edge` and `wrap`: a
      padded constant extent is not 0; `wrap`: the padding is not larger than the extent.
  }];
  let arguments = (ins Graph_PadModeAttr:$mode, Graph_Tensor:$x, Optional<Graph_Tensor>:$value,
                       Graph_DimArrayAttr:$lo, Graph_DimArrayAttr:$hi);
  let results = (outs Graph_Tensor:$result);
  let assemblyFormat = [{
    $mode $x `,` custom<OptionalAndComma>($value) `lo` `=` custom<Dims>($lo) `,` `hi` `=` custom<Dims>($hi) attr-dict
    `:` functional-type(operands, results)
  }];
  let hasFolder = 1;
}

def Graph_ReverseOp : Graph_InferredOp<"reverse"> {
  let summary = "Element i of each listed dim becomes element extent - 1 - i";
  let description = [{
    * (C1) `axes` are distinct and below the rank.
  }];
  let arguments = (ins Graph_Tensor:$x, DenseI64ArrayAttr:$axes);
  let results = (outs Graph_Tensor:$result);
  let assemblyFormat = "$x `,` `axes` `=` $axes attr-dict `:` type($x) `->` type($result)";
}

def Graph_GatherOp : Graph_InferredOp<"gather", [
    DeclareOpInterfaceMethods<Graph_ShapeContentsOpInterface>]> {
  let summary = "Slices of x along an axis, chosen by indices (numpy take)";
  let description = [{
    result[a.., i.., b..] = x[a.., indices[i..], b..] where a are the dims before the axis. A negative
    index counts from the end; then it is clamped to [0, extent - 1] (a program never reads outside).

    * (C1) 0 <= axis < rank of x.
    * (C2) The axis of x is not a constant 0 unless `indices` is empty.
  }];
  let arguments = (ins Graph_Tensor:$x, Graph_IntTensor:$indices, I64Attr:$axis);
  let results = (outs Graph_Tensor:$result);
  let assemblyFormat = [{
    $x `,` $indices `,` `axis` `=` custom<Int>($axis) attr-dict
    `:` functional-type(operands, results)
  }];
}

def Graph_IotaOp : Graph_Op<"iota", [Pure,
    DeclareOpInterfaceMethods<Graph_ShapeContentsOpInterface>]> {
  let summary = "The index along an axis: 0, 1, 2, ...";
  let description = [{
    `graph.iota axis = 1 : !graph.tensor<[B, S], si64>`.

    * (C1) 0 <= axis < rank.
  }];
  let arguments = (ins I64Attr:$axis);
  let results = (outs Graph_NumberTensor:$result);
  let assemblyFormat = "`axis` `=` custom<Int>($axis) attr-dict `:` type($result)";
  let hasVerifier = 1;
}
