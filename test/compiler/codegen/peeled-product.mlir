// RUN: tessera-compile %s -o %t.tsm -q
// RUN: tessera-run %t.tsm --input x=70x0xf32=1 --input w=0x130xf32=2 --print 0 | FileCheck %s --check-prefix NONE
// RUN: tessera-run %t.tsm --input x=70x1xf32=1 --input w=1x130xf32=2 --print 0 | FileCheck %s --check-prefix ONE
// RUN: tessera-run %t.tsm --input x=70x1024xf32=1 --input w=1024x130xf32=2 --print 0 | FileCheck %s --check-prefix PIECE
// RUN: tessera-run %t.tsm --input x=70x1025xf32=1 --input w=1025x130xf32=2 --print 0 | FileCheck %s --check-prefix MORE
// RUN: tessera-run %t.tsm --input x=1x3072xf32=1 --input w=3072x130xf32=2 --print 0 | FileCheck %s --check-prefix PIECES

// A sum of unknown length is computed in pieces, of which the last ends in registers: whatever is left for it, and
// where nothing is.
// NONE: y: f32[70x130] min 0 max 0
// ONE: y: f32[70x130] min 2 max 2
// PIECE: y: f32[70x130] min 2048 max 2048
// MORE: y: f32[70x130] min 2050 max 2050
// PIECES: y: f32[1x130] min 6144 max 6144
graph.func @main(%x: !graph.tensor<[M, K], f32> {graph.name = "x"}, %w: !graph.tensor<[K, N], f32> {graph.name = "w"})
    -> (!graph.tensor<[M, N], f32> {graph.name = "y"}) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, N], f32>) -> !graph.tensor<[M, N], f32>
  graph.return %0 : !graph.tensor<[M, N], f32>
}
