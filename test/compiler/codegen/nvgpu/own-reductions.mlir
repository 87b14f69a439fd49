// Reductions that are results have threads of their own, which read neighbouring elements and meet by shuffles; so have products of one row. Few
// results of long reductions are cut into parts, which a second launch combines.
// RUN: tessera-compile %s --target cuda:sm_80 --emit schedule -o - | FileCheck %s

// Rows: 32 lanes for each of 8 rows.
// CHECK-LABEL: schedule.func @k0_
// CHECK: schedule.split "i0" into "block", "own" by 8
// CHECK-NEXT: schedule.gpu_threads "own" axis 1
// CHECK: schedule.update
// CHECK: schedule.split "vector" into "step", "thread" by 32
// CHECK-NEXT: schedule.gpu_threads "thread" axis 0
// Columns: neighbouring threads take neighbouring columns.
// CHECK-LABEL: schedule.func @k1_
// CHECK: into "columns", "column" by 32
// CHECK-NEXT: schedule.gpu_threads "column" axis 0
// CHECK: schedule.gpu_threads "thread" axis 1
// All: parts.
// CHECK-LABEL: schedule.func @k2_
// CHECK: schedule.block_reduction {{.*}} contiguous
// CHECK: schedule.scratch
graph.func @main(%x: !graph.tensor<[B, 100], f32>, %z: !graph.tensor<[300, C], f32>, %w: !graph.tensor<[1024, 512], f32>)
    -> (!graph.tensor<[B], f32>, !graph.tensor<[C], f32>, !graph.tensor<[], f32>) {
  %0 = graph.reduce sum %x, axes = [1] : !graph.tensor<[B, 100], f32> -> !graph.tensor<[B], f32>
  %1 = graph.reduce max %z, axes = [0] : !graph.tensor<[300, C], f32> -> !graph.tensor<[C], f32>
  %2 = graph.reduce sum %w, axes = [0, 1] : !graph.tensor<[1024, 512], f32> -> !graph.tensor<[], f32>
  graph.return %0, %1, %2 : !graph.tensor<[B], f32>, !graph.tensor<[C], f32>, !graph.tensor<[], f32>
}
