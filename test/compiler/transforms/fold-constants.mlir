// RUN: tessera-opt %s --graph-fold-constants --split-input-file | FileCheck %s
// RUN: tessera-opt %s --graph-fold-constants=placed --split-input-file | FileCheck %s --check-prefix PLACED

// Chains fold in one walk, composites too.
// CHECK-LABEL: graph.func @chain
// CHECK-NOT: graph.transpose
// CHECK: graph.constant dense<{{\[\[}}2.000000e+00, 0.000000e+00], [4.000000e+00, 8.000000e+00]]> : !graph.tensor<[2, 2], f32>
// CHECK-NEXT: graph.add
// PLACED-LABEL: graph.func @chain
// PLACED-NOT: graph.transpose
// PLACED: graph.relu
graph.func @chain(%x: !graph.tensor<[2, 2], f32>) -> !graph.tensor<[2, 2], f32> {
  %w = graph.constant dense<[[1.0, 2.0], [-3.0, 4.0]]> : !graph.tensor<[2, 2], f32>
  %t = graph.transpose %w, perm = [1, 0] : !graph.tensor<[2, 2], f32> -> !graph.tensor<[2, 2], f32>
  %r = graph.relu %t : !graph.tensor<[2, 2], f32>
  %d = graph.add %r, %r : !graph.tensor<[2, 2], f32>
  %0 = graph.add %x, %d : !graph.tensor<[2, 2], f32>
  graph.return %0 : !graph.tensor<[2, 2], f32>
}

// -----

// Integers, in the regions of control flow.
// CHECK-LABEL: graph.func @regions
// CHECK: graph.if
// CHECK-NEXT: graph.constant dense<-6> : !graph.tensor<[], si8>
// CHECK-NEXT: graph.yield
graph.func @regions(%c: !graph.tensor<[], i1>, %x: !graph.tensor<[], si8>) -> !graph.tensor<[], si8> {
  %a = graph.constant dense<125> : !graph.tensor<[], si8>
  %r = graph.if %c : !graph.tensor<[], i1> -> !graph.tensor<[], si8> {
    %s = graph.add %a, %a : !graph.tensor<[], si8>
    graph.yield %s : !graph.tensor<[], si8>
  } else {
    graph.yield %x : !graph.tensor<[], si8>
  }
  graph.return %r : !graph.tensor<[], si8>
}

// -----

// What would grow stays: a long broadcast, a conversion to a longer type.
// CHECK-LABEL: graph.func @grows
// CHECK: graph.broadcast
// CHECK: graph.convert
graph.func @grows() -> (!graph.tensor<[2000, 3], f32>, !graph.tensor<[2000, 3], f64>) {
  %c = graph.constant dense<[1.0, 2.0, 3.0]> : !graph.tensor<[3], f32>
  %b = graph.broadcast %c, dims = [1] : !graph.tensor<[3], f32> -> !graph.tensor<[2000, 3], f32>
  %s = graph.constant dense<1.0> : !graph.tensor<[2000, 3], f32>
  %w = graph.convert %s : !graph.tensor<[2000, 3], f32> -> !graph.tensor<[2000, 3], f64>
  graph.return %b, %w : !graph.tensor<[2000, 3], f32>, !graph.tensor<[2000, 3], f64>
}

// -----

// A result whose elements are equal is a splat, whatever its length.
// CHECK-LABEL: graph.func @splat
// CHECK-NEXT: graph.constant dense<true> : !graph.tensor<[3], i1>
graph.func @splat() -> !graph.tensor<[3], i1> {
  %a = graph.constant dense<[1, 2, 3]> : !graph.tensor<[3], si64>
  %b = graph.constant dense<[2, 3, 4]> : !graph.tensor<[3], si64>
  %c = graph.compare lt %a, %b : !graph.tensor<[3], si64>
  graph.return %c : !graph.tensor<[3], i1>
}

// -----

// Symbols have no value here, and state no constant one.
// CHECK-LABEL: graph.func @stays
// CHECK: graph.reshape
// CHECK: graph.read_variable
graph.variable @v : !graph.tensor<[2], f32> = dense<0.0> : !graph.tensor<[2], f32>
graph.func @stays(%x: !graph.tensor<[N], f32>) -> (!graph.tensor<[N, 2], f32>, !graph.tensor<[2], f32>) {
  %c = graph.constant dense<1.0> : !graph.tensor<[8], f32>
  %r = graph.reshape %c : !graph.tensor<[8], f32> -> !graph.tensor<[N, 2], f32>
  %v = graph.read_variable @v : !graph.tensor<[2], f32>
  graph.return %r, %v : !graph.tensor<[N, 2], f32>, !graph.tensor<[2], f32>
}

