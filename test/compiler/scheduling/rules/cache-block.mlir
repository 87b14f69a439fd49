// RUN: tessera-compile %s --emit schedule --target x86-64-v3 | FileCheck %s
// RUN: tessera-run %s --input x=200x900xf32=1 --input w=900x300xf32=2 --print 2 | FileCheck %s --check-prefix VALUES

// A deep product is computed in blocks of about 128 x 128 results, the reduction in pieces whose column
// panels stay in the first cache. Accumulators of a block have a constant size, above what Halide calls
// stack: no storage is asked for, and the code generator finds their place.
// CHECK: schedule.stage "acc"
// CHECK-NEXT: schedule.compute_at "acc_out"
// CHECK-NOT: schedule.store
// CHECK: schedule.bound_storage
// CHECK: schedule.bound_storage
// CHECK: schedule.update "acc"
// CHECK: schedule.split "r0" into "r0_o", "r0_i" by 256

// VALUES: y: f32[200x300] min 1800 max 1800
graph.func @main(%x: !graph.tensor<[200, 900], f32> {graph.name = "x"}, %w: !graph.tensor<[900, 300], f32> {graph.name = "w"})
    -> (!graph.tensor<[200, 300], f32> {graph.name = "y"}) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[200, 900], f32>, !graph.tensor<[900, 300], f32>) -> !graph.tensor<[200, 300], f32>
  graph.return %0 : !graph.tensor<[200, 300], f32>
}
