//===- Reduction.td - Many elements of an axis become one, or a running one -===//

include "dialects/graph/GraphBase.td"

def Graph_ReduceKind : Graph_Enum<"ReduceKind", "an associative combination", [
  I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"prod", 1>, I32EnumAttrCase<"max", 2>,
  I32EnumAttrCase<"min", 3>, I32EnumAttrCase<"and_", 4, "and">, I32EnumAttrCase<"or_", 5, "or">]>;
def Graph_ReduceKindAttr : Graph_EnumAttr<Graph_ReduceKind, "reduce_kind">;

def Graph_ReduceOp : Graph_InferredOp<"reduce"> {
  let summary = "Combines all elements along the axes, which disappear";
  let description = [{
    `graph.reduce sum %x, axes = [1] : !graph.tensor<[B, N], f32> -> !graph.tensor<[B], f32>`. Without
    elements the result is the neutral element (sum 0, prod 1, max: lowest value or -inf, min: highest
    value or +inf, and: true, or: false). max and min give NaN when any element is NaN. The order is
    not defined for floats; f16, bf16 and f8 sums and products accumulate in f32.

    * (C1) `axes` are strictly increasing and below the rank.
    * (C2) `and`, `or` take integers or bools, the other kinds numbers.
  }];
  let arguments = (ins Graph_ReduceKindAttr:$kind, Graph_NumberOrBoolTensor:$x,
                       DenseI64ArrayAttr:$axes);
  let results = (outs Graph_NumberOrBoolTensor:$result);
  let assemblyFormat = "$kind $x `,` `axes` `=` $axes attr-dict `:` type($x) `->` type($result)";
}

def Graph_ArgReduceKind : Graph_Enum<"ArgReduceKind", "which element is looked for", [
  I32EnumAttrCase<"max", 0>, I32EnumAttrCase<"min", 1>]>;
def Graph_ArgReduceKindAttr : Graph_EnumAttr<Graph_ArgReduceKind, "arg_reduce_kind">;

def Graph_ArgReduceOp : Graph_InferredDimsOp<"arg_reduce"> {
  let summary = "The index of the largest or smallest element along an axis, which disappears";
  let description = [{
    `graph.arg_reduce max %x, axis = 1 : A -> B`. Of equal elements the first (the last with
    `select_last`); a NaN wins over every number. The result is si64 unless it says si32.

    * (C1) 0 <= axis < rank, and the extent of the axis is not a constant 0.
    * (C2) The result's element type is si32 or si64.
  }];
  let arguments = (ins Graph_ArgReduceKindAttr:$kind, Graph_NumberOrBoolTensor:$x, I64Attr:$axis,
                       UnitAttr:$select_last);
  let results = (outs Graph_IntTensor:$result);
  let assemblyFormat = [{
    $kind $x `,` `axis` `=` custom<Int>($axis) (`select_last` $select_last^)? attr-dict
    `:` type($x) `->` type($result)
  }];
  let hasVerifier = 1;
}
