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

def Graph_BindDimOp : Graph_Op<"bind_dim"> {
  let summary = "A symbol gets the value of a scalar: an extent that depends on data";
  let description = [{
    ```
    graph.bind_dim %n, "N" : !graph.tensor<[], si64>
    %y = graph.iota axis = 0 : !graph.tensor<[N], si64>
    ```
    A value outside the range that the function declares for the symbol ends the call with an error; `message`
    says in the model's words what the extent is.

    * (C1) The operand is an si64 scalar.
    * (C2) The symbol is declared by `dims` of the function, is in no type of its arguments, and is
      bound once.
    * (C3) Whatever uses the symbol stands behind the op in its block, or in a region of such an op.
  }];
  let arguments = (ins Graph_IntTensor:$value, StrAttr:$symbol, OptionalAttr<StrAttr>:$message);
  let assemblyFormat = "$value `,` $symbol (`message` $message^)? attr-dict `:` type($value)";
  let hasVerifier = 1;
}
