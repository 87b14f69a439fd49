// Where the elements of a row share a reduction, a block takes a row: its threads reduce together, in shared memory.
// RUN: tessera-compile %s --target cuda:sm_80 --emit schedule -o - | FileCheck %s --check-prefix=SCHEDULE
// RUN: tessera-compile %s --target cuda:sm_80 --emit asm -o - | FileCheck %s

// SCHEDULE-LABEL: schedule.func @k0_
// SCHEDULE: schedule.gpu_blocks "i0"
// SCHEDULE-NEXT: schedule.split "i1" into "vector", "lane" by 4
// SCHEDULE-NEXT: schedule.vectorize "lane" by 4
// SCHEDULE-NEXT: schedule.split "vector" into "step", "thread" by 256
// SCHEDULE-NEXT: schedule.gpu_threads "thread"
// SCHEDULE: schedule.stage "sum"
// SCHEDULE-NEXT: schedule.compute_at {{.*}} loop "i0"
// SCHEDULE: schedule.update "sum"
// SCHEDULE: schedule.split "vector" into "step", "thread" by 256
// SCHEDULE-NEXT: schedule.gpu_threads "thread"
// A row of few elements would leave a block idle.
// SCHEDULE-LABEL: schedule.func @k1_
// SCHEDULE-NOT: compute_at

// CHECK: .entry
// A word for each warp: lanes meet by shuffles.
// CHECK: .shared .align 8 .b8 {{.*}}[128]
// CHECK: shfl.sync.bfly
// CHECK: st.shared
// CHECK: bar.sync
// CHECK: ld.shared
// CHECK: st.global
// CHECK: .entry
// CHECK-NOT: .shared
graph.func @main(%x: !graph.tensor<[B, 1000], f32>, %z: !graph.tensor<[B, 8], f32>)
    -> (!graph.tensor<[B, 1000], f32>, !graph.tensor<[B, 8], f32>) {
  %0 = graph.l2_normalize %x, axes = [1] {epsilon = 1.0e-5 : f64} : !graph.tensor<[B, 1000], f32>
  %1 = graph.l2_normalize %z, axes = [1] {epsilon = 1.0e-5 : f64} : !graph.tensor<[B, 8], f32>
  graph.return %0, %1 : !graph.tensor<[B, 1000], f32>, !graph.tensor<[B, 8], f32>
}
