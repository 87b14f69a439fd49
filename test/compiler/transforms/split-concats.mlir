// RUN: tessera-opt %s --graph-split-concats --canonicalize --cse | FileCheck %s

// The logit of a sink, which takes part in the maximum and the sum only.
// CHECK-LABEL: graph.func @sink(%arg0: {{.*}}, %arg1: {{.*}})
// CHECK-NEXT: %[[M:.*]] = graph.reduce max %arg0, axes = [1]
// CHECK-NEXT: %[[L:.*]] = graph.reshape %arg1 : <[M, 1], f32> -> <[M], f32>
// CHECK-NEXT: %[[X:.*]] = graph.max %[[M]], %[[L]]
// CHECK-NEXT: %[[B:.*]] = graph.broadcast %[[X]], dims = [0] : <[M], f32> -> <[M, K], f32>
// CHECK-NEXT: %[[B1:.*]] = graph.broadcast %[[X]], dims = [0] : <[M], f32> -> <[M, 1], f32>
// CHECK-NEXT: %[[S:.*]] = graph.sub %arg0, %[[B]]
// CHECK-NEXT: %[[S1:.*]] = graph.sub %arg1, %[[B1]]
// CHECK-NEXT: %[[E:.*]] = graph.exp %[[S]]
// CHECK-NEXT: %[[E1:.*]] = graph.exp %[[S1]]
// CHECK-NEXT: %[[T:.*]] = graph.reduce sum %[[E]], axes = [1]
// CHECK-NEXT: %[[T1:.*]] = graph.reshape %[[E1]]
// CHECK-NEXT: %[[TS:.*]] = graph.add %[[T]], %[[T1]]
// CHECK-NEXT: graph.return %[[E]], %[[TS]]
graph.func @sink(%s: !graph.tensor<[M, K], f32>, %sink: !graph.tensor<[M, 1], f32>) -> (!graph.tensor<[M, K], f32>, !graph.tensor<[M], f32>) {
  %c = graph.concat %s, %sink axis = 1 : (!graph.tensor<[M, K], f32>, !graph.tensor<[M, 1], f32>) -> !graph.tensor<[M, K + 1], f32>
  %m = graph.reduce max %c, axes = [1] : !graph.tensor<[M, K + 1], f32> -> !graph.tensor<[M], f32>
  %b = graph.broadcast %m, dims = [0] : !graph.tensor<[M], f32> -> !graph.tensor<[M, K + 1], f32>
  %d = graph.sub %c, %b : !graph.tensor<[M, K + 1], f32>
  %e = graph.exp %d : !graph.tensor<[M, K + 1], f32>
  %t = graph.reduce sum %e, axes = [1] : !graph.tensor<[M, K + 1], f32> -> !graph.tensor<[M], f32>
  %r = graph.slice %e, starts = [0, 0], steps = [1, 1] : !graph.tensor<[M, K + 1], f32> -> !graph.tensor<[M, K], f32>
  graph.return %r, %t : !graph.tensor<[M, K], f32>, !graph.tensor<[M], f32>
}

