// RUN: tessera-opt %s --kernel-apply-restructure --split-input-file --verify-diagnostics

kernel.func @k(%x: tensor<4x8xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x8xf32>) outs(%init : tensor<4xf32>) attrs = {kernel.stage = "r", kernel.loops = ["m", "k"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.subf %o, %v : f32
    linalg.yield %s : f32
  } -> tensor<4xf32>
  kernel.return %r : tensor<4xf32>
}
schedule.func @s for @k {
  // expected-error @+1 {{stage 'r' is not known to reduce associatively}}
  schedule.block_reduction "r" loop "k" by 4 into "ko", "ki" as "p"
}

// -----

kernel.func @k(%x: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(m) -> (m)>, affine_map<(m) -> (m)>], iterator_types = ["parallel"]}
      ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) attrs = {kernel.stage = "r", kernel.loops = ["m"]} {
  ^bb0(%v: f32, %o: f32):
    linalg.yield %v : f32
  } -> tensor<4xf32>
  kernel.return %r : tensor<4xf32>
}
schedule.func @s for @k {
  // expected-error @+1 {{names stage 'q'; kernel 'k' has r}}
  schedule.scratch "q"
}

// -----

kernel.func @k(%x: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(m) -> (m)>, affine_map<(m) -> (m)>], iterator_types = ["parallel"]}
      ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) attrs = {kernel.stage = "r", kernel.loops = ["m"]} {
  ^bb0(%v: f32, %o: f32):
    linalg.yield %v : f32
  } -> tensor<4xf32>
  kernel.return %r : tensor<4xf32>
}
schedule.func @s for @k {
  // expected-error @+1 {{stage 'r' is a result of the kernel; use cache_write first}}
  schedule.pad_to_tile "r" loop "m" by 8 into "mo", "mi"
}

// -----

kernel.func @k(%x: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(m) -> (m)>, affine_map<(m) -> (m)>], iterator_types = ["parallel"]}
      ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) attrs = {kernel.stage = "r", kernel.loops = ["m"]} {
  ^bb0(%v: f32, %o: f32):
    linalg.yield %v : f32
  } -> tensor<4xf32>
  kernel.return %r : tensor<4xf32>
}
schedule.func @s for @k {
  schedule.cache_write "r" as "copy"
  // expected-error @+1 {{names loop 'n' of stage 'r', which has m}}
  schedule.pad_to_tile "r" loop "n" by 8 into "no", "ni"
}

// -----

kernel.func @k(%x: tensor<?xf32>) -> tensor<?xf32> {
  %zero = arith.constant 0 : index
  %N = tensor.dim %x, %zero : tensor<?xf32>
  %e = tensor.empty(%N) : tensor<?xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(m) -> (m)>, affine_map<(m) -> (m)>], iterator_types = ["parallel"]}
      ins(%x : tensor<?xf32>) outs(%e : tensor<?xf32>) attrs = {kernel.stage = "r", kernel.loops = ["m"]} {
  ^bb0(%v: f32, %o: f32):
    linalg.yield %v : f32
  } -> tensor<?xf32>
  kernel.return %r : tensor<?xf32>
}
schedule.func @s for @k {
  // expected-error @+1 {{the kernel takes the extent of dimension 0 from argument 0, which does not tell it once packed}}
  schedule.pack_operand 0 inner_dims_pos = [0] inner_tiles = [8] outer_dims_perm = [0]
}

// -----

kernel.func @k(%x: tensor<?x5xi8>, %w: tensor<5xi8>, %M: index) -> tensor<?xi32> {
  %zero = arith.constant 0 : i32
  %e = tensor.empty(%M) : tensor<?xi32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : i32) outs(%e : tensor<?xi32>) -> tensor<?xi32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (k)>, affine_map<(m, k) -> (m)>],
       iterator_types = ["parallel", "reduction"]} ins(%x, %w : tensor<?x5xi8>, tensor<5xi8>) outs(%init : tensor<?xi32>)
     attrs = {kernel.stage = "r", kernel.loops = ["m", "k"]} {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %c = arith.extui %a : i8 to i32
    %d = arith.extsi %b : i8 to i32
    %p = arith.muli %c, %d : i32
    %t = arith.addi %s, %p : i32
    linalg.yield %t : i32
  } -> tensor<?xi32>
  kernel.return %r : tensor<?xi32>
}
schedule.func @s for @k {
  // expected-error @+1 {{operand of stage 'r' is not in tiles of 2 along 'k', whose extent it need not divide}}
  schedule.group_reduction "r" loop "k" by 2 as "kg"
}

