// RUN: tessera-opt %s --kernel-apply-restructure | FileCheck %s

// CHECK-DAG: #[[PIECES:.*]] = affine_map<(d0, d1, d2) -> (d0, d1 * 32 + d2)>
// CHECK-DAG: #[[OFFSET:.*]] = affine_map<(d0, d1) -> (d0, d1 + 32)>

// Whole pieces of 8 steps, at least one step fewer than there are, then the others from there on.
// CHECK-LABEL: kernel.func @rows(
// CHECK: %[[ATLEAST:.*]] = arith.maxsi
// CHECK: %[[BEFORE:.*]] = arith.subi %[[ATLEAST]]
// CHECK: arith.divui %[[BEFORE]]
// CHECK: %[[HEAD:.*]] = linalg.generic
// CHECK-SAME: kernel.loops = ["m", "ko", "ki"], kernel.stage = "sum_head"
// CHECK: linalg.generic
// CHECK-SAME: outs(%[[HEAD]] : tensor<?xf32>)
// CHECK-SAME: kernel.loops = ["m", "k"], kernel.stage = "sum"
// CHECK: tensor.extract
kernel.func @rows(%x: tensor<?x?xf32>, %M: index, %K: index) -> tensor<?xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%M) : tensor<?xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<?x?xf32>) outs(%init : tensor<?xf32>) attrs = {kernel.stage = "sum", kernel.loops = ["m", "k"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %o, %v : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  kernel.return %r : tensor<?xf32>
}
schedule.func @rows_s for @rows {
  schedule.peel_reduction "sum" loop "k" by 8 into "ko", "ki" as "sum_head"
}

// A constant extent: affine reads from an offset. Of 64 steps the last 32 are left.
// CHECK-LABEL: kernel.func @even(
// CHECK: linalg.generic {indexing_maps = [#[[PIECES]]
// CHECK-SAME: kernel.stage = "sum_head"
// CHECK-NOT: tensor.extract
// CHECK: linalg.generic {indexing_maps = [#[[OFFSET]]
// CHECK-SAME: kernel.stage = "sum"
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
  schedule.peel_reduction "sum" loop "k" by 32 into "ko", "ki" as "sum_head"
}
