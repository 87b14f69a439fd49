//===- Sequential.td - Elements that are computed one after another ----------===//

include "dialects/graph/GraphBase.td"

def Graph_CumulativeKind : Graph_Enum<"CumulativeKind", "what a running value combines by", [
  I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"prod", 1>, I32EnumAttrCase<"max", 2>,
  I32EnumAttrCase<"min", 3>]>;
def Graph_CumulativeKindAttr : Graph_EnumAttr<Graph_CumulativeKind, "cumulative_kind">;

def Graph_CumulativeOp : Graph_InferredOp<"cumulative"> {
  let summary = "Running sum, product, maximum or minimum along an axis";
  let description = [{
    `graph.cumulative sum %x, axis = 1 exclusive reverse : !graph.tensor<[B, N], f32>`. Element i combines
    elements 0..i in this order; with `exclusive` 0..i-1, beginning with the neutral element of
    `graph.reduce`; with `reverse` from the other end. f16, bf16 and f8 sums and products are kept in f32,
    each element is rounded once. max and min are NaN from the first NaN on.

    * (C1) 0 <= axis < rank.
  }];
  let arguments = (ins Graph_CumulativeKindAttr:$kind, Graph_NumberTensor:$x, I64Attr:$axis,
                       UnitAttr:$exclusive, UnitAttr:$reverse);
  let results = (outs Graph_NumberTensor:$result);
  let assemblyFormat = [{
    $kind $x `,` `axis` `=` custom<Int>($axis) (`exclusive` $exclusive^)? (`reverse` $reverse^)?
    attr-dict `:` type($x)
  }];
}

def Graph_ScanOp : Graph_Op<"scan", [RecursiveMemoryEffects, SingleBlock, AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<LoopLikeOpInterface>]> {
  let summary = "A recurrence: from the state and the elements of an axis to the next state and outputs";
  let description = [{
    ```
    %last, %all = graph.scan (%h = %h0) over (%e = %x), axis = 1
        : (!graph.tensor<[B, H], f32>), (!graph.tensor<[B, T, H], f32>)
        -> (!graph.tensor<[B, H], f32>, !graph.tensor<[B, T, H], f32>) {
      %s = graph.add %h, %e : !graph.tensor<[B, H], f32>
      %n = graph.tanh %s : !graph.tensor<[B, H], f32>
      graph.yield %n, %n : !graph.tensor<[B, H], f32>, !graph.tensor<[B, H], f32>
    }
    ```
    For every index of the axis (from the last one on with `reverse`) the region takes the states and the
    slices of the scanned operands, and yields the next states, then outputs. The results are the last
    states, then the outputs side by side along the axis. The region may use values from outside. Without
    elements the states are the initial ones.

    * (C1) At least one operand is scanned; the axis lies in each of them, with the same extent.
    * (C2) The region takes the types of the states, then those of the slices.
    * (C3) The region yields the states' types, then the types of the outputs' slices; the results are
      the states' types, then the outputs with the axis of the scanned operands.
    * (C4) The region has no effects: it reads and writes no variables.
  }];
  let arguments = (ins Variadic<Graph_Tensor>:$states, Variadic<Graph_Tensor>:$xs, I64Attr:$axis,
                       UnitAttr:$reverse);
  let results = (outs Variadic<Graph_Tensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// The extent of the axis.
    DimAttr getExtent();
    /// The type of a tensor without the axis, and the type of outputs side by side along it.
    TensorType getSliceType(mlir::Type tensor);
    TensorType getStackedType(mlir::Type slice);
  }];
}

def Graph_ScatterKind : Graph_Enum<"ScatterKind", "what happens to the element that was there", [
  I32EnumAttrCase<"replace", 0>, I32EnumAttrCase<"add", 1>, I32EnumAttrCase<"mul", 2>,
  I32EnumAttrCase<"max", 3>, I32EnumAttrCase<"min", 4>]>;
def Graph_ScatterKindAttr : Graph_EnumAttr<Graph_ScatterKind, "scatter_kind">;

def Graph_ScatterOp : Graph_InferredOp<"scatter"> {
  let summary = "x with slices along an axis replaced or combined at indices (the counterpart of gather)";
  let description = [{
    Starting from x, for all i in row-major order:
    result[a.., indices[i..], b..] = result[a.., indices[i..], b..] (kind) updates[a.., i.., b..] where a
    are the dims before the axis. An index that occurs twice takes part twice, in order: the last
    replacement stays. A negative index counts from the end; an index that is then outside is left out.

    * (C1) 0 <= axis < rank of x.
    * (C2) `updates` has x's element type and x's dims with the axis replaced by the dims of `indices`.
    * (C3) Kinds other than `replace` take numbers.
  }];
  let arguments = (ins Graph_ScatterKindAttr:$kind, Graph_Tensor:$x, Graph_IntTensor:$indices,
                       Graph_Tensor:$updates, I64Attr:$axis);
  let results = (outs Graph_Tensor:$result);
  let assemblyFormat = [{
    $kind $x `,` $indices `,` $updates `,` `axis` `=` custom<Int>($axis) attr-dict
    `:` functional-type(operands, results)
  }];
}

def Graph_SortOp : Graph_InferredOp<"sort"> {
  let summary = "The elements along an axis in order, and where each one was";
  let description = [{
    `%v, %i = graph.sort %x, axis = 0 descending : A -> B, C`. Stable: equal elements keep their order, in
    either direction. A NaN counts as larger than every number and equal to other NaNs; zeros are equal.
    `first = k` gives the first k of them only.

    * (C1) 0 <= axis < rank.
    * (C2) `first` is not larger than the extent of the axis.
  }];
  let arguments = (ins Graph_NumberOrBoolTensor:$x, I64Attr:$axis, UnitAttr:$descending,
                       OptionalAttr<Graph_DimAttr>:$first);
  let results = (outs Graph_NumberOrBoolTensor:$values, Graph_IntTensor:$indices);
  let assemblyFormat = [{
    $x `,` `axis` `=` custom<Int>($axis) (`descending` $descending^)?
    (`,` `first` `=` custom<DimExpr>($first)^)? attr-dict
    `:` type($x) `->` type($values) `,` type($indices)
  }];
}
