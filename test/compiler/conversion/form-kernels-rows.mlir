// RUN: tessera-opt %s --graph-decompose --canonicalize --cse --graph-form-kernels --split-input-file | FileCheck %s

// Reductions along the trailing axis and maps over their rows are one kernel: a row stays in cache.
// CHECK-LABEL: graph.func @log_softmax
// CHECK-NEXT: %[[R:.*]] = kernel.launch @k0_reduce(%arg0)
// CHECK-NEXT: graph.return %[[R]]
graph.func @log_softmax(%x: !graph.tensor<[B, N], f32>) -> !graph.tensor<[B, N], f32> {
  %0 = graph.log_softmax %x, axes = [1] : !graph.tensor<[B, N], f32>
  graph.return %0 : !graph.tensor<[B, N], f32>
}

// -----

// The sum and the quotient ask for the exponential: a short row of it is kept beside them. Long rows of it are computed once and
// stored.
// CHECK-LABEL: graph.func @softmax
// CHECK: graph.dim_value -N + 8193
// CHECK: %[[R:.*]] = graph.if
// CHECK-NEXT: %[[S:.*]] = kernel.launch @k0_reduce(%arg0)
// CHECK-NEXT: graph.yield %[[S]]
// CHECK-NEXT: } else {
// CHECK-NEXT: %[[E:.*]] = kernel.launch @k1_reduce(%arg0)
// CHECK-NEXT: %[[L:.*]] = kernel.launch @k2_reduce(%[[E]])
// CHECK-NEXT: graph.yield %[[L]]
// CHECK: graph.return %[[R]]
// CHECK: kernel.func @k0_reduce
// CHECK: arith.minsi %{{.*}}, %c8192
graph.func @softmax(%x: !graph.tensor<[B, N], f32>) -> !graph.tensor<[B, N], f32> {
  %0 = graph.softmax %x, axes = [1] : !graph.tensor<[B, N], f32>
  graph.return %0 : !graph.tensor<[B, N], f32>
}

// -----

