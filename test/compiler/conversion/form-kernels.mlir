// RUN: tessera-opt %s --graph-decompose --graph-explicit-padding --graph-fold-transposes --canonicalize --cse --graph-form-kernels --split-input-file | FileCheck %s

// An epilogue joins its contraction; constants that are splats are computed where they are read.
// CHECK-LABEL: graph.func @dense
// CHECK-NEXT: %[[R:.*]] = kernel.launch @k0_contract(%arg0, %arg1, %arg2) dims [#graph.dim<B>]
// CHECK-NEXT: graph.return %[[R]]
// CHECK: kernel.func @k0_contract(%arg0: tensor<?x128xf32>, %arg1: tensor<64x128xf32>, %arg2: tensor<64xf32>, %arg3: index) -> tensor<?x64xf32>
// CHECK: kernel.stage = "acc"
// CHECK: kernel.stage = "max"
graph.func @dense(%x: !graph.tensor<[B, 128], f32>, %w: !graph.tensor<[64, 128], f32>, %b: !graph.tensor<[64], f32>) -> !graph.tensor<[B, 64], f32> {
  %t = graph.transpose %w, perm = [1, 0] : !graph.tensor<[64, 128], f32> -> !graph.tensor<[128, 64], f32>
  %0 = graph.contract "mk,kn->mn" %x, %t : (!graph.tensor<[B, 128], f32>, !graph.tensor<[128, 64], f32>) -> !graph.tensor<[B, 64], f32>
  %bb = graph.broadcast %b, dims = [1] : !graph.tensor<[64], f32> -> !graph.tensor<[B, 64], f32>
  %1 = graph.add %0, %bb : !graph.tensor<[B, 64], f32>
  %2 = graph.relu %1 : !graph.tensor<[B, 64], f32>
  graph.return %2 : !graph.tensor<[B, 64], f32>
}

// -----

// A value that is read twice is stored once; the group stays convex.
// CHECK-LABEL: graph.func @diamond
// CHECK-NEXT: %[[A:.*]] = kernel.launch @k0_contract
// CHECK-NEXT: %[[B:.*]] = kernel.launch @k1_contract(%[[A]])
// CHECK-NEXT: graph.return %[[B]]
graph.func @diamond(%x: !graph.tensor<[N, N], f32>) -> !graph.tensor<[N, N], f32> {
  %0 = graph.contract "mk,kn->mn" %x, %x : (!graph.tensor<[N, N], f32>, !graph.tensor<[N, N], f32>) -> !graph.tensor<[N, N], f32>
  %1 = graph.contract "mk,kn->mn" %0, %0 : (!graph.tensor<[N, N], f32>, !graph.tensor<[N, N], f32>) -> !graph.tensor<[N, N], f32>
  %2 = graph.add %1, %0 : !graph.tensor<[N, N], f32>
  graph.return %2 : !graph.tensor<[N, N], f32>
}

// -----

// Padding is a kernel of its own before a convolution; the strided read is affine.
// CHECK: affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d2 * 2 + d5, d3 * 2 + d6)>
// CHECK-LABEL: graph.func @conv
// CHECK-NEXT: %[[P:.*]] = kernel.launch @k0_pad(%arg0)
// CHECK-NEXT: kernel.launch @k1_conv(%[[P]], %arg1)
graph.func @conv(%x: !graph.tensor<[1, 3, H, W], f32>, %w: !graph.tensor<[8, 3, 3, 3], f32>) -> !graph.tensor<[1, 8, floordiv(H + 1, 2), floordiv(W + 1, 2)], f32> {
  %0 = graph.conv %x, %w, strides = [2, 2], dilations = [1, 1], lo = [1, 1], hi = [1, 1] : (!graph.tensor<[1, 3, H, W], f32>, !graph.tensor<[8, 3, 3, 3], f32>) -> !graph.tensor<[1, 8, floordiv(H + 1, 2), floordiv(W + 1, 2)], f32>
  graph.return %0 : !graph.tensor<[1, 8, floordiv(H + 1, 2), floordiv(W + 1, 2)], f32>
}
