// What products with constant weights read is quantized where it is made; who else reads it reads the same.
// RUN: tessera-opt %s --graph-quantize-layers="explain ranges=-1.0,1.0,0.0,4.0,nan,nan" 2>&1 | FileCheck %s
// RUN: tessera-opt %s --graph-quantize-layers="symmetric weights-per-tensor ranges=-1.0,1.0,0.0,4.0,-2.0,2.0" | FileCheck %s --check-prefix=SYMMETRIC
// RUN: tessera-opt %s --graph-quantize-layers="dynamic" --graph-lower-quantized --canonicalize | FileCheck %s --check-prefix=DYNAMIC
// RUN: tessera-opt %s --graph-quantize-layers="ranges=-1.0,1.0,0.0,4.0,-2.0,2.0" --graph-lower-quantized | FileCheck %s --check-prefix=FLOW
// RUN: not tessera-opt %s --graph-quantize-layers="ranges=1.0" 2>&1 | FileCheck %s --check-prefix=COUNT

// COUNT: expected 6 ranges, the least and the greatest number of each of 3 layers, found 1

// CHECK-DAG: remark: layer: {{.*}}quantize-layers.mlir:[[# @LINE + 43]]
// CHECK-DAG: remark: {{.*}} is left: it is small: 24 of at least 65536 multiply-adds
// CHECK-DAG: remark: {{.*}} is left: it is small: 1024 of at least 65536 multiply-adds
// CHECK-DAG: remark: {{.*}} is left: its weight has NaN or infinities
// CHECK-DAG: remark: {{.*}} is left: the model quantizes what it reads
// CHECK-DAG: remark: {{.*}} is left: its elements are not f32

// CHECK: %[[S:.*]] = graph.constant dense<0.00784313772>
// CHECK: %[[Z:.*]] = graph.constant dense<127> : !graph.tensor<[], ui8>
// CHECK: %[[Q:.*]] = graph.quantize %arg0, %[[S]], %[[Z]]
// CHECK: %[[D:.*]] = graph.dequantize %[[Q]], %[[S]], %[[Z]]
// CHECK: %[[W:.*]] = graph.dequantize %{{.*}}, %{{.*}} axis = 0 : (!graph.tensor<[16, 8, 3, 3], si8>, !graph.tensor<[16], f32>)
// CHECK: graph.conv %[[D]], %[[W]]
// CHECK: %[[R:.*]] = graph.relu
// The pooled and the plain form have one scale; the sum reads what was quantized.
// CHECK: %[[QR:.*]] = graph.quantize %[[R]]
// CHECK: %[[DR:.*]] = graph.dequantize %[[QR]]
// CHECK: graph.window_reduce max %[[DR]]
// CHECK: graph.add %{{.*}}, %[[DR]]

// SYMMETRIC: graph.quantize %arg0, %{{[^,]*}} : (!graph.tensor<[N, 8, H, W], f32>, !graph.tensor<[], f32>) -> !graph.tensor<[N, 8, H, W], si8>
// SYMMETRIC: graph.dequantize %{{.*}} : (!graph.tensor<[16, 8, 3, 3], si8>, !graph.tensor<[], f32>)

// DYNAMIC: graph.reduce max %arg0
// DYNAMIC: graph.conv %{{.*}} acc si32
// DYNAMIC: graph.conv %{{.*}} acc si32

// From product to product in 8 bits.
// FLOW: graph.conv %{{.*}} acc si32
// FLOW: %[[R:.*]] = graph.quantize %{{.*}} -> !graph.tensor<[N, 16, H, W], ui8>
// FLOW: %[[P:.*]] = graph.window_reduce max %[[R]], {{.*}} : <[N, 16, H, W], ui8>
// FLOW: graph.conv %[[P]], %{{.*}} acc si32