// What varies along the axis is cut, another concatenation of such pieces is not; a slice keeps its
// place in its piece.
// CHECK-LABEL: graph.func @cut(
// CHECK-NOT: graph.concat
// CHECK-DAG: %[[B0:.*]] = graph.slice %arg3, starts = [0], steps = [1] : <[A + 5], f32> -> <[A], f32>
// CHECK-DAG: %[[B1:.*]] = graph.slice %arg3, starts = [A], steps = [1] : <[A + 5], f32> -> <[5], f32>
// CHECK-DAG: %[[M0:.*]] = graph.mul %arg0, %arg2
// CHECK-DAG: %[[M1:.*]] = graph.mul %arg1, %arg1
// CHECK-DAG: %[[A1:.*]] = graph.add %[[M1]], %[[B1]]
// CHECK-DAG: graph.slice %[[A1]], starts = [1], steps = [1] : <[5], f32> -> <[3], f32>
graph.func @cut(%x: !graph.tensor<[A], f32>, %y: !graph.tensor<[5], f32>, %z: !graph.tensor<[A], f32>, %w: !graph.tensor<[A + 5], f32>) -> (!graph.tensor<[3], f32>, !graph.tensor<[], f32>) {
  %c = graph.concat %x, %y axis = 0 : (!graph.tensor<[A], f32>, !graph.tensor<[5], f32>) -> !graph.tensor<[A + 5], f32>
  %d = graph.concat %z, %y axis = 0 : (!graph.tensor<[A], f32>, !graph.tensor<[5], f32>) -> !graph.tensor<[A + 5], f32>
  %m = graph.mul %c, %d : !graph.tensor<[A + 5], f32>
  %a = graph.add %m, %w : !graph.tensor<[A + 5], f32>
  %r = graph.slice %a, starts = [A + 1], steps = [1] : !graph.tensor<[A + 5], f32> -> !graph.tensor<[3], f32>
  %p = graph.reduce prod %a, axes = [0] : !graph.tensor<[A + 5], f32> -> !graph.tensor<[], f32>
  graph.return %r, %p : !graph.tensor<[3], f32>, !graph.tensor<[], f32>
}

// Read as a whole, by a slice of two pieces, along another axis, summed in short floats: left.
// CHECK-LABEL: graph.func @left(
// CHECK-COUNT-5: graph.concat
// CHECK-NOT: graph.slice %arg
graph.func @left(%x: !graph.tensor<[A, B], f16>, %y: !graph.tensor<[A, 5], f16>) -> (!graph.tensor<[A, B + 5], f16>, !graph.tensor<[A, B + 1], f16>, !graph.tensor<[B + 5], f16>, !graph.tensor<[A], f16>) {
  %c0 = graph.concat %x, %y axis = 1 : (!graph.tensor<[A, B], f16>, !graph.tensor<[A, 5], f16>) -> !graph.tensor<[A, B + 5], f16>
  %e0 = graph.exp %c0 : !graph.tensor<[A, B + 5], f16>
  %c1 = graph.concat %y, %x axis = 1 : (!graph.tensor<[A, 5], f16>, !graph.tensor<[A, B], f16>) -> !graph.tensor<[A, B + 5], f16>
  %s1 = graph.slice %c1, starts = [0, 0], steps = [1, 1] : !graph.tensor<[A, B + 5], f16> -> !graph.tensor<[A, B + 1], f16>
  %c2 = graph.concat %x, %x axis = 0 : (!graph.tensor<[A, B], f16>, !graph.tensor<[A, B], f16>) -> !graph.tensor<[2 * A, B], f16>
  %c3 = graph.concat %y, %y axis = 0 : (!graph.tensor<[A, 5], f16>, !graph.tensor<[A, 5], f16>) -> !graph.tensor<[2 * A, 5], f16>
  %m2 = graph.concat %c2, %c3 axis = 1 : (!graph.tensor<[2 * A, B], f16>, !graph.tensor<[2 * A, 5], f16>) -> !graph.tensor<[2 * A, B + 5], f16>
  %r2 = graph.reduce max %m2, axes = [0] : !graph.tensor<[2 * A, B + 5], f16> -> !graph.tensor<[B + 5], f16>
  %c4 = graph.concat %x, %y axis = 1 : (!graph.tensor<[A, B], f16>, !graph.tensor<[A, 5], f16>) -> !graph.tensor<[A, B + 5], f16>
  %r3 = graph.reduce sum %c4, axes = [1] : !graph.tensor<[A, B + 5], f16> -> !graph.tensor<[A], f16>
  graph.return %e0, %s1, %r2, %r3 : !graph.tensor<[A, B + 5], f16>, !graph.tensor<[A, B + 1], f16>, !graph.tensor<[B + 5], f16>, !graph.tensor<[A], f16>
}
