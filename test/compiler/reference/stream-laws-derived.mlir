// The laws of streams that were derived from a chain of reductions are tried as well, right after the pass.

// RUN: tessera-opt %s --verify-each=numeric --graph-decompose --canonicalize --graph-form-streams 2>&1 | FileCheck %s --check-prefix=RIGHT
// RIGHT-NOT: error
// RIGHT-NOT: warning
// RIGHT: graph.stream

// The same with a rule that is wrong: e^(max s - s), which is told apart from what it does to results.
// RUN: not tessera-opt %s --verify-each=numeric --load-pass-plugin=%tessera_lib/libwrong-pass.so \
// RUN:   --pass-pipeline="builtin.module(graph-decompose,canonicalize,graph-form-streams,test-swap-operands{op=graph.sub},canonicalize)" 2>&1 \
// RUN:   | FileCheck %s --check-prefix=WRONG
// WRONG: stream-laws-derived.mlir:[[#]]:[[#]]: error: graph.stream breaks a law after pass 'test-swap-operands': {{.*}}: state {{[0-9]}} at [
// WRONG-SAME: expected
// WRONG-NOT: breaks a law after pass 'canonicalize'

// Nobody looks without the flag.
// RUN: tessera-opt %s --load-pass-plugin=%tessera_lib/libwrong-pass.so -o /dev/null \
// RUN:   --pass-pipeline="builtin.module(graph-decompose,canonicalize,graph-form-streams,test-swap-operands{op=graph.sub})"

graph.func @attention(%q: !graph.tensor<[M, 5], f32>, %k: !graph.tensor<[K, 5], f32>, %v: !graph.tensor<[K, 3], f32>, %mask: !graph.tensor<[M, K], i1>)
    -> !graph.tensor<[M, 3], f32> {
  %s0 = graph.contract "md,kd->mk" %q, %k : (!graph.tensor<[M, 5], f32>, !graph.tensor<[K, 5], f32>) -> !graph.tensor<[M, K], f32>
  %low = graph.constant dense<0xFF800000> : !graph.tensor<[], f32>
  %lows = graph.broadcast %low, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[M, K], f32>
  %s = graph.select %mask, %s0, %lows : !graph.tensor<[M, K], f32>
  %p = graph.softmax %s, axes = [1] : !graph.tensor<[M, K], f32>
  %o = graph.contract "mk,kd->md" %p, %v : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, 3], f32>) -> !graph.tensor<[M, 3], f32>
  graph.return %o : !graph.tensor<[M, 3], f32>
}