// -----

kernel.func @k(%x: tensor<?x5xi8>, %w: tensor<5xi8>, %M: index) -> tensor<?xi32> {
  %zero = arith.constant 0 : i32
  %e = tensor.empty(%M) : tensor<?xi32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : i32) outs(%e : tensor<?xi32>) -> tensor<?xi32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (k)>, affine_map<(m, k) -> (m)>],
       iterator_types = ["parallel", "reduction"]} ins(%x, %w : tensor<?x5xi8>, tensor<5xi8>) outs(%init : tensor<?xi32>)
     attrs = {kernel.stage = "r", kernel.loops = ["m", "k"]} {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %c = arith.extui %a : i8 to i32
    %d = arith.extsi %b : i8 to i32
    %p = arith.muli %c, %d : i32
    %t = arith.addi %s, %p : i32
    linalg.yield %t : i32
  } -> tensor<?xi32>
  kernel.return %r : tensor<?xi32>
}
schedule.func @s for @k {
  // expected-error @+1 {{needs a reduction loop; 'm' is parallel}}
  schedule.group_reduction "r" loop "m" by 2 as "mg"
}

// -----

kernel.func @k(%x: tensor<?x5xi8>, %w: tensor<5xi8>, %M: index) -> tensor<?xi32> {
  %zero = arith.constant 0 : i32
  %e = tensor.empty(%M) : tensor<?xi32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : i32) outs(%e : tensor<?xi32>) -> tensor<?xi32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (k)>, affine_map<(m, k) -> (m)>],
       iterator_types = ["parallel", "reduction"]} ins(%x, %w : tensor<?x5xi8>, tensor<5xi8>) outs(%init : tensor<?xi32>)
     attrs = {kernel.stage = "r", kernel.loops = ["m", "k"]} {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %c = arith.extui %a : i8 to i32
    %d = arith.extsi %b : i8 to i32
    %p = arith.muli %c, %d : i32
    %t = arith.addi %s, %p : i32
    linalg.yield %t : i32
  } -> tensor<?xi32>
  kernel.return %r : tensor<?xi32>
}
schedule.func @s for @k {
  // expected-error @+1 {{operand 0 of stage 'r' is not extended from less to more than 32 bits}}
  schedule.widen_operand "r" operand 0 to i32 as "wide"
}

// -----

kernel.func @k(%x: tensor<?x5xi8>, %w: tensor<5xi8>, %M: index) -> tensor<?xi32> {
  %zero = arith.constant 0 : i32
  %e = tensor.empty(%M) : tensor<?xi32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : i32) outs(%e : tensor<?xi32>) -> tensor<?xi32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (k)>, affine_map<(m, k) -> (m)>],
       iterator_types = ["parallel", "reduction"]} ins(%x, %w : tensor<?x5xi8>, tensor<5xi8>) outs(%init : tensor<?xi32>)
     attrs = {kernel.stage = "r", kernel.loops = ["m", "k"]} {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %c = arith.extui %a : i8 to i32
    %d = arith.extsi %b : i8 to i32
    %p = arith.muli %c, %d : i32
    %t = arith.addi %s, %p : i32
    linalg.yield %t : i32
  } -> tensor<?xi32>
  kernel.return %r : tensor<?xi32>
}
schedule.func @s for @k {
  // expected-error @+1 {{operand 0 of stage 'r' is not extended to 'f32'}}
  schedule.widen_operand "r" operand 0 to f32 as "wide"
}

// -----

