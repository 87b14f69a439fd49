// What squeezes and excites: a tensor between products that no product reads, but a mean and a multiplication do. It is
// stored in 8 bits. Another one, whose product with the mean is what the model gives, is not.
// RUN: tessera-opt %s --graph-quantize-layers="explain ranges=-1.0,1.0,0.0,1.0,-1.0,2.0" 2>&1 | FileCheck %s
// RUN: tessera-opt %s --graph-quantize-layers="dynamic" 2>&1 | FileCheck %s --check-prefix=DYNAMIC

// CHECK-DAG: remark: layer: {{.*}}quantize-between.mlir:[[# @LINE + 18]]
// CHECK: graph.conv
// CHECK: %[[R:.*]] = graph.relu
// CHECK: %[[Q:.*]] = graph.quantize %[[R]]
// CHECK: %[[D:.*]] = graph.dequantize %[[Q]]
// CHECK: graph.mean %[[D]]
// CHECK: graph.mul %[[D]]
// CHECK: graph.quantize
// CHECK: graph.conv
// CHECK: %[[Z:.*]] = graph.sigmoid
// CHECK-NEXT: graph.mean %[[Z]]
// The range would have to be found before anything is stored.
// DYNAMIC: %[[R:.*]] = graph.relu
// DYNAMIC-NEXT: graph.mean %[[R]]
graph.func @main(%x: !graph.tensor<[N, 16, 9, 9], f32>) -> (!graph.tensor<[N, 16, 9, 9], f32>) {
  %w = graph.constant dense<0.5> : !graph.tensor<[16, 16, 3, 3], f32>
  %v = graph.constant dense<0.25> : !graph.tensor<[16, 16, 3, 3], f32>
  %c = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [1, 1], hi = [1, 1] : (!graph.tensor<[N, 16, 9, 9], f32>, !graph.tensor<[16, 16, 3, 3], f32>) -> !graph.tensor<[N, 16, 9, 9], f32>
  %r = graph.relu %c : !graph.tensor<[N, 16, 9, 9], f32>
  %m = graph.mean %r, axes = [2, 3] : !graph.tensor<[N, 16, 9, 9], f32> -> !graph.tensor<[N, 16], f32>
  %b = graph.broadcast %m, dims = [0, 1] : !graph.tensor<[N, 16], f32> -> !graph.tensor<[N, 16, 9, 9], f32>
  %e = graph.mul %r, %b : !graph.tensor<[N, 16, 9, 9], f32>
  %d = graph.conv %e, %v, strides = [1, 1], dilations = [1, 1], lo = [1, 1], hi = [1, 1] : (!graph.tensor<[N, 16, 9, 9], f32>, !graph.tensor<[16, 16, 3, 3], f32>) -> !graph.tensor<[N, 16, 9, 9], f32>
  %z = graph.sigmoid %d : !graph.tensor<[N, 16, 9, 9], f32>
  %n = graph.mean %z, axes = [2, 3] : !graph.tensor<[N, 16, 9, 9], f32> -> !graph.tensor<[N, 16], f32>
  %f = graph.broadcast %n, dims = [0, 1] : !graph.tensor<[N, 16], f32> -> !graph.tensor<[N, 16, 9, 9], f32>
  %g = graph.mul %z, %f : !graph.tensor<[N, 16, 9, 9], f32>
  graph.return %g : !graph.tensor<[N, 16, 9, 9], f32>
}
