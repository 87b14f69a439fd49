// RUN: tessera-opt %s --graph-merge-rows --canonicalize --cse --split-input-file --verify-each=numeric | FileCheck %s

// A linear layer, its bias, a map, a residual, a norm's sums and the layer behind it: one axis of rows, views around.
// CHECK-LABEL: graph.func @block
// CHECK-DAG: %[[X:.*]] = graph.reshape %arg0 : <[B, S, 8], f32> -> <[B * S, 8], f32>
// CHECK: %[[Y:.*]] = graph.contract "sx,xz->sz" %[[X]], %arg1
// CHECK: graph.broadcast %arg2, dims = [1] : <[8], f32> -> <[B * S, 8], f32>
// CHECK: %[[R:.*]] = graph.add %{{.*}}, %[[X]] : <[B * S, 8], f32>
// CHECK: %[[M:.*]] = graph.reduce sum %[[R]], axes = [1] : <[B * S, 8], f32> -> <[B * S], f32>
// CHECK: graph.broadcast %[[M]], dims = [0] : <[B * S], f32> -> <[B * S, 8], f32>
// CHECK: %[[D:.*]] = graph.sub %[[R]], %{{.*}} : <[B * S, 8], f32>
// CHECK: %[[Z:.*]] = graph.contract "sx,zx->sz" %[[D]], %arg3
// CHECK: %[[V:.*]] = graph.reshape %[[Z]] : <[B * S, 12], f32> -> <[B, S, 12], f32>
// CHECK: graph.return %[[V]]
graph.func @block(%x: !graph.tensor<[B, S, 8], f32>, %w: !graph.tensor<[8, 8], f32>, %bias: !graph.tensor<[8], f32>, %v: !graph.tensor<[12, 8], f32>)
    -> !graph.tensor<[B, S, 12], f32> {
  %0 = graph.contract "bsx,xz->bsz" %x, %w : (!graph.tensor<[B, S, 8], f32>, !graph.tensor<[8, 8], f32>) -> !graph.tensor<[B, S, 8], f32>
  %1 = graph.broadcast %bias, dims = [2] : !graph.tensor<[8], f32> -> !graph.tensor<[B, S, 8], f32>
  %2 = graph.add %0, %1 : !graph.tensor<[B, S, 8], f32>
  %3 = graph.tanh %2 : !graph.tensor<[B, S, 8], f32>
  %4 = graph.add %3, %x : !graph.tensor<[B, S, 8], f32>
  %5 = graph.reduce sum %4, axes = [2] : !graph.tensor<[B, S, 8], f32> -> !graph.tensor<[B, S], f32>
  %6 = graph.broadcast %5, dims = [0, 1] : !graph.tensor<[B, S], f32> -> !graph.tensor<[B, S, 8], f32>
  %7 = graph.sub %4, %6 : !graph.tensor<[B, S, 8], f32>
  %8 = graph.contract "bsx,zx->bsz" %7, %v : (!graph.tensor<[B, S, 8], f32>, !graph.tensor<[12, 8], f32>) -> !graph.tensor<[B, S, 12], f32>
  graph.return %8 : !graph.tensor<[B, S, 12], f32>
}

// -----

