// RUN: tessera-opt %s --kernel-apply-restructure | FileCheck %s

// Pairs of k, in 16 bits: the first operand as a copy, the second one packed by columns and pairs.
// CHECK-DAG: #[[LHS:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
// CHECK-DAG: #[[RHS:.*]] = affine_map<(d0, d1, d2, d3) -> (d1 floordiv 8, d2, d1 mod 8, d3)>
// CHECK-LABEL: kernel.func @product(
// CHECK-SAME: tensor<1x3x8x2xi8> {kernel.layout = {{.*}}}
// CHECK: %[[WIDE:.*]] = linalg.generic
// CHECK-SAME: kernel.stage = "acc_wide"
// CHECK: arith.extui %{{.*}} : i8 to i16
// CHECK: %[[PAIRS:.*]] = linalg.generic
// CHECK-SAME: kernel.stage = "acc_pairs"
// CHECK: linalg.generic {indexing_maps = [#[[LHS]], #[[RHS]]
// CHECK-SAME: iterator_types = ["parallel", "parallel", "reduction", "reduction"]
// CHECK-SAME: ins(%[[PAIRS]], %arg1
// CHECK-SAME: kernel.loops = ["m", "n", "k", "kg"], kernel.stage = "acc"
// CHECK: arith.extsi %{{.*}} : i16 to i32
// CHECK: arith.extsi %{{.*}} : i8 to i32
kernel.func @product(%x: tensor<?x5xi8>, %w: tensor<5x8xi8>, %M: index) -> tensor<?x8xi32> {
  %zero = arith.constant 0 : i32
  %e = tensor.empty(%M) : tensor<?x8xi32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : i32) outs(%e : tensor<?x8xi32>) -> tensor<?x8xi32>
  %acc = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>],
       iterator_types = ["parallel", "parallel", "reduction"]}
     ins(%x, %w : tensor<?x5xi8>, tensor<5x8xi8>) outs(%init : tensor<?x8xi32>)
     attrs = {kernel.stage = "acc", kernel.loops = ["m", "n", "k"]} {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %c = arith.extui %a : i8 to i32
    %d = arith.extsi %b : i8 to i32
    %p = arith.muli %c, %d overflow<nsw> : i32
    %t = arith.addi %s, %p overflow<nsw> : i32
    linalg.yield %t : i32
  } -> tensor<?x8xi32>
  kernel.return %acc : tensor<?x8xi32>
}
schedule.func @s for @product {
  schedule.pack_operand 1 inner_dims_pos = [1, 0] inner_tiles = [8, 2] outer_dims_perm = [1, 0]
  schedule.widen_operand "acc" operand 0 to i16 as "acc_wide"
  schedule.copy_packed "acc" operand 0 as "acc_pairs" inner_dims_pos = [1] inner_tiles = [2] outer_dims_perm = [0, 1]
  schedule.group_reduction "acc" loop "k" by 2 as "kg"
}

// Floats: converted by vectors where the product broadcasts single elements.
// CHECK-LABEL: kernel.func @floats(
// CHECK: %[[F32:.*]] = linalg.generic
// CHECK-SAME: kernel.stage = "acc_wide"
// CHECK: arith.extf %{{.*}} : bf16 to f32
// CHECK: linalg.generic
// CHECK-SAME: ins(%[[F32]], %arg1 : tensor<?x5xf32>, tensor<5x8xbf16>)
// CHECK-NEXT: ^bb0(%[[A:.*]]: f32, %[[B:.*]]: bf16, %{{.*}}: f32):
// CHECK-NEXT: %[[D:.*]] = arith.extf %[[B]] : bf16 to f32
// CHECK-NEXT: arith.mulf %[[A]], %[[D]] : f32
kernel.func @floats(%x: tensor<?x5xbf16>, %w: tensor<5x8xbf16>, %M: index) -> tensor<?x8xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%M) : tensor<?x8xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  %acc = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>],
       iterator_types = ["parallel", "parallel", "reduction"]}
     ins(%x, %w : tensor<?x5xbf16>, tensor<5x8xbf16>) outs(%init : tensor<?x8xf32>)
     attrs = {kernel.stage = "acc", kernel.loops = ["m", "n", "k"]} {
  ^bb0(%a: bf16, %b: bf16, %s: f32):
    %c = arith.extf %a : bf16 to f32
    %d = arith.extf %b : bf16 to f32
    %p = arith.mulf %c, %d : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<?x8xf32>
  kernel.return %acc : tensor<?x8xf32>
}
schedule.func @floats_schedule for @floats {
  schedule.widen_operand "acc" operand 0 to f32 as "acc_wide"
}
