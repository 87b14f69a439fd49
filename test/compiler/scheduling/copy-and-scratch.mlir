// RUN: tessera-opt %s --kernel-apply-restructure | FileCheck %s

// The second operand comes in rows of k; a copy with 8 of n side by side is kept in scratch memory.
// CHECK-LABEL: kernel.func @scores(
// CHECK-SAME: -> (tensor<?x?xf32>, tensor<?x?x8xf32> {kernel.scratch})
// CHECK: %[[COPY:.*]] = linalg.generic
// CHECK-SAME: kernel.loops = ["i0", "i1", "t0"], kernel.stage = "rhs"
// CHECK: arith.select
// CHECK: linalg.generic
// CHECK-SAME: ins(%{{.*}}, %[[COPY]] :
// CHECK-SAME: kernel.stage = "acc"
// CHECK: kernel.return %{{.*}}, %[[COPY]] :
kernel.func @scores(%q: tensor<?x?xf32>, %k: tensor<?x?xf32>, %M: index, %N: index) -> tensor<?x?xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%M, %N) : tensor<?x?xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<?x?xf32>) -> tensor<?x?xf32>
  %acc = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>],
       iterator_types = ["parallel", "parallel", "reduction"]}
     ins(%q, %k : tensor<?x?xf32>, tensor<?x?xf32>) outs(%init : tensor<?x?xf32>)
     attrs = {kernel.stage = "acc", kernel.loops = ["m", "n", "k"]} {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.mulf %x, %y : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<?x?xf32>
  kernel.return %acc : tensor<?x?xf32>
}
schedule.func @s for @scores {
  schedule.copy_packed "acc" operand 1 as "rhs" inner_dims_pos = [0] inner_tiles = [8] outer_dims_perm = [0, 1]
  schedule.scratch "rhs"
}
