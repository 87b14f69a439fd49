// RUN: tessera-opt %s --graph-lower-quantized | FileCheck %s --check-prefix GRAPH
// RUN: tessera-compile %s --emit schedule --target x86-64-v3 | FileCheck %s
// RUN: tessera-compile %s -o %t.tsm --verify-each=numeric
// RUN: tessera-run %t.tsm --input x=3x16xu8=9 --print 3 | FileCheck %s --check-prefix VALUES

// An activation that is spelled out reads the sums several times, and so does what clamps them. All of
// it reads one element at one point: it is computed in registers, and no f32 numbers are stored.
// Nothing is divided: what the constant and the scale divide by is one factor.
// GRAPH: graph.contract
// GRAPH-NOT: graph.div
// GRAPH: %[[LAST:.*]] = graph.mul %{{.*}} : <[M, 24], f32>
// GRAPH-NOT: graph.div
// GRAPH: graph.quantize
// CHECK-NOT: schedule.scratch "{{(select|mul|add|min)}}
// CHECK: schedule.stage "convert_1" {

// 16 * 9 * 0.0625 = 9, 9 * 6 / 6 = 9, 9 / 0.5 + 5 = 23
// VALUES: y: u8[3x24] min 23 max 23
graph.func @main(%x: !graph.tensor<[M, 16], ui8> {graph.name = "x"}) -> (!graph.tensor<[M, 24], ui8> {graph.name = "y"}) {
  %w = graph.constant dense<1> : !graph.tensor<[16, 24], si8>
  %sx = graph.constant dense<0.25> : !graph.tensor<[], f32>
  %sy = graph.constant dense<0.5> : !graph.tensor<[], f32>
  %zy = graph.constant dense<5> : !graph.tensor<[], ui8>
  %three = graph.constant dense<3.0> : !graph.tensor<[], f32>
  %six = graph.constant dense<6.0> : !graph.tensor<[], f32>
  %zero = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %threes = graph.broadcast %three, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[M, 24], f32>
  %sixes = graph.broadcast %six, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[M, 24], f32>
  %zeros = graph.broadcast %zero, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[M, 24], f32>
  %a = graph.dequantize %x, %sx : (!graph.tensor<[M, 16], ui8>, !graph.tensor<[], f32>) -> !graph.tensor<[M, 16], f32>
  %b = graph.dequantize %w, %sx : (!graph.tensor<[16, 24], si8>, !graph.tensor<[], f32>) -> !graph.tensor<[16, 24], f32>
  %p = graph.contract "mk,kn->mn" %a, %b : (!graph.tensor<[M, 16], f32>, !graph.tensor<[16, 24], f32>) -> !graph.tensor<[M, 24], f32>
  %0 = graph.add %p, %threes : !graph.tensor<[M, 24], f32>
  %1 = graph.max %0, %zeros : !graph.tensor<[M, 24], f32>
  %2 = graph.min %1, %sixes : !graph.tensor<[M, 24], f32>
  %3 = graph.mul %p, %2 : !graph.tensor<[M, 24], f32>
  %4 = graph.div %3, %sixes : !graph.tensor<[M, 24], f32>
  %y = graph.quantize %4, %sy, %zy : (!graph.tensor<[M, 24], f32>, !graph.tensor<[], f32>, !graph.tensor<[], ui8>) -> !graph.tensor<[M, 24], ui8>
  graph.return %y : !graph.tensor<[M, 24], ui8>
}
