// A sum and squares around what follows from it become one read, where rows do not stay in the cache anyway.
// RUN: tessera-opt %s --graph-decompose --canonicalize --cse --graph-form-streams=explain=true --canonicalize --split-input-file --verify-diagnostics --verify-each=numeric | FileCheck %s

// The mean, and what is computed from both.
// CHECK-LABEL: graph.func @one_row
// CHECK: %[[S:.*]]:2 = graph.stream %arg0 axes = [0], identity = [0.000000e+00, 0.000000e+00, 0.000000e+00]
// CHECK-SAME: -> (!graph.tensor<[], f64>, !graph.tensor<[], f64>) lift
// CHECK: merge
// CHECK: finalize
// CHECK: graph.sqrt
// CHECK: graph.return %[[S]]#{{[01]}}, %[[S]]#{{[01]}}
graph.func @one_row(%x: !graph.tensor<[N], f64>) -> (!graph.tensor<[], f64>, !graph.tensor<[], f64>) {
  // expected-remark@+1 {{begins a stream along N: the sum, and graph.reduce of squares around what follows from it, repaired by the square of the difference of means}}
  %v = graph.variance %x, axes = [0] : !graph.tensor<[N], f64> -> !graph.tensor<[], f64>
  %m = graph.mean %x, axes = [0] : !graph.tensor<[N], f64> -> !graph.tensor<[], f64>
  %d = graph.sqrt %v : !graph.tensor<[], f64>
  graph.return %m, %d : !graph.tensor<[], f64>, !graph.tensor<[], f64>
}

// -----

// Squares around another number that follows from the sum; elements that are computed come along.
// CHECK-LABEL: graph.func @other_centre
// CHECK: graph.stream %arg0 axes = [1]
// CHECK: lift
// CHECK: graph.tanh
// CHECK: finalize
graph.func @other_centre(%y: !graph.tensor<[1, N], f64>) -> !graph.tensor<[1], f64> {
  %x = graph.tanh %y : !graph.tensor<[1, N], f64>
  // expected-remark@+1 {{begins a stream along N}}
  %t = graph.reduce sum %x, axes = [1] : !graph.tensor<[1, N], f64> -> !graph.tensor<[1], f64>
  %e = graph.abs %t : !graph.tensor<[1], f64>
  %c = graph.tanh %e : !graph.tensor<[1], f64>
  %b = graph.broadcast %c, dims = [0] : !graph.tensor<[1], f64> -> !graph.tensor<[1, N], f64>
  %d = graph.sub %x, %b : !graph.tensor<[1, N], f64>
  %q = graph.mul %d, %d : !graph.tensor<[1, N], f64>
  %s = graph.reduce sum %q, axes = [1] : !graph.tensor<[1, N], f64> -> !graph.tensor<[1], f64>
  graph.return %s : !graph.tensor<[1], f64>
}

// -----

// A norm of long rows: the differences are needed for its result, too.
// CHECK-LABEL: graph.func @norm
// CHECK: %[[S:.*]]:2 = graph.stream %arg0 axes = [1]
// CHECK: graph.sub %arg0
// CHECK-NOT: graph.reduce
// CHECK: graph.return
graph.func @norm(%x: !graph.tensor<[2, 300000], f64>, %s: !graph.tensor<[300000], f64>) -> !graph.tensor<[2, 300000], f64> {
  // expected-remark@+1 {{begins a stream along 300000}}
  %y = graph.layer_norm %x, %s, axis = 1 {epsilon = 1.0e-5 : f64} : (!graph.tensor<[2, 300000], f64>, !graph.tensor<[300000], f64>) -> !graph.tensor<[2, 300000], f64>
  graph.return %y : !graph.tensor<[2, 300000], f64>
}

// -----

