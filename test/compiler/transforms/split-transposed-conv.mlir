// RUN: tessera-opt %s --graph-split-transposed-conv | FileCheck %s
// RUN: tessera-opt %s --graph-split-transposed-conv=finite | FileCheck %s --check-prefix FINITE
// RUN: tessera-opt %s --graph-split-transposed-conv --graph-lower-quantized | FileCheck %s --check-prefix INTEGERS
// RUN: tessera-compile %s -o %t.tsm --verify-each=numeric

// CHECK-LABEL: graph.func @apart
// CHECK: %[[W:.*]] = graph.reshape {{.*}} -> <[32, 4, 1, 1], f32>
// CHECK: %[[C:.*]] = graph.conv %arg0, %[[W]], strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0]
// CHECK: %[[S:.*]] = graph.reshape %[[C]] : <[B, 32, H, W], f32> -> <[B, 2, 2, 8, H, W], f32>
// CHECK: %[[T:.*]] = graph.transpose %[[S]], perm = [0, 3, 4, 1, 5, 2]
// CHECK: %[[Y:.*]] = graph.reshape %[[T]] : <[B, 8, H, 2, W, 2], f32> -> <[B, 8, 2 * H, 2 * W], f32>
// CHECK: graph.return %[[Y]]
graph.func @apart(%x: !graph.tensor<[B, 4, H, W], f32>, %w: !graph.tensor<[4, 8, 2, 2], f32>) -> !graph.tensor<[B, 8, 2 * H, 2 * W], f32> {
  %0 = graph.conv_transpose %x, %w, strides = [2, 2], dilations = [1, 1], lo = [0, 0], hi = [0, 0], output_padding = [0, 0]
      : (!graph.tensor<[B, 4, H, W], f32>, !graph.tensor<[4, 8, 2, 2], f32>) -> !graph.tensor<[B, 8, 2 * H, 2 * W], f32>
  graph.return %0 : !graph.tensor<[B, 8, 2 * H, 2 * W], f32>
}

// A window of 4 makes pieces of 2; the weight is known to be finite.
// CHECK-LABEL: graph.func @overlapping
// CHECK: graph.conv {{.*}} lo = [1], hi = [1] : (!graph.tensor<[B, 3, W], f32>, !graph.tensor<[4, 3, 2], f32>) -> !graph.tensor<[B, 4, W + 1], f32>
// CHECK: graph.slice {{.*}}, starts = [0, 0, 1], steps = [1, 1, 1] : <[B, 2, 2 * W + 2], f32> -> <[B, 2, 2 * W], f32>
graph.func @overlapping(%x: !graph.tensor<[B, 3, W], f32>) -> !graph.tensor<[B, 2, 2 * W], f32> {
  %w = graph.constant dense<[[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]], [[-1.0, 2.5, 3.0, 0.0], [1.0, 1.0, 2.0, 2.0]], [[9.0, 2.0, -7.0, 4.0], [0.5, 6.0, 7.0, 8.0]]]> : !graph.tensor<[3, 2, 4], f32>
  %0 = graph.conv_transpose %x, %w, strides = [2], dilations = [1], lo = [1], hi = [1], output_padding = [0]
      : (!graph.tensor<[B, 3, W], f32>, !graph.tensor<[3, 2, 4], f32>) -> !graph.tensor<[B, 2, 2 * W], f32>
  graph.return %0 : !graph.tensor<[B, 2, 2 * W], f32>
}

// Zeros would be multiplied by what may be infinite: by weights beside the picture, by elements where
// the stride does not divide the window.
// CHECK-LABEL: graph.func @not_finite
// CHECK: graph.conv_transpose
// FINITE-LABEL: graph.func @not_finite
// FINITE: graph.conv %{{.*}} lo = [1], hi = [1] : (!graph.tensor<[B, 4, W], f32>, !graph.tensor<[16, 4, 2], f32>) -> !graph.tensor<[B, 16, W + 1], f32>
// FINITE: graph.slice {{.*}} starts = [0, 0, 0]{{.*}} -> <[B, 8, 2 * W + 1], f32>
graph.func @not_finite(%x: !graph.tensor<[B, 4, W], f32>, %w: !graph.tensor<[4, 8, 3], f32>) -> !graph.tensor<[B, 8, 2 * W + 1], f32> {
  %0 = graph.conv_transpose %x, %w, strides = [2], dilations = [1], lo = [0], hi = [0], output_padding = [0]
      : (!graph.tensor<[B, 4, W], f32>, !graph.tensor<[4, 8, 3], f32>) -> !graph.tensor<[B, 8, 2 * W + 1], f32>
  graph.return %0 : !graph.tensor<[B, 8, 2 * W + 1], f32>
}

