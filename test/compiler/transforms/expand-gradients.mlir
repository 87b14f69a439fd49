// RUN: tessera-opt %s --graph-expand-gradients --split-input-file --verify-diagnostics | FileCheck %s

// The region, then backwards from what it yields.
// CHECK-LABEL: graph.func @product
// CHECK-NOT: graph.gradient
// CHECK: %[[S:.*]] = graph.sin %arg0
// CHECK: %[[Y:.*]] = graph.mul %[[S]], %arg1
// CHECK: %[[ONES:.*]] = graph.broadcast
// CHECK: %[[DS:.*]] = graph.mul %[[ONES]], %arg1
// CHECK: %[[DB:.*]] = graph.mul %[[ONES]], %[[S]]
// CHECK: %[[COS:.*]] = graph.cos %arg0
// CHECK: %[[DA:.*]] = graph.mul %[[DS]], %[[COS]]
// CHECK: graph.return %[[Y]], %[[DA]], %[[DB]]
graph.func @product(%x: !graph.tensor<[N], f32>, %y: !graph.tensor<[N], f32>) -> (!graph.tensor<[N], f32>, !graph.tensor<[N], f32>, !graph.tensor<[N], f32>) {
  %r:3 = graph.gradient (%a = %x, %b = %y) : !graph.tensor<[N], f32>, !graph.tensor<[N], f32> -> !graph.tensor<[N], f32> {
    %s = graph.sin %a : !graph.tensor<[N], f32>
    %p = graph.mul %s, %b : !graph.tensor<[N], f32>
    graph.yield %p : !graph.tensor<[N], f32>
  }
  graph.return %r#0, %r#1, %r#2 : !graph.tensor<[N], f32>, !graph.tensor<[N], f32>, !graph.tensor<[N], f32>
}

// What comes from outside is a constant: nothing is computed for it. What is not used gets zeros.
// CHECK-LABEL: graph.func @outside
// CHECK-COUNT-2: graph.mul
// CHECK-NOT: graph.mul
// CHECK: graph.return
graph.func @outside(%x: !graph.tensor<[N], f32>, %w: !graph.tensor<[N], f32>) -> (!graph.tensor<[N], f32>, !graph.tensor<[N], f32>) {
  %r:3 = graph.gradient (%a = %x, %unused = %w) : !graph.tensor<[N], f32>, !graph.tensor<[N], f32> -> !graph.tensor<[N], f32> {
    %p = graph.mul %a, %w : !graph.tensor<[N], f32>
    graph.yield %p : !graph.tensor<[N], f32>
  }
  graph.return %r#1, %r#2 : !graph.tensor<[N], f32>, !graph.tensor<[N], f32>
}

// Composites are taken apart first.
// CHECK-LABEL: graph.func @composite
// CHECK-NOT: graph.sigmoid
// CHECK: graph.exp
// CHECK: graph.return
graph.func @composite(%x: !graph.tensor<[N], f32>) -> !graph.tensor<[N], f32> {
  %r:2 = graph.gradient (%a = %x) : !graph.tensor<[N], f32> -> !graph.tensor<[N], f32> {
    %p = graph.sigmoid %a : !graph.tensor<[N], f32>
    graph.yield %p : !graph.tensor<[N], f32>
  }
  graph.return %r#1 : !graph.tensor<[N], f32>
}

// -----

graph.func @no_rule(%x: !graph.tensor<[N], f32>) -> !graph.tensor<[N], f32> {
  // expected-error@+1 {{cannot be computed: graph.cumulative has no rule for derivatives of kind 'max'}}
  %r:2 = graph.gradient (%a = %x) : !graph.tensor<[N], f32> -> !graph.tensor<[N], f32> {
    %p = graph.cumulative max %a, axis = 0 : !graph.tensor<[N], f32>
    graph.yield %p : !graph.tensor<[N], f32>
  }
  graph.return %r#1 : !graph.tensor<[N], f32>
}
