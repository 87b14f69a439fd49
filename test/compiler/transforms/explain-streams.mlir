// --explain says which chain was found, what repairs it, and why others were left alone.
// RUN: tessera-opt %s --explain --graph-decompose --canonicalize --cse --graph-form-streams -o /dev/null 2>&1 | FileCheck %s
// RUN: tessera-opt %s --graph-decompose --canonicalize --cse --graph-form-streams -o /dev/null 2>&1 | FileCheck %s --allow-empty --check-prefix=QUIET
// QUIET-NOT: remark

// CHECK: explain-streams.mlir:13:8: remark: begins a stream along K: the maximum, and graph.contract, graph.reduce of e^(x - max x),
// CHECK-SAME: repaired by e^(m - m') when the maximum changes; not stored: graph.contract
// CHECK: explain-streams.mlir:16:9: remark: begins no stream: it has weights that are needed elsewhere: graph.return
graph.func @main(%q: !graph.tensor<[M, 8], f32>, %k: !graph.tensor<[K, 8], f32>, %v: !graph.tensor<[K, 8], f32>)
    -> (!graph.tensor<[M, 8], f32>, !graph.tensor<[M, 8], f32>, !graph.tensor<[M, K], f32>) {

  %s = graph.contract "md,kd->mk" %q, %k : (!graph.tensor<[M, 8], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, K], f32>
  %p = graph.softmax %s, axes = [1] : !graph.tensor<[M, K], f32>
  %o = graph.contract "mk,kd->md" %p, %v : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, 8], f32>
  %t = graph.contract "md,kd->mk" %o, %v : (!graph.tensor<[M, 8], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, K], f32>
  %p1 = graph.softmax %t, axes = [1] : !graph.tensor<[M, K], f32>
  %o1 = graph.contract "mk,kd->md" %p1, %k : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[M, 8], f32>
  graph.return %o, %o1, %p1 : !graph.tensor<[M, 8], f32>, !graph.tensor<[M, 8], f32>, !graph.tensor<[M, K], f32>
}
