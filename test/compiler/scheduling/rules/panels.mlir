// RUN: tessera-compile %s --emit schedule --target x86-64-v3 | FileCheck %s

// A copy cut into panels reads pieces of rows (64 panels of 64 bytes), 4 rows at a time, not one cache line of
// every row.
// CHECK: schedule.copy_packed "acc" operand 1 as "[[COPY:.*]]" inner_dims_pos = [1] inner_tiles = [16]
// CHECK: schedule.stage "[[COPY]]" {
// CHECK-NEXT: schedule.split "i1" into "i1_o", "i1_i" by 64
// CHECK-NEXT: schedule.split "i0" into "i0_o", "i0_i" by 4
// CHECK-NEXT: schedule.reorder ["t1", "i1_i", "i0_i", "i0_o", "i1_o"]
// CHECK-NEXT: schedule.vectorize "t1" by 8
graph.func @main(%x: !graph.tensor<[M, K], f32> {graph.name = "x"}, %w: !graph.tensor<[K, N], f32> {graph.name = "w"})
    -> (!graph.tensor<[M, N], f32> {graph.name = "y"}) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, N], f32>) -> !graph.tensor<[M, N], f32>
  graph.return %0 : !graph.tensor<[M, N], f32>
}
