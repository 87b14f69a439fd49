// RUN: tessera-opt %s --kernel-apply-restructure --verify-each=numeric | FileCheck %s

// Arguments are read at most at the last row, by operands and by tensor.extract; the stage in between is not: it has
// the rows of the block that is computed.
// CHECK-LABEL: kernel.func @rows(
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[Y:.*]]: tensor<?xf32>, %[[M:.*]]: index)
// CHECK: %[[A:.*]] = linalg.generic
// CHECK-SAME: kernel.stage = "a"
// CHECK: %[[LAST:.*]] = arith.subi %[[M]], %{{.*}} : index
// CHECK: %[[MAPPED:.*]] = linalg.generic
// CHECK-SAME: ins(%[[A]]
// CHECK-SAME: kernel.stage = "b"
// CHECK: %[[ROW:.*]] = arith.minsi %{{.*}}, %[[LAST]] : index
// CHECK: tensor.extract %[[X]][%[[ROW]], %{{.*}}]
// CHECK: tensor.extract %[[Y]][%[[ROW]]]
// CHECK: schedule.func @s for @rows {
// CHECK-NEXT: }
kernel.func @rows(%x: tensor<?x8xf32>, %y: tensor<?xf32>, %M: index) -> tensor<?x8xf32> {
  %e = tensor.empty(%M) : tensor<?xf32>
  %a = linalg.generic {indexing_maps = [affine_map<(m) -> (m)>, affine_map<(m) -> (m)>], iterator_types = ["parallel"]}
      ins(%y : tensor<?xf32>) outs(%e : tensor<?xf32>) attrs = {kernel.stage = "a", kernel.loops = ["m"]} {
  ^bb0(%v: f32, %o: f32):
    %t = arith.addf %v, %v : f32
    linalg.yield %t : f32
  } -> tensor<?xf32>
  %f = tensor.empty(%M) : tensor<?x8xf32>
  %b = linalg.generic {indexing_maps = [affine_map<(m, n) -> (m)>, affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (m, n)>],
       iterator_types = ["parallel", "parallel"]}
      ins(%a, %x : tensor<?xf32>, tensor<?x8xf32>) outs(%f : tensor<?x8xf32>) attrs = {kernel.stage = "b", kernel.loops = ["m", "n"]} {
  ^bb0(%v: f32, %w: f32, %o: f32):
    %m = linalg.index 0 : index
    %z = tensor.extract %y[%m] : tensor<?xf32>
    %t = arith.addf %v, %w : f32
    %u = arith.mulf %t, %z : f32
    linalg.yield %u : f32
  } -> tensor<?x8xf32>
  kernel.return %b : tensor<?x8xf32>
}
schedule.func @s for @rows {
  schedule.clamp_reads "b" loop "m"
}
