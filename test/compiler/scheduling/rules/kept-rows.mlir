// A row of exponentials is kept on the stack for the sum and for what is divided by it.
// RUN: tessera-compile %s --target x86-64-v4 --emit schedule | FileCheck %s
// RUN: tessera-compile %s -o %t.tsm --verify-each=numeric
// RUN: tessera-run %t.tsm --input x=5x100xf32=1 | FileCheck %s --check-prefix=RESULT
// RESULT: y: f32[5x100] min 0.01 max 0.01 mean 0.01

// CHECK: schedule.stage "div"
// CHECK: schedule.stage "exp" {
// CHECK-NEXT: schedule.compute_at "div" loop "[[ROW:i0.*]]"
// CHECK-NEXT: schedule.bound_extent "i0" 1
// CHECK-NEXT: schedule.vectorize "i1" by 16 tail guard
graph.func @main(%x: !graph.tensor<[N, 100], f32> {graph.name = "x"}) -> (!graph.tensor<[N, 100], f32> {graph.name = "y"}) {
  %y = graph.softmax %x, axes = [1] : !graph.tensor<[N, 100], f32>
  graph.return %y : !graph.tensor<[N, 100], f32>
}
