// Chains of reductions become one stream, however they are spelled; what is needed elsewhere keeps them apart.
// RUN: tessera-opt %s --graph-decompose --canonicalize --cse --graph-form-streams=explain=true --canonicalize --split-input-file --verify-diagnostics --verify-each=numeric | FileCheck %s

// Softmax before the product, scaled scores: nothing of M x K is stored.
// CHECK-LABEL: graph.func @attention
// CHECK-NOT: graph.contract
// CHECK: %[[O:.*]] = graph.stream %arg0, %arg1, %arg2 axes = [-1, 1, 1], identity = [0xFF800000 : f32, 0.000000e+00 : f32, 0.000000e+00 : f32], block = "block"
// CHECK-SAME: -> !graph.tensor<[H, M, 8], f32> lift {
// CHECK: graph.contract "hmd,hkd->hmk"
// CHECK: graph.reduce max
// CHECK: graph.exp
// CHECK: graph.contract "hmk,hkd->hmd"
// CHECK: graph.yield
// CHECK: merge {
// CHECK: finalize {
// CHECK: graph.div
// CHECK: graph.return %[[O]]
graph.func @attention(%q: !graph.tensor<[H, M, 8], f32>, %k: !graph.tensor<[H, K, 8], f32>, %v: !graph.tensor<[H, K, 8], f32>)
    -> !graph.tensor<[H, M, 8], f32> {
  %s0 = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[H, M, 8], f32>, !graph.tensor<[H, K, 8], f32>) -> !graph.tensor<[H, M, K], f32>
  %c = graph.constant dense<0.35> : !graph.tensor<[], f32>
  %cb = graph.broadcast %c, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[H, M, K], f32>
  %s = graph.mul %s0, %cb : !graph.tensor<[H, M, K], f32>
  // expected-remark@+1 {{begins a stream along K: the maximum, and graph.contract, graph.reduce of e^(x - max x), repaired by e^(m - m') when the maximum changes; not stored: graph.mul, graph.contract}}
  %p = graph.softmax %s, axes = [2] : !graph.tensor<[H, M, K], f32>
  %o = graph.contract "hmk,hkd->hmd" %p, %v : (!graph.tensor<[H, M, K], f32>, !graph.tensor<[H, K, 8], f32>) -> !graph.tensor<[H, M, 8], f32>
  graph.return %o : !graph.tensor<[H, M, 8], f32>
}

// -----

// One value read along two axes, positions of queries and of keys, is cut along one and whole along the other.
// CHECK-LABEL: graph.func @positions_of_both
// CHECK: %[[P:.*]] = graph.iota
// CHECK: graph.stream %[[P]], %[[P]], %arg0, %arg1, %arg2 axes = [0, -1, -1, 1, 1]
// CHECK: ^bb0(%[[KEYS:.*]]: !graph.tensor<[block], si64>, %[[QUERIES:.*]]: !graph.tensor<[S], si64>
// CHECK: graph.broadcast %[[KEYS]], dims = [2]
// CHECK: graph.broadcast %[[QUERIES]], dims = [1]
// CHECK: merge {
graph.func @positions_of_both(%q: !graph.tensor<[H, S, 8], f32>, %k: !graph.tensor<[H, S, 8], f32>, %v: !graph.tensor<[H, S, 8], f32>)
    -> !graph.tensor<[H, S, 8], f32> {
  %s0 = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[H, S, 8], f32>, !graph.tensor<[H, S, 8], f32>) -> !graph.tensor<[H, S, S], f32>
  %at = graph.iota axis = 0 : !graph.tensor<[S], si64>
  %keys = graph.broadcast %at, dims = [2] : !graph.tensor<[S], si64> -> !graph.tensor<[H, S, S], si64>
  %queries = graph.broadcast %at, dims = [1] : !graph.tensor<[S], si64> -> !graph.tensor<[H, S, S], si64>
  %seen = graph.compare le %keys, %queries : !graph.tensor<[H, S, S], si64>
  %c = graph.constant dense<-1.0e9> : !graph.tensor<[], f32>
  %cb = graph.broadcast %c, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[H, S, S], f32>
  %s = graph.select %seen, %s0, %cb : !graph.tensor<[H, S, S], f32>
  // expected-remark@+1 {{begins a stream along S: the maximum, and graph.contract, graph.reduce of e^(x - max x), repaired by e^(m - m') when the maximum changes; not stored: graph.select, graph.compare, graph.contract}}
  %p = graph.softmax %s, axes = [2] : !graph.tensor<[H, S, S], f32>
  %o = graph.contract "hmk,hkd->hmd" %p, %v : (!graph.tensor<[H, S, S], f32>, !graph.tensor<[H, S, 8], f32>) -> !graph.tensor<[H, S, 8], f32>
  graph.return %o : !graph.tensor<[H, S, 8], f32>
}

