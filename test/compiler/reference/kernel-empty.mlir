// Kernels clamp what they read into their operands; of an empty operand that is no error, and what is
// read there is not taken.

// RUN: tessera-opt %s --verify-each=numeric --graph-decompose --canonicalize --graph-explicit-padding \
// RUN:   --graph-form-kernels --schedule-default --kernel-apply-restructure 2>&1 | FileCheck %s
// CHECK-NOT: error
// CHECK-NOT: warning
// CHECK: graph.func @ends

graph.func @ends(%x: !graph.tensor<[0, 3], f32> {graph.name = "x"}, %z: !graph.tensor<[2, 3], f32>)
    -> (!graph.tensor<[4, 3], f32> {graph.name = "padded"}, !graph.tensor<[2, 3], f32> {graph.name = "joined"}) {
  %c = graph.constant dense<7.0> : !graph.tensor<[], f32>
  %p = graph.pad constant %x, %c, lo = [2, 0], hi = [2, 0]
    : (!graph.tensor<[0, 3], f32>, !graph.tensor<[], f32>) -> !graph.tensor<[4, 3], f32>
  %j = graph.concat %x, %z axis = 0 : (!graph.tensor<[0, 3], f32>, !graph.tensor<[2, 3], f32>) -> !graph.tensor<[2, 3], f32>
  graph.return %p, %j : !graph.tensor<[4, 3], f32>, !graph.tensor<[2, 3], f32>
}
