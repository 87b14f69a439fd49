// RUN: tessera-opt %s --graph-drop-unit-axes | FileCheck %s

// CHECK-LABEL: graph.func @spelled_in_two_dims
// CHECK: graph.conv %{{.*}}, %{{.*}}, strides = [2], dilations = [1], lo = [1], hi = [0] :
// CHECK-SAME: (!graph.tensor<[B, 4, 32], f32>, !graph.tensor<[8, 4, 5], f32>) -> !graph.tensor<[B, 8, 15], f32>
// CHECK: graph.reshape %{{.*}} : <[B, 8, 15], f32> -> <[B, 8, 15, 1], f32>
graph.func @spelled_in_two_dims(%x: !graph.tensor<[B, 4, 32, 1], f32>, %w: !graph.tensor<[8, 4, 5, 1], f32>) -> !graph.tensor<[B, 8, 15, 1], f32> {
  %0 = graph.conv %x, %w, strides = [2, 1], dilations = [1, 1], lo = [1, 0], hi = [0, 0] : (!graph.tensor<[B, 4, 32, 1], f32>, !graph.tensor<[8, 4, 5, 1], f32>) -> !graph.tensor<[B, 8, 15, 1], f32>
  graph.return %0 : !graph.tensor<[B, 8, 15, 1], f32>
}

// CHECK-LABEL: graph.func @both_needed
// CHECK: strides = [1, 1]
graph.func @both_needed(%x: !graph.tensor<[1, 4, 1, 1], f32>, %w: !graph.tensor<[8, 4, 3, 3], f32>) -> !graph.tensor<[1, 8, 1, 1], f32> {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [1, 1], hi = [1, 1] : (!graph.tensor<[1, 4, 1, 1], f32>, !graph.tensor<[8, 4, 3, 3], f32>) -> !graph.tensor<[1, 8, 1, 1], f32>
  graph.return %0 : !graph.tensor<[1, 8, 1, 1], f32>
}
