// Scores are computed with the axis of their stream last. Those that softmaxes along both of their axes need are computed for a stream along each; with another reader they are
// stored, and computed once.
// RUN: tessera-opt %s --graph-decompose --canonicalize --cse --graph-form-streams=explain=true --canonicalize --split-input-file --verify-diagnostics --verify-each=numeric | FileCheck %s

// Two sides that look at each other: one product, weights along its rows and along its columns.
// CHECK-LABEL: graph.func @both
// CHECK-NEXT: graph.stream %arg0, %arg1 axes = [-1, 0]
// CHECK: graph.contract "nd,md->nm" {{.*}} -> !graph.tensor<[N, block{{.*}}], f32>
// CHECK-NEXT: graph.tanh
// CHECK: finalize
// CHECK-NOT: graph.contract
// CHECK: graph.stream %arg0, %arg1 axes = [0, -1]
// CHECK: graph.contract "nd,md->mn"
// CHECK: finalize
// CHECK-NOT: graph.contract
// CHECK: graph.return
graph.func @both(%x: !graph.tensor<[N, 6], f32>, %y: !graph.tensor<[M, 6], f32>)
    -> (!graph.tensor<[N, 6], f32>, !graph.tensor<[M, 6], f32>) {
  // expected-remark@+1 {{graph.contract is computed twice, for a stream along either axis}}
  %s = graph.contract "nd,md->nm" %x, %y : (!graph.tensor<[N, 6], f32>, !graph.tensor<[M, 6], f32>) -> !graph.tensor<[N, M], f32>
  %t = graph.tanh %s : !graph.tensor<[N, M], f32>
  // expected-remark@+1 {{begins a stream along M}}
  %p = graph.softmax %t, axes = [1] : !graph.tensor<[N, M], f32>
  // expected-remark@+1 {{begins a stream along N}}
  %q = graph.softmax %t, axes = [0] : !graph.tensor<[N, M], f32>
  %a = graph.contract "nm,md->nd" %p, %y : (!graph.tensor<[N, M], f32>, !graph.tensor<[M, 6], f32>) -> !graph.tensor<[N, 6], f32>
  %b = graph.contract "nm,nd->md" %q, %x : (!graph.tensor<[N, M], f32>, !graph.tensor<[N, 6], f32>) -> !graph.tensor<[M, 6], f32>
  graph.return %a, %b : !graph.tensor<[N, 6], f32>, !graph.tensor<[M, 6], f32>
}

// -----

// What reads the scores transposed computes them so, and what they are scaled with, too.
// CHECK-LABEL: graph.func @transposed
// CHECK-NEXT: graph.stream %arg0, %arg1, %arg2 axes = [-1, 0, 0]
// CHECK: graph.contract "nd,md->nm"
// CHECK-NOT: graph.transpose
// CHECK: graph.stream %arg0, %arg1, %arg2 axes = [0, -1, -1]
// CHECK: graph.contract "nd,md->mn"
// CHECK-NOT: graph.transpose
// CHECK: graph.return
graph.func @transposed(%x: !graph.tensor<[N, 6], f32>, %y: !graph.tensor<[M, 6], f32>, %scale: !graph.tensor<[M], f32>)
    -> (!graph.tensor<[N], f32>, !graph.tensor<[M], f32>) {
  // expected-remark@+1 {{graph.contract is computed twice, for a stream along either axis}}
  %s = graph.contract "nd,md->nm" %x, %y : (!graph.tensor<[N, 6], f32>, !graph.tensor<[M, 6], f32>) -> !graph.tensor<[N, M], f32>
  %factor = graph.broadcast %scale, dims = [1] : !graph.tensor<[M], f32> -> !graph.tensor<[N, M], f32>
  %scaled = graph.mul %s, %factor : !graph.tensor<[N, M], f32>
  %turned = graph.transpose %scaled, perm = [1, 0] : !graph.tensor<[N, M], f32> -> !graph.tensor<[M, N], f32>
  // expected-remark@+1 {{begins a stream along M}}
  %a = graph.logsumexp %scaled, axes = [1] : !graph.tensor<[N, M], f32> -> !graph.tensor<[N], f32>
  // expected-remark@+1 {{begins a stream along N}}
  %b = graph.logsumexp %turned, axes = [1] : !graph.tensor<[M, N], f32> -> !graph.tensor<[M], f32>
  graph.return %a, %b : !graph.tensor<[N], f32>, !graph.tensor<[M], f32>
}

// -----

