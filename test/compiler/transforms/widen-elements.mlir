// Narrow elements are computed in wider types; what moves them leaves them as they are.
// RUN: tessera-opt %s --graph-widen-elements | FileCheck %s

// CHECK-LABEL: graph.func @floats
graph.func @floats(%a: !graph.tensor<[N], f8E5M2>, %b: !graph.tensor<[N], f8E5M2>) -> !graph.tensor<[N, 1], f8E5M2> {
  // CHECK: %[[A:.*]] = graph.convert %arg0 : <[N], f8E5M2> -> <[N], f32>
  // CHECK: %[[B:.*]] = graph.convert %arg1 : <[N], f8E5M2> -> <[N], f32>
  // CHECK: %[[S:.*]] = graph.add %[[A]], %[[B]] : <[N], f32>
  // CHECK: %[[R:.*]] = graph.convert %[[S]] : <[N], f32> -> <[N], f8E5M2>
  %0 = graph.add %a, %b : !graph.tensor<[N], f8E5M2>
  // CHECK: graph.reshape %[[R]] : <[N], f8E5M2>
  %1 = graph.reshape %0 : !graph.tensor<[N], f8E5M2> -> !graph.tensor<[N, 1], f8E5M2>
  graph.return %1 : !graph.tensor<[N, 1], f8E5M2>
}

// CHECK-LABEL: graph.func @integers
graph.func @integers(%a: !graph.tensor<[N], ui4>, %i: !graph.tensor<[N], si64>) -> (!graph.tensor<[N], i1>, !graph.tensor<[N], ui4>) {
  // CHECK-COUNT-2: graph.convert %arg0 : <[N], ui4> -> <[N], ui8>
  // CHECK: graph.compare lt %{{.*}}, %{{.*}} : <[N], ui8>
  %0 = graph.compare lt %a, %a : !graph.tensor<[N], ui4>
  // CHECK: graph.select %{{.*}}, %arg0, %arg0 : <[N], ui4>
  %1 = graph.select %0, %a, %a : !graph.tensor<[N], ui4>
  // CHECK: graph.scatter replace %{{.*}} : (!graph.tensor<[N], ui4>, !graph.tensor<[N], si64>, !graph.tensor<[N], ui4>)
  %2 = graph.scatter replace %1, %i, %a, axis = 0 : (!graph.tensor<[N], ui4>, !graph.tensor<[N], si64>, !graph.tensor<[N], ui4>) -> !graph.tensor<[N], ui4>
  // CHECK: graph.scatter add %{{.*}} : (!graph.tensor<[N], ui8>, !graph.tensor<[N], si64>, !graph.tensor<[N], ui8>)
  %3 = graph.scatter add %2, %i, %a, axis = 0 : (!graph.tensor<[N], ui4>, !graph.tensor<[N], si64>, !graph.tensor<[N], ui4>) -> !graph.tensor<[N], ui4>
  graph.return %0, %3 : !graph.tensor<[N], i1>, !graph.tensor<[N], ui4>
}
