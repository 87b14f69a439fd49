// A product in the steps of a recurrence: where ranges are found when running, each row of each step has one. The state itself stays as it is.
// RUN: tessera-opt %s --graph-quantize-layers="dynamic explain" 2>&1 | FileCheck %s
// RUN: tessera-opt %s --graph-quantize-layers="dynamic" --graph-lower-quantized --canonicalize | FileCheck %s --check-prefix=LOWERED
// RUN: tessera-opt %s --graph-quantize-layers="explain" 2>&1 | FileCheck %s --check-prefix=CALIBRATED
// RUN: tessera-compile %s --quantize int8-dynamic -o %t.tsm --verify-each=numeric

// CHECK-DAG: remark: layer: {{.*}} (steps)
// CHECK-DAG: is left: it is small: 1024 of at least 4096 multiply-adds for each row of a step
// CHECK-DAG: is left: it is inside of a loop and does not multiply the rows of a matrix
// CHECK: %[[W:.*]] = graph.dequantize %{{.*}}, %{{.*}} axis = 0 : (!graph.tensor<[64, 64], si8>, !graph.tensor<[64], f32>)
// CHECK: graph.scan (%[[H:[^ ]*]] =
// CHECK: graph.reduce max %[[H]], axes = [1]
// CHECK: %[[Q:.*]] = graph.quantize %[[H]], %[[S:.*]], %[[Z:.*]] axis = 0 : {{.*}} -> !graph.tensor<[N, 64], ui8>
// CHECK: %[[D:.*]] = graph.dequantize %[[Q]], %[[S]], %[[Z]] axis = 0
// CHECK: graph.contract "bh,gh->bg" %[[D]], %[[W]]
// CHECK: graph.add %{{.*}}, %[[H]]

// LOWERED: graph.scan
// LOWERED: graph.contract "bh,gh->bg" %{{.*}}, %{{.*}} : (!graph.tensor<[N, 64], ui8>, !graph.tensor<[64, 64], si8>) -> !graph.tensor<[N, 64], si32>

// CALIBRATED-COUNT-3: is left: it is inside of graph.scan
// CALIBRATED-NOT: graph.quantize
graph.func @main(%x: !graph.tensor<[T, N, 64], f32> {graph.name = "x"}, %y: !graph.tensor<[T, N, 32], f32> {graph.name = "y"})
    -> (!graph.tensor<[N, 64], f32> {graph.name = "h"}, !graph.tensor<[N, 32], f32> {graph.name = "s"}, !graph.tensor<[64], f32> {graph.name = "v"}) {
  %zero = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %w = graph.constant dense<0.01> : !graph.tensor<[64, 64], f32>
  %small = graph.constant dense<0.02> : !graph.tensor<[32, 32], f32>
  %h0 = graph.broadcast %zero, dims = [] : <[], f32> -> <[N, 64], f32>
  %s0 = graph.broadcast %zero, dims = [] : <[], f32> -> <[N, 32], f32>
  %v0 = graph.broadcast %zero, dims = [] : <[], f32> -> <[64], f32>
  %h, %s, %v = graph.scan (%a = %h0, %b = %s0, %c = %v0) over (%e = %x, %f = %y), axis = 0
      : (!graph.tensor<[N, 64], f32>, !graph.tensor<[N, 32], f32>, !graph.tensor<[64], f32>), (!graph.tensor<[T, N, 64], f32>, !graph.tensor<[T, N, 32], f32>)
      -> (!graph.tensor<[N, 64], f32>, !graph.tensor<[N, 32], f32>, !graph.tensor<[64], f32>) {
    %p = graph.contract "bh,gh->bg" %a, %w : (!graph.tensor<[N, 64], f32>, !graph.tensor<[64, 64], f32>) -> !graph.tensor<[N, 64], f32>
    %q = graph.add %p, %e : <[N, 64], f32>
    %next = graph.add %q, %a : <[N, 64], f32>
    %r = graph.contract "bh,gh->bg" %b, %small : (!graph.tensor<[N, 32], f32>, !graph.tensor<[32, 32], f32>) -> !graph.tensor<[N, 32], f32>
    %t = graph.add %r, %f : <[N, 32], f32>
    %u = graph.contract "h,gh->g" %c, %w : (!graph.tensor<[64], f32>, !graph.tensor<[64, 64], f32>) -> !graph.tensor<[64], f32>
    graph.yield %next, %t, %u : !graph.tensor<[N, 64], f32>, !graph.tensor<[N, 32], f32>, !graph.tensor<[64], f32>
  }
  graph.return %h, %s, %v : !graph.tensor<[N, 64], f32>, !graph.tensor<[N, 32], f32>, !graph.tensor<[64], f32>
}
