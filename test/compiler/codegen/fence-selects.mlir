// LLVM merges bits by a mask wrongly where the kept operand is one of them: no such instruction is left for AVX-512.
// (elementary-functions.py runs the code on machines that have it.)
// RUN: tessera-compile %s --target x86-64-v4 --emit asm | FileCheck %s
// CHECK: zmm
// CHECK-NOT: vpternlog{{.*}} {%k
// CHECK: vpsrld
// CHECK-NOT: vpternlog{{.*}} {%k
graph.func @main(%x: !graph.tensor<[4096], f32>) -> !graph.tensor<[4096], f32> {
  %b = graph.convert %x : !graph.tensor<[4096], f32> -> !graph.tensor<[4096], bf16>
  %y = graph.erf %b : !graph.tensor<[4096], bf16>
  %z = graph.convert %y : !graph.tensor<[4096], bf16> -> !graph.tensor<[4096], f32>
  graph.return %z : !graph.tensor<[4096], f32>
}
