// Reductions of columns go over 8 KB of each row, one row after the other.
// RUN: tessera-compile %s --target x86-64-v4 --emit schedule | FileCheck %s

// CHECK: schedule.stage "sum_out"
// CHECK: schedule.split "i0_t" into "i0_b", "i0_c" by 64 tail guard
// CHECK: schedule.parallel "i0_b"
// CHECK: schedule.stage "sum"
// CHECK: schedule.bound_storage "i0_t" 64
// CHECK: schedule.update "sum"
// CHECK-NEXT: schedule.reorder ["i0_i", "i0_t", "r0"]
graph.func @main(%x: !graph.tensor<[M, N], f32>) -> !graph.tensor<[N], f32> {
  %y = graph.reduce sum %x, axes = [0] : !graph.tensor<[M, N], f32> -> !graph.tensor<[N], f32>
  graph.return %y : !graph.tensor<[N], f32>
}
