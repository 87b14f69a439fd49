// A reduction of every axis has no loop left for its result.
// RUN: tessera-run %s --input x=2x3xf32=1,2,3,4,5,-7 --print 1 | FileCheck %s
// RUN: tessera-run %s --input x=1x100xf32=1 --print 1 | FileCheck %s --check-prefix=ONES

// CHECK: sum: f32[] min 8 max 8
// ONES: sum: f32[] min 100 max 100

graph.func @main(%x: !graph.tensor<[N, M], f32> {graph.name = "x"}) -> (!graph.tensor<[], f32> {graph.name = "sum"}) {
  %sum = graph.reduce sum %x, axes = [0, 1] : !graph.tensor<[N, M], f32> -> !graph.tensor<[], f32>
  graph.return %sum : !graph.tensor<[], f32>
}
