// A short last axis joins the one before it where both stand beside each other everywhere.
// RUN: tessera-opt %s --graph-merge-axes --split-input-file --verify-each=numeric | FileCheck %s

// Real and imaginary parts of results, one number for each element of the operand.
// CHECK-LABEL: graph.func @parts
// CHECK-DAG: %[[X:.*]] = graph.reshape %arg0 : <[B, T, 40, 1], f32> -> <[B, T, 40], f32>
// CHECK-DAG: %[[W:.*]] = graph.reshape %arg1 : <[40, 1, 21, 2], f32> -> <[40, 42], f32>
// CHECK: %[[M:.*]] = graph.contract "abc,cy->aby" %[[X]], %[[W]]
// CHECK: %[[Y:.*]] = graph.reshape %[[M]] : <[B, T, 42], f32> -> <[B, T, 21, 2], f32>
// CHECK: graph.return %[[Y]]
graph.func @parts(%x: !graph.tensor<[B, T, 40, 1], f32>, %w: !graph.tensor<[40, 1, 21, 2], f32>) -> !graph.tensor<[B, T, 21, 2], f32> {
  %y = graph.contract "abcd,cdyz->abyz" %x, %w : (!graph.tensor<[B, T, 40, 1], f32>, !graph.tensor<[40, 1, 21, 2], f32>) -> !graph.tensor<[B, T, 21, 2], f32>
  graph.return %y : !graph.tensor<[B, T, 21, 2], f32>
}

// -----

// An extent that is a symbol, in both operands.
// CHECK-LABEL: graph.func @sums
// CHECK: graph.contract "nk,mk->nm" %{{.*}}, %{{.*}} : (!graph.tensor<[N, 3 * K], f32>, !graph.tensor<[5, 3 * K], f32>)
graph.func @sums(%x: !graph.tensor<[N, K, 3], f32>, %w: !graph.tensor<[5, K, 3], f32>) -> !graph.tensor<[N, 5], f32> {
  %y = graph.contract "nkc,mkc->nm" %x, %w : (!graph.tensor<[N, K, 3], f32>, !graph.tensor<[5, K, 3], f32>) -> !graph.tensor<[N, 5], f32>
  graph.return %y : !graph.tensor<[N, 5], f32>
}

// -----

// Other neighbours, another order, and heads, which are not last.
// CHECK-LABEL: graph.func @apart
// CHECK-NOT: graph.reshape
graph.func @apart(%q: !graph.tensor<[B, 4, M, 8], f32>, %k: !graph.tensor<[B, 4, K, 8], f32>, %w: !graph.tensor<[K, 8, 3], f32>)
    -> (!graph.tensor<[B, 4, M, K], f32>, !graph.tensor<[B, 4, 3, 8], f32>) {
  %s = graph.contract "bhmd,bhkd->bhmk" %q, %k : (!graph.tensor<[B, 4, M, 8], f32>, !graph.tensor<[B, 4, K, 8], f32>) -> !graph.tensor<[B, 4, M, K], f32>
  %t = graph.contract "bhkd,kdc->bhcd" %k, %w : (!graph.tensor<[B, 4, K, 8], f32>, !graph.tensor<[K, 8, 3], f32>) -> !graph.tensor<[B, 4, 3, 8], f32>
  graph.return %s, %t : !graph.tensor<[B, 4, M, K], f32>, !graph.tensor<[B, 4, 3, 8], f32>
}
