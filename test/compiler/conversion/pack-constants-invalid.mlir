// RUN: not tessera-opt %s --kernel-to-program 2>&1 | FileCheck %s

// An operand that is computed cannot be had in a layout.
// CHECK: pack-constants-invalid.mlir:[[#@LINE+2]]:8: error: kernel 'k' wants operand 0 in #kernel.packed<inner_dims_pos = [0], inner_tiles = [2], outer_dims_perm = [0]>, but it is no constant; copy_packed lets the kernel make the copy
graph.func @main(%x: !graph.tensor<[4], f32>) -> !graph.tensor<[4], f32> {
  %0 = kernel.launch @k(%x) dims [] : (!graph.tensor<[4], f32>) -> !graph.tensor<[4], f32>
  graph.return %0 : !graph.tensor<[4], f32>
}
kernel.func @k(%x: tensor<2x2xf32> {kernel.layout = #kernel.packed<inner_dims_pos = [0], inner_tiles = [2], outer_dims_perm = [0]>}) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4xf32>
  %0 = linalg.generic {indexing_maps = [affine_map<(i) -> (i floordiv 2, i mod 2)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<2x2xf32>) outs(%e : tensor<4xf32>) attrs = {kernel.stage = "copy", kernel.loops = ["i"]} {
  ^bb0(%a: f32, %b: f32):
    linalg.yield %a : f32
  } -> tensor<4xf32>
  kernel.return %0 : tensor<4xf32>
}
