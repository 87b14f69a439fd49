// Products of numbers that were converted to f32 read what they were, where one type of 16 bits holds both; sums stay in f32.
// RUN: tessera-opt %s --graph-narrow-factors --verify-each | FileCheck %s

// CHECK-LABEL: @bytes
// CHECK: graph.contract "mk,kn->mn" %arg0, %arg1 : (!graph.tensor<[M, M], f8E4M3FN>, !graph.tensor<[M, M], f16>) -> !graph.tensor<[M, M], f32>
graph.func @bytes(%x: !graph.tensor<[M, M], f8E4M3FN>, %w: !graph.tensor<[M, M], f16>) -> (!graph.tensor<[M, M], f32>) {
  %a = graph.convert %x : !graph.tensor<[M, M], f8E4M3FN> -> !graph.tensor<[M, M], f32>
  %b = graph.convert %w : !graph.tensor<[M, M], f16> -> !graph.tensor<[M, M], f32>
  %y = graph.contract "mk,kn->mn" %a, %b : (!graph.tensor<[M, M], f32>, !graph.tensor<[M, M], f32>) -> !graph.tensor<[M, M], f32>
  graph.return %y : !graph.tensor<[M, M], f32>
}

// No type of 16 bits holds f16 and bf16, nor powers of two from 2^-127 on; sums in f64 are no business of f32; a rounded number is another one.
// CHECK-LABEL: @others
// CHECK-COUNT-4: graph.contract "mk,kn->mn" {{.*}} : (!graph.tensor<[M, M], {{f32|f64}}>, !graph.tensor<[M, M], {{f32|f64}}>)
graph.func @others(%x: !graph.tensor<[M, M], f16>, %w: !graph.tensor<[M, M], bf16>, %e: !graph.tensor<[M, M], f8E8M0FNU>, %d: !graph.tensor<[M, M], f64>)
    -> (!graph.tensor<[M, M], f32>, !graph.tensor<[M, M], f32>, !graph.tensor<[M, M], f64>, !graph.tensor<[M, M], f32>) {
  %a = graph.convert %x : !graph.tensor<[M, M], f16> -> !graph.tensor<[M, M], f32>
  %b = graph.convert %w : !graph.tensor<[M, M], bf16> -> !graph.tensor<[M, M], f32>
  %p = graph.convert %e : !graph.tensor<[M, M], f8E8M0FNU> -> !graph.tensor<[M, M], f32>
  %c = graph.convert %x : !graph.tensor<[M, M], f16> -> !graph.tensor<[M, M], f64>
  %r = graph.convert %d : !graph.tensor<[M, M], f64> -> !graph.tensor<[M, M], f32>
  %0 = graph.contract "mk,kn->mn" %a, %b : (!graph.tensor<[M, M], f32>, !graph.tensor<[M, M], f32>) -> !graph.tensor<[M, M], f32>
  %1 = graph.contract "mk,kn->mn" %a, %p : (!graph.tensor<[M, M], f32>, !graph.tensor<[M, M], f32>) -> !graph.tensor<[M, M], f32>
  %2 = graph.contract "mk,kn->mn" %c, %c : (!graph.tensor<[M, M], f64>, !graph.tensor<[M, M], f64>) -> !graph.tensor<[M, M], f64>
  %3 = graph.contract "mk,kn->mn" %r, %r : (!graph.tensor<[M, M], f32>, !graph.tensor<[M, M], f32>) -> !graph.tensor<[M, M], f32>
  graph.return %0, %1, %2, %3 : !graph.tensor<[M, M], f32>, !graph.tensor<[M, M], f32>, !graph.tensor<[M, M], f64>, !graph.tensor<[M, M], f32>
}