// -----

// The same of a computed value, and of the tensor that is summed: both axes of one product with itself.
// CHECK-LABEL: graph.func @one_tensor_for_all
// CHECK: graph.stream %arg0, %arg0 axes = [-1, 0]
// CHECK: merge {
graph.func @one_tensor_for_all(%x: !graph.tensor<[S, 8], f32>) -> !graph.tensor<[S, 8], f32> {
  %s = graph.contract "md,kd->mk" %x, %x : (!graph.tensor<[S, 8], f32>, !graph.tensor<[S, 8], f32>) -> !graph.tensor<[S, S], f32>
  // expected-remark@+1 {{begins a stream along S}}
  %p = graph.softmax %s, axes = [1] : !graph.tensor<[S, S], f32>
  %o = graph.contract "mk,kd->md" %p, %x : (!graph.tensor<[S, S], f32>, !graph.tensor<[S, 8], f32>) -> !graph.tensor<[S, 8], f32>
  graph.return %o : !graph.tensor<[S, 8], f32>
}

// -----

// A constant that is no single number is an operand, one that is stands in the regions.
// CHECK-LABEL: graph.func @constant_vector
// CHECK: %[[V:.*]] = graph.constant dense<[1.0{{.*}}, 2.0{{.*}}, 3.0{{.*}}]>
// CHECK: graph.stream %{{.*}}, %[[V]], %arg1 axes = [1, -1, 1]
// CHECK-NOT: dense<[
// CHECK: merge {
// CHECK: graph.return
graph.func @constant_vector(%keys: !graph.tensor<[B, K, 3], f32>, %values: !graph.tensor<[B, K, 8], f32>) -> !graph.tensor<[B, 8], f32> {
  %v = graph.constant dense<[1.0, 2.0, 3.0]> : !graph.tensor<[3], f32>
  %t = graph.tanh %keys : !graph.tensor<[B, K, 3], f32>
  %s = graph.contract "bkd,d->bk" %t, %v : (!graph.tensor<[B, K, 3], f32>, !graph.tensor<[3], f32>) -> !graph.tensor<[B, K], f32>
  // expected-remark@+1 {{begins a stream along K: the maximum, and graph.contract, graph.reduce of e^(x - max x), repaired by e^(m - m') when the maximum changes; not stored: graph.contract}}
  %p = graph.softmax %s, axes = [1] : !graph.tensor<[B, K], f32>
  %o = graph.contract "bk,bkd->bd" %p, %values : (!graph.tensor<[B, K], f32>, !graph.tensor<[B, K, 8], f32>) -> !graph.tensor<[B, 8], f32>
  graph.return %o : !graph.tensor<[B, 8], f32>
}

// -----

