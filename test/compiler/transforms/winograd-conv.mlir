// RUN: tessera-opt %s --graph-winograd-conv=always --canonicalize | FileCheck %s
// RUN: tessera-opt %s --graph-winograd-conv --explain -o /dev/null 2>&1 | FileCheck %s --check-prefix EXPLAIN

// The padding of the convolution, and a row and a column more where extents are odd, are one. There are two rows
// more, one of tiles: else the planes would begin a multiple of 4096 bytes apart, and meet in one set of the cache.
// CHECK-LABEL: graph.func @odd
// CHECK: %[[P:.*]] = graph.pad constant %arg0, %{{.*}}, lo = [0, 1, 1, 0], hi = [0, 4, 1, 0] {{.*}} -> !graph.tensor<[2, 60, 58, 64], f32>
// CHECK: %[[X:.*]] = graph.reshape %[[P]] : <[2, 60, 58, 64], f32> -> <[1, 2, 60, 58, 64], f32>
// CHECK: graph.slice %[[X]], starts = [0, 0, 0, 0, 0], steps = [1, 1, 2, 2, 1] {{.*}} -> <[1, 2, 29, 28, 64], f32>
// CHECK: graph.slice %[[X]], starts = [0, 0, 3, 3, 0], steps = [1, 1, 2, 2, 1]
// CHECK: %[[V:.*]] = graph.concat {{.*}} axis = 0 {{.*}} -> !graph.tensor<[16, 2, 29, 28, 64], f32>
// CHECK: %[[VM:.*]] = graph.reshape %[[V]] : {{.*}} -> <[16, 1624, 64], f32>
// CHECK: %[[U:.*]] = graph.contract "pt,gkct->pgck" %{{.*}} acc f64 {graph.fold} : (!graph.tensor<[16, 9], f32>, !graph.tensor<[1, 64, 64, 9], f32>)
// CHECK: %[[UM:.*]] = graph.reshape %[[U]] : <[16, 1, 64, 64], f32> -> <[16, 64, 64], f32>
// CHECK: %[[M:.*]] = graph.contract "pmc,pck->pmk" %[[VM]], %[[UM]] : {{.*}} -> !graph.tensor<[16, 1624, 64], f32>
// CHECK: %[[T:.*]] = graph.reshape %[[M]] : {{.*}} -> <[32, 29, 28, 64], f32>
// CHECK: %[[M15:.*]] = graph.slice %[[T]], starts = [30, 0, 0, 0], steps = [1, 1, 1, 1] : {{.*}} -> <[2, 29, 28, 64], f32>
// CHECK: graph.resize nearest %[[M15]], axes = [1, 2], coordinates = asymmetric, rounding = floor, scales = [2.000000e+00, 2.000000e+00] : {{.*}} -> <[2, 55, 56, 64], f32>
// The last of five selections follows the last plane.
// CHECK: graph.select
// CHECK: %[[Y:.*]] = graph.select
// CHECK-NEXT: graph.return %[[Y]] : !graph.tensor<[2, 55, 56, 64], f32>
// EXPLAIN: remark: is computed in tiles of 2x2 (Winograd): 218.68 of 454.16 million operations, 30.0 instead of 3.3 MB read and written, 0.{{[0-9]+}} of the time estimated
graph.func @odd(%x: !graph.tensor<[2, 55, 56, 64], f32>, %w: !graph.tensor<[64, 64, 3, 3], f32>) -> !graph.tensor<[2, 55, 56, 64], f32> {
  %z = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %p = graph.pad constant %x, %z, lo = [0, 1, 1, 0], hi = [0, 1, 1, 0] : (!graph.tensor<[2, 55, 56, 64], f32>, !graph.tensor<[], f32>) -> !graph.tensor<[2, 57, 58, 64], f32>
  %0 = graph.conv %p, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NHWC,OIHW->NHWC"
      : (!graph.tensor<[2, 57, 58, 64], f32>, !graph.tensor<[64, 64, 3, 3], f32>) -> !graph.tensor<[2, 55, 56, 64], f32>
  graph.return %0 : !graph.tensor<[2, 55, 56, 64], f32>
}

