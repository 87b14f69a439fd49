// Reductions of reductions (here of more columns of f64 than registers hold sums of) are kept in memory, each computed by a launch of its own with the schedule of its class; later launches read them.
// RUN: tessera-compile %s --target cuda:sm_80 --emit schedule -o - | FileCheck %s --check-prefix=SCHEDULE
// RUN: tessera-compile %s --target cuda:sm_80 --emit asm -o - | FileCheck %s

// SCHEDULE: schedule.scratch "acc"
// SCHEDULE: schedule.stage "acc" {
// SCHEDULE-NEXT: schedule.compute_root
// SCHEDULE: schedule.gpu_tile "row", "column", "inner"
// CHECK: .entry kernel_0(
// CHECK: .entry kernel_1(
graph.func @main(%q: !graph.tensor<[64, 64], f64> {graph.name = "q"}, %k: !graph.tensor<[S, 64], f64> {graph.name = "k"},
                 %v: !graph.tensor<[S, 200], f64> {graph.name = "v"}) -> (!graph.tensor<[64, 200], f64> {graph.name = "y"}) {
  %0 = graph.contract "qd,kd->qk" %q, %k : (!graph.tensor<[64, 64], f64>, !graph.tensor<[S, 64], f64>) -> !graph.tensor<[64, S], f64>
  %1 = graph.softmax %0, axes = [1] : !graph.tensor<[64, S], f64>
  %2 = graph.contract "qk,kd->qd" %1, %v : (!graph.tensor<[64, S], f64>, !graph.tensor<[S, 200], f64>) -> !graph.tensor<[64, 200], f64>
  graph.return %2 : !graph.tensor<[64, 200], f64>
}
