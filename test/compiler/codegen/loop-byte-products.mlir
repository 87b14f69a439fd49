// Products of bytes in loops: instructions sum several of them, as they do outside of loops (integer-product.mlir).
// RUN: tessera-compile %s --target x86-64-v2 --emit asm | FileCheck %s --check-prefix=SSE
// SSE: pmaddwd
// SSE-NOT: pmulld
// RUN: tessera-compile %s --target x86-64-v3 --emit asm | FileCheck %s --check-prefix=AVX2
// AVX2-NOT: vpmaddubsw
// AVX2: vpmaddwd {{.*}}%ymm
// AVX2-NOT: vpmulld
// RUN: tessera-compile %s --target x86-64-v4 --emit asm | FileCheck %s --check-prefix=AVX512
// AVX512: vpmaddwd {{.*}}%zmm
// AVX512-NOT: vpmulld
// RUN: tessera-compile %s --target x86-64-v3+vnni --emit asm | FileCheck %s --check-prefix=AVXVNNI
// AVXVNNI: {vex} vpdpbusd {{.*}}%ymm
// AVXVNNI-NOT: vpmulld
// RUN: tessera-compile %s --target x86-64-v4+vnni --emit asm | FileCheck %s --check-prefix=VNNI
// VNNI: vpdpbusd {{.*}}%zmm
// VNNI-NOT: vpmulld
// What stands side by side depends on what the instruction sums; a depth that is no multiple stays as it is.
// RUN: tessera-compile %s --target x86-64-v3 --emit program | FileCheck %s --check-prefix=TWO
// TWO: 2x32x64x2xi8
// RUN: tessera-compile %s --target x86-64-v4+vnni --emit program | FileCheck %s --check-prefix=FOUR
// FOUR: 2x16x64x4xi8
// Whatever it is, the numbers are the reference interpreter's.
// RUN: tessera-compile %s --target x86-64-v3 -o %t.tsm --verify-each=numeric
// RUN: tessera-compile %s --target x86-64-v4+vnni -o %t.tsm --verify-each=numeric
graph.func @main(%x: !graph.tensor<[T, N, 64], ui8> {graph.name = "x"}) -> (!graph.tensor<[N, 65], si32> {graph.name = "y"}) {
  %s = graph.constant dense<3> : !graph.tensor<[64, 64], si8>
  %t = graph.constant dense<-5> : !graph.tensor<[1, 64], si8>
  %w = graph.concat %s, %t axis = 0 : (!graph.tensor<[64, 64], si8>, !graph.tensor<[1, 64], si8>) -> !graph.tensor<[65, 64], si8>
  %zero = graph.constant dense<0> : !graph.tensor<[], si32>
  %h = graph.broadcast %zero, dims = [] : !graph.tensor<[], si32> -> !graph.tensor<[N, 65], si32>
  %last = graph.scan (%c = %h) over (%e = %x), axis = 0
      : (!graph.tensor<[N, 65], si32>), (!graph.tensor<[T, N, 64], ui8>) -> (!graph.tensor<[N, 65], si32>) {
    %p = graph.contract "mk,nk->mn" %e, %w : (!graph.tensor<[N, 64], ui8>, !graph.tensor<[65, 64], si8>) -> !graph.tensor<[N, 65], si32>
    %n = graph.add %c, %p : !graph.tensor<[N, 65], si32>
    graph.yield %n : !graph.tensor<[N, 65], si32>
  }
  graph.return %last : !graph.tensor<[N, 65], si32>
}
