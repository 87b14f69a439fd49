// RUN: tessera-opt %s --split-input-file --verify-diagnostics

// expected-error @+1 {{expected ranked tensors, then index values as arguments, found 'tensor<4xf32>' as argument 1}}
kernel.func @func_c1_order(%n: index, %x: tensor<4xf32>) -> tensor<4xf32> {
  kernel.return %x : tensor<4xf32>
}

// -----

kernel.func @func_c2_illegal(%x: tensor<4xf32>) -> tensor<2xf32> {
  // expected-error @+1 {{may not stand in a kernel.func}}
  %0 = tensor.extract_slice %x[0] [2] [1] : tensor<4xf32> to tensor<2xf32>
  kernel.return %0 : tensor<2xf32>
}

// -----

kernel.func @func_c3_unnamed(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0.0 : f32
  // expected-error @+1 {{expected a stage name (kernel.stage)}}
  %0 = linalg.fill ins(%zero : f32) outs(%x : tensor<4xf32>) -> tensor<4xf32>
  kernel.return %0 : tensor<4xf32>
}

// -----

kernel.func @func_c3_twice(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0.0 : f32
  %0 = linalg.fill {kernel.stage = "a"} ins(%zero : f32) outs(%x : tensor<4xf32>) -> tensor<4xf32>
  // expected-error @+1 {{the stage name 'a' is used twice}}
  %1 = linalg.fill {kernel.stage = "a"} ins(%zero : f32) outs(%0 : tensor<4xf32>) -> tensor<4xf32>
  kernel.return %1 : tensor<4xf32>
}

// -----

#map = affine_map<(i) -> (i)>
kernel.func @func_c4_loops(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{expected 1 loop names, found 2}}
  %0 = linalg.generic {indexing_maps = [#map], iterator_types = ["parallel"]} outs(%x : tensor<4xf32>)
      attrs = {kernel.stage = "a", kernel.loops = ["i", "j"]} {
  ^bb0(%a: f32):
    linalg.yield %a : f32
  } -> tensor<4xf32>
  kernel.return %0 : tensor<4xf32>
}

// -----

// expected-error @+1 {{expected inner_dims_pos to name dimensions below 2, each at most once}}
kernel.func @packed_c2(%w: tensor<1x1x1xf32> {kernel.layout = #kernel.packed<inner_dims_pos = [3], inner_tiles = [16], outer_dims_perm = [1, 0]>}) {
  kernel.return
}

// -----

// expected-error @+1 {{expected outer_dims_perm to be a permutation of 0..1}}
kernel.func @packed_c3(%w: tensor<1x1x1xf32> {kernel.layout = #kernel.packed<inner_dims_pos = [1], inner_tiles = [16], outer_dims_perm = [1, 1]>}) {
  kernel.return
}

// -----

// expected-error @+1 {{expected argument 0 to have the packed rank 3}}
kernel.func @func_c7_rank(%w: tensor<4xf32> {kernel.layout = #kernel.packed<inner_dims_pos = [1], inner_tiles = [16], outer_dims_perm = [1, 0]>}) {
  kernel.return
}

// -----

// expected-error @+1 {{'missing' is no kernel.func}}
%0 = kernel.launch @missing() dims [] : () -> tensor<4xf32>

// -----

kernel.func @func_c2_loop_condition(%x: tensor<4xf32>) -> tensor<4xf32> {
  %true = arith.constant true
  // expected-error @+1 {{may not stand in a kernel.func}}
  %0 = scf.if %true -> tensor<4xf32> {
    scf.yield %x : tensor<4xf32>
  } else {
    scf.yield %x : tensor<4xf32>
  }
  kernel.return %0 : tensor<4xf32>
}

// -----

kernel.func @func_c3_unnamed_loop(%x: tensor<4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // expected-error @+1 {{expected a stage name (kernel.stage)}}
  scf.for %i = %c0 to %c1 step %c1 {
  }
  kernel.return
}

// -----

kernel.func @func_c8_not_in_place(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %a = tensor.empty() : tensor<4xf32>
  // expected-error @+1 {{expected carried tensor 0 to be updated where it is}}
  %0 = scf.for %i = %c0 to %c1 step %c1 iter_args(%y = %a) -> tensor<4xf32> {
    %b = tensor.empty() : tensor<4xf32>
    %e = tensor.extract %x[%i] : tensor<4xf32>
    %n = tensor.insert %e into %b[%i] : tensor<4xf32>
    scf.yield %n : tensor<4xf32>
  } {kernel.stage = "loop"}
  kernel.return %0 : tensor<4xf32>
}

// -----

// expected-error @+1 {{expected result 0 to have the rank of its place, 2}}
kernel.func @func_c7_place(%x: tensor<4xf32>) -> (tensor<4xf32> {kernel.place = #kernel.place<begin = [0, 0], end = [0, 0], shape = [4, 4]>}) {
  kernel.return %x : tensor<4xf32>
}

// -----

// expected-error @+1 {{expected begin and end of 2 dimensions, found 1 and 2}}
kernel.func @place_c1(%x: tensor<4xf32>) -> (tensor<4xf32> {kernel.place = #kernel.place<begin = [0], end = [0, 0], shape = [4, 4]>}) {
  kernel.return %x : tensor<4xf32>
}

// -----

kernel.func @part(%x: tensor<4xf32>) -> (tensor<4xf32> {kernel.place = #kernel.place<begin = [1], end = [0], shape = [5]>}) {
  kernel.return %x : tensor<4xf32>
}
graph.func @join_c1(%x: !graph.tensor<[4], f32>, %y: !graph.tensor<[5], f32>) -> !graph.tensor<[5], f32> {
  %0 = kernel.launch @part(%x) dims [] : (!graph.tensor<[4], f32>) -> !graph.tensor<[5], f32>
  // expected-error @+1 {{expected part 1 to be a result of a kernel.launch that nothing else reads}}
  %1 = kernel.join %0, %y : (!graph.tensor<[5], f32>, !graph.tensor<[5], f32>) -> !graph.tensor<[5], f32>
  graph.return %1 : !graph.tensor<[5], f32>
}
