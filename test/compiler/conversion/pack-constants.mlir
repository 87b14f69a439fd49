// RUN: tessera-compile %s --emit program --target x86-64-v3 | FileCheck %s
// RUN: tessera-run %s --input x=2x3xf32=1 --print 10 | FileCheck %s --check-prefix VALUES

// A constant weight is packed while compiling, once for each layout that a kernel wants: along columns for
// the first product, along rows for the second. Beyond its edge the last tile is zero.
// CHECK: program.constant #graph.weight<"%{{.*}}> shape [1, 3, 8] layout "#kernel.packed<inner_dims_pos = [1], inner_tiles = [8], outer_dims_perm = [1, 0]>"
// CHECK: program.constant #graph.weight<"%{{.*}}> shape [1, 5, 4] layout "#kernel.packed<inner_dims_pos = [0], inner_tiles = [4], outer_dims_perm = [0, 1]>"
// CHECK: program.launch

// Row i of w is i, 2 i, ...: x w = 6 * [1 2 3 4 5]; (x w) w^T = 6 * 55 * [1 2 3].
// VALUES: y:
// VALUES-NEXT: {{^}}  6 12 18 24 30 6 12 18 24 30
// VALUES: z:
// VALUES-NEXT: {{^}}  330 660 990 330 660 990

graph.func @main(%x: !graph.tensor<[2, 3], f32> {graph.name = "x"})
    -> (!graph.tensor<[2, 5], f32> {graph.name = "y"}, !graph.tensor<[2, 3], f32> {graph.name = "z"}) {
  %w = graph.constant dense<[[1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 4.0, 6.0, 8.0, 10.0], [3.0, 6.0, 9.0, 12.0, 15.0]]> : !graph.tensor<[3, 5], f32>
  %y = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[2, 3], f32>, !graph.tensor<[3, 5], f32>) -> !graph.tensor<[2, 5], f32>
  %z = graph.contract "mk,nk->mn" %y, %w : (!graph.tensor<[2, 5], f32>, !graph.tensor<[3, 5], f32>) -> !graph.tensor<[2, 3], f32>
  graph.return %y, %z : !graph.tensor<[2, 5], f32>, !graph.tensor<[2, 3], f32>
}
