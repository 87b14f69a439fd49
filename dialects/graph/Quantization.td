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
