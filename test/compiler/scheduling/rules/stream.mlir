// RUN: tessera-compile %s --emit schedule --target x86-64-v3 | FileCheck %s

// Attention in online form: keys and values in tiles, once; states of 72 queries; for 18 of them at a time a block of keys
// gives scores, maximum, weights and their sums, which are merged at once. Only the tiles are kept in memory.
// CHECK: kernel.func @k0_stream(
// CHECK: schedule.func @k0_stream_schedule
// CHECK-DAG: schedule.copy_packed "[[SCORES:.*]]" operand 1 as "[[KEYS:.*]]" inner_dims_pos = [2] inner_tiles = [16]
// CHECK-DAG: schedule.scratch "[[KEYS]]"
// CHECK-DAG: schedule.copy_packed "[[SUMS:.*]]" operand 1 as "[[VALUES:.*]]" inner_dims_pos = [3] inner_tiles = [16]
// CHECK-DAG: schedule.scratch "[[VALUES]]"
// CHECK-DAG: schedule.block_reduction "[[MAX:max.*]]" loop "r0" by 32 into "r0_o", "r0_i" as "[[MAX]]_part"
// CHECK-DAG: schedule.clamp_reads "[[SCORES]]" loop "i2"
// CHECK-NOT: schedule.scratch
// CHECK: schedule.split "i1" into "i1_b", "i1_i" by 72 tail guard
// CHECK: schedule.fuse "i1_b", "i0" into "task"
// CHECK-NEXT: schedule.parallel "task"
// CHECK: schedule.stage "merge" {
// CHECK-NEXT: schedule.compute_at "[[OUT:.*]]" loop "task"
// CHECK: schedule.update "merge" {
// CHECK-NEXT: schedule.in_order "i2"
// CHECK-NEXT: schedule.split "i1" into "i1_o", "i1_i" by 18 tail guard
// CHECK-NEXT: schedule.reorder ["i2", "i1_i", "i1_o", "i0", "r0"]
// CHECK: schedule.stage "[[SCORES]]" {
// CHECK-NEXT: schedule.compute_at "merge" loop "i1_o"
// CHECK: schedule.bound_storage "i3" 256
// CHECK: schedule.update "[[SCORES]]" {
// CHECK: schedule.reorder ["i3_i", "i2_i", "r0", "i2_t", "i3_t", "i1", "i0"]
// CHECK-NEXT: schedule.vectorize "i3_i" by 8
// CHECK: schedule.stage "[[MAX]]" {
// CHECK-NEXT: schedule.compute_at "merge" loop "i1_o"
// CHECK: schedule.stage "[[SUMS]]" {
// CHECK-NEXT: schedule.compute_at "merge" loop "i1_o"
graph.func @main(%q: !graph.tensor<[H, M, 64], f32> {graph.name = "q"}, %k: !graph.tensor<[H, K, 64], f32> {graph.name = "k"},
                 %v: !graph.tensor<[H, K, 64], f32> {graph.name = "v"}) -> (!graph.tensor<[H, M, 64], f32> {graph.name = "o"})
    attributes {dims = {H = #graph.range<16, ?>, M = #graph.range<2, ?>}} {
  %s = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[H, M, 64], f32>, !graph.tensor<[H, K, 64], f32>) -> !graph.tensor<[H, M, K], f32>
  %p = graph.softmax %s, axes = [2] : !graph.tensor<[H, M, K], f32>
  %o = graph.contract "hmk,hkd->hmd" %p, %v : (!graph.tensor<[H, M, K], f32>, !graph.tensor<[H, K, 64], f32>) -> !graph.tensor<[H, M, 64], f32>
  graph.return %o : !graph.tensor<[H, M, 64], f32>
}
