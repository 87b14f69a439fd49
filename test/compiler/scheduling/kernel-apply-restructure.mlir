// RUN: tessera-opt %s --kernel-apply-restructure | FileCheck %s

// Directives that rewrite are applied in their order and gone afterwards; loop directives stay and name the
// loops of the rewritten kernel.
// CHECK-LABEL: kernel.func @row_max(
// CHECK: kernel.stage = "part"
// CHECK: kernel.stage = "max_merge"
// CHECK-LABEL: schedule.func @row_max_s for @row_max {
// CHECK-NEXT: schedule.update "part" {
// CHECK-NEXT: schedule.vectorize "ki" by 8
// CHECK-NEXT: }
// CHECK-NEXT: }
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
  schedule.block_reduction "max" loop "k" by 8 into "ko", "ki" as "part"
  schedule.update "part" {
    schedule.vectorize "ki" by 8
  }
}