// Spelled out, divided after the product, the operands the other way round, a bias for each key and a mask given as
// a tensor; the axis is the first one.
// CHECK-LABEL: graph.func @spelled_out
// CHECK: graph.stream %arg3, %arg0, %arg1, %arg2, %arg4 axes = [0, 0, -1, 0, 0]
// Sums of weights are NaN where a score is: the maximum need not be.
// CHECK: lift {
// CHECK: graph.select
// CHECK: graph.reduce max {{.*}} {graph.any_where_nan}
// CHECK: merge {
// CHECK: graph.max {{.*}} {graph.any_where_nan}
// CHECK: finalize {
// CHECK: graph.div
graph.func @spelled_out(%k: !graph.tensor<[K, 4], f32>, %q: !graph.tensor<[M, 4], f32>, %bias: !graph.tensor<[K], f32>,
                        %mask: !graph.tensor<[K, M], i1>, %v: !graph.tensor<[K, 3], f32>) -> !graph.tensor<[3, M], f32>
    attributes {dims = {K = #graph.range<1, ?>, M = #graph.range<0, ?>}} {
  // expected-remark@+1 {{graph.contract is computed with the axis of its stream last}}
  %s0 = graph.contract "kd,md->km" %k, %q : (!graph.tensor<[K, 4], f32>, !graph.tensor<[M, 4], f32>) -> !graph.tensor<[K, M], f32>
  %b = graph.broadcast %bias, dims = [0] : !graph.tensor<[K], f32> -> !graph.tensor<[K, M], f32>
  %s1 = graph.add %s0, %b : !graph.tensor<[K, M], f32>
  %low = graph.constant dense<-1.0e30> : !graph.tensor<[], f32>
  %lows = graph.broadcast %low, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[K, M], f32>
  %s = graph.select %mask, %s1, %lows : !graph.tensor<[K, M], f32>
  // expected-remark@+1 {{begins a stream}}
  %m = graph.reduce max %s, axes = [0] : !graph.tensor<[K, M], f32> -> !graph.tensor<[M], f32>
  %mb = graph.broadcast %m, dims = [1] : !graph.tensor<[M], f32> -> !graph.tensor<[K, M], f32>
  %d = graph.sub %s, %mb : !graph.tensor<[K, M], f32>
  %p = graph.exp %d : !graph.tensor<[K, M], f32>
  %l = graph.reduce sum %p, axes = [0] : !graph.tensor<[K, M], f32> -> !graph.tensor<[M], f32>
  %o = graph.contract "kv,km->vm" %v, %p : (!graph.tensor<[K, 3], f32>, !graph.tensor<[K, M], f32>) -> !graph.tensor<[3, M], f32>
  %lb = graph.broadcast %l, dims = [1] : !graph.tensor<[M], f32> -> !graph.tensor<[3, M], f32>
  %r = graph.div %o, %lb : !graph.tensor<[3, M], f32>
  graph.return %r : !graph.tensor<[3, M], f32>
}

// -----

// Cross-entropy: the log-sum-exp of logits that are not stored; a factor of the state itself leaves the sum.
// CHECK-LABEL: graph.func @log_sum_exp
// CHECK: %[[S:.*]] = graph.stream %arg1, %arg0 axes = [
// CHECK: finalize
// CHECK: graph.log
// CHECK: graph.return %[[S]]
graph.func @log_sum_exp(%x: !graph.tensor<[N, 6], f64>, %w: !graph.tensor<[6, C], f64>) -> !graph.tensor<[N], f64>
    attributes {dims = {C = #graph.range<1, ?>, N = #graph.range<0, ?>}} {
  %s = graph.contract "dc,nd->nc" %w, %x : (!graph.tensor<[6, C], f64>, !graph.tensor<[N, 6], f64>) -> !graph.tensor<[N, C], f64>
  // expected-remark@+1 {{begins a stream}}
  %m = graph.reduce max %s, axes = [1] : !graph.tensor<[N, C], f64> -> !graph.tensor<[N], f64>
  %mb = graph.broadcast %m, dims = [0] : !graph.tensor<[N], f64> -> !graph.tensor<[N, C], f64>
  %d = graph.sub %s, %mb : !graph.tensor<[N, C], f64>
  %p = graph.exp %d : !graph.tensor<[N, C], f64>
  %l = graph.reduce sum %p, axes = [1] : !graph.tensor<[N, C], f64> -> !graph.tensor<[N], f64>
  %log = graph.log %l : !graph.tensor<[N], f64>
  %r = graph.add %m, %log : !graph.tensor<[N], f64>
  graph.return %r : !graph.tensor<[N], f64>
}

// -----

// A sink: the shift is the larger one of the maximum and a logit of the head. What it adds is a factor of the sums.
// CHECK-LABEL: graph.func @sink
// CHECK: %[[S:.*]]:3 = graph.stream %arg0, %arg1, %arg2
// CHECK: %[[M:.*]] = graph.max %[[S]]#0
// CHECK: graph.sub %[[S]]#0, %[[M]]
// CHECK-NOT: graph.contract
// CHECK: graph.return
graph.func @sink(%q: !graph.tensor<[H, M, 8], f32>, %k: !graph.tensor<[H, K, 8], f32>, %v: !graph.tensor<[H, K, 8], f32>,
                 %c: !graph.tensor<[H], f32>) -> !graph.tensor<[H, M, 8], f32>
    attributes {dims = {H = #graph.range<0, ?>, K = #graph.range<1, ?>, M = #graph.range<0, ?>}} {
  %s = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[H, M, 8], f32>, !graph.tensor<[H, K, 8], f32>) -> !graph.tensor<[H, M, K], f32>
  // expected-remark@+1 {{begins a stream}}
  %m0 = graph.reduce max %s, axes = [2] : !graph.tensor<[H, M, K], f32> -> !graph.tensor<[H, M], f32>
  %cb = graph.broadcast %c, dims = [0] : !graph.tensor<[H], f32> -> !graph.tensor<[H, M], f32>
  %m = graph.max %m0, %cb : !graph.tensor<[H, M], f32>
  %mb = graph.broadcast %m, dims = [0, 1] : !graph.tensor<[H, M], f32> -> !graph.tensor<[H, M, K], f32>
  %d = graph.sub %s, %mb : !graph.tensor<[H, M, K], f32>
  %p = graph.exp %d : !graph.tensor<[H, M, K], f32>
  %l = graph.reduce sum %p, axes = [2] : !graph.tensor<[H, M, K], f32> -> !graph.tensor<[H, M], f32>
  %e0 = graph.sub %cb, %m : !graph.tensor<[H, M], f32>
  %e = graph.exp %e0 : !graph.tensor<[H, M], f32>
  %t = graph.add %l, %e : !graph.tensor<[H, M], f32>
  %tb = graph.broadcast %t, dims = [0, 1] : !graph.tensor<[H, M], f32> -> !graph.tensor<[H, M, K], f32>
  %w = graph.div %p, %tb : !graph.tensor<[H, M, K], f32>
  %o = graph.contract "hmk,hkd->hmd" %w, %v : (!graph.tensor<[H, M, K], f32>, !graph.tensor<[H, K, 8], f32>) -> !graph.tensor<[H, M, 8], f32>
  graph.return %o : !graph.tensor<[H, M, 8], f32>
}

// -----

// The composite shifts by 0 where the maximum is infinite.
// CHECK-LABEL: graph.func @logsumexp
// CHECK-NOT: graph.contract
// CHECK: %[[S:.*]] = graph.stream %arg1, %arg0 axes = [
// CHECK: finalize
// CHECK: graph.select
// CHECK: graph.log
// CHECK: graph.add
// CHECK: graph.return %[[S]]
graph.func @logsumexp(%x: !graph.tensor<[N, 6], f64>, %w: !graph.tensor<[6, C], f64>) -> !graph.tensor<[N], f64> {
  %s = graph.contract "dc,nd->nc" %w, %x : (!graph.tensor<[6, C], f64>, !graph.tensor<[N, 6], f64>) -> !graph.tensor<[N, C], f64>
  // expected-remark@+1 {{begins a stream}}
  %r = graph.logsumexp %s, axes = [1] : !graph.tensor<[N, C], f64> -> !graph.tensor<[N], f64>
  graph.return %r : !graph.tensor<[N], f64>
}

// -----

// With that shift only plain sums have a rule: these weights are multiplied with v.
// CHECK-LABEL: graph.func @shift_and_product
// CHECK-NOT: graph.stream
graph.func @shift_and_product(%q: !graph.tensor<[N, 8], f32>, %k: !graph.tensor<[C, 8], f32>, %v: !graph.tensor<[C, 3], f32>)
    -> !graph.tensor<[N, 3], f32> {
  %s = graph.contract "nd,cd->nc" %q, %k : (!graph.tensor<[N, 8], f32>, !graph.tensor<[C, 8], f32>) -> !graph.tensor<[N, C], f32>
  // expected-remark@+1 {{begins no stream: it has a shift of 0 at infinite maxima, and weights that are not just summed}}
  %m = graph.reduce max %s, axes = [1] : !graph.tensor<[N, C], f32> -> !graph.tensor<[N], f32>
  %zero = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %zeros = graph.broadcast %zero, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[N], f32>
  %inf = graph.is_inf %m : !graph.tensor<[N], f32>
  %shift = graph.select %inf, %zeros, %m : !graph.tensor<[N], f32>
  %shifts = graph.broadcast %shift, dims = [0] : !graph.tensor<[N], f32> -> !graph.tensor<[N, C], f32>
  %d = graph.sub %s, %shifts : !graph.tensor<[N, C], f32>
  %p = graph.exp %d : !graph.tensor<[N, C], f32>
  %o = graph.contract "nc,cv->nv" %p, %v : (!graph.tensor<[N, C], f32>, !graph.tensor<[C, 3], f32>) -> !graph.tensor<[N, 3], f32>
  graph.return %o : !graph.tensor<[N, 3], f32>
}

// -----

// Rows that are 0: where a condition says so, or where the softmax has no number.
// CHECK-LABEL: graph.func @zero_rows
// CHECK: %[[S:.*]] = graph.stream %arg0, %arg1, %arg2
// CHECK: finalize
// CHECK: %[[SOME:.*]] = graph.compare gt
// CHECK: %[[B:.*]] = graph.broadcast %[[SOME]], dims = [0]
// CHECK: graph.select %[[B]], {{.*}} {graph.ignores_non_finite}
// CHECK: %[[A:.*]] = graph.broadcast %arg3, dims = [0]
// CHECK: graph.select %[[A]], %[[S]], {{.*}} {graph.ignores_non_finite}
// CHECK-NOT: graph.contract
// CHECK: graph.return
graph.func @zero_rows(%q: !graph.tensor<[M, 8], f32>, %k: !graph.tensor<[K, 8], f32>, %v: !graph.tensor<[K, 8], f32>,
                      %row: !graph.tensor<[M], i1>) -> !graph.tensor<[M, 8], f32> {
  %s = graph.contract "md,kd->mk" %q, %k : (!graph.tensor<[M, 8], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, K], f32>
  // expected-remark@+1 {{begins a stream along K}}
  %p = graph.softmax %s, axes = [1] : !graph.tensor<[M, K], f32>
  %zero = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %z = graph.broadcast %zero, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[M, K], f32>
  %n = graph.is_nan %p : !graph.tensor<[M, K], f32>
  %p1 = graph.select %n, %z, %p : !graph.tensor<[M, K], f32>
  %r = graph.broadcast %row, dims = [0] : !graph.tensor<[M], i1> -> !graph.tensor<[M, K], i1>
  %p2 = graph.select %r, %p1, %z : !graph.tensor<[M, K], f32>
  %o = graph.contract "mk,kd->md" %p2, %v : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, 8], f32>
  graph.return %o : !graph.tensor<[M, 8], f32>
}

// -----

// Another number than 0; a division of zeros, which could be 0 / 0; weights that are
// not divided by their sum, or multiplied with what varies: some may be NaN and others not.
// CHECK-LABEL: graph.func @other_zeros
// CHECK-NOT: graph.stream
graph.func @other_zeros(%q: !graph.tensor<[M, 8], f32>, %k: !graph.tensor<[K, 8], f32>, %v: !graph.tensor<[K, 8], f32>,
                        %g: !graph.tensor<[M, K], f32>, %row: !graph.tensor<[M], i1>)
    -> (!graph.tensor<[M, 8], f32>, !graph.tensor<[M, 8], f32>, !graph.tensor<[M, 8], f32>, !graph.tensor<[M, 8], f32>) {
  %r = graph.broadcast %row, dims = [0] : !graph.tensor<[M], i1> -> !graph.tensor<[M, K], i1>
  %zero = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %z = graph.broadcast %zero, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[M, K], f32>
  %one = graph.constant dense<1.0> : !graph.tensor<[], f32>
  %i = graph.broadcast %one, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[M, K], f32>

  %s1 = graph.contract "md,kd->mk" %q, %v : (!graph.tensor<[M, 8], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, K], f32>
  // expected-remark@+1 {{it has weights that are replaced by something else than 0}}
  %p1 = graph.softmax %s1, axes = [1] : !graph.tensor<[M, K], f32>
  %w1 = graph.select %r, %p1, %i : !graph.tensor<[M, K], f32>
  %o1 = graph.contract "mk,kd->md" %w1, %v : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, 8], f32>

  %s2 = graph.add %s1, %i : !graph.tensor<[M, K], f32>
  // expected-remark@+1 {{it has weights that are divided after some were replaced by 0}}
  %m2 = graph.reduce max %s2, axes = [1] : !graph.tensor<[M, K], f32> -> !graph.tensor<[M], f32>
  %b2 = graph.broadcast %m2, dims = [0] : !graph.tensor<[M], f32> -> !graph.tensor<[M, K], f32>
  %d2 = graph.sub %s2, %b2 : !graph.tensor<[M, K], f32>
  %e2 = graph.exp %d2 : !graph.tensor<[M, K], f32>
  %t2 = graph.reduce sum %e2, axes = [1] : !graph.tensor<[M, K], f32> -> !graph.tensor<[M], f32>
  %tb2 = graph.broadcast %t2, dims = [0] : !graph.tensor<[M], f32> -> !graph.tensor<[M, K], f32>
  %z2 = graph.select %r, %e2, %z : !graph.tensor<[M, K], f32>
  %w2 = graph.div %z2, %tb2 : !graph.tensor<[M, K], f32>
  %o2 = graph.contract "mk,kd->md" %w2, %v : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, 8], f32>

  %s3 = graph.sub %s1, %i : !graph.tensor<[M, K], f32>
  // expected-remark@+1 {{it has weights that are needed elsewhere: graph.is_nan}}
  %m3 = graph.reduce max %s3, axes = [1] : !graph.tensor<[M, K], f32> -> !graph.tensor<[M], f32>
  %b3 = graph.broadcast %m3, dims = [0] : !graph.tensor<[M], f32> -> !graph.tensor<[M, K], f32>
  %d3 = graph.sub %s3, %b3 : !graph.tensor<[M, K], f32>
  %e3 = graph.exp %d3 : !graph.tensor<[M, K], f32>
  %n3 = graph.is_nan %e3 : !graph.tensor<[M, K], f32>
  %w3 = graph.select %n3, %z, %e3 : !graph.tensor<[M, K], f32>
  %o3 = graph.contract "mk,kd->md" %w3, %v : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, 8], f32>
  %s4 = graph.mul %s1, %s1 : !graph.tensor<[M, K], f32>
  // expected-remark@+1 {{it has weights that are needed elsewhere: graph.is_nan}}
  %p4 = graph.softmax %s4, axes = [1] : !graph.tensor<[M, K], f32>
  %g4 = graph.mul %p4, %g : !graph.tensor<[M, K], f32>
  %n4 = graph.is_nan %g4 : !graph.tensor<[M, K], f32>
  %w4 = graph.select %n4, %z, %g4 : !graph.tensor<[M, K], f32>
  %o4 = graph.contract "mk,kd->md" %w4, %v : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, 8], f32>
  graph.return %o1, %o2, %o3, %o4 : !graph.tensor<[M, 8], f32>, !graph.tensor<[M, 8], f32>, !graph.tensor<[M, 8], f32>, !graph.tensor<[M, 8], f32>
}