graph.func @main(%x: !graph.tensor<[N, 8, H, W], f32>, %f: !graph.tensor<[4, 64], f32>, %small: !graph.tensor<[2, 4], f32>, %half: !graph.tensor<[N, 64], f16>, %byte: !graph.tensor<[N, 64], ui8>)
    -> (!graph.tensor<[N, 16, H, W], f32>, !graph.tensor<[4, 512], f32>, !graph.tensor<[2, 3], f32>, !graph.tensor<[4, 4], f32>, !graph.tensor<[4, 512], f32>, !graph.tensor<[N, 64], f16>, !graph.tensor<[N, 64], f32>) {
  %w = graph.constant dense<0.5> : !graph.tensor<[16, 8, 3, 3], f32>
  %v = graph.constant dense<0.25> : !graph.tensor<[16, 16, 1, 1], f32>
  %m = graph.constant dense<0.25> : !graph.tensor<[64, 512], f32>
  %t = graph.constant dense<0.25> : !graph.tensor<[4, 3], f32>
  %n = graph.constant dense<0x7FC00000> : !graph.tensor<[64, 512], f32>
  %h = graph.constant dense<0.25> : !graph.tensor<[64, 64], f16>
  %k = graph.constant dense<0.25> : !graph.tensor<[64, 64], f32>
  %scale = graph.constant dense<0.25> : !graph.tensor<[], f32>
  %c = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [1, 1], hi = [1, 1] : (!graph.tensor<[N, 8, H, W], f32>, !graph.tensor<[16, 8, 3, 3], f32>) -> !graph.tensor<[N, 16, H, W], f32>
  %r = graph.relu %c : !graph.tensor<[N, 16, H, W], f32>
  %p = graph.window_reduce max %r, axes = [2, 3], window = [3, 3], strides = [1, 1], dilations = [1, 1], lo = [1, 1], hi = [1, 1] : !graph.tensor<[N, 16, H, W], f32> -> !graph.tensor<[N, 16, H, W], f32>
  %d = graph.conv %p, %v, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0] : (!graph.tensor<[N, 16, H, W], f32>, !graph.tensor<[16, 16, 1, 1], f32>) -> !graph.tensor<[N, 16, H, W], f32>
  %s = graph.add %d, %r : !graph.tensor<[N, 16, H, W], f32>
  %z = graph.contract "nk,km->nm" %f, %m : (!graph.tensor<[4, 64], f32>, !graph.tensor<[64, 512], f32>) -> !graph.tensor<[4, 512], f32>
  %a = graph.contract "nk,km->nm" %small, %t : (!graph.tensor<[2, 4], f32>, !graph.tensor<[4, 3], f32>) -> !graph.tensor<[2, 3], f32>
  %b = graph.contract "nk,mk->nm" %f, %f : (!graph.tensor<[4, 64], f32>, !graph.tensor<[4, 64], f32>) -> !graph.tensor<[4, 4], f32>
  %e = graph.contract "nk,km->nm" %f, %n : (!graph.tensor<[4, 64], f32>, !graph.tensor<[64, 512], f32>) -> !graph.tensor<[4, 512], f32>
  %g = graph.contract "nk,km->nm" %half, %h : (!graph.tensor<[N, 64], f16>, !graph.tensor<[64, 64], f16>) -> !graph.tensor<[N, 64], f16>
  %bf = graph.dequantize %byte, %scale : (!graph.tensor<[N, 64], ui8>, !graph.tensor<[], f32>) -> !graph.tensor<[N, 64], f32>
  %i = graph.contract "nk,km->nm" %bf, %k : (!graph.tensor<[N, 64], f32>, !graph.tensor<[64, 64], f32>) -> !graph.tensor<[N, 64], f32>
  graph.return %s, %z, %a, %b, %e, %g, %i : !graph.tensor<[N, 16, H, W], f32>, !graph.tensor<[4, 512], f32>, !graph.tensor<[2, 3], f32>, !graph.tensor<[4, 4], f32>, !graph.tensor<[4, 512], f32>, !graph.tensor<[N, 64], f16>, !graph.tensor<[N, 64], f32>
}
