// RUN: tessera-opt %s --graph-split-batches --canonicalize --cse --split-input-file --verify-each=numeric | FileCheck %s

// Attention by products of [B * H, ...] with a mask of [B, 1, ...]: all has four axes.
// CHECK-LABEL: graph.func @attention
// CHECK-NOT: graph.reshape
// CHECK: %[[S:.*]] = graph.contract "abyx,abzx->abyz" %arg0, %arg1
// CHECK: graph.mul %[[S]]
// CHECK-NOT: graph.reshape
// CHECK: %[[P:.*]] = graph.exp
// CHECK-NOT: graph.reshape
// CHECK: %[[O:.*]] = graph.contract "abyx,abxz->abyz" %[[P]], %arg2
// CHECK-NEXT: graph.return %[[O]]
graph.func @attention(%q: !graph.tensor<[B, 4, M, 8], f32>, %k: !graph.tensor<[B, 4, K, 8], f32>, %v: !graph.tensor<[B, 4, K, 8], f32>,
                      %mask: !graph.tensor<[B, M, K], f32>) -> !graph.tensor<[B, 4, M, 8], f32> {
  %q3 = graph.reshape %q : !graph.tensor<[B, 4, M, 8], f32> -> !graph.tensor<[4 * B, M, 8], f32>
  %k3 = graph.reshape %k : !graph.tensor<[B, 4, K, 8], f32> -> !graph.tensor<[4 * B, K, 8], f32>
  %v3 = graph.reshape %v : !graph.tensor<[B, 4, K, 8], f32> -> !graph.tensor<[4 * B, K, 8], f32>
  %s = graph.contract "ayx,azx->ayz" %q3, %k3 : (!graph.tensor<[4 * B, M, 8], f32>, !graph.tensor<[4 * B, K, 8], f32>) -> !graph.tensor<[4 * B, M, K], f32>
  %c = graph.constant dense<0.25> : !graph.tensor<[], f32>
  %cb = graph.broadcast %c, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[4 * B, M, K], f32>
  %t = graph.mul %s, %cb : !graph.tensor<[4 * B, M, K], f32>
  %r = graph.reshape %t : !graph.tensor<[4 * B, M, K], f32> -> !graph.tensor<[B, 4, M, K], f32>
  %m = graph.broadcast %mask, dims = [0, 2, 3] : !graph.tensor<[B, M, K], f32> -> !graph.tensor<[B, 4, M, K], f32>
  %u = graph.add %r, %m : !graph.tensor<[B, 4, M, K], f32>
  %p = graph.exp %u : !graph.tensor<[B, 4, M, K], f32>
  %p3 = graph.reshape %p : !graph.tensor<[B, 4, M, K], f32> -> !graph.tensor<[4 * B, M, K], f32>
  %o = graph.contract "ayx,axz->ayz" %p3, %v3 : (!graph.tensor<[4 * B, M, K], f32>, !graph.tensor<[4 * B, K, 8], f32>) -> !graph.tensor<[4 * B, M, 8], f32>
  %o4 = graph.reshape %o : !graph.tensor<[4 * B, M, 8], f32> -> !graph.tensor<[B, 4, M, 8], f32>
  graph.return %o4 : !graph.tensor<[B, 4, M, 8], f32>
}

// -----

// A bias of each of the batch (ALiBi) is a view, one without it is repeated, an input gets a view.
// CHECK-LABEL: graph.func @biased
// CHECK-DAG: graph.reshape %arg2 : <[4 * B, 1, K], f32> -> <[B, 4, K], f32>
// CHECK-DAG: graph.broadcast %arg3, dims = [3] : <[K], f32> -> <[B, 4, M, K], f32>
// CHECK-DAG: graph.reshape %arg4 : <[4 * B, M, K], f32> -> <[B, 4, M, K], f32>
// CHECK: graph.return
graph.func @biased(%q: !graph.tensor<[4 * B, M, 8], f32>, %k: !graph.tensor<[4 * B, K, 8], f32>, %bias: !graph.tensor<[4 * B, 1, K], f32>,
                   %all: !graph.tensor<[K], f32>, %given: !graph.tensor<[4 * B, M, K], f32>) -> !graph.tensor<[B, 4, M, K], f32> {
  %s = graph.contract "amd,akd->amk" %q, %k : (!graph.tensor<[4 * B, M, 8], f32>, !graph.tensor<[4 * B, K, 8], f32>) -> !graph.tensor<[4 * B, M, K], f32>
  %a = graph.reshape %bias : !graph.tensor<[4 * B, 1, K], f32> -> !graph.tensor<[4 * B, K], f32>
  %b = graph.broadcast %a, dims = [0, 2] : !graph.tensor<[4 * B, K], f32> -> !graph.tensor<[4 * B, M, K], f32>
  %c = graph.broadcast %all, dims = [2] : !graph.tensor<[K], f32> -> !graph.tensor<[4 * B, M, K], f32>
  %0 = graph.add %s, %b : !graph.tensor<[4 * B, M, K], f32>
  %1 = graph.add %0, %c : !graph.tensor<[4 * B, M, K], f32>
  %2 = graph.mul %1, %given : !graph.tensor<[4 * B, M, K], f32>
  %r = graph.reshape %2 : !graph.tensor<[4 * B, M, K], f32> -> !graph.tensor<[B, 4, M, K], f32>
  graph.return %r : !graph.tensor<[B, 4, M, K], f32>
}

// -----

// What others read is not computed twice, and rows of one product are no batch.
// CHECK-LABEL: graph.func @kept
// CHECK: graph.contract "amd,akd->amk"
// CHECK: graph.reshape
// CHECK: graph.contract "md,dn->mn"
// CHECK: graph.reshape
graph.func @kept(%q: !graph.tensor<[4 * B, M, 8], f32>, %k: !graph.tensor<[4 * B, K, 8], f32>, %x: !graph.tensor<[4 * B, 8], f32>, %w: !graph.tensor<[8, 5], f32>)
    -> (!graph.tensor<[4 * B, M, K], f32>, !graph.tensor<[B, 4, M, K], f32>, !graph.tensor<[B, 4, 5], f32>) {
  %s = graph.contract "amd,akd->amk" %q, %k : (!graph.tensor<[4 * B, M, 8], f32>, !graph.tensor<[4 * B, K, 8], f32>) -> !graph.tensor<[4 * B, M, K], f32>
  %r = graph.reshape %s : !graph.tensor<[4 * B, M, K], f32> -> !graph.tensor<[B, 4, M, K], f32>
  %y = graph.contract "md,dn->mn" %x, %w : (!graph.tensor<[4 * B, 8], f32>, !graph.tensor<[8, 5], f32>) -> !graph.tensor<[4 * B, 5], f32>
  %z = graph.reshape %y : !graph.tensor<[4 * B, 5], f32> -> !graph.tensor<[B, 4, 5], f32>
  graph.return %s, %r, %z : !graph.tensor<[4 * B, M, K], f32>, !graph.tensor<[B, 4, M, K], f32>, !graph.tensor<[B, 4, 5], f32>
}