kernel.func @k(%x: tensor<?x5xi8>, %w: tensor<5xi8>, %M: index) -> tensor<?xi32> {
  %zero = arith.constant 0 : i32
  %e = tensor.empty(%M) : tensor<?xi32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : i32) outs(%e : tensor<?xi32>) -> tensor<?xi32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (k)>, affine_map<(m, k) -> (m)>],
       iterator_types = ["parallel", "reduction"]} ins(%x, %w : tensor<?x5xi8>, tensor<5xi8>) outs(%init : tensor<?xi32>)
     attrs = {kernel.stage = "r", kernel.loops = ["m", "k"]} {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %c = arith.extui %a : i8 to i32
    %d = arith.extsi %b : i8 to i32
    %p = arith.muli %c, %d : i32
    %t = arith.addi %s, %p : i32
    linalg.yield %t : i32
  } -> tensor<?xi32>
  kernel.return %r : tensor<?xi32>
}
schedule.func @s for @k {
  // expected-error @+1 {{names operand 2 of stage 'r', which has 2}}
  schedule.widen_operand "r" operand 2 to i16 as "wide"
}

// -----

kernel.func @k(%x: tensor<?x4xf32>, %M: index) -> tensor<?xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%M) : tensor<?xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<?x4xf32>) outs(%init : tensor<?xf32>) attrs = {kernel.stage = "r", kernel.loops = ["m", "k"]} {
  ^bb0(%v: f32, %s: f32):
    %t = arith.addf %s, %v : f32
    linalg.yield %t : f32
  } -> tensor<?xf32>
  kernel.return %r : tensor<?xf32>
}
schedule.func @s for @k {
  // expected-error @+1 {{needs a parallel loop; 'k' reduces}}
  schedule.clamp_reads "r" loop "k"
}

// -----

// expected-error @+1 {{'missing' is no kernel.func}}
schedule.func @s for @missing {}

// -----

kernel.func @k(%x: tensor<6xf32>) -> tensor<f32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<f32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<f32>) -> tensor<f32>
  %r = linalg.generic {indexing_maps = [affine_map<(k) -> (k)>, affine_map<(k) -> ()>], iterator_types = ["reduction"]}
      ins(%x : tensor<6xf32>) outs(%init : tensor<f32>) attrs = {kernel.stage = "r", kernel.loops = ["k"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %v, %o : f32
    linalg.yield %s : f32
  } -> tensor<f32>
  kernel.return %r : tensor<f32>
}
schedule.func @s for @k {
  // expected-error @+1 {{needs a constant extent that is a multiple of 4 for contiguous parts of 'k'}}
  schedule.block_reduction "r" loop "k" by 4 into "ko", "ki" as "p" contiguous
}

// -----

// A head of whole pieces leaves at least one step.
kernel.func @k(%x: tensor<8xf32>) -> tensor<f32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<f32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<f32>) -> tensor<f32>
  %r = linalg.generic {indexing_maps = [affine_map<(k) -> (k)>, affine_map<(k) -> ()>], iterator_types = ["reduction"]}
      ins(%x : tensor<8xf32>) outs(%init : tensor<f32>) attrs = {kernel.stage = "r", kernel.loops = ["k"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %o, %v : f32
    linalg.yield %s : f32
  } -> tensor<f32>
  kernel.return %r : tensor<f32>
}
schedule.func @s for @k {
  // expected-error @+1 {{loop 'k' has 8 steps; nothing is left for a head of pieces of 8}}
  schedule.peel_reduction "r" loop "k" by 8 into "ko", "ki" as "h"
}

// -----

