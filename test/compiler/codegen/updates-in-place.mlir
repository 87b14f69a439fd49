// RUN: tessera-compile %s --emit loops | FileCheck %s

// A scatter begins with a copy, which is left out where argument and result are one buffer.
// CHECK-LABEL: k0_scatter for
// CHECK: func.func @kernel(%[[X:[a-z0-9]+]]: memref<?x4xf32>, %{{.*}}, %[[Y:[a-z0-9]+]]: memref<?x4xf32>, %{{[a-z0-9]+}}: index) -> index
// CHECK-DAG: %[[FROM:.*]] = memref.extract_aligned_pointer_as_index %[[X]]
// CHECK-DAG: %[[TO:.*]] = memref.extract_aligned_pointer_as_index %[[Y]]
// CHECK: %[[DIFFER:.*]] = arith.cmpi ne, %[[FROM]], %[[TO]]
// CHECK-NEXT: scf.if %[[DIFFER]]
// CHECK: call @task0
graph.func @main(%x: !graph.tensor<[N, 4], f32>, %at: !graph.tensor<[K], si64>, %rows: !graph.tensor<[K, 4], f32>) -> !graph.tensor<[N, 4], f32> {
  %0 = graph.scatter replace %x, %at, %rows, axis = 0 : (!graph.tensor<[N, 4], f32>, !graph.tensor<[K], si64>, !graph.tensor<[K, 4], f32>) -> !graph.tensor<[N, 4], f32>
  graph.return %0 : !graph.tensor<[N, 4], f32>
}
