// RUN: tessera-opt %s --graph-repeat-pixels | FileCheck %s
// RUN: tessera-compile %s --emit kernel -o %t.kernel && FileCheck %s --check-prefix KERNEL < %t.kernel
// RUN: tessera-compile %s -o %t.tsm --verify-each=numeric

// What is computed of an element is computed once, and repeated as few bytes: it has a kernel of its own.
// CHECK-LABEL: graph.func @borders
// CHECK: %[[Q:.*]] = graph.quantize
// CHECK: graph.broadcast %[[Q]], dims = [0, 1, 3, 5] : <[N, H, W, 5], ui8> -> <[N, H, 3, W, 2, 5], ui8>
// CHECK-NOT: graph.resize
// KERNEL-LABEL: graph.func @borders
// KERNEL: kernel.launch {{.*}} -> !graph.tensor<[N, H, W, 5], ui8>
// KERNEL: kernel.launch {{.*}} -> !graph.tensor<[N, H, 3, W, 2, 5], ui8>
// KERNEL-NEXT: graph.reshape
graph.func @borders(%x: !graph.tensor<[N, H, W, 5], f32>) -> !graph.tensor<[N, 3 * H, 2 * W, 5], ui8> {
  %s = graph.constant dense<0.5> : !graph.tensor<[], f32>
  %q = graph.quantize %x, %s : (!graph.tensor<[N, H, W, 5], f32>, !graph.tensor<[], f32>) -> !graph.tensor<[N, H, W, 5], ui8>
  %0 = graph.resize nearest %q, axes = [1, 2], coordinates = asymmetric, rounding = floor, scales = [3.0, 2.0] : !graph.tensor<[N, H, W, 5], ui8> -> !graph.tensor<[N, 3 * H, 2 * W, 5], ui8>
  graph.return %0 : !graph.tensor<[N, 3 * H, 2 * W, 5], ui8>
}

// Coordinates of centres, of odd and even factors, give the same.
// CHECK-LABEL: graph.func @centres
// CHECK: graph.broadcast %arg0, dims = [0, 1, 3] : <[N, W, 7], f32> -> <[N, W, 5, 7, 4], f32>
graph.func @centres(%x: !graph.tensor<[N, W, 7], f32>) -> !graph.tensor<[N, 5 * W, 28], f32> {
  %0 = graph.resize nearest %x, axes = [1, 2], coordinates = half_pixel, rounding = round_prefer_floor : !graph.tensor<[N, W, 7], f32> -> !graph.tensor<[N, 5 * W, 28], f32>
  graph.return %0 : !graph.tensor<[N, 5 * W, 28], f32>
}

// Other extents, scales and roundings compute their coordinates.
// CHECK-LABEL: graph.func @left
// CHECK-COUNT-3: graph.resize
graph.func @left(%x: !graph.tensor<[N, 6], f32>) -> (!graph.tensor<[N, 15], f32>, !graph.tensor<[N, 12], f32>, !graph.tensor<[N, 12], f32>) {
  %0 = graph.resize nearest %x, axes = [1], coordinates = asymmetric, rounding = floor : !graph.tensor<[N, 6], f32> -> !graph.tensor<[N, 15], f32>
  %1 = graph.resize nearest %x, axes = [1], coordinates = asymmetric, rounding = floor, scales = [2.1] : !graph.tensor<[N, 6], f32> -> !graph.tensor<[N, 12], f32>
  %2 = graph.resize nearest %x, axes = [1], coordinates = asymmetric, rounding = ceil : !graph.tensor<[N, 6], f32> -> !graph.tensor<[N, 12], f32>
  graph.return %0, %1, %2 : !graph.tensor<[N, 15], f32>, !graph.tensor<[N, 12], f32>, !graph.tensor<[N, 12], f32>
}
