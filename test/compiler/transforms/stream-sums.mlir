// Sums and choices beside a maximum: what they are made of leaves them or is chosen again, and they join the stream.
// RUN: tessera-opt %s --graph-decompose --canonicalize --cse --graph-form-streams=explain=true --canonicalize --split-input-file --verify-diagnostics --verify-each=numeric | FileCheck %s

// The logarithm of a softmax at a label: the logit's own sum, and how often the label is there, times what is known behind.
// CHECK-LABEL: graph.func @cross_entropy
// CHECK-NOT: graph.contract
// CHECK: %[[S:.*]] = graph.stream %arg0, %arg1, %{{.*}}, %arg2 axes = [-1, 0, 1, -1], identity = [0xFF800000 : f32, 0.000000e+00 : f32, 0.000000e+00 : f32, 0.000000e+00 : f32]
// The maximum is part of the result, which is NaN by it.
// CHECK-NOT: any_where_nan
// CHECK: merge
// CHECK: finalize
// CHECK: graph.log
// CHECK: graph.neg
// CHECK: graph.return %[[S]]
graph.func @cross_entropy(%x: !graph.tensor<[N, 6], f32>, %w: !graph.tensor<[V, 6], f32>, %labels: !graph.tensor<[N], si32>)
    -> !graph.tensor<[N], f32> {
  %s = graph.contract "nd,vd->nv" %x, %w : (!graph.tensor<[N, 6], f32>, !graph.tensor<[V, 6], f32>) -> !graph.tensor<[N, V], f32>
  // expected-remark@+1 {{begins a stream along V: the maximum, and graph.reduce of e^(x - max x), repaired by e^(m - m') when the maximum changes, and graph.reduce, which needs no repair; not stored: }}
  %p = graph.log_softmax %s, axes = [1] : !graph.tensor<[N, V], f32>
  %at = graph.iota axis = 1 : !graph.tensor<[N, V], si32>
  %label = graph.broadcast %labels, dims = [0] : !graph.tensor<[N], si32> -> !graph.tensor<[N, V], si32>
  %here = graph.compare eq %at, %label : !graph.tensor<[N, V], si32>
  %zero = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %z = graph.broadcast %zero, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[N, V], f32>
  %chosen = graph.select %here, %p, %z : !graph.tensor<[N, V], f32>
  %sum = graph.reduce sum %chosen, axes = [1] : !graph.tensor<[N, V], f32> -> !graph.tensor<[N], f32>
  %loss = graph.neg %sum : !graph.tensor<[N], f32>
  graph.return %loss : !graph.tensor<[N], f32>
}

// -----

// Shares for all classes, as a contraction; without a maximum in the way, the plain sum of all logarithms needs no state
// for their number.
// CHECK-LABEL: graph.func @soft_labels
// CHECK-NOT: graph.contract
// CHECK: graph.stream {{.*}} identity = [0xFFF0000000000000 : f64, 0.000000e+00, 0.000000e+00, 0.000000e+00, 0.000000e+00]
// CHECK: graph.dim_value
graph.func @soft_labels(%x: !graph.tensor<[N, 6], f64>, %w: !graph.tensor<[V, 6], f64>, %t: !graph.tensor<[N, V], f64>)
    -> (!graph.tensor<[N], f64>, !graph.tensor<[N], f64>) attributes {dims = {N = #graph.range<0, ?>, V = #graph.range<1, ?>}} {
  %s = graph.contract "nd,vd->nv" %x, %w : (!graph.tensor<[N, 6], f64>, !graph.tensor<[V, 6], f64>) -> !graph.tensor<[N, V], f64>
  // expected-remark@+1 {{begins a stream along V}}
  %p = graph.log_softmax %s, axes = [1] : !graph.tensor<[N, V], f64>
  %loss = graph.contract "nv,nv->n" %t, %p : (!graph.tensor<[N, V], f64>, !graph.tensor<[N, V], f64>) -> !graph.tensor<[N], f64>
  %all = graph.reduce sum %p, axes = [1] : !graph.tensor<[N, V], f64> -> !graph.tensor<[N], f64>
  graph.return %loss, %all : !graph.tensor<[N], f64>, !graph.tensor<[N], f64>
}

// -----

// Zeros in place of weights where a condition says so that varies along the axis; a row of -inf alone has none.
// CHECK-LABEL: graph.func @zeros
// CHECK: graph.stream
// CHECK: lift
// CHECK: graph.select
// CHECK: graph.contract "mk,kd->md"
// CHECK: finalize
// CHECK: graph.div
// CHECK: graph.select {{.*}} {graph.ignores_non_finite}
graph.func @zeros(%q: !graph.tensor<[M, 8], f32>, %k: !graph.tensor<[K, 8], f32>, %v: !graph.tensor<[K, 8], f32>,
                  %mask: !graph.tensor<[M, K], i1>) -> !graph.tensor<[M, 8], f32> {
  %zero = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %z = graph.broadcast %zero, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[M, K], f32>
  %s = graph.contract "md,kd->mk" %q, %k : (!graph.tensor<[M, 8], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, K], f32>
  // expected-remark@+1 {{begins a stream along K}}
  %p = graph.softmax %s, axes = [1] : !graph.tensor<[M, K], f32>
  %w = graph.select %mask, %p, %z : !graph.tensor<[M, K], f32>
  %o = graph.contract "mk,kd->md" %w, %v : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, 8], f32>
  graph.return %o : !graph.tensor<[M, 8], f32>
}