// Numbers of rows (masks), constants, and places of the largest logit.
// CHECK-LABEL: graph.func @masked_places
// CHECK: %[[M:.*]] = graph.reshape %arg2 : <[B, S], f32> -> <[B * S], f32>
// CHECK: graph.broadcast %[[M]], dims = [0] : <[B * S], f32> -> <[B * S, 9], f32>
// CHECK: %[[P:.*]] = graph.arg_reduce max %{{.*}}, axis = 1 : <[B * S, 9], f32> -> <[B * S], si64>
// CHECK: graph.reshape %[[P]]
graph.func @masked_places(%x: !graph.tensor<[B, S, 8], f32>, %w: !graph.tensor<[8, 9], f32>, %mask: !graph.tensor<[B, S], f32>) -> !graph.tensor<[B, S], si64> {
  %0 = graph.contract "bsx,xz->bsz" %x, %w : (!graph.tensor<[B, S, 8], f32>, !graph.tensor<[8, 9], f32>) -> !graph.tensor<[B, S, 9], f32>
  %1 = graph.broadcast %mask, dims = [0, 1] : !graph.tensor<[B, S], f32> -> !graph.tensor<[B, S, 9], f32>
  %2 = graph.mul %0, %1 : !graph.tensor<[B, S, 9], f32>
  %c = graph.constant dense<2.0> : !graph.tensor<[], f32>
  %cb = graph.broadcast %c, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[B, S, 9], f32>
  %3 = graph.mul %2, %cb : !graph.tensor<[B, S, 9], f32>
  %4 = graph.arg_reduce max %3, axis = 2 : !graph.tensor<[B, S, 9], f32> -> !graph.tensor<[B, S], si64>
  graph.return %4 : !graph.tensor<[B, S], si64>
}

// -----

// Positions are of one axis: a kernel adds them to what it computed, with both.
// CHECK-LABEL: graph.func @positions
// CHECK: graph.contract "bsx,xz->bsz"
// CHECK-NOT: graph.reshape
graph.func @positions(%x: !graph.tensor<[B, S, 8], f32>, %w: !graph.tensor<[8, 8], f32>, %p: !graph.tensor<[S, 8], f32>) -> !graph.tensor<[B, S, 8], f32> {
  %0 = graph.contract "bsx,xz->bsz" %x, %w : (!graph.tensor<[B, S, 8], f32>, !graph.tensor<[8, 8], f32>) -> !graph.tensor<[B, S, 8], f32>
  %1 = graph.tanh %0 : !graph.tensor<[B, S, 8], f32>
  %2 = graph.broadcast %p, dims = [1, 2] : !graph.tensor<[S, 8], f32> -> !graph.tensor<[B, S, 8], f32>
  %3 = graph.add %1, %2 : !graph.tensor<[B, S, 8], f32>
  graph.return %3 : !graph.tensor<[B, S, 8], f32>
}

// -----

// So does a transpose; what is read elsewhere, too, is stored all the same.
// CHECK-LABEL: graph.func @transposed
// CHECK: graph.contract "bsx,xz->bsz"
// CHECK: graph.tanh
// CHECK: graph.transpose
// CHECK: %[[Y:.*]] = graph.contract "sx,xz->sz"
// CHECK: %[[V:.*]] = graph.reshape %[[Y]]
// CHECK: graph.transpose %[[V]]
graph.func @transposed(%x: !graph.tensor<[B, S, 8], f32>, %w: !graph.tensor<[8, 8], f32>, %u: !graph.tensor<[8, 8], f32>)
    -> (!graph.tensor<[B, 8, S], f32>, !graph.tensor<[B, S, 8], f32>, !graph.tensor<[B, 8, S], f32>) {
  %0 = graph.contract "bsx,xz->bsz" %x, %w : (!graph.tensor<[B, S, 8], f32>, !graph.tensor<[8, 8], f32>) -> !graph.tensor<[B, S, 8], f32>
  %1 = graph.tanh %0 : !graph.tensor<[B, S, 8], f32>
  %2 = graph.transpose %1, perm = [0, 2, 1] : !graph.tensor<[B, S, 8], f32> -> !graph.tensor<[B, 8, S], f32>
  %3 = graph.contract "bsx,xz->bsz" %x, %u : (!graph.tensor<[B, S, 8], f32>, !graph.tensor<[8, 8], f32>) -> !graph.tensor<[B, S, 8], f32>
  %4 = graph.transpose %3, perm = [0, 2, 1] : !graph.tensor<[B, S, 8], f32> -> !graph.tensor<[B, 8, S], f32>
  graph.return %2, %3, %4 : !graph.tensor<[B, 8, S], f32>, !graph.tensor<[B, S, 8], f32>, !graph.tensor<[B, 8, S], f32>
}

// -----

