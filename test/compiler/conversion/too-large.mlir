// Tensors of more than 2^31 - 1 elements are refused: when compiling where that is known, else when running.
// RUN: split-file %s %t
// RUN: not tessera-compile %t/static.mlir -o %t/static.tsm 2>&1 | FileCheck %s --check-prefix=STATIC
// RUN: tessera-compile %t/dynamic.mlir -o %t/dynamic.tsm
// RUN: not tessera-run %t/dynamic.tsm --input x=70000xf32=1 --input z=70000xf32=1 2>&1 | FileCheck %s --check-prefix=OUTPUT
// RUN: tessera-run %t/dynamic.tsm --input x=0xf32=1 --input z=70000xf32=1 | FileCheck %s --check-prefix=EMPTY
// RUN: not tessera-compile %t/dynamic.mlir -o %t/bound.tsm --dim M=70000 --dim N=70000 2>&1 | FileCheck %s --check-prefix=STATIC
// RUN: not tessera-compile %t/dynamic.mlir -o %t/bound.tsm --dim N=-3 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: tessera-compile %t/fused.mlir -o %t/fused.tsm

// STATIC: {{static|dynamic}}.mlir:{{.*}}: a tensor of type
// STATIC-SAME: [70000, 70000], f32>' has more than 2147483647 elements, the limit for one tensor in memory
// OUTPUT: output 'y', f32[70000 x 70000], has a negative extent or more than 2147483647 elements
// EMPTY: y: f32[0x70000]
// NEGATIVE: --dim N=-3: expected SYMBOL=NUMBER, such as S=128, and no number below 0

//--- static.mlir
graph.func @main(%x: !graph.tensor<[70000], f32> {graph.name = "x"}) -> (!graph.tensor<[70000, 70000], f32> {graph.name = "y"}) {
  %0 = graph.broadcast %x, dims = [0] : !graph.tensor<[70000], f32> -> !graph.tensor<[70000, 70000], f32>
  graph.return %0 : !graph.tensor<[70000, 70000], f32>
}
//--- dynamic.mlir
graph.func @main(%x: !graph.tensor<[N], f32> {graph.name = "x"}, %z: !graph.tensor<[M], f32> {graph.name = "z"})
    -> (!graph.tensor<[N, M], f32> {graph.name = "y"}) {
  %0 = graph.broadcast %x, dims = [0] : !graph.tensor<[N], f32> -> !graph.tensor<[N, M], f32>
  %1 = graph.broadcast %z, dims = [1] : !graph.tensor<[M], f32> -> !graph.tensor<[N, M], f32>
  %2 = graph.add %0, %1 : !graph.tensor<[N, M], f32>
  graph.return %2 : !graph.tensor<[N, M], f32>
}
//--- fused.mlir
// No tensor in memory is large here.
graph.func @main(%x: !graph.tensor<[70000], f32> {graph.name = "x"}) -> (!graph.tensor<[70000], f32> {graph.name = "y"}) {
  %0 = graph.broadcast %x, dims = [0] : !graph.tensor<[70000], f32> -> !graph.tensor<[70000, 70000], f32>
  %1 = graph.reduce max %0, axes = [1] : !graph.tensor<[70000, 70000], f32> -> !graph.tensor<[70000], f32>
  graph.return %1 : !graph.tensor<[70000], f32>
}
