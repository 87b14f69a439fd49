// 8-bit products by instructions that sum several of them, without saturating on the way.
// RUN: tessera-compile %s --target x86-64-v3 --emit asm | FileCheck %s --check-prefix=AVX2
// AVX2-NOT: vpmaddubsw
// AVX2: vpmovsxbw
// AVX2: vpmaddwd
// AVX2-NOT: vpmulld
// RUN: tessera-compile %s --target x86-64-v4 --emit asm | FileCheck %s --check-prefix=AVX512
// AVX512: vpmaddwd {{.*}}%zmm
// RUN: tessera-compile %s --target x86-64-v3+vnni --emit asm | FileCheck %s --check-prefix=AVXVNNI
// AVXVNNI: {vex} vpdpbusd {{.*}}%ymm
// AVXVNNI-NOT: %zmm
// RUN: tessera-compile %s --target x86-64-v4+vnni --emit asm | FileCheck %s --check-prefix=VNNI
// VNNI: vpdpbusd {{.*}}%zmm
// VNNI-NOT: vpmovsx
graph.func @main(%x: !graph.tensor<[M, 64], ui8>) -> !graph.tensor<[M, 48], si32> {
  %w = graph.constant dense<3> : !graph.tensor<[64, 47], si8>
  %v = graph.constant dense<4> : !graph.tensor<[64, 1], si8>
  %c = graph.concat %w, %v axis = 1 : (!graph.tensor<[64, 47], si8>, !graph.tensor<[64, 1], si8>) -> !graph.tensor<[64, 48], si8>
  %y = graph.contract "mk,kn->mn" %x, %c : (!graph.tensor<[M, 64], ui8>, !graph.tensor<[64, 48], si8>) -> !graph.tensor<[M, 48], si32>
  graph.return %y : !graph.tensor<[M, 48], si32>
}
