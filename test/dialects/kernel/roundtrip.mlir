// RUN: tessera-opt %s | tessera-opt | FileCheck %s

#id = affine_map<(m, n, k) -> (m, k)>
#rhs = affine_map<(m, n, k) -> (k, n)>
#out = affine_map<(m, n, k) -> (m, n)>

// CHECK-LABEL: kernel.func @dense(
// CHECK-SAME: %{{.*}}: tensor<?x128xf32>, %{{.*}}: tensor<4x128x16xf32> {kernel.layout = #kernel.packed<inner_dims_pos = [1], inner_tiles = [16], outer_dims_perm = [1, 0]>}, %{{.*}}: index) -> tensor<?x64xf32>
// CHECK-SAME: kernel.sources = ["dense"]
kernel.func @dense(%x: tensor<?x128xf32>,
                   %w: tensor<4x128x16xf32> {kernel.layout = #kernel.packed<
                       inner_dims_pos = [1], inner_tiles = [16], outer_dims_perm = [1, 0]>},
                   %B: index) -> tensor<?x64xf32> attributes {kernel.sources = ["dense"]} {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty(%B) : tensor<?x64xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%empty : tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: kernel.stage = "acc"
  %acc = linalg.generic {indexing_maps = [#id, #out], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x : tensor<?x128xf32>) outs(%init : tensor<?x64xf32>)
      attrs = {kernel.stage = "acc", kernel.loops = ["m", "n", "k"]} {
  ^bb0(%a: f32, %c: f32):
    %n = linalg.index 1 : index
    %k = linalg.index 2 : index
    %lanes = arith.constant 16 : index
    %panel = arith.divui %n, %lanes : index
    %lane = arith.remui %n, %lanes : index
    %b = tensor.extract %w[%panel, %k, %lane] : tensor<4x128x16xf32>
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %c, %p : f32
    linalg.yield %s : f32
  } -> tensor<?x64xf32>
  // CHECK: kernel.return
  kernel.return %acc : tensor<?x64xf32>
}