// A block of two steps shares nothing: the factor changes with every step.
kernel.func @k(%x: tensor<8xf32>, %y: tensor<8xf32>) -> tensor<f32> {
  %ew = tensor.empty() : tensor<8xf32>
  %w = linalg.generic {indexing_maps = [affine_map<(k) -> (k)>], iterator_types = ["parallel"]}
      outs(%ew : tensor<8xf32>) attrs = {kernel.stage = "w", kernel.loops = ["k"]} {
  ^bb0(%o: f32):
    %k = linalg.index 0 : index
    %v = tensor.extract %y[%k] : tensor<8xf32>
    %p = arith.mulf %v, %v : f32
    linalg.yield %p : f32
  } -> tensor<8xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<f32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<f32>) -> tensor<f32>
  %r = linalg.generic {indexing_maps = [affine_map<(k) -> (k)>, affine_map<(k) -> (k)>, affine_map<(k) -> ()>], iterator_types = ["reduction"]}
      ins(%x, %w : tensor<8xf32>, tensor<8xf32>) outs(%init : tensor<f32>) attrs = {kernel.stage = "r", kernel.loops = ["k"]} {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %o, %p : f32
    linalg.yield %s : f32
  } -> tensor<f32>
  kernel.return %r : tensor<f32>
}
schedule.func @s for @k {
  // expected-error @+1 {{stage 'r' sums no products with an operand that has a factor for 2 steps of 'k'}}
  schedule.factor_reduction "r" loop "k" by 2 into "ki" as "unit" sums "xs"
}

// -----

kernel.func @k(%x: tensor<6xf32>) -> tensor<f32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<f32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<f32>) -> tensor<f32>
  %r = linalg.generic {indexing_maps = [affine_map<(k) -> (k)>, affine_map<(k) -> ()>], iterator_types = ["reduction"]}
      ins(%x : tensor<6xf32>) outs(%init : tensor<f32>) attrs = {kernel.stage = "r", kernel.loops = ["k"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %v, %o : f32
    linalg.yield %s : f32
  } -> tensor<f32>
  kernel.return %r : tensor<f32>
}
schedule.func @s for @k {
  // expected-error @+1 {{needs an extent that is a multiple of 4 for 'k'}}
  schedule.factor_reduction "r" loop "k" by 4 into "ki" as "unit" sums "xs"
}

// -----

kernel.func @k(%x: tensor<?x5xi8>, %w: tensor<5xi8>, %M: index) -> tensor<?xi32> {
  %zero = arith.constant 0 : i32
  %e = tensor.empty(%M) : tensor<?xi32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : i32) outs(%e : tensor<?xi32>) -> tensor<?xi32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (k)>, affine_map<(m, k) -> (m)>],
       iterator_types = ["parallel", "reduction"]} ins(%x, %w : tensor<?x5xi8>, tensor<5xi8>) outs(%init : tensor<?xi32>)
     attrs = {kernel.stage = "r", kernel.loops = ["m", "k"]} {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %c = arith.extui %a : i8 to i32
    %d = arith.extsi %b : i8 to i32
    %p = arith.muli %c, %d : i32
    %t = arith.addi %s, %p : i32
    linalg.yield %t : i32
  } -> tensor<?xi32>
  kernel.return %r : tensor<?xi32>
}
schedule.func @s for @k {
  // expected-error @+1 {{names operand 2 of stage 'r', which has 2}}
  schedule.copy_window "r" operand 2 loop "k" by 4 as "taps"
}

// -----

kernel.func @k(%x: tensor<?x5xi8>, %w: tensor<5xi8>, %M: index) -> tensor<?xi32> {
  %zero = arith.constant 0 : i32
  %e = tensor.empty(%M) : tensor<?xi32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : i32) outs(%e : tensor<?xi32>) -> tensor<?xi32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (k)>, affine_map<(m, k) -> (m)>],
       iterator_types = ["parallel", "reduction"]} ins(%x, %w : tensor<?x5xi8>, tensor<5xi8>) outs(%init : tensor<?xi32>)
     attrs = {kernel.stage = "r", kernel.loops = ["m", "k"]} {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %c = arith.extui %a : i8 to i32
    %d = arith.extsi %b : i8 to i32
    %p = arith.muli %c, %d : i32
    %t = arith.addi %s, %p : i32
    linalg.yield %t : i32
  } -> tensor<?xi32>
  kernel.return %r : tensor<?xi32>
}
schedule.func @s for @k {
  // expected-error @+1 {{operand 0 of stage 'r' is not read by a window that 'k' moves along one of its dimensions}}
  schedule.copy_window "r" operand 0 loop "k" by 4 as "taps"
}
