// Taps that lie far apart read the part of the picture that is there, in one that is smaller than their distance, too.
// RUN: tessera-opt %s --graph-split-dilated-conv --verify-each=numeric | FileCheck %s

// CHECK-LABEL: graph.func @open
// CHECK-COUNT-9: graph.conv {{.*}} dilations = [1, 1], lo = [0, 0], hi = [0, 0]
// CHECK-NOT: graph.conv
// CHECK: graph.return
graph.func @open(%x: !graph.tensor<[N, 128, H, W], f32>, %w: !graph.tensor<[2, 128, 3, 3], f32>) -> !graph.tensor<[N, 2, H, W], f32> {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [12, 12], lo = [12, 12], hi = [12, 12]
      : (!graph.tensor<[N, 128, H, W], f32>, !graph.tensor<[2, 128, 3, 3], f32>) -> !graph.tensor<[N, 2, H, W], f32>
  graph.return %0 : !graph.tensor<[N, 2, H, W], f32>
}

// Two taps of the first axis and one of the second are in the picture.
// CHECK-LABEL: graph.func @known
// CHECK-COUNT-2: graph.conv {{.*}} -> !graph.tensor<[1, 2, {{3|5}}, 4], f32>
// CHECK-NOT: graph.conv
// CHECK: graph.add
graph.func @known(%x: !graph.tensor<[1, 128, 5, 4], f32>, %w: !graph.tensor<[2, 128, 2, 3], f32>) -> !graph.tensor<[1, 2, 5, 4], f32> {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [2, 9], lo = [2, 9], hi = [0, 9]
      : (!graph.tensor<[1, 128, 5, 4], f32>, !graph.tensor<[2, 128, 2, 3], f32>) -> !graph.tensor<[1, 2, 5, 4], f32>
  graph.return %0 : !graph.tensor<[1, 2, 5, 4], f32>
}

// Near taps stay one convolution, and so do those of few channels.
// CHECK-LABEL: graph.func @near
// CHECK: graph.conv {{.*}} dilations = [2, 2]
// CHECK: graph.conv {{.*}} dilations = [24, 24]
graph.func @near(%x: !graph.tensor<[N, 128, H, W], f32>, %w: !graph.tensor<[16, 128, 3, 3], f32>, %v: !graph.tensor<[2, 16, 3, 3], f32>) -> !graph.tensor<[N, 2, H, W], f32> {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [2, 2], lo = [2, 2], hi = [2, 2]
      : (!graph.tensor<[N, 128, H, W], f32>, !graph.tensor<[16, 128, 3, 3], f32>) -> !graph.tensor<[N, 16, H, W], f32>
  %1 = graph.conv %0, %v, strides = [1, 1], dilations = [24, 24], lo = [24, 24], hi = [24, 24]
      : (!graph.tensor<[N, 16, H, W], f32>, !graph.tensor<[2, 16, 3, 3], f32>) -> !graph.tensor<[N, 2, H, W], f32>
  graph.return %1 : !graph.tensor<[N, 2, H, W], f32>
}
