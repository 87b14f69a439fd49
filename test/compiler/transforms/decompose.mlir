// RUN: tessera-opt %s --graph-decompose | FileCheck %s

// CHECK-LABEL: graph.func @relu
// CHECK-NOT: graph.relu
// CHECK: graph.max %arg0
graph.func @relu(%x: !graph.tensor<[N], f32>) -> !graph.tensor<[N], f32> {
  %0 = graph.relu %x : !graph.tensor<[N], f32>
  graph.return %0 : !graph.tensor<[N], f32>
}

// A composite of composites is decomposed all the way.
// CHECK-LABEL: graph.func @swiglu
// CHECK-NOT: graph.silu
// CHECK-NOT: graph.sigmoid
// CHECK: %[[E:.*]] = graph.exp
// CHECK: graph.div
// CHECK: graph.mul %{{.*}}, %arg1
graph.func @swiglu(%x: !graph.tensor<[N], f32>, %y: !graph.tensor<[N], f32>) -> !graph.tensor<[N], f32> {
  %0 = graph.swiglu %x, %y : !graph.tensor<[N], f32>
  graph.return %0 : !graph.tensor<[N], f32>
}

// What has its maximum taken off is not shifted again; along another axis it is.
// CHECK-LABEL: graph.func @shifted
// CHECK-COUNT-2: graph.reduce max %arg0, axes = [1]
// CHECK-NOT: graph.reduce max
// CHECK: graph.return
graph.func @shifted(%x: !graph.tensor<[N, N], f32>) -> (!graph.tensor<[N, N], f32>, !graph.tensor<[N, N], f32>) {
  %m = graph.reduce max %x, axes = [1] : !graph.tensor<[N, N], f32> -> !graph.tensor<[N], f32>
  %b = graph.broadcast %m, dims = [0] : !graph.tensor<[N], f32> -> !graph.tensor<[N, N], f32>
  %d = graph.sub %x, %b : !graph.tensor<[N, N], f32>
  %p = graph.softmax %d, axes = [1] : !graph.tensor<[N, N], f32>
  %k = graph.reduce max %x, axes = [1] : !graph.tensor<[N, N], f32> -> !graph.tensor<[N], f32>
  %r = graph.reshape %k : !graph.tensor<[N], f32> -> !graph.tensor<[N, 1], f32>
  %c = graph.broadcast %r, dims = [0, 1] : !graph.tensor<[N, 1], f32> -> !graph.tensor<[N, N], f32>
  %e = graph.sub %x, %c : !graph.tensor<[N, N], f32>
  %l = graph.log_softmax %e, axes = [1] : !graph.tensor<[N, N], f32>
  graph.return %p, %l : !graph.tensor<[N, N], f32>, !graph.tensor<[N, N], f32>
}

// CHECK-LABEL: graph.func @shifted_otherwise
// CHECK: graph.reduce max %arg0, axes = [1]
// CHECK: graph.reduce max %{{[0-9]+}}, axes = [1]
graph.func @shifted_otherwise(%x: !graph.tensor<[N, N], f32>) -> !graph.tensor<[N, N], f32> {
  %m = graph.reduce max %x, axes = [1] : !graph.tensor<[N, N], f32> -> !graph.tensor<[N], f32>
  %b = graph.broadcast %m, dims = [1] : !graph.tensor<[N], f32> -> !graph.tensor<[N, N], f32>
  %d = graph.sub %x, %b : !graph.tensor<[N, N], f32>
  %p = graph.softmax %d, axes = [1] : !graph.tensor<[N, N], f32>
  graph.return %p : !graph.tensor<[N, N], f32>
}

// CHECK-LABEL: graph.func @softmax
// CHECK-NEXT: %[[MAX:.*]] = graph.reduce max %arg0, axes = [1]
// CHECK-NEXT: %[[WIDE:.*]] = graph.broadcast %[[MAX]]
// CHECK-NEXT: %[[SHIFTED:.*]] = graph.sub %arg0, %[[WIDE]]
// CHECK-NEXT: %[[E:.*]] = graph.exp %[[SHIFTED]]
// CHECK-NEXT: %[[SUM:.*]] = graph.reduce sum %[[E]], axes = [1]
// CHECK-NEXT: %[[TOTAL:.*]] = graph.broadcast %[[SUM]]
// CHECK-NEXT: graph.div %[[E]], %[[TOTAL]]
graph.func @softmax(%x: !graph.tensor<[B, N], f32>) -> !graph.tensor<[B, N], f32> {
  %0 = graph.softmax %x, axes = [1] : !graph.tensor<[B, N], f32>
  graph.return %0 : !graph.tensor<[B, N], f32>
}
