// RUN: tessera-opt %s --graph-use-bounds --canonicalize | FileCheck %s
// RUN: tessera-compile %s -o %t.tsm --verify-each=numeric

// Of integers, scaled by finite constants, nothing is NaN.
// CHECK-LABEL: graph.func @bounded
// CHECK-NOT: graph.is_nan
// CHECK-NOT: graph.max
// CHECK: %[[S:.*]] = graph.add
// CHECK: %[[G:.*]] = graph.compare gt %[[S]], %[[ZERO:.*]] : <[N], f32>
// CHECK: %[[R:.*]] = graph.select %[[G]], %[[S]], %[[ZERO]]
// CHECK: %[[L:.*]] = graph.compare lt %[[R]], %[[SIX:.*]] : <[N], f32>
// CHECK: %[[M:.*]] = graph.select %[[L]], %[[R]], %[[SIX]]
// CHECK: %[[Y:.*]] = graph.round %[[M]]
// CHECK: graph.return %[[Y]]
graph.func @bounded(%x: !graph.tensor<[N], si32>) -> !graph.tensor<[N], f32> {
  %c = graph.constant dense<0.125> : !graph.tensor<[], f32>
  %z = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %s = graph.constant dense<6.0> : !graph.tensor<[], f32>
  %cs = graph.broadcast %c, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[N], f32>
  %zs = graph.broadcast %z, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[N], f32>
  %ss = graph.broadcast %s, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[N], f32>
  %f = graph.convert %x : !graph.tensor<[N], si32> -> !graph.tensor<[N], f32>
  %0 = graph.mul %f, %cs : !graph.tensor<[N], f32>
  %1 = graph.add %0, %ss : !graph.tensor<[N], f32>
  %2 = graph.max %1, %zs : !graph.tensor<[N], f32>
  %3 = graph.min %ss, %2 : !graph.tensor<[N], f32>
  %4 = graph.round %3 : !graph.tensor<[N], f32>
  %5 = graph.is_nan %4 : !graph.tensor<[N], f32>
  %6 = graph.select %5, %zs, %4 : !graph.tensor<[N], f32>
  graph.return %6 : !graph.tensor<[N], f32>
}

// Given floats, quotients and infinite constants have no bound, and a constant may be -0.
// CHECK-LABEL: graph.func @unbounded
// CHECK-COUNT-4: graph.max
// CHECK: graph.is_nan
graph.func @unbounded(%x: !graph.tensor<[N], f32>, %i: !graph.tensor<[N], ui8>)
    -> (!graph.tensor<[N], f32>, !graph.tensor<[N], f32>, !graph.tensor<[N], f32>, !graph.tensor<[N], f32>, !graph.tensor<[N], f32>) {
  %z = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %n = graph.constant dense<-0.0> : !graph.tensor<[], f32>
  %inf = graph.constant dense<0x7F800000> : !graph.tensor<[], f32>
  %zs = graph.broadcast %z, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[N], f32>
  %ns = graph.broadcast %n, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[N], f32>
  %infs = graph.broadcast %inf, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[N], f32>
  %f = graph.convert %i : !graph.tensor<[N], ui8> -> !graph.tensor<[N], f32>
  %0 = graph.max %x, %zs : !graph.tensor<[N], f32>
  %q = graph.div %f, %f : !graph.tensor<[N], f32>
  %1 = graph.max %q, %zs : !graph.tensor<[N], f32>
  %p = graph.mul %f, %infs : !graph.tensor<[N], f32>
  %2 = graph.max %p, %zs : !graph.tensor<[N], f32>
  %3 = graph.max %f, %ns : !graph.tensor<[N], f32>
  %t = graph.is_nan %q : !graph.tensor<[N], f32>
  %4 = graph.select %t, %zs, %q : !graph.tensor<[N], f32>
  graph.return %0, %1, %2, %3, %4 : !graph.tensor<[N], f32>, !graph.tensor<[N], f32>, !graph.tensor<[N], f32>, !graph.tensor<[N], f32>, !graph.tensor<[N], f32>
}
