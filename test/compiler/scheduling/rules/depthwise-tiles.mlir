// RUN: tessera-compile %s --emit schedule --target x86-64-v4 | FileCheck %s
// RUN: tessera-compile %s --emit schedule --target x86-64-v3 | FileCheck %s --check-prefix SHORT

// Register tiles of depthwise windows: what is loaded once serves all sums of which it is a tap.

// 5x5: the taps along a row are written out, those of 16 sums and all lines would not stay in registers. Half the
// registers are sums; with AVX2 eight, of two vectors of one line.
// CHECK-LABEL: schedule.func @k0_conv
// CHECK: pad_to_tile "acc" loop "i1" by 2
// CHECK-NEXT: pad_to_tile "acc" loop "i2" by 8
// CHECK-NEXT: pad_to_tile "acc" loop "i3" by 16
// CHECK: schedule.update "acc" {
// CHECK-NEXT: schedule.unroll "r2"
// CHECK-NEXT: schedule.reorder
// SHORT-LABEL: schedule.func @k0_conv
// SHORT-NOT: loop "i1"
// SHORT: pad_to_tile "acc" loop "i2" by 4
// SHORT-NEXT: pad_to_tile "acc" loop "i3" by 16

// Places that lie 4096 bytes apart meet in one set of the cache: fewer of them, and more vectors of each.
// CHECK-LABEL: schedule.func @k1_conv
// CHECK: pad_to_tile "acc" loop "i2" by 4
// CHECK-NEXT: pad_to_tile "acc" loop "i3" by 64

// 3x3, extents that four divides.
// CHECK-LABEL: schedule.func @k2_conv
// CHECK: pad_to_tile "acc" loop "i1" by 4
// CHECK-NEXT: pad_to_tile "acc" loop "i2" by 4
// CHECK-NEXT: pad_to_tile "acc" loop "i3" by 16
// CHECK: schedule.update "acc" {
// CHECK-NEXT: schedule.unroll "r1"
// CHECK-NEXT: schedule.unroll "r2"

// Nine taps are not written out, and nothing is gained by lines.
// CHECK-LABEL: schedule.func @k3_conv
// CHECK: pad_to_tile "acc" loop "i2" by 4 into "i2_t", "i2_i"{{$}}
// CHECK-NEXT: pad_to_tile "acc" loop "i3" by 32
// CHECK: schedule.update "acc" {
// CHECK-NEXT: schedule.reorder

// A single line.
// CHECK-LABEL: schedule.func @k4_conv
// CHECK: pad_to_tile "acc" loop "i2" by 8
// CHECK: schedule.update "acc" {
// CHECK-NEXT: schedule.unroll "r2"

graph.func @main(%xa: !graph.tensor<[N, H, W, 64], f32> {graph.name = "xa"}, %wa: !graph.tensor<[64, 1, 5, 5], f32> {graph.name = "wa"},
                 %xb: !graph.tensor<[1, 9, 9, 1024], f32> {graph.name = "xb"}, %wb: !graph.tensor<[1024, 1, 3, 3], f32> {graph.name = "wb"},
                 %xc: !graph.tensor<[1, 58, 58, 128], f32> {graph.name = "xc"}, %wc: !graph.tensor<[128, 1, 3, 3], f32> {graph.name = "wc"},
                 %xd: !graph.tensor<[N, H, W, 64], f32> {graph.name = "xd"}, %wd: !graph.tensor<[64, 1, 1, 9], f32> {graph.name = "wd"},
                 %xe: !graph.tensor<[N, 1, W, 64], f32> {graph.name = "xe"}, %we: !graph.tensor<[64, 1, 1, 3], f32> {graph.name = "we"})
    -> (!graph.tensor<[N, H - 4, W - 4, 64], f32> {graph.name = "ya"},
        !graph.tensor<[1, 7, 7, 1024], f32> {graph.name = "yb"},
        !graph.tensor<[1, 56, 56, 128], f32> {graph.name = "yc"},
        !graph.tensor<[N, H, W - 8, 64], f32> {graph.name = "yd"},
        !graph.tensor<[N, 1, W - 2, 64], f32> {graph.name = "ye"}) {
  %a = graph.conv %xa, %wa, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], groups = 64, layout = "NHWC,OIHW->NHWC" : (!graph.tensor<[N, H, W, 64], f32>, !graph.tensor<[64, 1, 5, 5], f32>) -> !graph.tensor<[N, H - 4, W - 4, 64], f32>
  %b = graph.conv %xb, %wb, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], groups = 1024, layout = "NHWC,OIHW->NHWC" : (!graph.tensor<[1, 9, 9, 1024], f32>, !graph.tensor<[1024, 1, 3, 3], f32>) -> !graph.tensor<[1, 7, 7, 1024], f32>
  %c = graph.conv %xc, %wc, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], groups = 128, layout = "NHWC,OIHW->NHWC" : (!graph.tensor<[1, 58, 58, 128], f32>, !graph.tensor<[128, 1, 3, 3], f32>) -> !graph.tensor<[1, 56, 56, 128], f32>
  %d = graph.conv %xd, %wd, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], groups = 64, layout = "NHWC,OIHW->NHWC" : (!graph.tensor<[N, H, W, 64], f32>, !graph.tensor<[64, 1, 1, 9], f32>) -> !graph.tensor<[N, H, W - 8, 64], f32>
  %e = graph.conv %xe, %we, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], groups = 64, layout = "NHWC,OIHW->NHWC" : (!graph.tensor<[N, 1, W, 64], f32>, !graph.tensor<[64, 1, 1, 3], f32>) -> !graph.tensor<[N, 1, W - 2, 64], f32>
  graph.return %a, %b, %c, %d, %e : !graph.tensor<[N, H - 4, W - 4, 64], f32>, !graph.tensor<[1, 7, 7, 1024], f32>, !graph.tensor<[1, 56, 56, 128], f32>, !graph.tensor<[N, H, W - 8, 64], f32>, !graph.tensor<[N, 1, W - 2, 64], f32>
}
