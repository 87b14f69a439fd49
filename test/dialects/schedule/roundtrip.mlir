// RUN: tessera-opt %s | tessera-opt | FileCheck %s

// CHECK-LABEL: schedule.func @dense_s for @dense
schedule.func @dense_s for @dense {
  // CHECK: schedule.pack_operand 1 inner_dims_pos = [1] inner_tiles = [16] outer_dims_perm = [1, 0]
  schedule.pack_operand 1 inner_dims_pos = [1] inner_tiles = [16] outer_dims_perm = [1, 0]
  // CHECK: schedule.copy_packed "acc" operand 0 as "lhs" inner_dims_pos = [0] inner_tiles = [6] outer_dims_perm = [0, 1]
  schedule.copy_packed "acc" operand 0 as "lhs" inner_dims_pos = [0] inner_tiles = [6] outer_dims_perm = [0, 1]
  // CHECK: schedule.copy_window "acc" operand 0 loop "k" by 4 as "taps"
  schedule.copy_window "acc" operand 0 loop "k" by 4 as "taps"
  // CHECK: schedule.pad_to_tile "acc" loop "m" by 6 into "mo", "mi"
  schedule.pad_to_tile "acc" loop "m" by 6 into "mo", "mi"
  // CHECK: schedule.pad_to_tile "acc" loop "n" by 8 into "no", "ni" likely
  schedule.pad_to_tile "acc" loop "n" by 8 into "no", "ni" likely
  // CHECK: schedule.widen_operand "acc" operand 0 to i16 as "wide"
  schedule.widen_operand "acc" operand 0 to i16 as "wide"
  // CHECK: schedule.group_reduction "acc" loop "k" by 2 as "kg"
  schedule.group_reduction "acc" loop "k" by 2 as "kg"
  // CHECK: schedule.block_reduction "acc" loop "k" by 32 into "ko", "ki" as "part"
  schedule.block_reduction "acc" loop "k" by 32 into "ko", "ki" as "part"
  // CHECK: schedule.block_reduction "acc" loop "k" by 128 into "ro", "ri" as "sums" runs
  schedule.block_reduction "acc" loop "k" by 128 into "ro", "ri" as "sums" runs
  // CHECK: schedule.peel_reduction "acc" loop "k" by 512 into "ko", "ki" as "acc_head"
  schedule.peel_reduction "acc" loop "k" by 512 into "ko", "ki" as "acc_head"
  // CHECK: schedule.factor_reduction "acc" loop "k" by 32 into "kf" as "unit" sums "xs"
  schedule.factor_reduction "acc" loop "k" by 32 into "kf" as "unit" sums "xs"
  // CHECK: schedule.cache_write "acc" as "out"
  schedule.cache_write "acc" as "out"
  // CHECK: schedule.clamp_reads "acc" loop "m"
  schedule.clamp_reads "acc" loop "m"
  // CHECK: schedule.scratch "lhs"
  schedule.scratch "lhs"
  // CHECK: schedule.stage "out"
  schedule.stage "out" {
    // CHECK: schedule.split "m" into "mo", "mi" by 6 tail guard
    schedule.split "m" into "mo", "mi" by 6 tail guard
    // CHECK: schedule.split "n" into "no", "ni" by 16{{$}}
    schedule.split "n" into "no", "ni" by 16
    // CHECK: schedule.reorder ["ni", "mi", "no", "mo"]
    schedule.reorder ["ni", "mi", "no", "mo"]
    // CHECK: schedule.vectorize "ni" by 8
    schedule.vectorize "ni" by 8
    // CHECK: schedule.unroll "mi"
    schedule.unroll "mi"
    // CHECK: schedule.fuse "no", "mo" into "t"
    schedule.fuse "no", "mo" into "t"
    // CHECK: schedule.parallel "t"
    schedule.parallel "t"
  }
  // CHECK: schedule.stage "acc"
  schedule.stage "acc" {
    // CHECK: schedule.compute_at "out" loop "t"
    schedule.compute_at "out" loop "t"
    // CHECK: schedule.store stack
    schedule.store stack
    // CHECK: schedule.store tile
    schedule.store tile
    // CHECK: schedule.bound_extent "n" 16
    schedule.bound_extent "n" 16
    // CHECK: schedule.bound_storage "m" 8
    schedule.bound_storage "m" 8
  }
  // CHECK: schedule.update "acc"
  schedule.update "acc" {
    // CHECK: schedule.atomic
    schedule.atomic
    // CHECK: schedule.prefetch 1 loop "k" ahead 4
    schedule.prefetch 1 loop "k" ahead 4
    // CHECK: schedule.in_order "n"
    schedule.in_order "n"
    // CHECK: schedule.gpu_threads "m"
    schedule.gpu_threads "m"
    // CHECK: schedule.gpu_threads "m" axis 1
    schedule.gpu_threads "m" axis 1
    // CHECK: schedule.gpu_turn "n" rows "row" columns "column"
    schedule.gpu_turn "n" rows "row" columns "column"
    // CHECK: schedule.gpu_tile "m", "n", "k" warps 2, 4 stages 3 by mma
    schedule.gpu_tile "m", "n", "k" warps 2, 4 stages 3 by mma
    // CHECK: schedule.gpu_tile "m", "n", "k" warps 8, 1 stages 4 by wgmma
    schedule.gpu_tile "m", "n", "k" warps 8, 1 stages 4 by wgmma
    // CHECK: schedule.gpu_tile "m", "n", "k" warps 2, 4 stages 3 by mma byte_floats
    schedule.gpu_tile "m", "n", "k" warps 2, 4 stages 3 by mma byte_floats
    // CHECK: schedule.gpu_tile "m", "n", "k" warps 8, 1 stages 4 by wgmma bulk
    schedule.gpu_tile "m", "n", "k" warps 8, 1 stages 4 by wgmma bulk
    // CHECK: schedule.gpu_tile "m", "n", "k" warps 8, 1 stages 4 by wgmma copy_warps bulk
    schedule.gpu_tile "m", "n", "k" warps 8, 1 stages 4 by wgmma copy_warps bulk
    // CHECK: schedule.gpu_stream "m" keys 64 warps 4, 1, 1 by mma
    schedule.gpu_stream "m" keys 64 warps 4, 1, 1 by mma
    // CHECK: schedule.gpu_stream "m" keys 128 warps 8, 1, 1 stages 3 by wgmma
    schedule.gpu_stream "m" keys 128 warps 8, 1, 1 stages 3 by wgmma
  }
}

// CHECK: schedule.func @sequential for @scan
schedule.func @sequential for @scan {
  // CHECK-NEXT: schedule.generator "loops"
  schedule.generator "loops"
}