// Rows that are known to be short need no second form, and rows of two unknown extents have none that is bounded.
// CHECK-LABEL: graph.func @bounded
// CHECK-NEXT: %[[R:.*]] = kernel.launch @k0_reduce(%arg0)
// CHECK-NEXT: graph.return %[[R]]
graph.func @bounded(%x: !graph.tensor<[B, N], f32>) -> !graph.tensor<[B, N], f32> attributes {dims = {N = #graph.range<0, 512>}} {
  %0 = graph.softmax %x, axes = [1] : !graph.tensor<[B, N], f32>
  graph.return %0 : !graph.tensor<[B, N], f32>
}

// CHECK-LABEL: graph.func @planes
// CHECK-NEXT: %[[E:.*]] = kernel.launch @k1_reduce(%arg0)
// CHECK-NEXT: %[[R:.*]] = kernel.launch @k2_reduce(%[[E]])
// CHECK-NEXT: graph.return %[[R]]
graph.func @planes(%x: !graph.tensor<[B, H, W], f32>) -> !graph.tensor<[B, H, W], f32> {
  %0 = graph.softmax %x, axes = [1, 2] : !graph.tensor<[B, H, W], f32>
  graph.return %0 : !graph.tensor<[B, H, W], f32>
}

// -----

// The same spelled out, with other ops between: nothing asks for names.
// CHECK-LABEL: graph.func @spelled
// CHECK-NEXT: %[[R:.*]] = kernel.launch @k0_reduce(%arg0)
// CHECK-NEXT: graph.return %[[R]]
graph.func @spelled(%x: !graph.tensor<[B, N], f32>) -> !graph.tensor<[B, N], f32> {
  %0 = graph.reduce min %x, axes = [1] : !graph.tensor<[B, N], f32> -> !graph.tensor<[B], f32>
  %1 = graph.abs %0 : !graph.tensor<[B], f32>
  %2 = graph.broadcast %1, dims = [0] : !graph.tensor<[B], f32> -> !graph.tensor<[B, N], f32>
  %3 = graph.mul %x, %2 : !graph.tensor<[B, N], f32>
  %4 = graph.reduce prod %3, axes = [1] : !graph.tensor<[B, N], f32> -> !graph.tensor<[B], f32>
  %5 = graph.broadcast %4, dims = [0] : !graph.tensor<[B], f32> -> !graph.tensor<[B, N], f32>
  %6 = graph.sub %3, %5 : !graph.tensor<[B, N], f32>
  graph.return %6 : !graph.tensor<[B, N], f32>
}

// -----

// A residual sum joins the norm that reads it three times; it is stored once, for its other reader too.
// CHECK-LABEL: graph.func @residual
// CHECK-NEXT: %[[R:.*]]:2 = kernel.launch @k0_reduce(
// CHECK-NEXT: graph.return %[[R]]#
graph.func @residual(%x: !graph.tensor<[B, N], f32>, %r: !graph.tensor<[B, N], f32>, %s: !graph.tensor<[N], f32>) -> (!graph.tensor<[B, N], f32>, !graph.tensor<[B, N], f32>) {
  %0 = graph.add %x, %r : !graph.tensor<[B, N], f32>
  %1 = graph.layer_norm %0, %s, axis = 1 {epsilon = 1.0e-5} : (!graph.tensor<[B, N], f32>, !graph.tensor<[N], f32>) -> !graph.tensor<[B, N], f32>
  graph.return %0, %1 : !graph.tensor<[B, N], f32>, !graph.tensor<[B, N], f32>
}

// -----

// Siblings: one reading of x.
// CHECK-LABEL: graph.func @siblings
// CHECK-NEXT: %[[R:.*]]:2 = kernel.launch @k0_reduce(%arg0)
// CHECK-NEXT: graph.return %[[R]]#0, %[[R]]#1
graph.func @siblings(%x: !graph.tensor<[B, N], f32>) -> (!graph.tensor<[B], f32>, !graph.tensor<[B], f32>) {
  %0 = graph.reduce max %x, axes = [1] : !graph.tensor<[B, N], f32> -> !graph.tensor<[B], f32>
  %1 = graph.reduce min %x, axes = [1] : !graph.tensor<[B, N], f32> -> !graph.tensor<[B], f32>
  graph.return %0, %1 : !graph.tensor<[B], f32>, !graph.tensor<[B], f32>
}

// -----

// Near miss: along a leading axis a row is no piece of memory.
// CHECK-LABEL: graph.func @leading
// CHECK-NEXT: kernel.launch @k0_reduce
// CHECK-NEXT: kernel.launch @k1_sub
// CHECK-NEXT: graph.return
graph.func @leading(%x: !graph.tensor<[B, N], f32>) -> !graph.tensor<[B, N], f32> {
  %0 = graph.reduce max %x, axes = [0] : !graph.tensor<[B, N], f32> -> !graph.tensor<[N], f32>
  %1 = graph.broadcast %0, dims = [1] : !graph.tensor<[N], f32> -> !graph.tensor<[B, N], f32>
  %2 = graph.sub %x, %1 : !graph.tensor<[B, N], f32>
  graph.return %2 : !graph.tensor<[B, N], f32>
}

// -----

// Near miss: the reduced values go to other rows than their own.
// CHECK-LABEL: graph.func @crossed
// CHECK-NEXT: kernel.launch @k0_reduce
// CHECK-NEXT: kernel.launch @k1_sub
// CHECK-NEXT: graph.return
graph.func @crossed(%x: !graph.tensor<[N, N], f32>) -> !graph.tensor<[N, N], f32> {
  %0 = graph.reduce max %x, axes = [1] : !graph.tensor<[N, N], f32> -> !graph.tensor<[N], f32>
  %1 = graph.broadcast %0, dims = [1] : !graph.tensor<[N], f32> -> !graph.tensor<[N, N], f32>
  %2 = graph.sub %x, %1 : !graph.tensor<[N, N], f32>
  graph.return %2 : !graph.tensor<[N, N], f32>
}

// -----

// Near miss: the second reduction has other rows.
// CHECK-LABEL: graph.func @longer
// CHECK-NEXT: kernel.launch @k0_reduce
// CHECK-NEXT: kernel.launch @k1_reduce
// CHECK-NEXT: graph.return
graph.func @longer(%x: !graph.tensor<[A, B, N], f32>) -> !graph.tensor<[A], f32> {
  %0 = graph.reduce max %x, axes = [2] : !graph.tensor<[A, B, N], f32> -> !graph.tensor<[A, B], f32>
  %1 = graph.broadcast %0, dims = [0, 1] : !graph.tensor<[A, B], f32> -> !graph.tensor<[A, B, N], f32>
  %2 = graph.sub %x, %1 : !graph.tensor<[A, B, N], f32>
  %3 = graph.reduce sum %2, axes = [1, 2] : !graph.tensor<[A, B, N], f32> -> !graph.tensor<[A], f32>
  graph.return %3 : !graph.tensor<[A], f32>
}
