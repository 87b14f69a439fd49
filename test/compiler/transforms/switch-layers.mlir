// An input chooses between the numbers of 8 bits and those of the model.
// RUN: tessera-opt %s --graph-switch-layers | FileCheck %s
// CHECK: graph.func @main(%{{.*}}, %[[S:.*]]: !graph.tensor<[1], i1>)
// CHECK: %[[ONE:.*]] = graph.slice %[[S]], starts = [0], steps = [1]
// CHECK: %[[ON:.*]] = graph.reshape %[[ONE]]
// CHECK: %[[R:.*]] = graph.relu
// CHECK: %[[D:.*]] = graph.dequantize
// CHECK: %[[B:.*]] = graph.broadcast %[[ON]]
// CHECK: %[[X:.*]] = graph.select %[[B]], %[[D]], %[[R]]
// CHECK: %[[W:.*]] = graph.select
// CHECK: graph.contract "nk,km->nm" %[[X]], %[[W]]
graph.func @main(%x: !graph.tensor<[N, 64], f32>) -> !graph.tensor<[N, 64], f32> {
  %w = graph.constant dense<0.5> : !graph.tensor<[64, 64], f32>
  %r = graph.relu %x : !graph.tensor<[N, 64], f32>
  %y = graph.contract "nk,km->nm" %r, %w : (!graph.tensor<[N, 64], f32>, !graph.tensor<[64, 64], f32>) -> !graph.tensor<[N, 64], f32>
  graph.return %y : !graph.tensor<[N, 64], f32>
}