// Short rows, rows of a size that is not known, elements that do not lie side by side, a centre that comes from elsewhere.
// CHECK-LABEL: graph.func @near_misses
// CHECK-NOT: graph.stream
graph.func @near_misses(%x: !graph.tensor<[B, 4096], f32>, %y: !graph.tensor<[B, N], f32>, %z: !graph.tensor<[N, 3], f32>, %c: !graph.tensor<[], f32>,
                        %w: !graph.tensor<[N], f32>)
    -> (!graph.tensor<[B], f32>, !graph.tensor<[B], f32>, !graph.tensor<[3], f32>, !graph.tensor<[], f32>, !graph.tensor<[], f32>) {
  // expected-remark@+1 {{begins no stream: it has rows of 4096 elements, which stay in the cache}}
  %0 = graph.variance %x, axes = [1] : !graph.tensor<[B, 4096], f32> -> !graph.tensor<[B], f32>
  // expected-remark@+1 {{begins no stream: it has rows of a size that is not known, which may stay in the cache}}
  %1 = graph.variance %y, axes = [1] : !graph.tensor<[B, N], f32> -> !graph.tensor<[B], f32>
  // expected-remark@+1 {{begins no stream: it has elements that do not lie side by side}}
  %2 = graph.variance %z, axes = [0] : !graph.tensor<[N, 3], f32> -> !graph.tensor<[3], f32>
  %t = graph.reduce sum %w, axes = [0] : !graph.tensor<[N], f32> -> !graph.tensor<[], f32>
  %b = graph.broadcast %c, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[N], f32>
  %d = graph.sub %w, %b : !graph.tensor<[N], f32>
  %q = graph.mul %d, %d : !graph.tensor<[N], f32>
  %s = graph.reduce sum %q, axes = [0] : !graph.tensor<[N], f32> -> !graph.tensor<[], f32>
  graph.return %0, %1, %2, %t, %s : !graph.tensor<[B], f32>, !graph.tensor<[B], f32>, !graph.tensor<[3], f32>, !graph.tensor<[], f32>, !graph.tensor<[], f32>
}

// -----

// Several axes at the end of rows are one: the norm of a group of channels of a large picture.
// CHECK-LABEL: graph.func @group
// CHECK: %[[ROWS:.*]] = graph.reshape %arg0 : <[2, 3, 300, 300], f64> -> <[2, 270000], f64>
// CHECK: graph.stream %[[ROWS]] axes = [1]
// CHECK: graph.sub %arg0
// CHECK-NOT: graph.reduce
// CHECK: graph.return
graph.func @group(%x: !graph.tensor<[2, 3, 300, 300], f64>) -> !graph.tensor<[2, 3, 300, 300], f64> {
  // expected-remark@+1 {{begins a stream along 270000}}
  %m = graph.mean %x, axes = [1, 2, 3] : !graph.tensor<[2, 3, 300, 300], f64> -> !graph.tensor<[2], f64>
  %v = graph.variance %x, axes = [1, 2, 3] : !graph.tensor<[2, 3, 300, 300], f64> -> !graph.tensor<[2], f64>
  %s = graph.sqrt %v : !graph.tensor<[2], f64>
  %mx = graph.broadcast %m, dims = [0] : !graph.tensor<[2], f64> -> !graph.tensor<[2, 3, 300, 300], f64>
  %sx = graph.broadcast %s, dims = [0] : !graph.tensor<[2], f64> -> !graph.tensor<[2, 3, 300, 300], f64>
  %d = graph.sub %x, %mx : !graph.tensor<[2, 3, 300, 300], f64>
  %y = graph.div %d, %sx : !graph.tensor<[2, 3, 300, 300], f64>
  graph.return %y : !graph.tensor<[2, 3, 300, 300], f64>
}

// -----

// Rows of a size that may stay in the cache, along several axes: one kernel reads them.
// CHECK-LABEL: graph.func @small_group
// CHECK-NOT: graph.stream
// CHECK-NOT: graph.reshape
// CHECK: graph.return
graph.func @small_group(%x: !graph.tensor<[N, 3, 60, 70], f64>) -> !graph.tensor<[N], f64> {
  %v = graph.variance %x, axes = [1, 2, 3] : !graph.tensor<[N, 3, 60, 70], f64> -> !graph.tensor<[N], f64>
  graph.return %v : !graph.tensor<[N], f64>
}
