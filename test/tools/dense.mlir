// RUN: tessera-compile %s -o %t.tsm && tessera-run %t.tsm --input x=2x4xf32=1,2,3,4,5,6,7,9 --print 6 | FileCheck %s
// RUN: tessera-run %s --input x=2x4xf32=1,2,3,4,5,6,7,9 --print 6 --threads 2 | FileCheck %s
// RUN: tessera-compile %s -o %t.2.tsm --jobs 1 --no-cache && cmp %t.tsm %t.2.tsm
// RUN: tessera-compile %s --emit program | FileCheck %s --check-prefix=PROGRAM
// RUN: not tessera-run %t.tsm --input x=2x5xf32=1 2>&1 | FileCheck %s --check-prefix=SHAPE
// RUN: not tessera-run %t.tsm --input x=70x4xf32=1 2>&1 | FileCheck %s --check-prefix=RANGE
// RUN: not tessera-run %t.tsm --input x=2x4xf64=1 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: not tessera-run %t.tsm --input z=2x4xf32=1 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not tessera-compile %s -o %t.3.tsm --dim B=65 2>&1 | FileCheck %s --check-prefix=DIM
// RUN: not tessera-compile %s -o %t.3.tsm --target z80 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not tessera-compile %s -o /nonexistent/out.tsm 2>&1 | FileCheck %s --check-prefix=OUTPUT

// CHECK: y: f32[2x3] min 0 max 1.5 mean 0.25
// CHECK-NEXT: 0 0 0 1.5 0 0
// PROGRAM: program.symbol "B" range[1, 64]
// PROGRAM: program.launch @k0_contract
// SHAPE: input 'x' has extent 5 in dimension 1, expected 4 [WRONG_SHAPE]
// RANGE: input 'x' has extent 70 in dimension 0, but 'B' must be from 1 to 64 [WRONG_SHAPE]
// TYPE: input 'x' has elements of type f64, expected f32 [WRONG_TYPE]
// NAME: the model has no input 'z'; known are x
// DIM: --dim B=65 is outside the range of 'B', 1 to 64
// TARGET: unknown target 'z80'; known are host,
// OUTPUT: cannot create '/nonexistent/out.tsm': No such file or directory

graph.func @main(%x: !graph.tensor<[B, 4], f32> {graph.name = "x"})
    -> (!graph.tensor<[B, 3], f32> {graph.name = "y"}) attributes {dims = {B = #graph.range<1, 64>}} {
  %w = graph.constant dense<[[1.0, 2.0, 3.0], [0.5, 0.5, 0.5], [-1.0, -2.0, -3.0], [0.0, 1.0, 0.0]]> : !graph.tensor<[4, 3], f32>
  %b = graph.constant dense<[0.5, -100.0, 1.0]> : !graph.tensor<[3], f32>
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[B, 4], f32>, !graph.tensor<[4, 3], f32>) -> !graph.tensor<[B, 3], f32>
  %bb = graph.broadcast %b, dims = [1] : !graph.tensor<[3], f32> -> !graph.tensor<[B, 3], f32>
  %1 = graph.add %0, %bb : !graph.tensor<[B, 3], f32>
  %2 = graph.relu %1 : !graph.tensor<[B, 3], f32>
  graph.return %2 : !graph.tensor<[B, 3], f32>
}
