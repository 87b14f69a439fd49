//===- Stream.td - A chain of reductions in one read ---------------------------===//

include "dialects/graph/GraphBase.td"

def Graph_StreamOp : Graph_Op<"stream", [RecursiveMemoryEffects, SingleBlock, IsolatedFromAbove]> {
  let summary = "Lifts elements of an axis to states, merges them, finalizes the last one";
  let description = [{
    Softmax-weighted sum along the last axis of s and the first of v (DESIGN, section 3):
    ```
    %o = graph.stream %s, %v axes = [1, 0], identity = [-1.0e30 : f32, 0.0 : f32, 0.0 : f32]
        : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, D], f32>) -> !graph.tensor<[M, D], f32>
    lift {
    ^bb0(%sj: !graph.tensor<[M], f32>, %vj: !graph.tensor<[D], f32>):
      %one = graph.constant ...
      %o = graph.broadcast %vj, dims = [1] : ...
      graph.yield %sj, %one, %o : ...
    } merge {
    ^bb0(%m0: ..., %l0: ..., %o0: ..., %m1: ..., %l1: ..., %o1: ...):
      ...
      graph.yield %m, %l, %o : ...
    } finalize {
    ^bb0(%m: ..., %l: ..., %o: ...):
      ...
      graph.yield %r : ...
    }
    ```
    Input i is read along axis `axes[i]`; -1 hands the whole input to every lift. The lift of one element
    takes the inputs without their axis. With `block = "T"` it takes blocks instead: the axis stays, with
    the extent T, and the lift is right for every T >= 1. `merge` is associative and `identity` (one
    number for each state, the same for all its elements) is neutral; an empty axis gives finalize(identity).
    States are merged in the axis' order. Results are what finalize yields, states included when wanted.

    * (C1) `axes` has one entry for each input, -1 or below its rank; at least one is not -1, and all
      streamed extents are equal.
    * (C2) lift takes the inputs as said above and yields the states.
    * (C3) merge takes two lists of states and yields one; `identity` has a number of the element type
      for each state.
    * (C4) finalize takes the states and yields the results.
    * (C5) The regions use no value from outside: they are isolated, invariant values are inputs.
  }];
  let arguments = (ins Variadic<Graph_Tensor>:$inputs, DenseI64ArrayAttr:$axes,
                       ArrayAttr:$identity, OptionalAttr<StrAttr>:$block);
  let results = (outs Variadic<Graph_Tensor>:$outputs);
  let regions = (region SizedRegion<1>:$lift, SizedRegion<1>:$merge, SizedRegion<1>:$finalize);
  let assemblyFormat = [{
    $inputs `axes` `=` $axes `,` `identity` `=` $identity (`,` `block` `=` $block^)? attr-dict
    `:` functional-type(operands, results) `lift` $lift `merge` $merge `finalize` $finalize
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The extent that is streamed over.
    DimAttr getExtent();
    /// The types of the states.
    llvm::SmallVector<mlir::Type> getStateTypes();
  }];
}
