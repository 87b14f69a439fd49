// RUN: tessera-opt %s --kernel-apply-restructure | FileCheck %s

// A matrix product in register tiles: rows are clamped, the packed operand is read by tile and place.
// CHECK-DAG: #[[PANELS:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d1, d2, d4)>
// CHECK-DAG: #[[ACC:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d3, d4)>
// CHECK-DAG: #[[OUT:.*]] = affine_map<(d0, d1) -> (d0 floordiv 6, d1 floordiv 16, d0 mod 6, d1 mod 16)>
// CHECK-LABEL: kernel.func @matmul(
// CHECK-SAME: %[[A:.*]]: tensor<?x?xf32>, %[[B:.*]]: tensor<?x?x16xf32> {kernel.layout = #kernel.packed<inner_dims_pos = [1], inner_tiles = [16], outer_dims_perm = [1, 0]>}
// CHECK: %[[LAST:.*]] = arith.subi
// CHECK: linalg.fill {kernel.stage = "init"}
// CHECK-SAME: tensor<?x?x6x16xf32>
// CHECK: linalg.generic
// CHECK-SAME: indexing_maps = [#[[PANELS]], #[[ACC]]]
// CHECK-SAME: kernel.loops = ["mo", "no", "k", "mi", "ni"], kernel.stage = "acc"
// CHECK: %[[ROW:.*]] = arith.minsi %{{.*}}, %[[LAST]]
// CHECK: tensor.extract %[[A]][%[[ROW]], %{{.*}}]
// CHECK: linalg.generic
// CHECK-SAME: indexing_maps = [#[[OUT]]
// CHECK-SAME: kernel.stage = "out"
// CHECK: schedule.func @s for @matmul {
// CHECK-NEXT: }
kernel.func @matmul(%a: tensor<?x?xf32>, %b: tensor<?x?xf32>, %M: index, %N: index, %K: index) -> tensor<?x?xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%M, %N) : tensor<?x?xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<?x?xf32>) -> tensor<?x?xf32>
  %acc = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>],
       iterator_types = ["parallel", "parallel", "reduction"]}
     ins(%a, %b : tensor<?x?xf32>, tensor<?x?xf32>) outs(%init : tensor<?x?xf32>)
     attrs = {kernel.stage = "acc", kernel.loops = ["m", "n", "k"]} {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.mulf %x, %y : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<?x?xf32>
  kernel.return %acc : tensor<?x?xf32>
}
schedule.func @s for @matmul {
  schedule.cache_write "acc" as "out"
  schedule.pack_operand 1 inner_dims_pos = [1] inner_tiles = [16] outer_dims_perm = [1, 0]
  schedule.pad_to_tile "acc" loop "m" by 6 into "mo", "mi"
  schedule.pad_to_tile "acc" loop "n" by 16 into "no", "ni"
}

// A factor that divides a constant extent needs no clamp.
// CHECK-LABEL: kernel.func @even(
// CHECK-NOT: arith.minsi
// CHECK: tensor<12x8xf32>
// CHECK: kernel.loops = ["io", "ii"], kernel.stage = "a"
// CHECK-LABEL: schedule.func @e
kernel.func @even(%x: tensor<96xf32>) -> tensor<96xf32> {
  %e = tensor.empty() : tensor<96xf32>
  %a = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<96xf32>) outs(%e : tensor<96xf32>) attrs = {kernel.stage = "a", kernel.loops = ["i"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %v, %v : f32
    linalg.yield %s : f32
  } -> tensor<96xf32>
  %b = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%a : tensor<96xf32>) outs(%e : tensor<96xf32>) attrs = {kernel.stage = "b", kernel.loops = ["i"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.mulf %v, %v : f32
    linalg.yield %s : f32
  } -> tensor<96xf32>
  kernel.return %b : tensor<96xf32>
}
schedule.func @e for @even {
  schedule.pad_to_tile "a" loop "i" by 8 into "io", "ii"
}

// Clamps may say that they are ends.
// CHECK-LABEL: kernel.func @ends(
// CHECK: arith.minsi {{.*}} {kernel.likely}
kernel.func @ends(%x: tensor<?xf32>, %N: index) -> tensor<?xf32> {
  %e = tensor.empty(%N) : tensor<?xf32>
  %a = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<?xf32>) outs(%e : tensor<?xf32>) attrs = {kernel.stage = "a", kernel.loops = ["i"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %v, %v : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  %b = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%a : tensor<?xf32>) outs(%e : tensor<?xf32>) attrs = {kernel.stage = "b", kernel.loops = ["i"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.mulf %v, %v : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  kernel.return %b : tensor<?xf32>
}
schedule.func @l for @ends {
  schedule.pad_to_tile "a" loop "i" by 8 into "io", "ii" likely
}