// Stride 1 along an axis has no factor, and results that reach beyond the last piece have a step more.
// CHECK-LABEL: graph.func @one_stride
// CHECK: graph.conv {{.*}} lo = [1, 0], hi = [1, 1] : {{.*}} -> !graph.tensor<[B, 6, H + 1, W + 1], f32>
// CHECK: graph.transpose {{.*}} perm = [0, 2, 3, 4, 1]
// CHECK: graph.slice {{.*}} -> <[B, 2, H + 1, 3 * W + 2], f32>
graph.func @one_stride(%x: !graph.tensor<[B, 1, H, W], f32>) -> !graph.tensor<[B, 2, H + 1, 3 * W + 2], f32> {
  %w = graph.constant dense<[[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[-1.0, 2.5, 3.0], [0.0, 0.25, -3.0]]]]> : !graph.tensor<[1, 2, 2, 3], f32>
  %0 = graph.conv_transpose %x, %w, strides = [1, 3], dilations = [1, 1], lo = [0, 0], hi = [0, 0], output_padding = [0, 2]
      : (!graph.tensor<[B, 1, H, W], f32>, !graph.tensor<[1, 2, 2, 3], f32>) -> !graph.tensor<[B, 2, H + 1, 3 * W + 2], f32>
  graph.return %0 : !graph.tensor<[B, 2, H + 1, 3 * W + 2], f32>
}

// CHECK-LABEL: graph.func @channels_last
// CHECK: graph.transpose %arg0, perm = [0, 3, 1, 2]
// CHECK: graph.conv
// CHECK: %[[Y:.*]] = graph.transpose {{.*}}, perm = [0, 2, 3, 1] : <[B, 8, 2 * H, 3 * W], f32>
// CHECK: graph.return %[[Y]]
graph.func @channels_last(%x: !graph.tensor<[B, H, W, 4], f32>, %w: !graph.tensor<[4, 8, 2, 3], f32>) -> !graph.tensor<[B, 2 * H, 3 * W, 8], f32> {
  %0 = graph.conv_transpose %x, %w, strides = [2, 3], dilations = [1, 1], lo = [0, 0], hi = [0, 0], output_padding = [0, 0], layout = "NHWC,IOHW->NHWC"
      : (!graph.tensor<[B, H, W, 4], f32>, !graph.tensor<[4, 8, 2, 3], f32>) -> !graph.tensor<[B, 2 * H, 3 * W, 8], f32>
  graph.return %0 : !graph.tensor<[B, 2 * H, 3 * W, 8], f32>
}

// Integers are placed, and each channel keeps its scale.
// CHECK-LABEL: graph.func @quantized
// CHECK: %[[I:.*]] = graph.reshape {{.*}} -> <[8, 2, 2], si8>
// CHECK: %[[SCALE:.*]] = graph.reshape {{.*}} : <[2, 4], f32> -> <[8], f32>
// CHECK: %[[D:.*]] = graph.dequantize %[[I]], %[[SCALE]] axis = 0
// CHECK: graph.conv %{{.*}}, %[[D]]
// INTEGERS-LABEL: graph.func @quantized
// INTEGERS: graph.conv {{.*}} acc si32 : (!graph.tensor<[B, 2, W + 2], ui8>, !graph.tensor<[8, 2, 2], si8>)
graph.func @quantized(%x: !graph.tensor<[B, 2, W], ui8>, %w: !graph.tensor<[2, 4, 3], si8>) -> !graph.tensor<[B, 4, 2 * W], f32> {
  %sw = graph.constant dense<[0.5, 0.25, 2.0, 1.0]> : !graph.tensor<[4], f32>
  %sx = graph.constant dense<0.5> : !graph.tensor<[], f32>
  %zx = graph.constant dense<100> : !graph.tensor<[], ui8>
  %a = graph.dequantize %x, %sx, %zx : (!graph.tensor<[B, 2, W], ui8>, !graph.tensor<[], f32>, !graph.tensor<[], ui8>) -> !graph.tensor<[B, 2, W], f32>
  %b = graph.dequantize %w, %sw axis = 1 : (!graph.tensor<[2, 4, 3], si8>, !graph.tensor<[4], f32>) -> !graph.tensor<[2, 4, 3], f32>
  %0 = graph.conv_transpose %a, %b, strides = [2], dilations = [1], lo = [1], hi = [1], output_padding = [1]
      : (!graph.tensor<[B, 2, W], f32>, !graph.tensor<[2, 4, 3], f32>) -> !graph.tensor<[B, 4, 2 * W], f32>
  graph.return %0 : !graph.tensor<[B, 4, 2 * W], f32>
}
