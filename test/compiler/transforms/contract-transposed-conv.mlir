// RUN: tessera-opt %s --graph-contract-transposed-conv | FileCheck %s

// CHECK-LABEL: graph.func @apart
// CHECK: %[[C:.*]] = graph.contract "ncuv,coUV->nouUvV" %arg0, %arg1
// CHECK: graph.reshape %[[C]] : <[B, 8, H, 2, W, 2], f32> -> <[B, 8, 2 * H, 2 * W], f32>
graph.func @apart(%x: !graph.tensor<[B, 4, H, W], f32>, %w: !graph.tensor<[4, 8, 2, 2], f32>) -> !graph.tensor<[B, 8, 2 * H, 2 * W], f32> {
  %0 = graph.conv_transpose %x, %w, strides = [2, 2], dilations = [1, 1], lo = [0, 0], hi = [0, 0], output_padding = [0, 0]
      : (!graph.tensor<[B, 4, H, W], f32>, !graph.tensor<[4, 8, 2, 2], f32>) -> !graph.tensor<[B, 8, 2 * H, 2 * W], f32>
  graph.return %0 : !graph.tensor<[B, 8, 2 * H, 2 * W], f32>
}

// CHECK-LABEL: graph.func @overlapping
// CHECK: graph.conv_transpose
graph.func @overlapping(%x: !graph.tensor<[B, 4, W], f32>, %w: !graph.tensor<[4, 8, 3], f32>) -> !graph.tensor<[B, 8, 2 * W + 1], f32> {
  %0 = graph.conv_transpose %x, %w, strides = [2], dilations = [1], lo = [0], hi = [0], output_padding = [0]
      : (!graph.tensor<[B, 4, W], f32>, !graph.tensor<[4, 8, 3], f32>) -> !graph.tensor<[B, 8, 2 * W + 1], f32>
  graph.return %0 : !graph.tensor<[B, 8, 2 * W + 1], f32>
}

// Every tensor keeps its layout.
// CHECK-LABEL: graph.func @channels_last
// CHECK: %[[C:.*]] = graph.contract "nuvc,coUV->nuUvVo" %arg0, %arg1
// CHECK: graph.reshape %[[C]] : <[B, H, 2, W, 3, 8], f32> -> <[B, 2 * H, 3 * W, 8], f32>
graph.func @channels_last(%x: !graph.tensor<[B, H, W, 4], f32>, %w: !graph.tensor<[4, 8, 2, 3], f32>) -> !graph.tensor<[B, 2 * H, 3 * W, 8], f32> {
  %0 = graph.conv_transpose %x, %w, strides = [2, 3], dilations = [1, 1], lo = [0, 0], hi = [0, 0], output_padding = [0, 0], layout = "NHWC,IOHW->NHWC"
      : (!graph.tensor<[B, H, W, 4], f32>, !graph.tensor<[4, 8, 2, 3], f32>) -> !graph.tensor<[B, 2 * H, 3 * W, 8], f32>
  graph.return %0 : !graph.tensor<[B, 2 * H, 3 * W, 8], f32>
}
