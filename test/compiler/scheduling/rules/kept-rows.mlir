// A row of exponentials is kept on the stack for the sum and for what is divided by it; one of unknown length where it is at most
// 8192, and computed from its beginning.
// RUN: tessera-compile %s --target x86-64-v4 --emit schedule | FileCheck %s
// RUN: tessera-compile %s -o %t.tsm --verify-each=numeric
// RUN: tessera-run %t.tsm --input x=5x100xf32=1 | FileCheck %s --check-prefix=RESULT
// RUN: tessera-compile %s --target x86-64-v4 --emit llvm | FileCheck %s --check-prefix=NEXT
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

// CHECK-LABEL: schedule.func @k1_reduce_schedule
// CHECK: schedule.stage "exp" {
// CHECK-NEXT: schedule.compute_at "div" loop "i0_i"
// CHECK-NEXT: schedule.bound_extent "i0" 1
// CHECK-NEXT: schedule.bound_storage "i1" 8192
// CHECK-NEXT: schedule.vectorize "i1" by 16 tail guard
// Its loops ask for the next row.
// NEXT-LABEL: define {{.*}}kernel_par_for_stage_div
// NEXT: call void @llvm.prefetch
graph.func @unknown(%x: !graph.tensor<[M, N], f32> {graph.name = "x"}) -> (!graph.tensor<[M, N], f32> {graph.name = "y"}) {
  %y = graph.softmax %x, axes = [1] : !graph.tensor<[M, N], f32>
  graph.return %y : !graph.tensor<[M, N], f32>
}