// -----

// The place of the largest score and of the smallest distance; of equal ones the first, or the last.
// CHECK-LABEL: graph.func @places
// CHECK-NOT: graph.contract
// CHECK: graph.stream {{.*}} identity = [0xFF800000 : f32, 9223372036854775807 : si64]
// CHECK: lift
// CHECK: graph.is_nan
// CHECK: graph.reduce min
// CHECK: merge
// CHECK: graph.stream {{.*}} identity = [0xFF800000 : f32, -1 : si32]
// CHECK: lift
// CHECK: graph.neg
// CHECK: graph.reduce max
// CHECK: graph.reduce max
// CHECK-NOT: graph.arg_reduce
graph.func @places(%x: !graph.tensor<[N, 6], f32>, %w: !graph.tensor<[V, 6], f32>, %norm: !graph.tensor<[V], f32>,
                    %c: !graph.tensor<[V, 6], f32>)
    -> (!graph.tensor<[N], si64>, !graph.tensor<[N], f32>, !graph.tensor<[N], si32>)
    attributes {dims = {N = #graph.range<0, ?>, V = #graph.range<1, ?>}} {
  %s = graph.contract "nd,vd->nv" %x, %w : (!graph.tensor<[N, 6], f32>, !graph.tensor<[V, 6], f32>) -> !graph.tensor<[N, V], f32>
  // expected-remark@+1 {{begins a stream along V: the maximum, and its place, chosen again when the maximum changes; not stored: graph.contract}}
  %m = graph.reduce max %s, axes = [1] : !graph.tensor<[N, V], f32> -> !graph.tensor<[N], f32>
  %i = graph.arg_reduce max %s, axis = 1 : !graph.tensor<[N, V], f32> -> !graph.tensor<[N], si64>
  %t = graph.contract "nd,vd->nv" %x, %c : (!graph.tensor<[N, 6], f32>, !graph.tensor<[V, 6], f32>) -> !graph.tensor<[N, V], f32>
  %b = graph.broadcast %norm, dims = [1] : !graph.tensor<[V], f32> -> !graph.tensor<[N, V], f32>
  %d = graph.sub %b, %t : !graph.tensor<[N, V], f32>
  // expected-remark@+1 {{begins a stream along V: the maximum, and its place}}
  %j = graph.arg_reduce min %d, axis = 1 select_last : !graph.tensor<[N, V], f32> -> !graph.tensor<[N], si32>
  graph.return %i, %m, %j : !graph.tensor<[N], si64>, !graph.tensor<[N], f32>, !graph.tensor<[N], si32>
}

// -----

// How many scores there are of a kind: sums of integers come along as they are. Those of floats in fewer bits would be rounded by every block.
// CHECK-LABEL: graph.func @counts
// CHECK-NOT: graph.contract
// CHECK: graph.stream {{.*}} identity = [0xFF800000 : f32, 0.000000e+00 : f32, 0 : si32]
// CHECK: lift
// CHECK: graph.compare
// CHECK: graph.reduce sum {{.*}} -> <[N], si32>
// CHECK: merge
// CHECK: graph.add {{.*}} <[N], si32>
graph.func @counts(%x: !graph.tensor<[N, 6], f32>, %w: !graph.tensor<[V, 6], f32>) -> (!graph.tensor<[N], f32>, !graph.tensor<[N], si32>)
    attributes {dims = {N = #graph.range<0, ?>, V = #graph.range<1, ?>}} {
  %s = graph.contract "nd,vd->nv" %x, %w : (!graph.tensor<[N, 6], f32>, !graph.tensor<[V, 6], f32>) -> !graph.tensor<[N, V], f32>
  // expected-remark@+1 {{begins a stream along V: the maximum, and graph.reduce of e^(x - max x), repaired by e^(m - m') when the maximum changes, and graph.reduce, which needs no repair}}
  %l = graph.logsumexp %s, axes = [1] : !graph.tensor<[N, V], f32> -> !graph.tensor<[N], f32>
  %zero = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %z = graph.broadcast %zero, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[N, V], f32>
  %g = graph.compare gt %s, %z : !graph.tensor<[N, V], f32>
  %o = graph.convert %g : !graph.tensor<[N, V], i1> -> !graph.tensor<[N, V], si32>
  %c = graph.reduce sum %o, axes = [1] : !graph.tensor<[N, V], si32> -> !graph.tensor<[N], si32>
  graph.return %l, %c : !graph.tensor<[N], f32>, !graph.tensor<[N], si32>
}

// CHECK-LABEL: graph.func @narrow
// CHECK-NOT: graph.stream
graph.func @narrow(%x: !graph.tensor<[N, 6], f32>, %w: !graph.tensor<[V, 6], f32>) -> (!graph.tensor<[N], f32>, !graph.tensor<[N], f16>)
    attributes {dims = {N = #graph.range<0, ?>, V = #graph.range<1, ?>}} {
  %s = graph.contract "nd,vd->nv" %x, %w : (!graph.tensor<[N, 6], f32>, !graph.tensor<[V, 6], f32>) -> !graph.tensor<[N, V], f32>
  // expected-remark@+1 {{begins no stream: it has scores that are needed elsewhere: graph.reduce}}
  %l = graph.logsumexp %s, axes = [1] : !graph.tensor<[N, V], f32> -> !graph.tensor<[N], f32>
  %h = graph.convert %s : !graph.tensor<[N, V], f32> -> !graph.tensor<[N, V], f16>
  %c = graph.reduce sum %h, axes = [1] : !graph.tensor<[N, V], f16> -> !graph.tensor<[N], f16>
  graph.return %l, %c : !graph.tensor<[N], f32>, !graph.tensor<[N], f16>
}

// -----

// Logarithms that are a result; a product of two results; several columns of a sum of terms; scores that are chosen along
// another axis; a choice among what is stored anyway.
// CHECK-LABEL: graph.func @near_misses
// CHECK-NOT: graph.stream
graph.func @near_misses(%x: !graph.tensor<[N, 6], f32>, %w: !graph.tensor<[V, 6], f32>, %u: !graph.tensor<[V, 6], f32>,
                        %g: !graph.tensor<[N, V], f32>, %f: !graph.tensor<[N, V], f32>)
    -> (!graph.tensor<[N], f32>, !graph.tensor<[N, V], f32>, !graph.tensor<[N], f32>, !graph.tensor<[N, 6], f32>,
        !graph.tensor<[V], si64>, !graph.tensor<[N], si64>, !graph.tensor<[N], f32>) attributes {dims = {N = #graph.range<1, ?>, V = #graph.range<1, ?>}} {
  %s = graph.contract "nd,vd->nv" %x, %w : (!graph.tensor<[N, 6], f32>, !graph.tensor<[V, 6], f32>) -> !graph.tensor<[N, V], f32>
  // expected-remark@+1 {{begins no stream: it no rule repairs graph.return of x - max x}}
  %p = graph.log_softmax %s, axes = [1] : !graph.tensor<[N, V], f32>
  %sum = graph.reduce sum %p, axes = [1] : !graph.tensor<[N, V], f32> -> !graph.tensor<[N], f32>

  %s1 = graph.contract "nd,vd->nv" %x, %u : (!graph.tensor<[N, 6], f32>, !graph.tensor<[V, 6], f32>) -> !graph.tensor<[N, V], f32>
  // expected-remark@+1 {{begins no stream: it }}
  %p1 = graph.log_softmax %s1, axes = [1] : !graph.tensor<[N, V], f32>
  %e1 = graph.exp %p1 : !graph.tensor<[N, V], f32>
  %h1 = graph.mul %e1, %p1 : !graph.tensor<[N, V], f32>
  %entropy = graph.reduce sum %h1, axes = [1] : !graph.tensor<[N, V], f32> -> !graph.tensor<[N], f32>

  %s2 = graph.add %s1, %g : !graph.tensor<[N, V], f32>
  // expected-remark@+1 {{begins no stream: it has logarithms of weights that are contracted to several columns}}
  %p2 = graph.log_softmax %s2, axes = [1] : !graph.tensor<[N, V], f32>
  %o2 = graph.contract "nv,vd->nd" %p2, %u : (!graph.tensor<[N, V], f32>, !graph.tensor<[V, 6], f32>) -> !graph.tensor<[N, 6], f32>

  %s3 = graph.sub %s1, %g : !graph.tensor<[N, V], f32>
  // expected-remark@+1 {{begins no stream: it has scores that are needed elsewhere: graph.reduce}}
  %i3 = graph.arg_reduce max %s3, axis = 0 : !graph.tensor<[N, V], f32> -> !graph.tensor<[V], si64>
  // expected-remark@+1 {{begins no stream: it has neither scores nor weights that a stream would not store}}
  %i4 = graph.arg_reduce max %f, axis = 1 : !graph.tensor<[N, V], f32> -> !graph.tensor<[N], si64>
  %m3 = graph.reduce min %s3, axes = [1] : !graph.tensor<[N, V], f32> -> !graph.tensor<[N], f32>
  graph.return %sum, %p, %entropy, %o2, %i3, %i4, %m3 : !graph.tensor<[N], f32>, !graph.tensor<[N, V], f32>, !graph.tensor<[N], f32>, !graph.tensor<[N, 6], f32>, !graph.tensor<[V], si64>, !graph.tensor<[N], si64>, !graph.tensor<[N], f32>
}
