// RUN: tessera-opt %s --graph-explicit-padding | FileCheck %s

// CHECK-LABEL: graph.func @conv
// CHECK-NEXT: %[[ZERO:.*]] = graph.constant dense<0.000000e+00>
// CHECK-NEXT: %[[X:.*]] = graph.pad constant %arg0, %[[ZERO]], lo = [0, 0, 1, 0], hi = [0, 0, 1, 0]
// CHECK-NEXT: graph.conv %[[X]], %arg1, {{.*}} lo = [0, 0], hi = [0, 0]
graph.func @conv(%x: !graph.tensor<[2, 3, H, W], f32>, %w: !graph.tensor<[8, 3, 3, 3], f32>) -> !graph.tensor<[2, 8, H, W - 2], f32> {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [1, 0], hi = [1, 0]
      : (!graph.tensor<[2, 3, H, W], f32>, !graph.tensor<[8, 3, 3, 3], f32>) -> !graph.tensor<[2, 8, H, W - 2], f32>
  graph.return %0 : !graph.tensor<[2, 8, H, W - 2], f32>
}

// A window is padded with what changes nothing: -infinity below a maximum.
// CHECK-LABEL: graph.func @max_pool
// CHECK-NEXT: %[[LOW:.*]] = graph.constant dense<0xFF800000>
// CHECK-NEXT: %[[X:.*]] = graph.pad constant %arg0, %[[LOW]], lo = [0, 1], hi = [0, 1]
// CHECK-NEXT: graph.window_reduce max %[[X]], {{.*}} lo = [0], hi = [0]
graph.func @max_pool(%x: !graph.tensor<[N, H], f32>) -> !graph.tensor<[N, H], f32> {
  %0 = graph.window_reduce max %x, axes = [1], window = [3], strides = [1], dilations = [1], lo = [1], hi = [1] : !graph.tensor<[N, H], f32> -> !graph.tensor<[N, H], f32>
  graph.return %0 : !graph.tensor<[N, H], f32>
}

// CHECK-LABEL: graph.func @nothing_to_pad
// CHECK-NEXT: graph.window_reduce max %arg0
graph.func @nothing_to_pad(%x: !graph.tensor<[N, 8], f32>) -> !graph.tensor<[N, 6], f32> {
  %0 = graph.window_reduce max %x, axes = [1], window = [3], strides = [1], dilations = [1], lo = [0], hi = [0] : !graph.tensor<[N, 8], f32> -> !graph.tensor<[N, 6], f32>
  graph.return %0 : !graph.tensor<[N, 6], f32>
}

// Vectors need a last axis with elements; one that is padded stays.
// CHECK-LABEL: graph.func @last_units
// CHECK: %[[X:.*]] = graph.reshape %arg0 : <[B, N, 1], f32> -> <[B, N], f32>
// CHECK: %[[P:.*]] = graph.pad constant %[[X]], %{{.*}}, lo = [0, 3], hi = [0, 2]
// CHECK: graph.reshape %[[P]] : <[B, N + 5], f32> -> <[B, N + 5, 1], f32>
// CHECK: graph.pad edge %arg0, lo = [0, 0, 1], hi = [0, 0, 0]
graph.func @last_units(%x: !graph.tensor<[B, N, 1], f32>) -> (!graph.tensor<[B, N + 5, 1], f32>, !graph.tensor<[B, N, 2], f32>) {
  %zero = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %0 = graph.pad constant %x, %zero, lo = [0, 3, 0], hi = [0, 2, 0] : (!graph.tensor<[B, N, 1], f32>, !graph.tensor<[], f32>) -> !graph.tensor<[B, N + 5, 1], f32>
  %1 = graph.pad edge %x, lo = [0, 0, 1], hi = [0, 0, 0] : (!graph.tensor<[B, N, 1], f32>) -> !graph.tensor<[B, N, 2], f32>
  graph.return %0, %1 : !graph.tensor<[B, N + 5, 1], f32>, !graph.tensor<[B, N, 2], f32>
}
