// Integers become f16 by the instruction that rounds f32, and nobody is warned of an emulation.
// RUN: tessera-compile %s --target x86-64-v3 --no-cache --emit asm 2>%t.messages | FileCheck %s
// RUN: FileCheck %s --check-prefix=MESSAGES --allow-empty --input-file=%t.messages
// RUN: tessera-run %s --input x=9xi32=0,1,-1,2049,2051,65519,65520,-70000,7 --print 9 | FileCheck %s --check-prefix=NUMBERS
// CHECK: vcvtdq2ps
// CHECK: vcvtps2ph
// MESSAGES-NOT: emulated
// NUMBERS: 0 1 -1 2048 2052 65504 inf -inf 7
graph.func @main(%x: !graph.tensor<[N], si32> {graph.name = "x"}) -> (!graph.tensor<[N], f16> {graph.name = "y"}) {
  %0 = graph.convert %x : !graph.tensor<[N], si32> -> !graph.tensor<[N], f16>
  graph.return %0 : !graph.tensor<[N], f16>
}
