//===- Quantization.td - Between numbers and their quantized form --------------===//

include "dialects/graph/GraphBase.td"

def Graph_DecodeBlocksOp : Graph_InferredDimsOp<"decode_blocks"> {
  let summary = "The numbers in packed blocks";
  let description = [{
    `graph.decode_blocks %w : !graph.tensor<[N, 4], !graph.block<"q4_g32">> -> !graph.tensor<[N, 128], f32>`:
    the last axis grows by the format's block length. f32 unless the result says f16 or bf16.

    * (C1) x has rank >= 1.
    * (C2) The result's element type is a float.
  }];
  let arguments = (ins Graph_BlockTensor:$x);
  let results = (outs Graph_FloatTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
}

def Graph_QuantizeOp : Graph_Op<"quantize", [Pure,
    DeclareOpInterfaceMethods<Graph_DecomposableOpInterface>]> {
  let summary = "round(x / scale) + zero_point, saturated to the result's type";
  let description = [{
    ```
    %q = graph.quantize %x, %scale, %zero axis = 1
        : (!graph.tensor<[N, C], f32>, !graph.tensor<[C], f32>, !graph.tensor<[C], si8>) -> !graph.tensor<[N, C], si8>
    ```
    One scale (and zero point) for the tensor (scalars), for each index along `axis` (rank 1), or for each
    `block` elements along `axis` (the rank of x, its extent along the axis divided, rounded up). The quotient
    is computed in f32, in f64 for f64, and rounded to nearest, ties to even; the zero point is added before
    saturating. NaN gives the zero point. Without a zero point it is 0.

    To a float of at most 8 bits the quotient is rounded once, behind the zero point; NaN stays where the type
    has one. What is too large becomes the largest number, or with `unbounded` an infinity, or NaN where the type
    has none.

    * (C1) x and scale are floats; the result is an integer of at most 32 bits or a float of at most 8 with a
      sign.
    * (C2) The scale is a scalar, has rank 1 with the extent of x along `axis`, or with `block` the dims of
      x, the axis' extent replaced by ceildiv(extent, block).
    * (C3) The zero point has the dims of the scale and the type of the quantized elements.
    * (C4) 0 <= axis < rank when given; `block` needs an axis and is positive.
    * (C5) The result has the dims of x.
    * (C6) `unbounded` is for floats.
  }];
  let arguments = (ins Graph_FloatTensor:$x, Graph_FloatTensor:$scale,
                       Optional<Graph_NumberTensor>:$zero_point, OptionalAttr<I64Attr>:$axis,
                       OptionalAttr<I64Attr>:$block, UnitAttr:$unbounded);
  let results = (outs Graph_NumberTensor:$result);
  let assemblyFormat = [{
    $x `,` $scale (`,` $zero_point^)? (`axis` `=` custom<Int>($axis)^)? (`block` `=` custom<Int>($block)^)?
    (`unbounded` $unbounded^)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Graph_DequantizeOp : Graph_Op<"dequantize", [Pure,
    DeclareOpInterfaceMethods<Graph_DecomposableOpInterface>]> {
  let summary = "(x - zero_point) * scale";
  let description = [{
    The inverse of `graph.quantize`, with the same forms of scale and zero point. The difference is exact; it
    is rounded to f32 (f64 when the result is f64) and multiplied there.

    * (C1) x is an integer of at most 32 bits or a float of at most 8 with a sign; scale and result are floats.
    * (C2), (C3), (C4), (C5) as for `graph.quantize`.
  }];
  let arguments = (ins Graph_NumberTensor:$x, Graph_FloatTensor:$scale,
                       Optional<Graph_NumberTensor>:$zero_point, OptionalAttr<I64Attr>:$axis,
                       OptionalAttr<I64Attr>:$block);
  let results = (outs Graph_FloatTensor:$result);
  let assemblyFormat = [{
    $x `,` $scale (`,` $zero_point^)? (`axis` `=` custom<Int>($axis)^)? (`block` `=` custom<Int>($block)^)?
    attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}
