// What the interpreter cannot run is said, once, and does not fail the pipeline.
// RUN: tessera-opt %s --verify-each=numeric --canonicalize --cse 2>&1 | FileCheck %s
// CHECK: warning: graph.func @strings is not checked numerically: its inputs cannot be generated
// CHECK-NOT: warning
// CHECK: warning: graph.func @impossible is not checked numerically: graph.reshape:
// CHECK-SAME: elements
// CHECK-NOT: warning
graph.func @strings(%x: !graph.tensor<[4], !graph.string>) -> !graph.tensor<[4], !graph.string> {
  graph.return %x : !graph.tensor<[4], !graph.string>
}
graph.func @impossible(%x: !graph.tensor<[A, B], f32>) -> !graph.tensor<[A * A + B, 1000], f32> {
  %0 = graph.reshape %x : !graph.tensor<[A, B], f32> -> !graph.tensor<[A * A + B, 1000], f32>
  graph.return %0 : !graph.tensor<[A * A + B, 1000], f32>
}