// -----

// The scores have a second reader.
// CHECK-LABEL: graph.func @scores_needed
// CHECK-NOT: graph.stream
graph.func @scores_needed(%q: !graph.tensor<[M, 8], f32>, %k: !graph.tensor<[K, 8], f32>, %v: !graph.tensor<[K, 8], f32>)
    -> (!graph.tensor<[M, 8], f32>, !graph.tensor<[M, K], f32>) {
  %s = graph.contract "md,kd->mk" %q, %k : (!graph.tensor<[M, 8], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, K], f32>
  // expected-remark@+1 {{begins no stream: it has scores that are needed elsewhere: graph.return}}
  %p = graph.softmax %s, axes = [1] : !graph.tensor<[M, K], f32>
  %o = graph.contract "mk,kd->md" %p, %v : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, 8], f32>
  graph.return %o, %s : !graph.tensor<[M, 8], f32>, !graph.tensor<[M, K], f32>
}

// -----

// The weights are a result; another axis; a dependence that no rule repairs; a shift that is not the maximum.
// CHECK-LABEL: graph.func @near_misses
// CHECK-NOT: graph.stream
graph.func @near_misses(%q: !graph.tensor<[M, 8], f32>, %k: !graph.tensor<[K, 8], f32>, %v: !graph.tensor<[K, 8], f32>,
                        %u: !graph.tensor<[M, 8], f32>)
    -> (!graph.tensor<[M, 8], f32>, !graph.tensor<[M, K], f32>, !graph.tensor<[K, 8], f32>, !graph.tensor<[M], f32>, !graph.tensor<[M], f32>) {
  %s = graph.contract "md,kd->mk" %q, %k : (!graph.tensor<[M, 8], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, K], f32>
  // expected-remark@+1 {{it has weights that are needed elsewhere: graph.return}}
  %p = graph.softmax %s, axes = [1] : !graph.tensor<[M, K], f32>
  %o = graph.contract "mk,kd->md" %p, %v : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, 8], f32>
  %t = graph.contract "md,kd->mk" %u, %k : (!graph.tensor<[M, 8], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, K], f32>
  // expected-remark@+1 {{it has weights that are contracted along other axes}}
  %p1 = graph.softmax %t, axes = [1] : !graph.tensor<[M, K], f32>
  %o1 = graph.contract "mk,md->kd" %p1, %u : (!graph.tensor<[M, K], f32>, !graph.tensor<[M, 8], f32>) -> !graph.tensor<[K, 8], f32>
  %w = graph.contract "md,kd->mk" %u, %v : (!graph.tensor<[M, 8], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, K], f32>
  // expected-remark@+1 {{it no rule repairs graph.abs of x - max x}}
  %m = graph.reduce max %w, axes = [1] : !graph.tensor<[M, K], f32> -> !graph.tensor<[M], f32>
  %mb = graph.broadcast %m, dims = [0] : !graph.tensor<[M], f32> -> !graph.tensor<[M, K], f32>
  %d = graph.sub %w, %mb : !graph.tensor<[M, K], f32>
  %a = graph.abs %d : !graph.tensor<[M, K], f32>
  %o2 = graph.reduce sum %a, axes = [1] : !graph.tensor<[M, K], f32> -> !graph.tensor<[M], f32>
  // expected-remark@+1 {{it has weighted sums of K columns, a number that is not known}}
  %o3 = graph.logsumexp %q, axes = [1] : !graph.tensor<[M, 8], f32> -> !graph.tensor<[M], f32>
  graph.return %o, %p, %o1, %o2, %o3 : !graph.tensor<[M, 8], f32>, !graph.tensor<[M, K], f32>, !graph.tensor<[K, 8], f32>, !graph.tensor<[M], f32>, !graph.tensor<[M], f32>
}

