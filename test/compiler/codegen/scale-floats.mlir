// An exponential ends in one instruction that multiplies by a power of two, where the processor has it, whatever the vectors.
// RUN: tessera-compile %s --target x86-64-v4 --emit asm -o - | FileCheck %s --check-prefix=V4
// RUN: tessera-compile %s --target x86-64-v3 --emit asm -o - | FileCheck %s --check-prefix=V3

// V4: vscalefps
// V4: vscalefpd
// V3-NOT: vscalef
// V3: vfmadd
graph.func @main(%x: !graph.tensor<[N], f32>, %y: !graph.tensor<[N], f64>) -> (!graph.tensor<[N], f32>, !graph.tensor<[N], f64>) {
  %a = graph.exp %x : !graph.tensor<[N], f32>
  %b = graph.exp %y : !graph.tensor<[N], f64>
  graph.return %a, %b : !graph.tensor<[N], f32>, !graph.tensor<[N], f64>
}
