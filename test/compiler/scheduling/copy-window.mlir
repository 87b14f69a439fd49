// RUN: tessera-opt %s --kernel-apply-restructure | FileCheck %s

// Taps of a window, four side by side; steps of 2 let groups begin at every second place only. The filter is filled up
// with zeros: five taps are two groups.
// CHECK-DAG: #[[TAPS:.*]] = affine_map<(d0, d1, d2, d3) -> (d0 + d2 * 2, d1, d3)>
// CHECK-DAG: #[[FILTER:.*]] = affine_map<(d0, d1, d2, d3) -> (d1, d2, d3)>
// CHECK-LABEL: kernel.func @window(
// CHECK-SAME: tensor<8x2x4xi8> {kernel.layout = {{.*}}}
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<?x8x4xi8>) attrs = {kernel.loops = ["i0", "i1", "t"], kernel.stage = "taps"}
// CHECK-DAG: %[[I:.*]] = linalg.index 0
// CHECK-DAG: %[[T:.*]] = linalg.index 2
// CHECK: %[[STEP:.*]] = arith.muli %[[I]], %c2
// CHECK: %[[AT:.*]] = arith.addi %[[STEP]], %[[T]]
// CHECK: %[[IN:.*]] = arith.minsi %[[AT]]
// CHECK: tensor.extract %arg0[%[[IN]],
// CHECK: linalg.generic {indexing_maps = [#[[TAPS]], #[[FILTER]]
// CHECK-SAME: kernel.loops = ["x", "c", "k", "kg"], kernel.stage = "acc"
kernel.func @window(%x: tensor<?x8xi8>, %w: tensor<8x5xi8>, %X: index) -> tensor<?x8xi32> {
  %zero = arith.constant 0 : i32
  %e = tensor.empty(%X) : tensor<?x8xi32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : i32) outs(%e : tensor<?x8xi32>) -> tensor<?x8xi32>
  %acc = linalg.generic {indexing_maps = [affine_map<(x, c, k) -> (2 * x + k, c)>, affine_map<(x, c, k) -> (c, k)>, affine_map<(x, c, k) -> (x, c)>],
       iterator_types = ["parallel", "parallel", "reduction"]}
     ins(%x, %w : tensor<?x8xi8>, tensor<8x5xi8>) outs(%init : tensor<?x8xi32>)
     attrs = {kernel.stage = "acc", kernel.loops = ["x", "c", "k"]} {
  ^bb0(%a: i8, %b: i8, %s: i32):
    %c = arith.extui %a : i8 to i32
    %d = arith.extsi %b : i8 to i32
    %p = arith.muli %c, %d overflow<nsw> : i32
    %t = arith.addi %s, %p overflow<nsw> : i32
    linalg.yield %t : i32
  } -> tensor<?x8xi32>
  kernel.return %acc : tensor<?x8xi32>
}
schedule.func @s for @window {
  schedule.pack_operand 1 inner_dims_pos = [1] inner_tiles = [4] outer_dims_perm = [0, 1]
  schedule.copy_window "acc" operand 0 loop "k" by 4 as "taps"
  schedule.group_reduction "acc" loop "k" by 4 as "kg"
}
