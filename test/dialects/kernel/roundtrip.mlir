// RUN: tessera-opt %s | tessera-opt | FileCheck %s

#id = affine_map<(m, n, k) -> (m, k)>
#rhs = affine_map<(m, n, k) -> (k, n)>
#out = affine_map<(m, n, k) -> (m, n)>

// CHECK-LABEL: kernel.func @dense(
// CHECK-SAME: %{{.*}}: tensor<?x128xf32>, %{{.*}}: tensor<4x128x16xf32> {kernel.layout = #kernel.packed<inner_dims_pos = [1], inner_tiles = [16], outer_dims_perm = [1, 0]>}, %{{.*}}: index) -> tensor<?x64xf32>
// CHECK-SAME: kernel.sources = ["dense"]
kernel.func @dense(%x: tensor<?x128xf32>,
                   %w: tensor<4x128x16xf32> {kernel.layout = #kernel.packed<
                       inner_dims_pos = [1], inner_tiles = [16], outer_dims_perm = [1, 0]>},
                   %B: index) -> tensor<?x64xf32> attributes {kernel.sources = ["dense"]} {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty(%B) : tensor<?x64xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%empty : tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: kernel.stage = "acc"
  %acc = linalg.generic {indexing_maps = [#id, #out], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x : tensor<?x128xf32>) outs(%init : tensor<?x64xf32>)
      attrs = {kernel.stage = "acc", kernel.loops = ["m", "n", "k"]} {
  ^bb0(%a: f32, %c: f32):
    %n = linalg.index 1 : index
    %k = linalg.index 2 : index
    %lanes = arith.constant 16 : index
    %panel = arith.divui %n, %lanes : index
    %lane = arith.remui %n, %lanes : index
    %b = tensor.extract %w[%panel, %k, %lane] : tensor<4x128x16xf32>
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %c, %p : f32
    linalg.yield %s : f32
  } -> tensor<?x64xf32>
  // CHECK: kernel.return
  kernel.return %acc : tensor<?x64xf32>
}

// A recurrence: the state and what is collected are updated where they are.
// CHECK-LABEL: kernel.func @recurrence(
// CHECK: scf.for {{.*}} iter_args(
// CHECK: tensor.extract_slice
// CHECK: kernel.stage = "next"
// CHECK: tensor.insert_slice
// CHECK: kernel.stage = "scan_loop"
#vector = affine_map<(i) -> (i)>
kernel.func @recurrence(%x: tensor<?x8xf32>, %h0: tensor<8xf32>, %T: index) -> (tensor<8xf32>, tensor<?x8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %place = tensor.empty() : tensor<8xf32>
  %start = linalg.generic {indexing_maps = [#vector, #vector], iterator_types = ["parallel"]}
      ins(%h0 : tensor<8xf32>) outs(%place : tensor<8xf32>) attrs = {kernel.stage = "start"} {
  ^bb0(%a: f32, %o: f32):
    linalg.yield %a : f32
  } -> tensor<8xf32>
  %all = tensor.empty(%T) : tensor<?x8xf32>
  %r:2 = scf.for %t = %c0 to %T step %c1 iter_args(%h = %start, %ys = %all) -> (tensor<8xf32>, tensor<?x8xf32>) {
    %e = tensor.extract_slice %x[%t, 0] [1, 8] [1, 1] : tensor<?x8xf32> to tensor<8xf32>
    %n = linalg.generic {indexing_maps = [#vector, #vector], iterator_types = ["parallel"]}
        ins(%e : tensor<8xf32>) outs(%h : tensor<8xf32>) attrs = {kernel.stage = "next"} {
    ^bb0(%a: f32, %o: f32):
      %s = arith.addf %a, %o : f32
      linalg.yield %s : f32
    } -> tensor<8xf32>
    %y = tensor.insert_slice %n into %ys[%t, 0] [1, 8] [1, 1] : tensor<8xf32> into tensor<?x8xf32>
    scf.yield %n, %y : tensor<8xf32>, tensor<?x8xf32>
  } {kernel.stage = "scan_loop"}
  kernel.return %r#0, %r#1 : tensor<8xf32>, tensor<?x8xf32>
}

// CHECK-LABEL: kernel.func @side(
// CHECK-SAME: -> (tensor<1xf32> {kernel.place = #kernel.place<begin = [-1], end = [0], shape = [-1]>})
kernel.func @side(%x: tensor<1xf32>) -> (tensor<1xf32> {kernel.place = #kernel.place<begin = [-1], end = [0], shape = [-1]>}) {
  kernel.return %x : tensor<1xf32>
}
// CHECK-LABEL: kernel.func @inside(
kernel.func @inside(%x: tensor<?xf32>) -> (tensor<?xf32> {kernel.place = #kernel.place<begin = [0], end = [-1], shape = [-1]>}) {
  kernel.return %x : tensor<?xf32>
}
// CHECK-LABEL: graph.func @join
graph.func @join(%x: !graph.tensor<[N], f32>, %y: !graph.tensor<[1], f32>) -> !graph.tensor<[N + 1], f32> {
  %0 = kernel.launch @inside(%x) dims [] : (!graph.tensor<[N], f32>) -> !graph.tensor<[N + 1], f32>
  %1 = kernel.launch @side(%y) dims [] : (!graph.tensor<[1], f32>) -> !graph.tensor<[N + 1], f32>
  // CHECK: kernel.join %{{.*}}, %{{.*}} : (!graph.tensor<[N + 1], f32>, !graph.tensor<[N + 1], f32>) -> !graph.tensor<[N + 1], f32>
  %2 = kernel.join %0, %1 : (!graph.tensor<[N + 1], f32>, !graph.tensor<[N + 1], f32>) -> !graph.tensor<[N + 1], f32>
  graph.return %2 : !graph.tensor<[N + 1], f32>
}