// -----

// A tensor without elements needs no computation; what is computed from it is known then.
// CHECK-LABEL: graph.func @empty
// CHECK-NOT: graph.sort
// CHECK: %[[NONE:.*]] = graph.constant dense<> : !graph.tensor<[2, 0], f32>
// CHECK-NOT: graph.r{{elu|educe}}
// CHECK: graph.return %[[NONE]], %{{.*}} : !graph.tensor<[2, 0], f32>, !graph.tensor<[2], f32>
graph.func @empty(%x: !graph.tensor<[2, 0], f32>) -> (!graph.tensor<[2, 0], f32>, !graph.tensor<[2], f32>) {
  %v, %i = graph.sort %x, axis = 1 : !graph.tensor<[2, 0], f32> -> !graph.tensor<[2, 0], f32>, !graph.tensor<[2, 0], si64>
  %r = graph.relu %x : !graph.tensor<[2, 0], f32>
  %s = graph.reduce sum %r, axes = [1] : !graph.tensor<[2, 0], f32> -> !graph.tensor<[2], f32>
  graph.return %v, %s : !graph.tensor<[2, 0], f32>, !graph.tensor<[2], f32>
}

// -----

// What a product reads, made of positions and of a few numbers, is a weight; decoded bytes and what others read stay as they are.
// CHECK-LABEL: graph.func @tables
// CHECK-NOT: graph.iota axis = 0
// CHECK: %[[W:.*]] = graph.constant #graph.weight<{{.*}} : !graph.tensor<[40, 40], f32>
// CHECK: graph.contract "bn,nk->bk" %arg0, %[[W]]
// CHECK: %[[D:.*]] = graph.convert %{{.*}} : <[40, 40], si8> -> <[40, 40], f32>
// CHECK: graph.contract "bn,nk->bk" %arg0, %[[D]]
// CHECK: graph.iota axis = 1
// CHECK: graph.mul
// PLACED-LABEL: graph.func @tables
// PLACED: graph.iota axis = 0
graph.func @tables(%x: !graph.tensor<[B, 40], f32>, %y: !graph.tensor<[40, 40], f32>)
    -> (!graph.tensor<[B, 40], f32>, !graph.tensor<[B, 40], f32>, !graph.tensor<[40, 40], f32>) {
  %step = graph.constant dense<0.15707964> : !graph.tensor<[], f32>
  %n = graph.iota axis = 0 : !graph.tensor<[40, 40], f32>
  %k = graph.iota axis = 1 : !graph.tensor<[40, 40], f32>
  %nk = graph.mul %n, %k : !graph.tensor<[40, 40], f32>
  %all = graph.broadcast %step, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[40, 40], f32>
  %angle = graph.mul %nk, %all : !graph.tensor<[40, 40], f32>
  %table = graph.cos %angle : !graph.tensor<[40, 40], f32>
  %p = graph.contract "bn,nk->bk" %x, %table : (!graph.tensor<[B, 40], f32>, !graph.tensor<[40, 40], f32>) -> !graph.tensor<[B, 40], f32>
  %bytes = graph.constant #graph.weight<"derived", 0, 1600 : !graph.tensor<[40, 40], si8>> : !graph.tensor<[40, 40], si8>
  %decoded = graph.convert %bytes : !graph.tensor<[40, 40], si8> -> !graph.tensor<[40, 40], f32>
  %q = graph.contract "bn,nk->bk" %x, %decoded : (!graph.tensor<[B, 40], f32>, !graph.tensor<[40, 40], f32>) -> !graph.tensor<[B, 40], f32>
  %column = graph.iota axis = 1 : !graph.tensor<[40, 40], f32>
  %halves = graph.mul %column, %all : !graph.tensor<[40, 40], f32>
  %r = graph.add %y, %halves : !graph.tensor<[40, 40], f32>
  graph.return %p, %q, %r : !graph.tensor<[B, 40], f32>, !graph.tensor<[B, 40], f32>, !graph.tensor<[40, 40], f32>
}
