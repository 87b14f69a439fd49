// Products of bf16 and of bytes by tiles of matrices, where the target has them: both factors are laid out in tiles, four
// tiles of sums stay in registers.
// RUN: tessera-compile %s --target x86-64-v4+amx --emit schedule | FileCheck %s --check-prefix=SCHEDULE
// SCHEDULE: schedule.copy_packed "acc" operand 0 as "acc_i0_packed" inner_dims_pos = [0, 1] inner_tiles = [32, 32] outer_dims_perm = [0, 1]
// SCHEDULE: schedule.pad_to_tile "acc" loop "i0" by 32
// SCHEDULE: schedule.tile_multiply "i0_t", "i1_t"
// SCHEDULE: schedule.copy_packed "acc" operand 0 as "acc_i0_packed" inner_dims_pos = [0, 1] inner_tiles = [32, 64] outer_dims_perm = [0, 1]
// SCHEDULE: schedule.tile_multiply "i0_t", "i1_t"
// RUN: tessera-compile %s --target x86-64-v4+amx --emit asm | FileCheck %s --check-prefix=ASM
// ASM-LABEL: tessera_tiles_acc:
// ASM-COUNT-4: tdpbf16ps
// ASM-LABEL: tessera_tiles_acc:
// ASM-COUNT-4: tdpbusd
// The schedule of other levels knows none.
// RUN: tessera-compile %s --target x86-64-v4+bf16 --emit schedule | FileCheck %s --check-prefix=PAIRS
// PAIRS-NOT: tile_multiply
graph.func @main(%x: !graph.tensor<[M, 64], bf16>, %w: !graph.tensor<[64, 48], bf16>, %a: !graph.tensor<[M, 64], ui8>, %b: !graph.tensor<[64, 48], si8>)
    -> (!graph.tensor<[M, 48], bf16>, !graph.tensor<[M, 48], si32>) {
  %y = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, 64], bf16>, !graph.tensor<[64, 48], bf16>) -> !graph.tensor<[M, 48], bf16>
  %z = graph.contract "mk,kn->mn" %a, %b : (!graph.tensor<[M, 64], ui8>, !graph.tensor<[64, 48], si8>) -> !graph.tensor<[M, 48], si32>
  graph.return %y, %z : !graph.tensor<[M, 48], bf16>, !graph.tensor<[M, 48], si32>
}
