// Where tiles are few and the sum is long, blocks side by side sum parts of it; a second launch adds the parts in their order.
// RUN: tessera-compile %s --target cuda:sm_80 --emit schedule -o - | FileCheck %s --check-prefix=SCHEDULE
// RUN: tessera-compile %s --target cuda:sm_80 --emit asm -o - | FileCheck %s --implicit-check-not=atom. --implicit-check-not="{{[[:space:]]}}red."

// SCHEDULE: schedule.block_reduction "acc" loop "r0" by 16 into "r0", "part" as "acc_part" contiguous
// SCHEDULE-NEXT: schedule.scratch "acc_part"
// SCHEDULE: schedule.update "acc_part"
// SCHEDULE: schedule.gpu_tile
// CHECK: .entry kernel_0(
// CHECK: cp.async.cg.shared.global
// CHECK: .entry kernel_1(
graph.func @main(%x: !graph.tensor<[16, 4096], f16> {graph.name = "x"}, %w: !graph.tensor<[4096, 1024], f16> {graph.name = "w"})
    -> (!graph.tensor<[16, 1024], f16> {graph.name = "y"}) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[16, 4096], f16>, !graph.tensor<[4096, 1024], f16>) -> !graph.tensor<[16, 1024], f16>
  graph.return %0 : !graph.tensor<[16, 1024], f16>
}
