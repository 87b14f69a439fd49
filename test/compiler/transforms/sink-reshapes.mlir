// RUN: tessera-opt %s --graph-sink-reshapes --canonicalize --split-input-file | FileCheck %s

// The view that keeps a reduced axis moves behind the map and vanishes in the broadcast.
// CHECK-LABEL: graph.func @mean
// CHECK: %[[S:.*]] = graph.reduce {{ *}}sum %arg0
// CHECK: %[[M:.*]] = graph.mul %[[S]], %{{.*}} : <[B], f32>
// CHECK: graph.broadcast %[[M]], dims = [0] : <[B], f32> -> <[B, N], f32>
// CHECK-NOT: graph.reshape
graph.func @mean(%x: !graph.tensor<[B, N], f32>) -> !graph.tensor<[B, N], f32> {
  %0 = graph.reduce sum %x, axes = [1] : !graph.tensor<[B, N], f32> -> !graph.tensor<[B], f32>
  %1 = graph.reshape %0 : !graph.tensor<[B], f32> -> !graph.tensor<[B, 1], f32>
  %c = graph.constant dense<0.125> : !graph.tensor<[], f32>
  %cb = graph.broadcast %c, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[B, 1], f32>
  %2 = graph.mul %1, %cb : !graph.tensor<[B, 1], f32>
  %3 = graph.broadcast %2, dims = [0, 1] : !graph.tensor<[B, 1], f32> -> !graph.tensor<[B, N], f32>
  %4 = graph.sub %x, %3 : !graph.tensor<[B, N], f32>
  graph.return %4 : !graph.tensor<[B, N], f32>
}

// -----

// A view that rearranges stays, and so does a map of two views that differ.
// CHECK-LABEL: graph.func @others
// CHECK: %[[A:.*]] = graph.reshape %arg0 : <[6], f32> -> <[2, 3], f32>
// CHECK: graph.neg %[[A]] : <[2, 3], f32>
// CHECK: %[[B:.*]] = graph.reshape %arg1 : <[1, 4], f32> -> <[1, 1, 4], f32>
// CHECK: %[[C:.*]] = graph.reshape %arg2 : <[4], f32> -> <[1, 1, 4], f32>
// CHECK: graph.add %[[B]], %[[C]] : <[1, 1, 4], f32>
graph.func @others(%x: !graph.tensor<[6], f32>, %y: !graph.tensor<[1, 4], f32>, %z: !graph.tensor<[4], f32>) -> (!graph.tensor<[2, 3], f32>, !graph.tensor<[1, 1, 4], f32>) {
  %0 = graph.reshape %x : !graph.tensor<[6], f32> -> !graph.tensor<[2, 3], f32>
  %1 = graph.neg %0 : !graph.tensor<[2, 3], f32>
  %2 = graph.reshape %y : !graph.tensor<[1, 4], f32> -> !graph.tensor<[1, 1, 4], f32>
  %3 = graph.reshape %z : !graph.tensor<[4], f32> -> !graph.tensor<[1, 1, 4], f32>
  %4 = graph.add %2, %3 : !graph.tensor<[1, 1, 4], f32>
  graph.return %1, %4 : !graph.tensor<[2, 3], f32>, !graph.tensor<[1, 1, 4], f32>
}

// -----

// A view that drops an axis moves before maps of what is given, and vanishes at the broadcast.
// CHECK-LABEL: graph.func @drop
// CHECK-NEXT: %[[X:.*]] = graph.reshape %arg0 : <[B, 1], f32> -> <[B], f32>
// CHECK-NEXT: %[[D:.*]] = graph.sub %[[X]], %arg1 : <[B], f32>
// CHECK-NEXT: %[[E:.*]] = graph.exp %[[D]] : <[B], f32>
// CHECK-NEXT: %[[Y:.*]] = graph.reshape %arg2 : <[1], f32> -> <[], f32>
// CHECK-NEXT: %[[W:.*]] = graph.broadcast %[[Y]], dims = [] : <[], f32> -> <[B], f32>
// CHECK-NEXT: graph.return %[[E]], %[[W]]
graph.func @drop(%x: !graph.tensor<[B, 1], f32>, %m: !graph.tensor<[B], f32>, %y: !graph.tensor<[1], f32>) -> (!graph.tensor<[B], f32>, !graph.tensor<[B], f32>) {
  %0 = graph.broadcast %m, dims = [0] : !graph.tensor<[B], f32> -> !graph.tensor<[B, 1], f32>
  %1 = graph.sub %x, %0 : !graph.tensor<[B, 1], f32>
  %2 = graph.exp %1 : !graph.tensor<[B, 1], f32>
  %3 = graph.reshape %2 : !graph.tensor<[B, 1], f32> -> !graph.tensor<[B], f32>
  %4 = graph.broadcast %y, dims = [1] : !graph.tensor<[1], f32> -> !graph.tensor<[B, 1], f32>
  %5 = graph.reshape %4 : !graph.tensor<[B, 1], f32> -> !graph.tensor<[B], f32>
  graph.return %3, %5 : !graph.tensor<[B], f32>, !graph.tensor<[B], f32>
}

// -----

// Not between a product and its epilogue, nor before what another reader needs.
// CHECK-LABEL: graph.func @epilogue
// CHECK: %[[C:.*]] = graph.contract
// CHECK-NEXT: %[[E:.*]] = graph.exp %[[C]]
// CHECK-NEXT: graph.reshape %[[E]]
// CHECK-NEXT: %[[N:.*]] = graph.neg %arg0
// CHECK-NEXT: graph.reshape %[[N]]
graph.func @epilogue(%x: !graph.tensor<[1, K], f32>, %w: !graph.tensor<[K, 8], f32>) -> (!graph.tensor<[8], f32>, !graph.tensor<[K], f32>, !graph.tensor<[1, K], f32>) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[1, K], f32>, !graph.tensor<[K, 8], f32>) -> !graph.tensor<[1, 8], f32>
  %1 = graph.exp %0 : !graph.tensor<[1, 8], f32>
  %2 = graph.reshape %1 : !graph.tensor<[1, 8], f32> -> !graph.tensor<[8], f32>
  %3 = graph.neg %x : !graph.tensor<[1, K], f32>
  %4 = graph.reshape %3 : !graph.tensor<[1, K], f32> -> !graph.tensor<[K], f32>
  graph.return %2, %4, %3 : !graph.tensor<[8], f32>, !graph.tensor<[K], f32>, !graph.tensor<[1, K], f32>
}
