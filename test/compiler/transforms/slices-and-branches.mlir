// RUN: tessera-opt %s --canonicalize | FileCheck %s

// A slice of a slice reads what that is a slice of.
// CHECK-LABEL: @slices
// CHECK-NEXT: graph.slice %{{.*}}, starts = [3, M], steps = [2, 6] : <[M, K], f32> -> <[2, 5], f32>
// CHECK-NEXT: graph.return
graph.func @slices(%x: !graph.tensor<[M, K], f32>) -> !graph.tensor<[2, 5], f32> {
  %0 = graph.slice %x, starts = [1, M], steps = [2, 3] : !graph.tensor<[M, K], f32> -> !graph.tensor<[4, 10], f32>
  %1 = graph.slice %0, starts = [1, 0], steps = [1, 2] : !graph.tensor<[4, 10], f32> -> !graph.tensor<[2, 5], f32>
  graph.return %1 : !graph.tensor<[2, 5], f32>
}

// What nobody reads of an if is not computed.
// CHECK-LABEL: @unread
// CHECK: %[[R:.*]] = graph.if %{{.*}} -> !graph.tensor<[N], f32> {
// CHECK-NEXT: graph.yield %{{.*}} : !graph.tensor<[N], f32>
// CHECK-NEXT: } else {
// CHECK-NEXT: %[[A:.*]] = graph.add
// CHECK-NEXT: graph.yield %[[A]] : !graph.tensor<[N], f32>
// CHECK: graph.return %[[R]]
graph.func @unread(%c: !graph.tensor<[], i1>, %x: !graph.tensor<[N], f32>) -> !graph.tensor<[N], f32> {
  %r:3 = graph.if %c : !graph.tensor<[], i1> -> !graph.tensor<[N], f32>, !graph.tensor<[N], f32>, !graph.tensor<[], i1> {
    %0 = graph.mul %x, %x : !graph.tensor<[N], f32>
    graph.yield %0, %x, %c : !graph.tensor<[N], f32>, !graph.tensor<[N], f32>, !graph.tensor<[], i1>
  } else {
    %0 = graph.add %x, %x : !graph.tensor<[N], f32>
    graph.yield %x, %0, %c : !graph.tensor<[N], f32>, !graph.tensor<[N], f32>, !graph.tensor<[], i1>
  }
  graph.return %r#1 : !graph.tensor<[N], f32>
}
