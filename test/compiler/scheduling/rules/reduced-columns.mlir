// Reductions of columns go over a page of each row, a few rows at a time.
// RUN: tessera-compile %s --target x86-64-v4 --emit schedule | FileCheck %s

// CHECK: schedule.stage "sum_out"
// CHECK: schedule.split "i0_t" into "i0_b", "i0_c" by 32 tail guard
// CHECK: schedule.parallel "i0_b"
// CHECK: schedule.stage "sum"
// CHECK: schedule.bound_storage "i0_t" 32
// CHECK: schedule.update "sum"
// CHECK-NEXT: schedule.split "r0" into "r0_o", "r0_i" by 8 tail guard
// CHECK-NEXT: schedule.reorder ["i0_i", "r0_i", "i0_t", "r0_o"]
graph.func @main(%x: !graph.tensor<[M, N], f32>) -> !graph.tensor<[N], f32> {
  %y = graph.reduce sum %x, axes = [0] : !graph.tensor<[M, N], f32> -> !graph.tensor<[N], f32>
  graph.return %y : !graph.tensor<[N], f32>
}
