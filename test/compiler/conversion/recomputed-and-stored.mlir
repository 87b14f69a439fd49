// A value of the shape that one kernel computes for itself and another op has in memory is both: storing it takes nothing away.
// RUN: tessera-compile %s --emit kernel | FileCheck %s
// RUN: tessera-run %s --input x=3x5xf32=2 --print 8 | FileCheck %s --check-prefix=RESULT

// CHECK-COUNT-3: kernel.launch
// CHECK-NOT: graph.broadcast
// RESULT: y: i64[5]
// RESULT-NEXT: 0 5 10 15 20
// RESULT-NEXT: n: i64[2]
// RESULT-NEXT: 3 5
graph.func @main(%x: !graph.tensor<[3, N], f32> {graph.name = "x"})
    -> (!graph.tensor<[N], si64> {graph.name = "y"}, !graph.tensor<[2], si64> {graph.name = "n"}) {
  %n = graph.dim_value N : <[], si64>
  %b = graph.broadcast %n, dims = [] : <[], si64> -> <[N], si64>
  %i = graph.iota axis = 0 : <[N], si64>
  %y = graph.mul %b, %i : <[N], si64>
  %r = graph.reshape %n : <[], si64> -> <[1], si64>
  %three = graph.constant dense<3> : !graph.tensor<[1], si64>
  %c = graph.concat %three, %r axis = 0 : (!graph.tensor<[1], si64>, !graph.tensor<[1], si64>) -> !graph.tensor<[2], si64>
  graph.return %y, %c : !graph.tensor<[N], si64>, !graph.tensor<[2], si64>
}
