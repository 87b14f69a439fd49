// Launches say what they compute and move, over the model's symbols; profiles get the numbers of the run.
// RUN: tessera-opt %s --graph-decompose --graph-form-kernels | FileCheck %s
// RUN: tessera-compile %s --emit program | FileCheck %s --check-prefix=PROGRAM
// RUN: tessera-run %s --input x=3x5xf32 --profile %t.json && FileCheck %s --check-prefix=TRACE < %t.json

// Products and sums of 2 * M * 5 * 4, and a relu; x, w and y of f32.
// CHECK: kernel.launch
// CHECK-SAME: bytes = #graph.dim<36 * M + 80>
// CHECK-SAME: operations = #graph.dim<44 * M>
// PROGRAM: program.launch {{.*}} operations %{{.*}} bytes %{{.*}} :
// TRACE: "bytes": 188
// TRACE: "operations": 132

graph.func @main(%x: !graph.tensor<[M, 5], f32> {graph.name = "x"}, %w: !graph.tensor<[5, 4], f32> {graph.name = "w"})
    -> (!graph.tensor<[M, 4], f32> {graph.name = "y"}) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, 5], f32>, !graph.tensor<[5, 4], f32>) -> !graph.tensor<[M, 4], f32>
  %1 = graph.relu %0 : !graph.tensor<[M, 4], f32>
  graph.return %1 : !graph.tensor<[M, 4], f32>
}
