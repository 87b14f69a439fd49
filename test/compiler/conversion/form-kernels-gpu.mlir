// For a GPU loops leave iterations to many threads, where that takes more work than on a CPU.
// RUN: tessera-opt %s --graph-form-kernels=gpu --split-input-file | FileCheck %s
// RUN: tessera-opt %s --graph-form-kernels --split-input-file | FileCheck %s --check-prefix=CPU

// Parts of rows are sorted by steps in which every element is compared with one other: nothing waits for a neighbour but the next
// step. Then each element looks for its place among those of the other parts.
// CHECK-LABEL: kernel.func @k0_sort
// CHECK: scf.for
// CHECK: scf.for %{{.*}} = %{{.*}} to %c31
// CHECK: scf.for
// CHECK-NOT: scf.for
// CHECK: iterator_types = ["parallel"]
// CHECK: arith.xori
// CHECK: kernel.parallel
// CHECK: scf.for
// CHECK-NOT: linalg.generic
// CHECK: scf.if
// CHECK: tensor.insert
// CHECK: kernel.parallel
// CPU-LABEL: kernel.func @k0_sort
// CPU-NOT: arith.xori
graph.func @sort(%x: !graph.tensor<[B, N], si32>) -> (!graph.tensor<[B, N], si32>, !graph.tensor<[B, N], si64>) {
  %v, %i = graph.sort %x, axis = 1 : !graph.tensor<[B, N], si32> -> !graph.tensor<[B, N], si32>, !graph.tensor<[B, N], si64>
  graph.return %v, %i : !graph.tensor<[B, N], si32>, !graph.tensor<[B, N], si64>
}

// -----

// Many share the places along the axis, each in the order of the indices.
// CHECK-LABEL: kernel.func @k0_scatter
// CHECK: scf.for %[[PART:[^ ]*]] = %{{.*}} to %[[PARTS:[^ ]*]] step
// CHECK: scf.for
// CHECK: %[[OWN:.*]] = arith.remui %{{.*}}, %[[PARTS]]
// CHECK: arith.cmpi eq, %[[OWN]], %[[PART]]
// CHECK: scf.if
// CHECK: kernel.parallel
// CPU-LABEL: kernel.func @k0_scatter
// CPU-NOT: kernel.parallel
graph.func @scatter(%x: !graph.tensor<[N, 4], f32>, %i: !graph.tensor<[K], si64>, %u: !graph.tensor<[K, 4], f32>) -> !graph.tensor<[N, 4], f32> {
  %0 = graph.scatter add %x, %i, %u, axis = 0
      : (!graph.tensor<[N, 4], f32>, !graph.tensor<[K], si64>, !graph.tensor<[K, 4], f32>) -> !graph.tensor<[N, 4], f32>
  graph.return %0 : !graph.tensor<[N, 4], f32>
}
