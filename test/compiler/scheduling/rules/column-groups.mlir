// RUN: tessera-compile %s --emit schedule --target x86-64-v3 | FileCheck %s
// RUN: tessera-run %s --input x=40x2000xf32=1 --input w=2000x900xf32=2 --print 2 | FileCheck %s --check-prefix VALUES

// Columns that all rows share: eight blocks of 112 or 128 columns are 8 MB of panels, more than stays in a
// thread's part of L3, so all rows pass by two blocks before the next two. Threads share groups and blocks of
// rows; a block of rows stays while the columns of its group pass.
// CHECK: schedule.split "i1_t" into "i1_b", "i1_c" by [[#]] tail guard
// CHECK: schedule.split "i1_b" into "i1_g", "i1_b" by 2 tail guard
// CHECK-NEXT: schedule.reorder [{{.*}}"i1_b", "i0_b", "i1_g"]
// CHECK: schedule.fuse "i0_b", "i1_g" into "task"
// CHECK: schedule.compute_at "acc_out" loop "i1_b"

// VALUES: y: f32[40x900] min 4000 max 4000
graph.func @main(%x: !graph.tensor<[M, 2000], f32> {graph.name = "x"}, %w: !graph.tensor<[2000, 900], f32> {graph.name = "w"})
    -> (!graph.tensor<[M, 900], f32> {graph.name = "y"}) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, 2000], f32>, !graph.tensor<[2000, 900], f32>) -> !graph.tensor<[M, 900], f32>
  graph.return %0 : !graph.tensor<[M, 900], f32>
}
