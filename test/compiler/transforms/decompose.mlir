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