// Where it is not known whether tiles are whole, the last one reads the last row and column again; groups
// are an axis of the product; other layouts are transposed.
// CHECK-LABEL: graph.func @open
// CHECK: %[[X:.*]] = graph.reshape %{{.*}} -> <[1, N, H + 2, W + 2, 128], f32>
// CHECK: %[[E:.*]] = graph.pad edge %[[X]], lo = [0, 0, 0, 0, 0], hi = [0, 0, 1, 0, 0]
// CHECK: graph.slice %[[E]], starts = [0, 0, 3, 0, 0], steps = [1, 1, 2, 2, 1] {{.*}} -> <[1, N, floordiv(H + 1, 2), floordiv(W + 1, 2), 128], f32>
// CHECK: graph.contract "pmgc,pgck->pmgk"
// CHECK: graph.slice %{{.*}}, starts = [15 * N, 0, 0, 0]
// CHECK: graph.resize nearest {{.*}} -> <[N, H, W, 128], f32>
// CHECK: graph.transpose %{{.*}}, perm = [0, 3, 1, 2]
// EXPLAIN: remark: is computed in tiles of 2x2
graph.func @open(%x: !graph.tensor<[N, 128, H, W], f32>, %w: !graph.tensor<[128, 64, 3, 3], f32>) -> !graph.tensor<[N, 128, H, W], f32> {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [1, 1], hi = [1, 1], groups = 2
      : (!graph.tensor<[N, 128, H, W], f32>, !graph.tensor<[128, 64, 3, 3], f32>) -> !graph.tensor<[N, 128, H, W], f32>
  graph.return %0 : !graph.tensor<[N, 128, H, W], f32>
}

// CHECK-LABEL: graph.func @left
// CHECK-COUNT-4: graph.conv
// CHECK-NOT: graph.concat
// CHECK: graph.return
// EXPLAIN: remark: is not computed in tiles of 2x2: it has steps or dilations
// EXPLAIN: remark: is not computed in tiles of 2x2: its window is not 3x3
// EXPLAIN: remark: is not computed in tiles of 2x2: its groups have one channel: nothing is summed by matrix products
// EXPLAIN: remark: is not computed in tiles of 2x2: its numbers are not f32
graph.func @left(%x: !graph.tensor<[1, 58, 58, 64], f32>, %w: !graph.tensor<[64, 64, 3, 3], f32>, %v: !graph.tensor<[64, 64, 1, 1], f32>,
                 %d: !graph.tensor<[64, 1, 3, 3], f32>, %h: !graph.tensor<[1, 58, 58, 64], f16>, %u: !graph.tensor<[64, 64, 3, 3], f16>)
    -> (!graph.tensor<[1, 28, 28, 64], f32>, !graph.tensor<[1, 58, 58, 64], f32>, !graph.tensor<[1, 56, 56, 64], f32>, !graph.tensor<[1, 56, 56, 64], f16>) {
  %0 = graph.conv %x, %w, strides = [2, 2], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NHWC,OIHW->NHWC"
      : (!graph.tensor<[1, 58, 58, 64], f32>, !graph.tensor<[64, 64, 3, 3], f32>) -> !graph.tensor<[1, 28, 28, 64], f32>
  %1 = graph.conv %x, %v, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NHWC,OIHW->NHWC"
      : (!graph.tensor<[1, 58, 58, 64], f32>, !graph.tensor<[64, 64, 1, 1], f32>) -> !graph.tensor<[1, 58, 58, 64], f32>
  %2 = graph.conv %x, %d, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], groups = 64, layout = "NHWC,OIHW->NHWC"
      : (!graph.tensor<[1, 58, 58, 64], f32>, !graph.tensor<[64, 1, 3, 3], f32>) -> !graph.tensor<[1, 56, 56, 64], f32>
  %3 = graph.conv %h, %u, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NHWC,OIHW->NHWC"
      : (!graph.tensor<[1, 58, 58, 64], f16>, !graph.tensor<[64, 64, 3, 3], f16>) -> !graph.tensor<[1, 56, 56, 64], f16>
  graph.return %0, %1, %2, %3 : !graph.tensor<[1, 28, 28, 64], f32>, !graph.tensor<[1, 58, 58, 64], f32>, !graph.tensor<[1, 56, 56, 64], f32>, !graph.tensor<[1, 56, 56, 64], f16>
}

// Few channels do not pay for what is stored between.
// EXPLAIN: remark: is not computed in tiles of 2x2: it would take {{.*}} of the time estimated
graph.func @few(%x: !graph.tensor<[1, 58, 58, 3], f32>, %w: !graph.tensor<[8, 3, 3, 3], f32>) -> !graph.tensor<[1, 56, 56, 8], f32> {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NHWC,OIHW->NHWC"
      : (!graph.tensor<[1, 58, 58, 3], f32>, !graph.tensor<[8, 3, 3, 3], f32>) -> !graph.tensor<[1, 56, 56, 8], f32>
  graph.return %0 : !graph.tensor<[1, 56, 56, 8], f32>
}