// Many rows of known number fill tiles; matrices of a batch each are no linear layer.
// CHECK-LABEL: graph.func @others
// CHECK: graph.contract "bsx,xz->bsz"
// CHECK: graph.contract "bsx,bxz->bsz"
// CHECK: graph.contract "bsx,xz->zbs"
graph.func @others(%x: !graph.tensor<[B, 197, 8], f32>, %w: !graph.tensor<[8, 8], f32>, %y: !graph.tensor<[B, S, 8], f32>, %m: !graph.tensor<[B, 8, 8], f32>)
    -> (!graph.tensor<[B, 197, 8], f32>, !graph.tensor<[B, S, 8], f32>, !graph.tensor<[8, B, S], f32>) {
  %0 = graph.contract "bsx,xz->bsz" %x, %w : (!graph.tensor<[B, 197, 8], f32>, !graph.tensor<[8, 8], f32>) -> !graph.tensor<[B, 197, 8], f32>
  %1 = graph.contract "bsx,bxz->bsz" %y, %m : (!graph.tensor<[B, S, 8], f32>, !graph.tensor<[B, 8, 8], f32>) -> !graph.tensor<[B, S, 8], f32>
  %2 = graph.contract "bsx,xz->zbs" %y, %w : (!graph.tensor<[B, S, 8], f32>, !graph.tensor<[8, 8], f32>) -> !graph.tensor<[8, B, S], f32>
  graph.return %0, %1, %2 : !graph.tensor<[B, 197, 8], f32>, !graph.tensor<[B, S, 8], f32>, !graph.tensor<[8, B, S], f32>
}

// What has one of both axes only is repeated before: queries that all samples share.
// CHECK-LABEL: graph.func @repeated
// CHECK: %[[ALL:.*]] = graph.broadcast %arg0, dims = [1, 2] : <[20, 8], f32> -> <[B, 20, 8], f32>
// CHECK: graph.reshape %[[ALL]] : <[B, 20, 8], f32> -> <[20 * B, 8], f32>
// CHECK: graph.contract
graph.func @repeated(%q: !graph.tensor<[20, 8], f32>, %w: !graph.tensor<[8, 8], f32>, %o: !graph.tensor<[B, 20, 8], f32>) -> !graph.tensor<[B, 20, 8], f32> {
  %x = graph.broadcast %q, dims = [1, 2] : !graph.tensor<[20, 8], f32> -> !graph.tensor<[B, 20, 8], f32>
  %0 = graph.contract "bsx,xz->bsz" %x, %w : (!graph.tensor<[B, 20, 8], f32>, !graph.tensor<[8, 8], f32>) -> !graph.tensor<[B, 20, 8], f32>
  %1 = graph.add %0, %o : !graph.tensor<[B, 20, 8], f32>
  graph.return %1 : !graph.tensor<[B, 20, 8], f32>
}

// -----

// Scores of latent attention are a sum of two products, of which one knows heads and rows apart: they stay the beginning of a stream.
// CHECK-LABEL: graph.func @latent
// CHECK: graph.contract "hmr,kr->hmk"
// CHECK-NOT: graph.reshape
graph.func @latent(%q: !graph.tensor<[H, M, 16], f32>, %k: !graph.tensor<[H, K, 16], f32>, %qr: !graph.tensor<[H, M, 8], f32>, %kr: !graph.tensor<[K, 8], f32>)
    -> !graph.tensor<[H, M], f32> {
  %0 = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[H, M, 16], f32>, !graph.tensor<[H, K, 16], f32>) -> !graph.tensor<[H, M, K], f32>
  %1 = graph.contract "hmr,kr->hmk" %qr, %kr : (!graph.tensor<[H, M, 8], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[H, M, K], f32>
  %2 = graph.add %0, %1 : !graph.tensor<[H, M, K], f32>
  %3 = graph.reduce max %2, axes = [2] : !graph.tensor<[H, M, K], f32> -> !graph.tensor<[H, M], f32>
  graph.return %3 : !graph.tensor<[H, M], f32>
}
