//===- Gradient.td - Derivatives of a region ------------------------------------===//

include "dialects/graph/GraphBase.td"

def Graph_GradientOp : Graph_Op<"gradient", [RecursiveMemoryEffects, SingleBlock]> {
  let summary = "A value computed from the operands, and what its sum changes by with each of them";
  let description = [{
    ```
    %loss, %dw = graph.gradient (%v = %w) : !graph.tensor<[K, N], f32> -> !graph.tensor<[], f32> {
      %y = graph.contract "mk,kn->mn" %x, %v : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, N], f32>) -> !graph.tensor<[M, N], f32>
      %s = graph.reduce sum %y, axes = [0, 1] : !graph.tensor<[M, N], f32> -> !graph.tensor<[], f32>
      graph.yield %s : !graph.tensor<[], f32>
    }
    ```
    The first result is the yielded value, the others are the partial derivatives of the sum of its elements,
    one of the type of each operand. Values from outside the region count as constants, and so do
    `graph.stop_gradient`, and all that is no float. Where a derivative does not exist (a maximum of equal
    elements), those that take part share it. Gradients may be nested.

    * (C1) The region takes the operands' types.
    * (C2) The region yields one tensor of floats, whose type the first result has; the other results have
      the operands' types.
    * (C3) The region reads and writes no variables.
  }];
  let arguments = (ins Variadic<Graph_FloatTensor>:$inits);
  let results = (outs Variadic<Graph_FloatTensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}
