// Extents that depend on data: a register is loaded and checked, sizes follow, then a plan starts a segment.
// RUN: tessera-compile %s --emit program | FileCheck %s
// RUN: tessera-compile %s -o %t.tsm
// RUN: tessera-run %t.tsm --input x=3xi64=2 --print 8 | FileCheck %s --check-prefix=SIX
// RUN: tessera-run %t.tsm --input x=0xi64=0 --print 8 | FileCheck %s --check-prefix=NONE
// RUN: not tessera-run %t.tsm --input x=3xi64=7 2>&1 | FileCheck %s --check-prefix=ABOVE

// CHECK: program.body
// CHECK: program.launch
// CHECK: %[[N:.*]] = program.load
// CHECK: program.assert %{{.*}}, "the sum is computed from data and comes out below 0"
// CHECK: program.assert %{{.*}}, "the sum is computed from data and comes out above 20"
// CHECK: %[[TWICE:.*]] = program.binary mul %[[N]], %{{.*}}
// CHECK: program.output 0 "y"[%[[TWICE]]]
// CHECK: program.plan
// CHECK: program.launch
// SIX: y: i64[12]
// SIX-NEXT: 0 1 2 3 4 5 0 1
// NONE: y: i64[0]
// ABOVE: the sum is computed from data and comes out above 20
graph.func @main(%x: !graph.tensor<[B], si64> {graph.name = "x"}) -> (!graph.tensor<[2 * N], si64> {graph.name = "y"})
    attributes {dims = {N = #graph.range<0, 20>}} {
  %0 = graph.reduce sum %x, axes = [0] : !graph.tensor<[B], si64> -> !graph.tensor<[], si64>
  graph.bind_dim %0, "N" message "the sum" : !graph.tensor<[], si64>
  %1 = graph.iota axis = 0 : !graph.tensor<[N], si64>
  %2 = graph.concat %1, %1 axis = 0 : (!graph.tensor<[N], si64>, !graph.tensor<[N], si64>) -> !graph.tensor<[2 * N], si64>
  graph.return %2 : !graph.tensor<[2 * N], si64>
}
