// RUN: tessera-opt %s --split-input-file --verify-diagnostics

schedule.func @func_c1 for @k {
  // expected-error @+1 {{expected only restructuring directives, schedule.stage and schedule.update here}}
  %0 = arith.constant 0 : i32
}

// -----

schedule.func @directive_place for @k {
  schedule.stage "a" {
    // expected-error @+1 {{attribute 'factor' failed to satisfy constraint: 64-bit signless integer attribute whose value is positive}}
    schedule.split "m" into "mo", "mi" by 0
  }
}

// -----

schedule.func @func_c2 for @k {
  schedule.stage "a" {}
  // expected-error @+1 {{expected restructuring directives before the loop directives}}
  schedule.scratch "a"
}

// -----

schedule.func @pad_to_tile_c1 for @k {
  // expected-error @+1 {{expected different names for the outer and the inner loop}}
  schedule.pad_to_tile "a" loop "n" by 8 into "o", "o"
}

// -----

schedule.func @group_reduction_c1 for @k {
  // expected-error @+1 {{expected different names for the outer and the inner loop}}
  schedule.group_reduction "a" loop "k" by 2 as "k"
}

// -----

schedule.func @widen_operand_c1 for @k {
  // expected-error @+1 {{expected a signless integer or a float type, found 'index'}}
  schedule.widen_operand "a" operand 0 to index as "b"
}

// -----

schedule.func @block_reduction_c1 for @k {
  // expected-error @+1 {{expected different names for the outer and the inner loop}}
  schedule.block_reduction "a" loop "k" by 8 into "o", "o" as "p"
}

// -----

schedule.func @block_reduction_c2 for @k {
  // expected-error @+1 {{expected contiguous parts or runs, found both}}
  schedule.block_reduction "a" loop "k" by 8 into "o", "i" as "p" contiguous runs
}

// -----

schedule.func @peel_reduction_c1 for @k {
  // expected-error @+1 {{expected different names for the outer and the inner loop}}
  schedule.peel_reduction "a" loop "k" by 8 into "o", "o" as "h"
}

// -----

schedule.func @factor_reduction_c1 for @k {
  // expected-error @+1 {{expected different names for the outer and the inner loop}}
  schedule.factor_reduction "a" loop "k" by 8 into "k" as "p" sums "s"
}

// -----

schedule.func @pack_operand_c1_tiles for @k {
  // expected-error @+1 {{expected one positive entry of inner_tiles per entry of inner_dims_pos}}
  schedule.pack_operand 0 inner_dims_pos = [0] inner_tiles = [0] outer_dims_perm = [0]
}

// -----

schedule.func @pack_operand_c1_dims for @k {
  // expected-error @+1 {{expected inner_dims_pos to name dimensions below 1, each at most once}}
  schedule.pack_operand 0 inner_dims_pos = [2] inner_tiles = [8] outer_dims_perm = [0]
}

// -----

schedule.func @copy_packed_c1 for @k {
  // expected-error @+1 {{expected outer_dims_perm to be a permutation}}
  schedule.copy_packed "a" operand 0 as "c" inner_dims_pos = [0] inner_tiles = [8] outer_dims_perm = [1]
}

// -----

schedule.func @func_c3 for @k {
  schedule.stage "a" {}
  // expected-error @+1 {{expected no other directive beside it}}
  schedule.generator "loops"
}

// -----

schedule.func @generator_c1 for @k {
  // expected-error @+1 {{'halide' is no generator to choose; expected "loops"}}
  schedule.generator "halide"
}

// -----

schedule.func @gpu_tile_c2 for @k {
  schedule.update "acc" {
    // expected-error @+1 {{'schedule.gpu_tile' op expected a multiple of 4 warps along rows for wgmma, found 2}}
    schedule.gpu_tile "m", "n", "k" warps 2, 2 stages 3 by wgmma
  }
}

// -----

schedule.func @gpu_tile_c3 for @k {
  schedule.update "acc" {
    // expected-error @+1 {{'schedule.gpu_tile' op expected wgmma beside bulk copies}}
    schedule.gpu_tile "m", "n", "k" warps 4, 2 stages 3 by mma bulk
  }
}

// -----

schedule.func @gpu_tile_c4 for @k {
  schedule.update "acc" {
    // expected-error @+1 {{'schedule.gpu_tile' op expected mma or wgmma for 8-bit floats, found fma}}
    schedule.gpu_tile "m", "n", "k" warps 4, 2 stages 3 by fma byte_floats
  }
}

// -----

schedule.func @gpu_tile_c5 for @k {
  schedule.update "acc" {
    // expected-error @+1 {{'schedule.gpu_tile' op expected 8 warps at most by wgmma beside those that copy, found 8}}
    schedule.gpu_tile "m", "n", "k" warps 4, 2 stages 3 by mma copy_warps
  }
}

// -----

schedule.func @gpu_stream_c3 for @k {
  schedule.update "acc" {
    // expected-error @+1 {{expected a multiple of 4 warps along rows and one along keys for wgmma, found 2 and 1}}
    schedule.gpu_stream "m" keys 64 warps 2, 1, 1 by wgmma
  }
}

// -----

schedule.func @gpu_stream_c3_stages for @k {
  schedule.update "acc" {
    // expected-error @+1 {{expected wgmma beside 2 stages}}
    schedule.gpu_stream "m" keys 64 warps 4, 1, 1 stages 2 by mma
  }
}

// -----

schedule.func @gpu_stream_c1 for @k {
  schedule.update "a" {
    // expected-error @+1 {{expected a multiple of 16 keys, found 24}}
    schedule.gpu_stream "m" keys 24 warps 4, 1, 1 by mma
  }
}

// -----

schedule.func @gpu_stream_c2 for @k {
  schedule.update "a" {
    // expected-error @+1 {{expected one warp along rows and columns beside 2 along keys}}
    schedule.gpu_stream "m" keys 16 warps 4, 1, 2 by mma
  }
}
