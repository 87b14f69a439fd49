// RUN: tessera-compile %s --emit schedule --target x86-64-v3 | FileCheck %s
// RUN: tessera-run %s --input x=200x2100xf32=1 --input w=2100x300xf32=2 --print 2 | FileCheck %s --check-prefix VALUES

// A deep product is computed in blocks of results, the reduction in pieces whose column panels and rows stay
// in L2. The sums of all pieces but the last lie in the block: they have a constant size, above what Halide
// calls stack, so that no storage is asked for and the code generator finds their place. The last piece ends in
// registers, and is stored tile by tile.
// CHECK: schedule.peel_reduction "acc" loop "r0" by 1024 into "r0_o", "r0_i" as "acc_head"
// CHECK: schedule.reorder ["i1_i", "i0_i", "i0_c", "i1_c", "i1_b"
// CHECK: schedule.stage "acc_head"
// CHECK-NEXT: schedule.compute_at "acc_out" loop "i1_b"
// CHECK-NOT: schedule.store
// CHECK: schedule.bound_storage
// CHECK: schedule.bound_storage
// CHECK: schedule.update "acc_head"
// CHECK: schedule.reorder ["i1_i", "i0_i", "r0_i", "i0_t", "i1_t", "r0_o"]
// CHECK: schedule.stage "acc"
// CHECK-NEXT: schedule.compute_at "acc_out" loop "i0_c"
// CHECK-NEXT: schedule.store stack

// VALUES: y: f32[200x300] min 4200 max 4200
graph.func @main(%x: !graph.tensor<[200, 2100], f32> {graph.name = "x"}, %w: !graph.tensor<[2100, 300], f32> {graph.name = "w"})
    -> (!graph.tensor<[200, 300], f32> {graph.name = "y"}) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[200, 2100], f32>, !graph.tensor<[2100, 300], f32>) -> !graph.tensor<[200, 300], f32>
  graph.return %0 : !graph.tensor<[200, 300], f32>
}
