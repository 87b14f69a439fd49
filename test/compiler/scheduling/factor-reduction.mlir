// RUN: tessera-opt %s --kernel-apply-restructure | FileCheck %s

// What four steps share multiplies their sum, and what moves them all a sum of the other factor.
// CHECK-DAG: #[[ID2:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[STEPS:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d2 * 4 + d3)>
// CHECK-DAG: #[[CODES:.*]] = affine_map<(d0, d1, d2, d3) -> (d1, d2 * 4 + d3)>
// CHECK-DAG: #[[UNIT:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
// CHECK-DAG: #[[BLOCK:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[SHARED:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: kernel.func @moved(
// CHECK: %[[C:.*]] = linalg.generic
// CHECK-SAME: kernel.stage = "w"
// CHECK-NOT: arith.mulf
// CHECK: %[[CODE:.*]] = arith.sitofp
// CHECK-NEXT: linalg.yield %[[CODE]]
// CHECK: %[[S:.*]] = linalg.generic
// CHECK-SAME: outs(%{{.*}} : tensor<6x2xf32>)
// CHECK-SAME: kernel.stage = "unit_scale"
// CHECK: %[[SCALE:.*]] = tensor.extract %arg2
// CHECK-NEXT: linalg.yield %[[SCALE]]
// CHECK: %[[O:.*]] = linalg.generic
// CHECK-SAME: kernel.stage = "unit_offset"
// CHECK: %[[TERM:.*]] = arith.mulf
// CHECK-NEXT: %[[MINUS:.*]] = arith.negf %[[TERM]]
// CHECK-NEXT: linalg.yield %[[MINUS]]
// CHECK: %[[PART:.*]] = linalg.generic {indexing_maps = [#[[STEPS]], #[[CODES]]
// CHECK-SAME: iterator_types = ["parallel", "parallel", "parallel", "reduction"]
// CHECK-SAME: kernel.loops = ["m", "n", "k", "kf"], kernel.stage = "unit"
// CHECK: %[[SUMS:.*]] = linalg.generic
// CHECK-SAME: kernel.stage = "xs"
// CHECK: linalg.generic {indexing_maps = [#{{.*}}, #[[SHARED]], #[[BLOCK]], #[[SHARED]],
// CHECK-SAME: ins(%[[PART]], %[[S]], %[[SUMS]], %[[O]]
// CHECK-SAME: kernel.stage = "acc"
kernel.func @moved(%x: tensor<3x8xf32>, %codes: tensor<6x8xi8>, %scales: tensor<6x2xf32>) -> tensor<3x6xf32> {
  %ew = tensor.empty() : tensor<6x8xf32>
  %w = linalg.generic {indexing_maps = [affine_map<(n, k) -> (n, k)>], iterator_types = ["parallel", "parallel"]}
      outs(%ew : tensor<6x8xf32>) attrs = {kernel.stage = "w", kernel.loops = ["n", "k"]} {
  ^bb0(%o: f32):
    %n = linalg.index 0 : index
    %k = linalg.index 1 : index
    %four = arith.constant 4 : index
    %eight = arith.constant 8.0 : f32
    %block = arith.divui %k, %four : index
    %scale = tensor.extract %scales[%n, %block] : tensor<6x2xf32>
    %code = tensor.extract %codes[%n, %k] : tensor<6x8xi8>
    %number = arith.sitofp %code : i8 to f32
    %product = arith.mulf %number, %scale : f32
    %zero = arith.mulf %scale, %eight : f32
    %value = arith.subf %product, %zero : f32
    linalg.yield %value : f32
  } -> tensor<6x8xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3x6xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<3x6xf32>) -> tensor<3x6xf32>
  %acc = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>],
       iterator_types = ["parallel", "parallel", "reduction"]}
     ins(%x, %w : tensor<3x8xf32>, tensor<6x8xf32>) outs(%init : tensor<3x6xf32>)
     attrs = {kernel.stage = "acc", kernel.loops = ["m", "n", "k"]} {
  ^bb0(%a: f32, %b: f32, %s: f32):
    %p = arith.mulf %a, %b : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<3x6xf32>
  kernel.return %acc : tensor<3x6xf32>
}
schedule.func @s for @moved {
  schedule.factor_reduction "acc" loop "k" by 4 into "kf" as "unit" sums "xs"
}
