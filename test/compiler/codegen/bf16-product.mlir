// Products of bf16 by an instruction that sums two of them, where the target has it: nothing is converted.
// RUN: tessera-compile %s --target x86-64-v4+bf16 --emit asm | FileCheck %s --check-prefix=PAIRS
// PAIRS: vdpbf16ps {{.*}}%zmm
// PAIRS-NOT: vfmadd
// RUN: tessera-compile %s --target x86-64-v4+vnni --emit asm | FileCheck %s --check-prefix=SINGLE
// SINGLE-NOT: vdpbf16ps
// SINGLE: vfmadd231ps {{.*}}%zmm
// An odd number of steps is read from a copy in pairs; so is the weight, which the kernel puts together here.
// RUN: tessera-compile %s --target x86-64-v4+bf16 --emit schedule | FileCheck %s --check-prefix=SCHEDULE
// SCHEDULE: schedule.copy_packed "acc" operand 1 as "acc_i1_packed" inner_dims_pos = [1, 0] inner_tiles = [48, 2] outer_dims_perm = [1, 0]
// SCHEDULE: schedule.copy_packed "acc" operand 0 as "acc_grouped" inner_dims_pos = [1] inner_tiles = [2] outer_dims_perm = [0, 1]
// SCHEDULE: schedule.group_reduction "acc" loop {{.*}} by 2
graph.func @main(%x: !graph.tensor<[M, 63], bf16>, %w: !graph.tensor<[63, 47], bf16>) -> !graph.tensor<[M, 48], bf16> {
  %v = graph.constant dense<4.0> : !graph.tensor<[63, 1], bf16>
  %c = graph.concat %w, %v axis = 1 : (!graph.tensor<[63, 47], bf16>, !graph.tensor<[63, 1], bf16>) -> !graph.tensor<[63, 48], bf16>
  %y = graph.contract "mk,kn->mn" %x, %c : (!graph.tensor<[M, 63], bf16>, !graph.tensor<[63, 48], bf16>) -> !graph.tensor<[M, 48], bf16>
  graph.return %y : !graph.tensor<[M, 48], bf16>
}
