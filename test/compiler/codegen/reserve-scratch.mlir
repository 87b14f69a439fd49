// RUN: tessera-opt %s --kernel-reserve-scratch | FileCheck %s

// Products of every step have B x 4 elements, and read all of the last step's: kept in bytes whose number follows from B.
// CHECK-LABEL: kernel.func @dynamic
// CHECK-SAME: -> (tensor<?x4xf32>, tensor<?xi8> {kernel.scratch})
// CHECK: %[[SCRATCH:.*]] = tensor.empty(%{{.*}}) : tensor<?xi8>
// CHECK: kernel.return %{{.*}}, %[[SCRATCH]]
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j, k) -> (i, k)>
#weight = affine_map<(i, j, k) -> (k, j)>
#sum = affine_map<(i, j, k) -> (i, j)>
kernel.func @dynamic(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>, %B: index, %T: index) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%B) : tensor<?x4xf32>
  %start = linalg.fill {kernel.stage = "start"} ins(%zero : f32) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  %r = scf.for %t = %c0 to %T step %c1 iter_args(%h = %start) -> tensor<?x4xf32> {
    %f = tensor.empty(%B) : tensor<?x4xf32>
    %g = linalg.fill {kernel.stage = "zeros"} ins(%zero : f32) outs(%f : tensor<?x4xf32>) -> tensor<?x4xf32>
    %n = linalg.generic {indexing_maps = [#row, #weight, #sum], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%h, %w : tensor<?x4xf32>, tensor<4x4xf32>) outs(%g : tensor<?x4xf32>) attrs = {kernel.stage = "next"} {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %p = arith.mulf %a, %b : f32
      %s = arith.addf %o, %p : f32
      linalg.yield %s : f32
    } -> tensor<?x4xf32>
    %u = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%n : tensor<?x4xf32>) outs(%h : tensor<?x4xf32>) attrs = {kernel.stage = "update"} {
    ^bb0(%a: f32, %o: f32):
      linalg.yield %a : f32
    } -> tensor<?x4xf32>
    scf.yield %u : tensor<?x4xf32>
  } {kernel.stage = "loop"}
  kernel.return %r : tensor<?x4xf32>
}

// Small buffers of constant size lie on the stack; kernels without loops are left to Halide.
// CHECK-LABEL: kernel.func @plain
// CHECK-NOT: kernel.scratch
kernel.func @plain(%x: tensor<4xf32>) -> tensor<4xf32> {
  kernel.return %x : tensor<4xf32>
}
