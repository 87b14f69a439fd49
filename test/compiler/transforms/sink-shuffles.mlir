// RUN: tessera-opt %s --graph-sink-shuffles --canonicalize | FileCheck %s
// RUN: tessera-compile %s -o %t.tsm --verify-each=numeric

// Maps of the shuffled pixels and of numbers for each channel come before the shuffle, the last of them
// with fewer bytes. What varies along channels is repeated for the factors, and dims that stay
// neighbours are one.
// CHECK-LABEL: graph.func @epilogue
// CHECK: %[[TILED:.*]] = graph.broadcast %arg1, dims = [2] : <[3], f32> -> <[2, 2, 3], f32>
// CHECK: %[[ALL:.*]] = graph.reshape %[[TILED]] : <[2, 2, 3], f32> -> <[12], f32>
// CHECK: %[[B:.*]] = graph.broadcast %[[ALL]], dims = [3]
// CHECK: %[[M:.*]] = graph.mul %arg0, %[[B]] : <[B, H, W, 12], f32>
// CHECK: %[[N:.*]] = graph.max %[[M]]
// CHECK: %[[A:.*]] = graph.add %[[M]], %[[N]]
// CHECK: %[[Q:.*]] = graph.convert %[[A]] : <[B, H, W, 12], f32> -> <[B, H, W, 12], ui8>
// CHECK: %[[S:.*]] = graph.reshape %[[Q]] : <[B, H, W, 12], ui8> -> <[B * H, W, 2, 6], ui8>
// CHECK: %[[T:.*]] = graph.transpose %[[S]], perm = [0, 2, 1, 3]
// CHECK: %[[Y:.*]] = graph.reshape %[[T]] : <[B * H, 2, W, 6], ui8> -> <[B, 2 * H, 2 * W, 3], ui8>
// CHECK: graph.return %[[Y]]
graph.func @epilogue(%x: !graph.tensor<[B, H, W, 12], f32>, %c: !graph.tensor<[3], f32>) -> !graph.tensor<[B, 2 * H, 2 * W, 3], ui8> {
  %0 = graph.reshape %x : !graph.tensor<[B, H, W, 12], f32> -> !graph.tensor<[B, H, W, 2, 2, 3], f32>
  %1 = graph.transpose %0, perm = [0, 1, 3, 2, 4, 5] : !graph.tensor<[B, H, W, 2, 2, 3], f32> -> !graph.tensor<[B, H, 2, W, 2, 3], f32>
  %2 = graph.reshape %1 : !graph.tensor<[B, H, 2, W, 2, 3], f32> -> !graph.tensor<[B, 2 * H, 2 * W, 3], f32>
  %3 = graph.broadcast %c, dims = [3] : !graph.tensor<[3], f32> -> !graph.tensor<[B, 2 * H, 2 * W, 3], f32>
  %4 = graph.mul %2, %3 : !graph.tensor<[B, 2 * H, 2 * W, 3], f32>
  %zero = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %5 = graph.broadcast %zero, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[B, 2 * H, 2 * W, 3], f32>
  %6 = graph.max %4, %5 : !graph.tensor<[B, 2 * H, 2 * W, 3], f32>
  %7 = graph.add %4, %6 : !graph.tensor<[B, 2 * H, 2 * W, 3], f32>
  %8 = graph.convert %7 : !graph.tensor<[B, 2 * H, 2 * W, 3], f32> -> !graph.tensor<[B, 2 * H, 2 * W, 3], ui8>
  graph.return %8 : !graph.tensor<[B, 2 * H, 2 * W, 3], ui8>
}

// Two values that others read would be shuffled twice, and another picture has no place before.
// CHECK-LABEL: graph.func @stays
// CHECK: %[[S:.*]] = graph.reshape %{{.*}} -> <[B, 2 * H, 2 * W, 3], f32>
// CHECK: graph.abs %[[S]]
// CHECK: graph.add %[[S]], %arg1
graph.func @stays(%x: !graph.tensor<[B, H, W, 12], f32>, %y: !graph.tensor<[B, 2 * H, 2 * W, 3], f32>)
    -> (!graph.tensor<[B, 2 * H, 2 * W, 3], f32>, !graph.tensor<[B, 2 * H, 2 * W, 3], f32>) {
  %0 = graph.reshape %x : !graph.tensor<[B, H, W, 12], f32> -> !graph.tensor<[B, H, W, 2, 2, 3], f32>
  %1 = graph.transpose %0, perm = [0, 1, 3, 2, 4, 5] : !graph.tensor<[B, H, W, 2, 2, 3], f32> -> !graph.tensor<[B, H, 2, W, 2, 3], f32>
  %2 = graph.reshape %1 : !graph.tensor<[B, H, 2, W, 2, 3], f32> -> !graph.tensor<[B, 2 * H, 2 * W, 3], f32>
  %3 = graph.abs %2 : !graph.tensor<[B, 2 * H, 2 * W, 3], f32>
  %4 = graph.add %2, %y : !graph.tensor<[B, 2 * H, 2 * W, 3], f32>
  graph.return %3, %4 : !graph.tensor<[B, 2 * H, 2 * W, 3], f32>, !graph.tensor<[B, 2 * H, 2 * W, 3], f32>
}
