// Integers of two widths go through unchanged. Used by run-inputs.test.
// RUN: tessera-run %s --input x=2xi64=7 | FileCheck %s
// CHECK: y: i64[2] min 7 max 7 mean 7
graph.func @main(%x: !graph.tensor<[N], si64> {graph.name = "x"}, %b: !graph.tensor<[M], si8> {graph.name = "b"})
    -> (!graph.tensor<[N], si64> {graph.name = "y"}, !graph.tensor<[M], si8> {graph.name = "z"}) {
  %z = graph.constant dense<0> : !graph.tensor<[], si64>
  %0 = graph.broadcast %z, dims = [] : <[], si64> -> <[N], si64>
  %1 = graph.add %x, %0 : <[N], si64>
  %2 = graph.add %b, %b : <[M], si8>
  graph.return %1, %2 : !graph.tensor<[N], si64>, !graph.tensor<[M], si8>
}
