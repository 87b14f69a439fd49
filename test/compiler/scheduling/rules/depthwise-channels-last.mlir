// RUN: tessera-compile %s --emit schedule --target x86-64-v3 | FileCheck %s
// RUN: tessera-run %s --input x=1x3x6x5xf32=1 --print 6 | FileCheck %s --check-prefix VALUES

// A depthwise convolution with channels last keeps channels on vectors; its weight, whose channels are
// outermost, is packed. All taps of a small window are written out, and tiles of channels follow each other, as
// they lie in memory. Loops of their own take the tiles that are full.
// CHECK: schedule.pack_operand 1 inner_dims_pos = [0] inner_tiles = [8] outer_dims_perm = [0, 1, 2, 3]
// CHECK-NEXT: schedule.pad_to_tile "acc" loop "i2" by 8 into "i2_t", "i2_i" likely
// CHECK-NEXT: schedule.pad_to_tile "acc" loop "i3" by 8 into "i3_t", "i3_i"
// CHECK: schedule.reorder ["i3_i", "i2_i", "i3_t", "i2_t", "i1", "i0"]
// CHECK: schedule.stage "acc" {
// CHECK-NEXT: schedule.compute_at "acc_out" loop "i3_t"
// CHECK: schedule.bound_extent "i2_i" 8
// CHECK: schedule.bound_extent "i3_i" 8
// CHECK: schedule.update "acc" {
// CHECK-NEXT: schedule.unroll "r1"
// CHECK-NEXT: schedule.unroll "r2"
// CHECK-NEXT: schedule.reorder ["i3_i", "i2_i", "r2", "r1", "r0"]
// CHECK: schedule.unroll "i2_i"

// VALUES: y: f32[1x1x4x5] min 18 max 18
graph.func @main(%x: !graph.tensor<[1, H, W, 5], f32> {graph.name = "x"}) -> (!graph.tensor<[1, H - 2, W - 2, 5], f32> {graph.name = "y"}) {
  %v = graph.constant dense<[[[[2.0, 2.0, 2.0], [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]], [[[1.0, 3.0, 2.0], [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]], [[[3.0, 1.0, 2.0], [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]], [[[2.0, 2.0, 2.0], [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]], [[[0.0, 0.0, 0.0], [6.0, 6.0, 6.0], [0.0, 0.0, 0.0]]]]> : !graph.tensor<[5, 1, 3, 3], f32>
  %0 = graph.conv %x, %v, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], groups = 5, layout = "NHWC,OIHW->NHWC" : (!graph.tensor<[1, H, W, 5], f32>, !graph.tensor<[5, 1, 3, 3], f32>) -> !graph.tensor<[1, H - 2, W - 2, 5], f32>
  graph.return %0 : !graph.tensor<[1, H - 2, W - 2, 5], f32>
}
