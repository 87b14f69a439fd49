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

// The copy has the results that somebody reads: an arg-max carries the maximum for itself.
// CHECK-LABEL: kernel.func @arg_max(
// CHECK: %[[PAIR:.*]]:2 = linalg.generic
// CHECK: %[[OUT:.*]] = linalg.generic
// CHECK-SAME: ins(%[[PAIR]]#1 : tensor<?xi64>)
// CHECK-SAME: kernel.stage = "out"
// CHECK: kernel.return %[[OUT]] : tensor<?xi64>
kernel.func @arg_max(%x: tensor<?x?xf32>, %N: index) -> tensor<?xi64> {
  %low = arith.constant 0xFF800000 : f32
  %none = arith.constant -1 : i64
  %e = tensor.empty(%N) : tensor<?xf32>
  %best = linalg.fill {kernel.stage = "best_init"} ins(%low : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>
  %f = tensor.empty(%N) : tensor<?xi64>
  %at = linalg.fill {kernel.stage = "at_init"} ins(%none : i64) outs(%f : tensor<?xi64>) -> tensor<?xi64>
  %r:2 = linalg.generic {indexing_maps = [affine_map<(n, k) -> (n, k)>, affine_map<(n, k) -> (n)>, affine_map<(n, k) -> (n)>],
       iterator_types = ["parallel", "reduction"]}
     ins(%x : tensor<?x?xf32>) outs(%best, %at : tensor<?xf32>, tensor<?xi64>)
     attrs = {kernel.stage = "arg", kernel.loops = ["n", "k"]} {
  ^bb0(%v: f32, %b: f32, %i: i64):
    %k = linalg.index 1 : index
    %here = arith.index_cast %k : index to i64
    %wins = arith.cmpf ogt, %v, %b : f32
    %next = arith.select %wins, %v, %b : f32
    %place = arith.select %wins, %here, %i : i64
    linalg.yield %next, %place : f32, i64
  } -> (tensor<?xf32>, tensor<?xi64>)
  kernel.return %r#1 : tensor<?xi64>
}
schedule.func @arg_s for @arg_max {
  schedule.cache_write "arg" as "out"
}
