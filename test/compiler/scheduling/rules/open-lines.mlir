// RUN: tessera-compile %s --emit schedule --target x86-64-v4 | FileCheck %s
// RUN: tessera-run %s --input x=2x9x9x512xf32=1 --input w=3x3x512x512xf32=0.5 --input v=1x1x240x240xf32=1 --input z=1x3x5x240xf32=1 --print 2 | FileCheck %s --check-prefix VALUES

// Lines of unknown length may be short. Tiles are of four places, as lines of 7, 14 or 28 places fill most of them, and a piece of a filter
// that the second cache does not hold serves eight lines.
// CHECK-LABEL: schedule.func @k0_
// CHECK: schedule.pad_to_tile "acc" loop "i2" by 4 into "i2_t", "i2_i"
// CHECK: schedule.split "i1" into "i1_b", "i1_c" by 8
// CHECK-NEXT: schedule.split "i2_t" into "i2_b", "i2_c" by 2
// CHECK: schedule.bound_storage "i1" 8

// 240 columns fill five tiles of three vectors, of which four places would be too little to do. The second cache holds this filter: one line.
// CHECK-LABEL: schedule.func @k1_
// CHECK: schedule.pad_to_tile "acc" loop "i2" by 8 into "i2_t", "i2_i"
// CHECK-NOT: "i1_c"

// VALUES: y: f32[2x7x7x512] min 2304 max 2304
// VALUES: u: f32[1x3x5x240] min 240 max 240
graph.func @main(%x: !graph.tensor<[N, H, W, 512], f32> {graph.name = "x"}, %w: !graph.tensor<[3, 3, 512, 512], f32> {graph.name = "w"},
                 %z: !graph.tensor<[M, I, J, 240], f32> {graph.name = "z"}, %v: !graph.tensor<[1, 1, 240, 240], f32> {graph.name = "v"})
    -> (!graph.tensor<[N, H - 2, W - 2, 512], f32> {graph.name = "y"}, !graph.tensor<[M, I, J, 240], f32> {graph.name = "u"}) {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NHWC,HWIO->NHWC" : (!graph.tensor<[N, H, W, 512], f32>, !graph.tensor<[3, 3, 512, 512], f32>) -> !graph.tensor<[N, H - 2, W - 2, 512], f32>
  %1 = graph.conv %z, %v, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NHWC,HWIO->NHWC" : (!graph.tensor<[M, I, J, 240], f32>, !graph.tensor<[1, 1, 240, 240], f32>) -> !graph.tensor<[M, I, J, 240], f32>
  graph.return %0, %1 : !graph.tensor<[N, H - 2, W - 2, 512], f32>, !graph.tensor<[M, I, J, 240], f32>
}