// Keys come first in these scores, and a mask from positions follows them.
// CHECK-LABEL: graph.func @keys_first
// CHECK-NOT: graph.transpose
// CHECK: graph.stream %{{.*}}, %{{.*}}, %arg0, %arg1, %arg2 axes = [1, 1, 0, -1, 0]
// CHECK: graph.contract "kd,qd->qk"
// CHECK-NOT: graph.transpose
// CHECK: graph.select
// CHECK: graph.contract "qk,kd->qd"
// CHECK-NOT: graph.transpose
// CHECK: graph.return
graph.func @keys_first(%k: !graph.tensor<[K, 6], f32>, %q: !graph.tensor<[Q, 6], f32>, %v: !graph.tensor<[K, 6], f32>)
    -> !graph.tensor<[Q, 6], f32> {
  // expected-remark@+1 {{graph.contract is computed with the axis of its stream last}}
  %s = graph.contract "kd,qd->kq" %k, %q : (!graph.tensor<[K, 6], f32>, !graph.tensor<[Q, 6], f32>) -> !graph.tensor<[K, Q], f32>
  %i = graph.iota axis = 0 : !graph.tensor<[K, Q], si32>
  %j = graph.iota axis = 1 : !graph.tensor<[K, Q], si32>
  %seen = graph.compare le %i, %j : !graph.tensor<[K, Q], si32>
  %low = graph.constant dense<-1.0e30> : !graph.tensor<[], f32>
  %lows = graph.broadcast %low, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[K, Q], f32>
  %masked = graph.select %seen, %s, %lows : !graph.tensor<[K, Q], f32>
  // expected-remark@+1 {{begins a stream along K}}
  %p = graph.softmax %masked, axes = [0] : !graph.tensor<[K, Q], f32>
  %o = graph.contract "kq,kd->qd" %p, %v : (!graph.tensor<[K, Q], f32>, !graph.tensor<[K, 6], f32>) -> !graph.tensor<[Q, 6], f32>
  graph.return %o : !graph.tensor<[Q, 6], f32>
}

// -----

// The scores are a result: they are stored all the same.
// CHECK-LABEL: graph.func @returned
// CHECK: graph.contract
// CHECK-NOT: graph.contract
// CHECK-NOT: graph.stream
// CHECK: graph.return
graph.func @returned(%x: !graph.tensor<[N, 6], f32>, %y: !graph.tensor<[M, 6], f32>)
    -> (!graph.tensor<[N], f32>, !graph.tensor<[M], f32>, !graph.tensor<[N, M], f32>) {
  %s = graph.contract "nd,md->nm" %x, %y : (!graph.tensor<[N, 6], f32>, !graph.tensor<[M, 6], f32>) -> !graph.tensor<[N, M], f32>
  // expected-remark@+1 {{begins no stream: it has scores that are needed elsewhere}}
  %a = graph.logsumexp %s, axes = [1] : !graph.tensor<[N, M], f32> -> !graph.tensor<[N], f32>
  // expected-remark@+1 {{begins no stream: it has scores that are needed elsewhere}}
  %b = graph.logsumexp %s, axes = [0] : !graph.tensor<[N, M], f32> -> !graph.tensor<[M], f32>
  graph.return %a, %b, %s : !graph.tensor<[N], f32>, !graph.tensor<[M], f32>, !graph.tensor<[N, M], f32>
}

// -----

// Squares of the weights along the columns are repaired by no rule: the product is computed once, and stored.
// CHECK-LABEL: graph.func @one_side
// CHECK: graph.contract
// CHECK-NOT: graph.contract
// CHECK: graph.return
graph.func @one_side(%x: !graph.tensor<[N, 6], f32>, %y: !graph.tensor<[M, 6], f32>)
    -> (!graph.tensor<[N], f32>, !graph.tensor<[M], f32>) {
  %s = graph.contract "nd,md->nm" %x, %y : (!graph.tensor<[N, 6], f32>, !graph.tensor<[M, 6], f32>) -> !graph.tensor<[N, M], f32>
  // expected-remark@+1 {{begins no stream: it has scores that are needed elsewhere}}
  %a = graph.logsumexp %s, axes = [1] : !graph.tensor<[N, M], f32> -> !graph.tensor<[N], f32>
  // expected-remark@+1 {{begins no stream}}
  %q = graph.softmax %s, axes = [0] : !graph.tensor<[N, M], f32>
  %squares = graph.mul %q, %q : !graph.tensor<[N, M], f32>
  %b = graph.reduce sum %squares, axes = [0] : !graph.tensor<[N, M], f32> -> !graph.tensor<[M], f32>
  graph.return %a, %b : !graph.tensor<[N], f32>, !graph.tensor<[M], f32>
}

// -----

// The columns of a weighted sum are its last axis, whatever order it was written in: heads come last here.
// CHECK-LABEL: graph.func @heads_last
// CHECK: graph.stream
// CHECK: graph.contract "hnm,hmd->nhd"
// CHECK: graph.transpose {{.*}}, perm = [0, 2, 1]
graph.func @heads_last(%q: !graph.tensor<[3, N, 4], f32>, %k: !graph.tensor<[3, M, 4], f32>, %v: !graph.tensor<[3, M, 5], f32>)
    -> !graph.tensor<[N, 5, 3], f32> {
  // expected-remark@+1 {{graph.contract gives weights of sums whose columns come last}}
  %s = graph.contract "hnd,hmd->hnm" %q, %k : (!graph.tensor<[3, N, 4], f32>, !graph.tensor<[3, M, 4], f32>) -> !graph.tensor<[3, N, M], f32>
  // expected-remark@+1 {{begins a stream along M}}
  %p = graph.softmax %s, axes = [2] : !graph.tensor<[3, N, M], f32>
  %o = graph.contract "hnm,hmd->ndh" %p, %v : (!graph.tensor<[3, N, M], f32>, !graph.tensor<[3, M, 5], f32>) -> !graph.tensor<[N, 5, 3], f32>
  graph.return %o : !graph.tensor<[N, 5, 3], f32>
}
