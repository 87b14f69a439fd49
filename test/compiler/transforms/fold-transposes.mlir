// RUN: tessera-opt %s --graph-fold-transposes --verify-each=numeric | FileCheck %s

// CHECK-LABEL: graph.func @operands
// CHECK-NEXT: %[[R:.*]] = graph.contract "km,nk->mn" %arg0, %arg1
// CHECK-NEXT: graph.return %[[R]]
graph.func @operands(%x: !graph.tensor<[K, M], f32>, %w: !graph.tensor<[N, K], f32>) -> !graph.tensor<[M, N], f32> {
  %a = graph.transpose %x, perm = [1, 0] : !graph.tensor<[K, M], f32> -> !graph.tensor<[M, K], f32>
  %b = graph.transpose %w, perm = [1, 0] : !graph.tensor<[N, K], f32> -> !graph.tensor<[K, N], f32>
  %0 = graph.contract "mk,kn->mn" %a, %b : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, N], f32>) -> !graph.tensor<[M, N], f32>
  graph.return %0 : !graph.tensor<[M, N], f32>
}

// CHECK-LABEL: graph.func @result
// CHECK-NEXT: %[[R:.*]] = graph.contract "mk,kn->nm"
// CHECK-NEXT: graph.return %[[R]]
graph.func @result(%x: !graph.tensor<[M, K], f32>, %w: !graph.tensor<[K, N], f32>) -> !graph.tensor<[N, M], f32> {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, N], f32>) -> !graph.tensor<[M, N], f32>
  %1 = graph.transpose %0, perm = [1, 0] : !graph.tensor<[M, N], f32> -> !graph.tensor<[N, M], f32>
  graph.return %1 : !graph.tensor<[N, M], f32>
}

// A product that others read untransposed is not computed twice.
// CHECK-LABEL: graph.func @kept
// CHECK-NEXT: %[[P:.*]] = graph.contract "mk,kn->mn"
// CHECK-NEXT: %[[T:.*]] = graph.transpose %[[P]]
// CHECK-NEXT: graph.return %[[T]], %[[P]]
graph.func @kept(%x: !graph.tensor<[M, K], f32>, %w: !graph.tensor<[K, N], f32>) -> (!graph.tensor<[N, M], f32>, !graph.tensor<[M, N], f32>) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, N], f32>) -> !graph.tensor<[M, N], f32>
  %1 = graph.transpose %0, perm = [1, 0] : !graph.tensor<[M, N], f32> -> !graph.tensor<[N, M], f32>
  graph.return %1, %0 : !graph.tensor<[N, M], f32>, !graph.tensor<[M, N], f32>
}

// Behind a view that splits the axes which another one merged, both views are none; so onnxscript writes attention.
// CHECK-LABEL: graph.func @between_views
// CHECK-NEXT: %[[R:.*]] = graph.contract "bhmd,bhkd->bhmk" %arg0, %arg1
// CHECK-NEXT: graph.return %[[R]]
graph.func @between_views(%q: !graph.tensor<[B, 4, M, 8], f32>, %k: !graph.tensor<[B, 4, K, 8], f32>) -> !graph.tensor<[B, 4, M, K], f32> {
  %0 = graph.reshape %k : !graph.tensor<[B, 4, K, 8], f32> -> !graph.tensor<[4 * B, K, 8], f32>
  %1 = graph.transpose %0, perm = [0, 2, 1] : !graph.tensor<[4 * B, K, 8], f32> -> !graph.tensor<[4 * B, 8, K], f32>
  %2 = graph.reshape %1 : !graph.tensor<[4 * B, 8, K], f32> -> !graph.tensor<[B, 4, 8, K], f32>
  %3 = graph.contract "bhmd,bhdk->bhmk" %q, %2 : (!graph.tensor<[B, 4, M, 8], f32>, !graph.tensor<[B, 4, 8, K], f32>) -> !graph.tensor<[B, 4, M, K], f32>
  graph.return %3 : !graph.tensor<[B, 4, M, K], f32>
}

// Other splits, with axes of extent 1 before, between and behind.
// CHECK-LABEL: graph.func @other_splits
// CHECK-NEXT: %[[R:.*]] = graph.reshape %arg0 : <[6, B, 4], f32> -> <[3, 1, 2, 1, 1, B, 2, 2], f32>
// CHECK-NEXT: %[[T:.*]] = graph.transpose %[[R]], perm = {{.*}} -> <[1, B, 2, 2, 3, 1, 2, 1], f32>
// CHECK-NEXT: graph.return %[[T]]
graph.func @other_splits(%x: !graph.tensor<[6, B, 4], f32>) -> !graph.tensor<[1, B, 2, 2, 3, 1, 2, 1], f32> {
  %0 = graph.reshape %x : !graph.tensor<[6, B, 4], f32> -> !graph.tensor<[6, 4 * B], f32>
  %1 = graph.transpose %0, perm = [1, 0] : !graph.tensor<[6, 4 * B], f32> -> !graph.tensor<[4 * B, 6], f32>
  %2 = graph.reshape %1 : !graph.tensor<[4 * B, 6], f32> -> !graph.tensor<[1, B, 2, 2, 3, 1, 2, 1], f32>
  graph.return %2 : !graph.tensor<[1, B, 2, 2, 3, 1, 2, 1], f32>
}

// A view that merges what a transpose brought together needs it.
// CHECK-LABEL: graph.func @merging_view
// CHECK: graph.transpose
// CHECK-NEXT: graph.reshape
graph.func @merging_view(%x: !graph.tensor<[6 * B, 4], f32>) -> !graph.tensor<[4 * B, 6], f32> {
  %0 = graph.reshape %x : !graph.tensor<[6 * B, 4], f32> -> !graph.tensor<[6, B, 4], f32>
  %1 = graph.transpose %0, perm = [1, 2, 0] : !graph.tensor<[6, B, 4], f32> -> !graph.tensor<[B, 4, 6], f32>
  %2 = graph.reshape %1 : !graph.tensor<[B, 4, 6], f32> -> !graph.tensor<[4 * B, 6], f32>
  graph.return %2 : !graph.tensor<[4 * B, 6], f32>
}
