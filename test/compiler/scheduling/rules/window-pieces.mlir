// RUN: tessera-compile %s --emit schedule --target x86-64-v3 | FileCheck %s
// RUN: tessera-run %s --input x=2x4x200x96xf32=1 --input w=3x3x96x24xf32=0.5 --input p=1x1x3x2xf32=1 --print 2 | FileCheck %s --check-prefix VALUES
// RUN: tessera-run %s --input x=1x3x6x96xf32=1 --input w=3x3x96x24xf32=0.5 --input p=1x1x3x2xf32=1 --print 2 | FileCheck %s --check-prefix SMALL

// A filter of 83 KB for 24 channels goes by in pieces of one tap (9 KB, in L1), each for up to 168 pixels of
// a row.
// CHECK: schedule.stage "acc_out" {
// CHECK: schedule.split "i2_t" into "i2_b", "i2_c" by 42
// CHECK: schedule.stage "acc" {
// CHECK-NEXT: schedule.compute_at "acc_out" loop "i2_b"
// CHECK: schedule.bound_storage "i2_t" 42
// CHECK: schedule.update "acc" {
// CHECK-NEXT: schedule.reorder ["i3_i", "i2_i", "r0", "i2_t", "i3_t", "r2", "r1"]

// Channels, along which pixels lie in memory, nest innermost, and so does the packed constant, whose taps
// were contiguous.
// CHECK: schedule.pack_operand 1 inner_dims_pos = [0] {{.*}} outer_dims_perm = [0, 2, 3, 1]
// CHECK: schedule.update "acc" {
// CHECK-NEXT: schedule.reorder [{{.*}}"r0", "r2", "r1"]

// VALUES: y: f32[2x2x198x24] min 432 max 432
// VALUES: z: f32[1x1x2x2] min 10 max 26
// SMALL: y: f32[1x1x4x24] min 432 max 432
graph.func @main(%x: !graph.tensor<[N, H, W, 96], f32> {graph.name = "x"}, %w: !graph.tensor<[3, 3, 96, 24], f32> {graph.name = "w"},
                 %p: !graph.tensor<[1, 1, V, 2], f32> {graph.name = "p"})
    -> (!graph.tensor<[N, H - 2, W - 2, 24], f32> {graph.name = "y"}, !graph.tensor<[1, 1, V - 1, 2], f32> {graph.name = "z"}) {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NHWC,HWIO->NHWC" : (!graph.tensor<[N, H, W, 96], f32>, !graph.tensor<[3, 3, 96, 24], f32>) -> !graph.tensor<[N, H - 2, W - 2, 24], f32>
  %c = graph.constant dense<[[[[1.0, 2.0]], [[3.0, 4.0]]], [[[5.0, 6.0]], [[7.0, 8.0]]]]> : !graph.tensor<[2, 2, 1, 2], f32>
  %1 = graph.conv %p, %c, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NHWC,OIHW->NHWC" : (!graph.tensor<[1, 1, V, 2], f32>, !graph.tensor<[2, 2, 1, 2], f32>) -> !graph.tensor<[1, 1, V - 1, 2], f32>
  graph.return %0, %1 : !graph.tensor<[N, H - 2, W - 2, 24], f32>, !graph.tensor<[1, 1, V - 1, 2], f32>
}
