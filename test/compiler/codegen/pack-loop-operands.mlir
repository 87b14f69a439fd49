// RUN: tessera-opt %s --kernel-pack-loop-operands | FileCheck %s

// The weight of a recurrence: 70 columns become two blocks of 64, each a stream over k.
// CHECK: #[[PACKED:.*]] = affine_map<(d0, d1) -> (d0 floordiv 64, d1, d0 mod 64)>
// CHECK-LABEL: kernel.func @constant(
// CHECK-SAME: %[[W:[^:,]*]]: tensor<2x8x64xf32> {kernel.constant, kernel.layout = #kernel.packed<inner_dims_pos = [0], inner_tiles = [64], outer_dims_perm = [0, 1]>}
// CHECK: scf.for
// CHECK: indexing_maps = [#{{.*}}, #[[PACKED]], #{{.*}}]{{.*}} ins(%{{.*}}, %[[W]] :
#lhs = affine_map<(n, k) -> (k)>
#rhs = affine_map<(n, k) -> (n, k)>
#out = affine_map<(n, k) -> (n)>
kernel.func @constant(%x: tensor<?x8xf32>, %w: tensor<70x8xf32> {kernel.constant}, %T: index) -> tensor<70xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<70xf32>
  %start = linalg.fill {kernel.stage = "start"} ins(%zero : f32) outs(%e : tensor<70xf32>) -> tensor<70xf32>
  %r = scf.for %t = %c0 to %T step %c1 iter_args(%h = %start) -> tensor<70xf32> {
    %s = tensor.extract_slice %x[%t, 0] [1, 8] [1, 1] : tensor<?x8xf32> to tensor<8xf32>
    %n = linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "reduction"]}
        ins(%s, %w : tensor<8xf32>, tensor<70x8xf32>) outs(%h : tensor<70xf32>) attrs = {kernel.stage = "product"} {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %p = arith.mulf %a, %b : f32
      %q = arith.addf %o, %p : f32
      linalg.yield %q : f32
    } -> tensor<70xf32>
    scf.yield %n : tensor<70xf32>
  } {kernel.stage = "loop"}
  kernel.return %r : tensor<70xf32>
}

// What is no constant is copied before the loop.
// CHECK-LABEL: kernel.func @computed(
// CHECK: %[[COPY:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<2x8x64xf32>) attrs = {{.*}}kernel.stage = "product_packed1"
// CHECK: scf.for
// CHECK: ins(%{{.*}}, %[[COPY]]
kernel.func @computed(%x: tensor<?x8xf32>, %w: tensor<70x8xf32>, %T: index) -> tensor<70xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<70xf32>
  %start = linalg.fill {kernel.stage = "start"} ins(%zero : f32) outs(%e : tensor<70xf32>) -> tensor<70xf32>
  %r = scf.for %t = %c0 to %T step %c1 iter_args(%h = %start) -> tensor<70xf32> {
    %s = tensor.extract_slice %x[%t, 0] [1, 8] [1, 1] : tensor<?x8xf32> to tensor<8xf32>
    %n = linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "reduction"]}
        ins(%s, %w : tensor<8xf32>, tensor<70x8xf32>) outs(%h : tensor<70xf32>) attrs = {kernel.stage = "product"} {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %p = arith.mulf %a, %b : f32
      %q = arith.addf %o, %p : f32
      linalg.yield %q : f32
    } -> tensor<70xf32>
    scf.yield %n : tensor<70xf32>
  } {kernel.stage = "loop"}
  kernel.return %r : tensor<70xf32>
}
