// What layers read becomes an output, before it is padded.
// RUN: tessera-opt %s --graph-observe-ranges | FileCheck %s
// CHECK: graph.func @main({{.*}}) -> (!graph.tensor<[N, 64], f32> {graph.name = "y"}, !graph.tensor<[N, 62], f32>)
// CHECK: %[[R:.*]] = graph.relu
// CHECK: graph.return %{{.*}}, %[[R]]
graph.func @main(%x: !graph.tensor<[N, 62], f32>) -> (!graph.tensor<[N, 64], f32> {graph.name = "y"}) {
  %w = graph.constant dense<0.5> : !graph.tensor<[64, 64], f32>
  %zero = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %r = graph.relu %x : !graph.tensor<[N, 62], f32>
  %p = graph.pad constant %r, %zero, lo = [0, 1], hi = [0, 1] : (!graph.tensor<[N, 62], f32>, !graph.tensor<[], f32>) -> !graph.tensor<[N, 64], f32>
  %y = graph.contract "nk,km->nm" %p, %w : (!graph.tensor<[N, 64], f32>, !graph.tensor<[64, 64], f32>) -> !graph.tensor<[N, 64], f32>
  graph.return %y : !graph.tensor<[N, 64], f32>
}
