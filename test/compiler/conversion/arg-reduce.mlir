// The place of the best element of a row is found by two reductions on vectors; across rows, pairs are carried.
// RUN: tessera-compile %s --emit kernel | FileCheck %s

// CHECK-LABEL: kernel.func @k0
// CHECK: arith.maximumf
// CHECK: kernel.stage = "place"
// CHECK: arith.cmpf oeq
// CHECK: arith.cmpf uno
// CHECK: arith.minsi
graph.func @rows(%x: !graph.tensor<[M, N], f32>) -> !graph.tensor<[M], si64> {
  %y = graph.arg_reduce max %x, axis = 1 : !graph.tensor<[M, N], f32> -> !graph.tensor<[M], si64>
  graph.return %y : !graph.tensor<[M], si64>
}

// CHECK-LABEL: kernel.func @k1
// CHECK-NOT: kernel.stage = "place"
// CHECK: kernel.stage = "arg"
graph.func @columns(%x: !graph.tensor<[M, N], f32>) -> !graph.tensor<[N], si64> {
  %y = graph.arg_reduce max %x, axis = 0 : !graph.tensor<[M, N], f32> -> !graph.tensor<[N], si64>
  graph.return %y : !graph.tensor<[N], si64>
}
