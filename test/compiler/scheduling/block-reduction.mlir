// RUN: tessera-opt %s --kernel-apply-restructure | FileCheck %s

// Whole blocks into 8 accumulators, their merge, then what is left.
// CHECK-LABEL: kernel.func @row_max(
// CHECK-DAG: %[[IDENTITY:.*]] = arith.constant 0xFF800000 : f32
// CHECK: linalg.fill {kernel.stage = "max_part_init"} ins(%[[IDENTITY]]
// CHECK-SAME: tensor<?x8xf32>
// CHECK: linalg.generic
// CHECK-SAME: kernel.loops = ["m", "ko", "ki"], kernel.stage = "max_part"
// CHECK: linalg.generic
// CHECK-SAME: kernel.loops = ["m", "ki"], kernel.stage = "max_merge"
// CHECK: arith.maximumf
// CHECK: linalg.generic
// CHECK-SAME: kernel.loops = ["m", "k"], kernel.stage = "max"
// CHECK: tensor.extract
// CHECK: arith.maximumf
kernel.func @row_max(%x: tensor<?x?xf32>, %M: index, %K: index) -> tensor<?xf32> {
  %low = arith.constant 0xFF800000 : f32
  %e = tensor.empty(%M) : tensor<?xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%low : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<?x?xf32>) outs(%init : tensor<?xf32>) attrs = {kernel.stage = "max", kernel.loops = ["m", "k"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.maximumf %v, %o : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  kernel.return %r : tensor<?xf32>
}
schedule.func @row_max_s for @row_max {
  schedule.block_reduction "max" loop "k" by 8 into "ko", "ki" as "max_part"
}

// A constant extent in whole blocks leaves nothing; the merge takes the name of the stage.
// CHECK-LABEL: kernel.func @even(
// CHECK: kernel.stage = "sum_part"
// CHECK: kernel.loops = ["m", "ki"], kernel.stage = "sum"
// CHECK-NOT: linalg.generic
// CHECK: kernel.return
kernel.func @even(%x: tensor<4x64xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x64xf32>) outs(%init : tensor<4xf32>) attrs = {kernel.stage = "sum", kernel.loops = ["m", "k"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %o, %v : f32
    linalg.yield %s : f32
  } -> tensor<4xf32>
  kernel.return %r : tensor<4xf32>
}
schedule.func @even_s for @even {
  schedule.block_reduction "sum" loop "k" by 32 into "ko", "ki" as "sum_part"
}

// A constant extent with a rest: affine reads from an offset.
// CHECK-LABEL: kernel.func @odd(
// CHECK: kernel.stage = "sum_part"
// CHECK: kernel.stage = "sum_merge"
// CHECK-NOT: tensor.extract
// CHECK: kernel.stage = "sum"
kernel.func @odd(%x: tensor<4x70xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x70xf32>) outs(%init : tensor<4xf32>) attrs = {kernel.stage = "sum", kernel.loops = ["m", "k"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %o, %v : f32
    linalg.yield %s : f32
  } -> tensor<4xf32>
  kernel.return %r : tensor<4xf32>
}
schedule.func @odd_s for @odd {
  schedule.block_reduction "sum" loop "k" by 32 into "ko", "ki" as "sum_part"
}

// Contiguous parts: the accumulators are the first dimension.
// CHECK-LABEL: kernel.func @parts(
// CHECK: kernel.loops = ["m", "ko", "ki"], kernel.stage = "sum_part"
// CHECK: kernel.loops = ["m", "ki"], kernel.stage = "sum"
kernel.func @parts(%x: tensor<4x64xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x64xf32>) outs(%init : tensor<4xf32>) attrs = {kernel.stage = "sum", kernel.loops = ["m", "k"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %o, %v : f32
    linalg.yield %s : f32
  } -> tensor<4xf32>
  kernel.return %r : tensor<4xf32>
}
schedule.func @parts_s for @parts {
  schedule.block_reduction "sum" loop "k" by 4 into "ko", "ki" as "sum_part" contiguous
}

// Runs: one accumulator for each, the first dimension; what is merged are the runs.
// CHECK-LABEL: kernel.func @runs(
// CHECK: linalg.generic
// CHECK-SAME: iterator_types = ["parallel", "parallel", "reduction"]
// CHECK-SAME: kernel.loops = ["ko", "n", "ki"], kernel.stage = "sum_part"
// CHECK: linalg.generic
// CHECK-SAME: iterator_types = ["parallel", "reduction"]
// CHECK-SAME: kernel.loops = ["n", "ko"], kernel.stage = "sum_merge"
// CHECK: linalg.generic
// CHECK-SAME: kernel.loops = ["k", "n"], kernel.stage = "sum"
kernel.func @runs(%x: tensor<?x?xf32>, %K: index, %N: index) -> tensor<?xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%N) : tensor<?xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(k, n) -> (k, n)>, affine_map<(k, n) -> (n)>], iterator_types = ["reduction", "parallel"]}
      ins(%x : tensor<?x?xf32>) outs(%init : tensor<?xf32>) attrs = {kernel.stage = "sum", kernel.loops = ["k", "n"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %o, %v : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  kernel.return %r : tensor<?xf32>
}
schedule.func @runs_s for @runs {
  schedule.block_reduction "sum" loop "k" by 128 into "ko", "ki" as "sum_part" runs
}
