// Columns that are no multiple of a tile: the last tile reads what there is of a row by a load under a mask, not element by
// element (bytes and halves have none with AVX2).
// RUN: tessera-compile %s --target x86-64-v4 --emit llvm -o - | FileCheck %s --check-prefix=WIDE
// RUN: tessera-compile %s --target x86-64-v3 --emit llvm -o - | FileCheck %s --check-prefix=WIDE
// RUN: tessera-run %s --input x=9x37xf32=2 | FileCheck %s --check-prefix=RESULT

// WIDE-NOT: extractelement
// WIDE: call <{{16|8}} x float> @llvm.masked.load
// WIDE-NOT: extractelement
// RESULT: y: f32[37] min 18 max 18 mean 18
graph.func @main(%x: !graph.tensor<[M, N], f32> {graph.name = "x"}) -> (!graph.tensor<[N], f32> {graph.name = "y"}) {
  %y = graph.reduce sum %x, axes = [0] : !graph.tensor<[M, N], f32> -> !graph.tensor<[N], f32>
  graph.return %y : !graph.tensor<[N], f32>
}
