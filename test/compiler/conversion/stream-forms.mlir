// What a stream is computed in follows from its extents, at run time where they are not known: one row reads its keys as
// they are; few rows and a long axis are computed in parts, side by side, whose states are merged; the rest block by block.
// RUN: tessera-opt %s --split-input-file --graph-decompose --canonicalize --cse --graph-form-streams --canonicalize --graph-form-kernels --verify-each=numeric | FileCheck %s

// Nothing is known.
// CHECK-LABEL: graph.func @unknown
// CHECK: %[[ONE:.*]] = graph.dim_value max(0, min(M, -M + 2))
// CHECK: %[[ZERO:.*]] = graph.dim_value 0
// CHECK: %[[IS:.*]] = graph.compare gt %[[ONE]], %[[ZERO]]
// CHECK: graph.if %[[IS]]
// CHECK: kernel.launch @k0_stream
// CHECK: else
// CHECK: graph.dim_value max(1, min(floordiv(15, max(1, H * floordiv(M + 63, 64))) + 1, floordiv(K + 511, 512))) - 1
// CHECK: graph.if
// CHECK: kernel.launch @k1_stream
// CHECK: else
// CHECK: kernel.launch @k2_stream
// CHECK: kernel.func @k0_stream(%{{.*}}: tensor<?x1x8xf32>
// CHECK: kernel.stage = "part"
// CHECK: kernel.stage = "merge"
// CHECK: kernel.func @k1_stream(%{{.*}}: tensor<?x?x8xf32>
// CHECK: kernel.skips, kernel.stage = "part"
// CHECK: arith.muli
// CHECK: kernel.stage = "merge"
// CHECK: kernel.func @k2_stream
// CHECK-NOT: kernel.stage = "part"
// CHECK: kernel.stage = "merge"
graph.func @unknown(%q: !graph.tensor<[H, M, 8], f32>, %k: !graph.tensor<[H, K, 8], f32>, %v: !graph.tensor<[H, K, 8], f32>)
    -> !graph.tensor<[H, M, 8], f32> {
  %s = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[H, M, 8], f32>, !graph.tensor<[H, K, 8], f32>) -> !graph.tensor<[H, M, K], f32>
  %p = graph.softmax %s, axes = [2] : !graph.tensor<[H, M, K], f32>
  %o = graph.contract "hmk,hkd->hmd" %p, %v : (!graph.tensor<[H, M, K], f32>, !graph.tensor<[H, K, 8], f32>) -> !graph.tensor<[H, M, 8], f32>
  graph.return %o : !graph.tensor<[H, M, 8], f32>
}

// -----

// One query for each head, of which several make one task.
// CHECK-LABEL: graph.func @one_query
// CHECK: graph.dim_value max(1, min(16, floordiv(K + 511, 512))) - 1
// CHECK: kernel.launch @k0_stream
// CHECK: kernel.launch @k1_stream
graph.func @one_query(%q: !graph.tensor<[4, 8], f32>, %k: !graph.tensor<[4, K, 8], f32>, %v: !graph.tensor<[4, K, 8], f32>)
    -> !graph.tensor<[4, 8], f32> {
  %s = graph.contract "hd,hkd->hk" %q, %k : (!graph.tensor<[4, 8], f32>, !graph.tensor<[4, K, 8], f32>) -> !graph.tensor<[4, K], f32>
  %p = graph.softmax %s, axes = [1] : !graph.tensor<[4, K], f32>
  %o = graph.contract "hk,hkd->hd" %p, %v : (!graph.tensor<[4, K], f32>, !graph.tensor<[4, K, 8], f32>) -> !graph.tensor<[4, 8], f32>
  graph.return %o : !graph.tensor<[4, 8], f32>
}

// -----

// All is known: one kernel.
// CHECK-LABEL: graph.func @known
// CHECK-NOT: graph.if
// CHECK: kernel.launch @k0_stream
// CHECK-NOT: kernel.launch
// CHECK: kernel.stage = "part"
graph.func @known(%q: !graph.tensor<[12, 1, 8], f64>, %k: !graph.tensor<[12, 11000, 8], f64>, %v: !graph.tensor<[12, 11000, 8], f64>)
    -> !graph.tensor<[12, 1, 8], f64> {
  %s = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[12, 1, 8], f64>, !graph.tensor<[12, 11000, 8], f64>) -> !graph.tensor<[12, 1, 11000], f64>
  %p = graph.softmax %s, axes = [2] : !graph.tensor<[12, 1, 11000], f64>
  %o = graph.contract "hmk,hkd->hmd" %p, %v : (!graph.tensor<[12, 1, 11000], f64>, !graph.tensor<[12, 11000, 8], f64>) -> !graph.tensor<[12, 1, 8], f64>
  graph.return %o : !graph.tensor<[12, 1, 8], f64>
}

// -----

// Heads enough, and never one query.
// CHECK-LABEL: graph.func @many
// CHECK-NOT: graph.if
// CHECK: kernel.launch @k0_stream
// CHECK-NOT: kernel.stage = "part"
graph.func @many(%q: !graph.tensor<[16, M, 8], f32>, %k: !graph.tensor<[16, K, 8], f32>, %v: !graph.tensor<[16, K, 8], f32>)
    -> !graph.tensor<[16, M, 8], f32> attributes {dims = {M = #graph.range<2, ?>, K = #graph.range<0, ?>}} {
  %s = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[16, M, 8], f32>, !graph.tensor<[16, K, 8], f32>) -> !graph.tensor<[16, M, K], f32>
  %p = graph.softmax %s, axes = [2] : !graph.tensor<[16, M, K], f32>
  %o = graph.contract "hmk,hkd->hmd" %p, %v : (!graph.tensor<[16, M, K], f32>, !graph.tensor<[16, K, 8], f32>) -> !graph.tensor<[16, M, 8], f32>
  graph.return %o : !graph.tensor<[16, M, 8], f32>
}
