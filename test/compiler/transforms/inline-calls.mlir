// RUN: tessera-opt %s --graph-inline-calls --split-input-file --verify-diagnostics | FileCheck %s

// Symbols of a callee stand for extents of the operands, in every call for its own.
// CHECK-LABEL: graph.func @main
// CHECK-NEXT: graph.reduce sum %{{.*}}, axes = [1] : <[B, 2 * B], f32> -> <[B], f32>
// CHECK-NEXT: graph.iota axis = 0 : <[2 * B], f32>
// CHECK-NOT: graph.func
graph.func @main(%x: !graph.tensor<[B, 2 * B], f32>) -> (!graph.tensor<[B], f32>, !graph.tensor<[2 * B], f32>) {
  %0, %1 = graph.call @both(%x) : (!graph.tensor<[B, 2 * B], f32>) -> (!graph.tensor<[B], f32>, !graph.tensor<[2 * B], f32>)
  graph.return %0, %1 : !graph.tensor<[B], f32>, !graph.tensor<[2 * B], f32>
}
graph.func private @both(%x: !graph.tensor<[M, N], f32>) -> (!graph.tensor<[M], f32>, !graph.tensor<[N], f32>) {
  %0 = graph.call @sum(%x) : (!graph.tensor<[M, N], f32>) -> !graph.tensor<[M], f32>
  %1 = graph.iota axis = 0 : !graph.tensor<[N], f32>
  graph.return %0, %1 : !graph.tensor<[M], f32>, !graph.tensor<[N], f32>
}
graph.func private @sum(%x: !graph.tensor<[B, N], f32>) -> !graph.tensor<[B], f32> {
  %0 = graph.reduce sum %x, axes = [1] : !graph.tensor<[B, N], f32> -> !graph.tensor<[B], f32>
  graph.return %0 : !graph.tensor<[B], f32>
}

// -----

// expected-error @+1 {{function 'f' calls itself, directly or through others}}
graph.func private @f(%x: !graph.tensor<[N], f32>) -> !graph.tensor<[N], f32> {
  %0 = graph.call @g(%x) : (!graph.tensor<[N], f32>) -> !graph.tensor<[N], f32>
  graph.return %0 : !graph.tensor<[N], f32>
}
graph.func private @g(%x: !graph.tensor<[N], f32>) -> !graph.tensor<[N], f32> {
  %0 = graph.call @f(%x) : (!graph.tensor<[N], f32>) -> !graph.tensor<[N], f32>
  graph.return %0 : !graph.tensor<[N], f32>
}
