// RUN: tessera-compile %s --emit schedule --target x86-64-v4 | FileCheck %s
// RUN: tessera-run %s --input x=1x3x9x226xf32=1 --input w=32x3x3x3xf32=0.5 --input p=1x32x5x112xf32=1 --input v=32x32x1x1xf32=2 --print 1 | FileCheck %s --check-prefix VALUES

// Columns along which a window slides. With steps of 2 they are taken from two vectors that lie across lines of the
// cache: a tile has more rows, which share them.
// CHECK-LABEL: schedule.func @k0_conv
// CHECK: pad_to_tile "acc" loop "i1" by 8
// CHECK-NEXT: pad_to_tile "acc" loop "i3" by 32

// Without taps along them they are read as they lie: 112 places are seven vectors.
// CHECK-LABEL: schedule.func @k1_conv
// CHECK: pad_to_tile "acc" loop "i1" by 3
// CHECK-NEXT: pad_to_tile "acc" loop "i3" by 112

// VALUES: y: f32[1x32x4x112] min 13.5 max 13.5
// VALUES: z: f32[1x32x5x112] min 64 max 64
graph.func @main(%x: !graph.tensor<[1, 3, 9, 226], f32> {graph.name = "x"}, %w: !graph.tensor<[32, 3, 3, 3], f32> {graph.name = "w"},
                 %p: !graph.tensor<[1, 32, 5, 112], f32> {graph.name = "p"}, %v: !graph.tensor<[32, 32, 1, 1], f32> {graph.name = "v"})
    -> (!graph.tensor<[1, 32, 4, 112], f32> {graph.name = "y"}, !graph.tensor<[1, 32, 5, 112], f32> {graph.name = "z"}) {
  %0 = graph.conv %x, %w, strides = [2, 2], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NCHW,OIHW->NCHW" : (!graph.tensor<[1, 3, 9, 226], f32>, !graph.tensor<[32, 3, 3, 3], f32>) -> !graph.tensor<[1, 32, 4, 112], f32>
  %1 = graph.conv %p, %v, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NCHW,OIHW->NCHW" : (!graph.tensor<[1, 32, 5, 112], f32>, !graph.tensor<[32, 32, 1, 1], f32>) -> !graph.tensor<[1, 32, 5, 112], f32>
  graph.return %0, %1 : !graph.tensor<[1, 32, 4, 112], f32>, !graph.tensor<[1, 32, 5, 112], f32>
}
