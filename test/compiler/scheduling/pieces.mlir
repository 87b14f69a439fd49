// What was put side by side along the last axis is written piece by piece: in each copy of the loop one source is left.
// RUN: tessera-compile %s --emit schedule --target x86-64-v3 | FileCheck %s

// CHECK-LABEL: schedule.func @k0_max_schedule
// CHECK: schedule.split "i1" into "i1_p", "i1_i" by 24
// CHECK: schedule.unroll "i1_p"
// CHECK: schedule.vectorize "i1_i" by 8 tail guard
// CHECK-LABEL: schedule.func @k1_{{.*}}_schedule
// CHECK-NOT: schedule.unroll
// Dense blocks have many pieces.
// CHECK-LABEL: schedule.func @k2_{{.*}}_schedule
// CHECK: schedule.split "i1" into "i1_p", "i1_i" by 24
graph.func @main(%x: !graph.tensor<[N, 24], f32> {graph.name = "x"}, %y: !graph.tensor<[N, 48], f32> {graph.name = "y"},
                 %z: !graph.tensor<[N, 5], f32> {graph.name = "z"}, %w: !graph.tensor<[N, 504], f32> {graph.name = "w"})
    -> (!graph.tensor<[N, 72], f32> {graph.name = "a"}, !graph.tensor<[N, 29], f32> {graph.name = "b"}, !graph.tensor<[N, 528], f32> {graph.name = "c"}) {
  %0 = graph.concat %x, %y axis = 1 : (!graph.tensor<[N, 24], f32>, !graph.tensor<[N, 48], f32>) -> !graph.tensor<[N, 72], f32>
  %1 = graph.relu %0 : !graph.tensor<[N, 72], f32>
  %2 = graph.concat %x, %z axis = 1 : (!graph.tensor<[N, 24], f32>, !graph.tensor<[N, 5], f32>) -> !graph.tensor<[N, 29], f32>
  %3 = graph.concat %x, %w axis = 1 : (!graph.tensor<[N, 24], f32>, !graph.tensor<[N, 504], f32>) -> !graph.tensor<[N, 528], f32>
  %4 = graph.neg %3 : !graph.tensor<[N, 528], f32>
  graph.return %1, %2, %4 : !graph.tensor<[N, 72], f32>, !graph.tensor<[N, 29], f32>, !graph.tensor<[N, 528], f32>
}