// -----

// What is known to stay in the cache; sums of a size that is not known, or too large to be kept.
// CHECK-LABEL: graph.func @costs
// CHECK-NOT: graph.stream
graph.func @costs(%q: !graph.tensor<[40, 8], f32>, %k: !graph.tensor<[50, 8], f32>, %v: !graph.tensor<[50, 8], f32>,
                  %x: !graph.tensor<[M, 8], f32>, %y: !graph.tensor<[K, 8], f32>, %w: !graph.tensor<[K, D], f32>, %u: !graph.tensor<[K, 600], f32>,
                  %z: !graph.tensor<[K, 8], f32>) -> (!graph.tensor<[40, 8], f32>, !graph.tensor<[M, D], f32>, !graph.tensor<[M, 600], f32>) {
  %s = graph.contract "md,kd->mk" %q, %k : (!graph.tensor<[40, 8], f32>, !graph.tensor<[50, 8], f32>) -> !graph.tensor<[40, 50], f32>
  // expected-remark@+1 {{it has only 2000 scores, which stay in the cache}}
  %p = graph.softmax %s, axes = [1] : !graph.tensor<[40, 50], f32>
  %o = graph.contract "mk,kd->md" %p, %v : (!graph.tensor<[40, 50], f32>, !graph.tensor<[50, 8], f32>) -> !graph.tensor<[40, 8], f32>
  %t = graph.contract "md,kd->mk" %x, %y : (!graph.tensor<[M, 8], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, K], f32>
  // expected-remark@+1 {{it has weighted sums of D columns, a number that is not known}}
  %p1 = graph.softmax %t, axes = [1] : !graph.tensor<[M, K], f32>
  %o1 = graph.contract "mk,kd->md" %p1, %w : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, D], f32>) -> !graph.tensor<[M, D], f32>
  %a = graph.contract "md,kd->mk" %x, %z : (!graph.tensor<[M, 8], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, K], f32>
  // expected-remark@+1 {{it has weighted sums of 600 columns; a stream keeps 1 to 512}}
  %p2 = graph.softmax %a, axes = [1] : !graph.tensor<[M, K], f32>
  %o2 = graph.contract "mk,kd->md" %p2, %u : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, 600], f32>) -> !graph.tensor<[M, 600], f32>
  graph.return %o, %o1, %o2 : !graph.tensor<[40, 8], f32>, !graph.tensor<[M, D], f32>, !graph.tensor<[M, 600], f32>
}
