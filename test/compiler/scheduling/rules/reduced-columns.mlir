// Reductions of columns go over runs of rows, which threads share, and over 16 KB of each row, one row after the other; then
// over the results of the runs, and over the rows that are left.
// RUN: tessera-compile %s --target x86-64-v4 --emit schedule | FileCheck %s

// CHECK: schedule.block_reduction "sum" loop "r0" by 128 into "r0_o", "r0_i" as "sum_part" runs
// CHECK: schedule.stage "sum_part_out"
// CHECK: schedule.split "i0_t" into "i0_b", "i0_c" by 128 tail guard
// CHECK: schedule.reorder ["i0_i", "i0_c", "i0_b", "r0_o"]
// CHECK: schedule.fuse "i0_b", "r0_o" into "task"
// CHECK-NEXT: schedule.parallel "task"
// CHECK: schedule.stage "sum_part"
// CHECK: schedule.bound_storage "i0_t" 128
// CHECK: schedule.update "sum_part"
// CHECK-NEXT: schedule.reorder ["i0_i", "i0_t", "r0_i"]
// CHECK: schedule.update "sum_merge"
// CHECK-NEXT: schedule.reorder ["i0_i", "i0_t", "r0_o"]
// CHECK: schedule.update "sum"
// CHECK-NEXT: schedule.reorder ["i0_i", "i0_t", "r0"]
graph.func @main(%x: !graph.tensor<[M, N], f32>) -> !graph.tensor<[N], f32> {
  %y = graph.reduce sum %x, axes = [0] : !graph.tensor<[M, N], f32> -> !graph.tensor<[N], f32>
  graph.return %y : !graph.tensor<[N], f32>
}
