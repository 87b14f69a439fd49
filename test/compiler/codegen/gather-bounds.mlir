// An index that a shift bounds from below is still read within its table: Halide drops the clamp and has to know the range.
// RUN: tessera-run %s --input p=20x70xu32=1 --print 2 | FileCheck %s
// CHECK: y: f32[70] min 40 max 40

graph.func @main(%p: !graph.tensor<[20, N], ui32> {graph.name = "p"}) -> (!graph.tensor<[N], f32> {graph.name = "y"}) {
  %records = graph.constant dense<[64, 128, 192, 256, 320, 384, 448, 0]> : !graph.tensor<[8], ui32>
  %numbers = graph.constant dense<[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]> : !graph.tensor<[8], f32>
  %record = graph.gather %records, %p, axis = 0 : (!graph.tensor<[8], ui32>, !graph.tensor<[20, N], ui32>) -> !graph.tensor<[20, N], ui32>
  %six = graph.constant dense<6> : !graph.tensor<[], ui32>
  %bits = graph.broadcast %six, dims = [] : !graph.tensor<[], ui32> -> !graph.tensor<[20, N], ui32>
  %next = graph.shr %record, %bits : !graph.tensor<[20, N], ui32>
  %number = graph.gather %numbers, %next, axis = 0 : (!graph.tensor<[8], f32>, !graph.tensor<[20, N], ui32>) -> !graph.tensor<[20, N], f32>
  %y = graph.reduce sum %number, axes = [0] : !graph.tensor<[20, N], f32> -> !graph.tensor<[N], f32>
  graph.return %y : !graph.tensor<[N], f32>
}
