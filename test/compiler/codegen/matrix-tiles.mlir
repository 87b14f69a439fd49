// Products of bf16 and of bytes by tiles of matrices, where the target has them: columns are laid out in tiles, rows are read as they
// lie where steps of equal length fill them (64 of bf16: two steps), else they are laid out, too (77 of bytes). Four tiles of
// sums stay in registers.
// RUN: tessera-compile %s --target x86-64-v4+amx --emit schedule | FileCheck %s --check-prefix=SCHEDULE
// SCHEDULE-NOT: operand 0
// SCHEDULE: schedule.copy_packed "acc" operand 1 as "acc_i1_packed" inner_dims_pos = [1, 0] inner_tiles = [32, 2] outer_dims_perm = [1, 0]
// SCHEDULE: schedule.pad_to_tile "acc" loop "i0" by 16
// SCHEDULE: schedule.tile_multiply "i0_t", "i1_t"
// SCHEDULE: schedule.copy_packed "acc" operand 0 as "acc_i0_packed" inner_dims_pos = [0, 1] inner_tiles = [16, 64] outer_dims_perm = [0, 1]
// SCHEDULE: schedule.tile_multiply "i0_t", "i1_t"
// RUN: tessera-compile %s --target x86-64-v4+amx --emit asm | FileCheck %s --check-prefix=ASM
// ASM-LABEL: tessera_tiles_acc:
// ASM-COUNT-4: tdpbf16ps
// ASM-LABEL: tessera_tiles_acc:
// ASM-COUNT-4: tdpbusd
// The schedule of other levels knows none.
// RUN: tessera-compile %s --target x86-64-v4+bf16 --emit schedule | FileCheck %s --check-prefix=PAIRS
// PAIRS-NOT: tile_multiply
graph.func @main(%x: !graph.tensor<[M, 64], bf16>, %w: !graph.tensor<[64, 48], bf16>, %a: !graph.tensor<[M, 77], ui8>, %b: !graph.tensor<[77, 48], si8>)
    -> (!graph.tensor<[M, 48], bf16>, !graph.tensor<[M, 48], si32>) {
  %y = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, 64], bf16>, !graph.tensor<[64, 48], bf16>) -> !graph.tensor<[M, 48], bf16>
  %z = graph.contract "mk,kn->mn" %a, %b : (!graph.tensor<[M, 77], ui8>, !graph.tensor<[77, 48], si8>) -> !graph.tensor<[M, 48], si32>
  graph.return %y, %z : !graph.tensor<[M, 48], bf16>, !graph.tensor<[M, 48], si32>
}
