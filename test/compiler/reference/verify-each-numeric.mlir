// The numeric verifier accepts a pipeline to kernels that is right, and names a pass that is not.

// RUN: tessera-opt %s --verify-each=numeric --graph-decompose --canonicalize --graph-fold-constants \
// RUN:   --graph-fold-transposes --graph-explicit-padding --graph-form-kernels --schedule-default \
// RUN:   --kernel-apply-restructure --kernel-expand-math 2>&1 | FileCheck %s --check-prefix=RIGHT
// RIGHT-NOT: error
// RIGHT-NOT: warning
// RIGHT: graph.func @norm

// RUN: not tessera-opt %s --verify-each=numeric --load-pass-plugin=%tessera_lib/libwrong-pass.so \
// RUN:   --pass-pipeline="builtin.module(graph-decompose,test-swap-operands{op=graph.sub},canonicalize)" 2>&1 \
// RUN:   | FileCheck %s --check-prefix=WRONG
// WRONG: verify-each-numeric.mlir:[[#]]:[[#]]: error: pass 'test-swap-operands' changed what graph.func @norm computes
// WRONG-SAME: (B = 3, ordinary values): result 0 ('y'), of graph.add, at [0, 0] is
// WRONG-SAME: expected
// WRONG-NOT: pass 'canonicalize'

// The same in kernels.
// RUN: not tessera-opt %s --verify-each=numeric --load-pass-plugin=%tessera_lib/libwrong-pass.so \
// RUN:   --pass-pipeline="builtin.module(graph-decompose,graph-form-kernels,test-swap-operands{op=arith.divf})" 2>&1 \
// RUN:   | FileCheck %s --check-prefix=KERNEL
// KERNEL: error: pass 'test-swap-operands' changed what graph.func @norm computes
// KERNEL-SAME: of kernel.launch @k

// Without the flag nobody looks.
// RUN: tessera-opt %s --load-pass-plugin=%tessera_lib/libwrong-pass.so \
// RUN:   --pass-pipeline="builtin.module(graph-decompose,test-swap-operands{op=graph.sub})"

graph.func @norm(%x: !graph.tensor<[B, 7], f32> {graph.name = "x"}, %s: !graph.tensor<[7], f32>, %b: !graph.tensor<[7], f32>)
    -> (!graph.tensor<[B, 7], f32> {graph.name = "y"}) {
  %0 = graph.layer_norm %x, %s, %b, axis = 1 {epsilon = 1.0e-5 : f64}
    : (!graph.tensor<[B, 7], f32>, !graph.tensor<[7], f32>, !graph.tensor<[7], f32>) -> !graph.tensor<[B, 7], f32>
  %1 = graph.gelu %0 : !graph.tensor<[B, 7], f32>
  %2 = graph.add %0, %1 : !graph.tensor<[B, 7], f32>
  graph.return %2 : !graph.tensor<[B, 7], f32>
}
