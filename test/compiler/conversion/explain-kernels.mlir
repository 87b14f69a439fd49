// Of ops that read from memory what another kernel computed, it is told why they do not share that kernel.
// RUN: tessera-opt %s --graph-form-kernels=explain --verify-diagnostics -o /dev/null

graph.func @product(%x: !graph.tensor<[B, 8], f32>, %w: !graph.tensor<[8, 8], f32>) -> !graph.tensor<[B, 8], f32> {
  // expected-note @+1 {{what it reads}}
  %0 = graph.exp %x : !graph.tensor<[B, 8], f32>
  // expected-remark @+1 {{reads graph.exp from memory: a product reads each operand several times: it would be computed as often}}
  %1 = graph.contract "mk,kn->mn" %0, %w : (!graph.tensor<[B, 8], f32>, !graph.tensor<[8, 8], f32>) -> !graph.tensor<[B, 8], f32>
  %2 = graph.relu %1 : !graph.tensor<[B, 8], f32>
  graph.return %2 : !graph.tensor<[B, 8], f32>
}

graph.func @sums(%x: !graph.tensor<[B, 8], f32>) -> !graph.tensor<[4], f32> {
  // expected-note @+1 {{what it reads}}
  %0 = graph.reduce sum %x, axes = [1] : !graph.tensor<[B, 8], f32> -> !graph.tensor<[B], f32>
  // expected-remark @+1 {{sums would be repeated: their elements are not used once and at their place}}
  %1 = graph.broadcast %0, dims = [0] : !graph.tensor<[B], f32> -> !graph.tensor<[B, 4], f32>
  %2 = graph.reduce sum %1, axes = [0] : !graph.tensor<[B, 4], f32> -> !graph.tensor<[4], f32>
  graph.return %2 : !graph.tensor<[4], f32>
}

graph.func @columns(%x: !graph.tensor<[N, 8], f32>, %i: !graph.tensor<[40], si64>) -> !graph.tensor<[40, N], f32> {
  // expected-note @+1 {{what it reads}}
  %0 = graph.transpose %x, perm = [1, 0] : !graph.tensor<[N, 8], f32> -> !graph.tensor<[8, N], f32>
  // expected-remark @+1 {{its rows are read several times: they are laid out once}}
  %1 = graph.gather %0, %i, axis = 0 : (!graph.tensor<[8, N], f32>, !graph.tensor<[40], si64>) -> !graph.tensor<[40, N], f32>
  graph.return %1 : !graph.tensor<[40, N], f32>
}
