//===- Shape.td - Constants and extents as values ------------------------------===//

include "dialects/graph/GraphBase.td"

def Graph_ConstantOp : Graph_InferredOp<"constant", [ConstantLike,
    DeclareOpInterfaceMethods<Graph_ShapeContentsOpInterface>]> {
  let summary = "Elements known when compiling";
  let description = [{
    `graph.constant dense<[1.0, 2.0]> : !graph.tensor<[2], f32>`, or
    `graph.constant #graph.weight<"model.bin", 0, 4096> : !graph.tensor<[1024], f32>`.

    * (C1) The value is `dense` or `#graph.weight` of a graph tensor type.
  }];
  let arguments = (ins TypedAttrInterface:$value);
  let results = (outs Graph_Tensor:$result);
  let assemblyFormat = "attr-dict $value";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def Graph_DimValueOp : Graph_InferredOp<"dim_value", [
    DeclareOpInterfaceMethods<Graph_ShapeContentsOpInterface>]> {
  let summary = "An extent as an si64 scalar";
  let description = "`graph.dim_value floordiv(H, 2) : !graph.tensor<[], si64>`.";
  let arguments = (ins Graph_DimAttr:$dim);
  let results = (outs Graph_IntTensor:$result);
  let assemblyFormat = "custom<DimExpr>($dim) attr-dict `:` type($result)";
  let hasFolder = 1;
}

def Graph_ShapeOfOp : Graph_InferredOp<"shape_of", [
    DeclareOpInterfaceMethods<Graph_ShapeContentsOpInterface>]> {
  let summary = "All extents of x as an si64 tensor of shape [rank]";
  let arguments = (ins Graph_Tensor:$x);
  let results = (outs Graph_IntTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let hasFolder = 1;
}
