// What is read along one loop and written along another passes through a square in shared memory, also where other stages are fused with it.
// RUN: tessera-compile %s --target cuda:sm_80 --emit schedule -o - | FileCheck %s --check-prefix=SCHEDULE
// RUN: tessera-compile %s --target cuda:sm_80 --emit asm -o - | FileCheck %s

// SCHEDULE-LABEL: schedule.func @k0_
// SCHEDULE: schedule.gpu_turn
// Three columns are no side of a square.
// SCHEDULE-LABEL: schedule.func @k1_
// SCHEDULE-NOT: schedule.gpu_turn

// CHECK: .entry
// CHECK: .shared .align 16 .b8 {{.*}}[4224]
// CHECK: ld.global
// CHECK: st.shared
// CHECK: bar.sync
// CHECK: ld.shared
// CHECK: st.global
graph.func @main(%x: !graph.tensor<[B, 200, C], f32>, %y: !graph.tensor<[C, 200], f32>, %z: !graph.tensor<[D, 3], f32>)
    -> (!graph.tensor<[B, C, 200], f32>, !graph.tensor<[3, D], f32>) {
  %0 = graph.transpose %x, perm = [0, 2, 1] : !graph.tensor<[B, 200, C], f32> -> !graph.tensor<[B, C, 200], f32>
  %1 = graph.broadcast %y, dims = [1, 2] : !graph.tensor<[C, 200], f32> -> !graph.tensor<[B, C, 200], f32>
  %2 = graph.add %0, %1 : !graph.tensor<[B, C, 200], f32>
  %3 = graph.transpose %z, perm = [1, 0] : !graph.tensor<[D, 3], f32> -> !graph.tensor<[3, D], f32>
  graph.return %2, %3 : !graph.tensor<[B, C, 200], f32>, !graph.tensor<[3, D], f32>
}
