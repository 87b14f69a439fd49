// RUN: tessera-opt %s --graph-quantize-layers="explain ranges=-1.0,1.0" 2>&1 | FileCheck %s

// Three channels fill no instruction that sums integers: quantizing what the first convolution reads
// would cost time and gain none. What the second reads is quantized.
// CHECK: remark: {{.*}} is left: few channels, an odd number of them, are summed in f32 in any case
// CHECK: graph.conv %arg0, %{{.*}} : (!graph.tensor<[N, 3, H, W], f32>
// CHECK: %[[Q:.*]] = graph.quantize
// CHECK: graph.dequantize %[[Q]]
graph.func @main(%x: !graph.tensor<[N, 3, H, W], f32>) -> !graph.tensor<[N, 16, H, W], f32> {
  %w = graph.constant dense<0.5> : !graph.tensor<[16, 3, 3, 3], f32>
  %v = graph.constant dense<0.25> : !graph.tensor<[16, 16, 1, 1], f32>
  %c = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [1, 1], hi = [1, 1] : (!graph.tensor<[N, 3, H, W], f32>, !graph.tensor<[16, 3, 3, 3], f32>) -> !graph.tensor<[N, 16, H, W], f32>
  %d = graph.conv %c, %v, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0] : (!graph.tensor<[N, 16, H, W], f32>, !graph.tensor<[16, 16, 1, 1], f32>) -> !graph.tensor<[N, 16, H, W], f32>
  graph.return %d : !graph.tensor<[N, 16, H, W], f32>
}
