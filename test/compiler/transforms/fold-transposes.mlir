// RUN: tessera-opt %s --graph-fold-transposes | FileCheck %s

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
