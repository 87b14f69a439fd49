// RUN: tessera-opt %s --graph-quantize-layers="explain ranges=-1.0,1.0,-2.0,2.0" 2>&1 | FileCheck %s
// RUN: tessera-opt %s --graph-quantize-layers="ranges=-1.0,1.0,-2.0,2.0" --graph-lower-quantized | FileCheck %s --check-prefix=FLOW

// Products of two computed tensors: what lies along the rows is ui8 with a zero point, what lies along the columns si8
// around 0, so that an instruction sums four products. Scores of a softmax and what they weigh stay in f32.
// CHECK: remark: layer: {{.*}}quantize-computed.mlir:[[# @LINE + 18]]{{$}}
// CHECK: remark: layer: {{.*}}quantize-computed.mlir:[[# @LINE + 17]] (columns)
// CHECK: remark: {{.*}}quantize-computed.mlir:[[# @LINE + 17]] is left: sums of its products may not fit 32 bits
// CHECK: remark: {{.*}}quantize-computed.mlir:[[# @LINE + 17]] is left: it belongs to a softmax, whose scores are not stored
// CHECK: remark: {{.*}}quantize-computed.mlir:[[# @LINE + 19]] is left: it belongs to a softmax, whose scores are not stored

// CHECK: graph.quantize %arg1, {{.*}} -> !graph.tensor<[B, N, 64], si8>
// CHECK: graph.quantize %arg0, {{.*}} -> !graph.tensor<[B, M, 64], ui8>
// FLOW: %[[Y:.*]] = graph.quantize %arg1, {{.*}} -> !graph.tensor<[B, N, 64], si8>
// FLOW: %[[X:.*]] = graph.quantize %arg0, {{.*}} -> !graph.tensor<[B, M, 64], ui8>
// FLOW: graph.contract "bmk,bnk->bmn" %[[X]], %[[Y]] acc si32
// The zero point of the rows, times sums of the columns.
// FLOW: graph.contract "bnk,k->bn" %[[Y]]

graph.func @main(%x: !graph.tensor<[B, M, 64], f32>, %y: !graph.tensor<[B, N, 64], f32>, %z: !graph.tensor<[B, M, 32], f32>,
    %q: !graph.tensor<[B, M, 64], f32>, %k: !graph.tensor<[B, 512, 64], f32>, %v: !graph.tensor<[B, 512, 32], f32>)
    -> (!graph.tensor<[B, M, N], f32>, !graph.tensor<[B, 32, N], f32>, !graph.tensor<[B, M, 32], f32>)
    attributes {dims = {M = #graph.range<1, ?>, N = #graph.range<1, ?>}} {
  %0 = graph.contract "bmk,bnk->bmn" %x, %y : (!graph.tensor<[B, M, 64], f32>, !graph.tensor<[B, N, 64], f32>) -> !graph.tensor<[B, M, N], f32>
  %t = graph.contract "bmk,bmn->bkn" %z, %0 : (!graph.tensor<[B, M, 32], f32>, !graph.tensor<[B, M, N], f32>) -> !graph.tensor<[B, 32, N], f32>
  %s = graph.contract "bmk,bnk->bmn" %q, %k : (!graph.tensor<[B, M, 64], f32>, !graph.tensor<[B, 512, 64], f32>) -> !graph.tensor<[B, M, 512], f32>
  %n = graph.neg %s : !graph.tensor<[B, M, 512], f32>
  %p = graph.softmax %n, axes = [2] : !graph.tensor<[B, M, 512], f32>
  %a = graph.contract "bmn,bnd->bmd" %p, %v : (!graph.tensor<[B, M, 512], f32>, !graph.tensor<[B, 512, 32], f32>) -> !graph.tensor<[B, M, 32], f32>
  graph.return %0, %t, %a : !graph.tensor<[B, M, N], f32>, !graph.tensor<[B, 32, N], f32>, !graph.tensor<[B, M, 32], f32>
}
