// RUN: tessera-opt %s --graph-lower-precision | FileCheck %s
// RUN: tessera-opt %s --graph-lower-precision=type=f16 | FileCheck %s --check-prefix=HALF
// RUN: tessera-opt %s --graph-lower-precision=type=tf32 | FileCheck %s --check-prefix=TF32 --implicit-check-not=graph.tf32
// RUN: tessera-opt %s --graph-lower-precision=type=f8-sums | FileCheck %s --check-prefix=F8 --implicit-check-not=graph.f8_sums
// RUN: not tessera-opt %s --graph-lower-precision=type=f8 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: unknown precision 'f8'; known are bf16, f16, tf32, f8-sums

// An operand is rounded once for all products; sums and results keep their type.
// CHECK-LABEL: @products
// CHECK: %[[X:.*]] = graph.convert %arg0 : <[M, M], f32> -> <[M, M], bf16>
// CHECK-NOT: graph.convert %arg0
// CHECK: graph.contract "mk,kn->mn" %[[X]], %[[X]] : {{.*}} -> !graph.tensor<[M, M], f32>
// CHECK: graph.exp {{.*}} f32>
// HALF: graph.convert %arg0 : <[M, M], f32> -> <[M, M], f16>
// TF32-LABEL: @products
// TF32: graph.contract "mk,kn->mn" %arg0, %arg0 {graph.tf32} :
graph.func @products(%x: !graph.tensor<[M, M], f32>) -> (!graph.tensor<[M, M], f32>) {
  %y = graph.contract "mk,kn->mn" %x, %x : (!graph.tensor<[M, M], f32>, !graph.tensor<[M, M], f32>) -> !graph.tensor<[M, M], f32>
  %z = graph.exp %y : !graph.tensor<[M, M], f32>
  graph.return %z : !graph.tensor<[M, M], f32>
}

// What has 16 bits already stays, and so do integers.
// CHECK-LABEL: @narrow
// CHECK-NOT: graph.convert
graph.func @narrow(%x: !graph.tensor<[M, M], f16>, %i: !graph.tensor<[M, M], si8>) -> (!graph.tensor<[M, M], f16>, !graph.tensor<[M, M], si32>) {
  %y = graph.contract "mk,kn->mn" %x, %x : (!graph.tensor<[M, M], f16>, !graph.tensor<[M, M], f16>) -> !graph.tensor<[M, M], f16>
  %j = graph.contract "mk,kn->mn" %i, %i acc si32 : (!graph.tensor<[M, M], si8>, !graph.tensor<[M, M], si8>) -> !graph.tensor<[M, M], si32>
  graph.return %y, %j : !graph.tensor<[M, M], f16>, !graph.tensor<[M, M], si32>
}

// Products of 8-bit floats, converted or not, may be summed with fewer bits; those with other numbers not.
// CHECK-LABEL: @bytes
// TF32-LABEL: @bytes
// TF32: graph.contract "mk,kn->mn" {{.*}} {graph.tf32} :
// F8-LABEL: @bytes
// F8: graph.contract "mk,kn->mn" %{{.*}}, %{{.*}} {graph.f8_sums} :
// F8: graph.contract "mk,kn->mn" %{{.*}}, %{{.*}} : (!graph.tensor<[M, M], f32>
graph.func @bytes(%x: !graph.tensor<[M, M], f8E4M3FN>, %w: !graph.tensor<[M, M], f8E5M2>, %f: !graph.tensor<[M, M], f32>)
    -> (!graph.tensor<[M, M], f32>, !graph.tensor<[M, M], f32>) {
  %a = graph.convert %x : !graph.tensor<[M, M], f8E4M3FN> -> !graph.tensor<[M, M], f32>
  %y = graph.contract "mk,kn->mn" %a, %w : (!graph.tensor<[M, M], f32>, !graph.tensor<[M, M], f8E5M2>) -> !graph.tensor<[M, M], f32>
  %z = graph.contract "mk,kn->mn" %a, %f : (!graph.tensor<[M, M], f32>, !graph.tensor<[M, M], f32>) -> !graph.tensor<[M, M], f32>
  graph.return %y, %z : !graph.tensor<[M, M], f32>, !graph.tensor<[M, M], f32>
}
