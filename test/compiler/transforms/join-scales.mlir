// RUN: tessera-opt %s --graph-join-scales --canonicalize --verify-each=numeric | FileCheck %s

// Both factors are scaled, one behind a view: the one with more elements is left as it is.
// CHECK-LABEL: graph.func @both
// CHECK-DAG: %[[C:.*]] = graph.constant dense<1.250000e-01>
// CHECK: %[[CB:.*]] = graph.broadcast %[[C]]
// CHECK: %[[Q:.*]] = graph.mul %arg0, %[[CB]]
// CHECK: %[[K:.*]] = graph.transpose %arg1
// CHECK: graph.contract "hmd,hdk->hmk" %[[Q]], %[[K]]
graph.func @both(%q: !graph.tensor<[H, M, 8], f32>, %k: !graph.tensor<[H, M + P, 8], f32>) -> !graph.tensor<[H, M, M + P], f32> {
  %a = graph.constant dense<0.5> : !graph.tensor<[], f32>
  %ab = graph.broadcast %a, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[H, M, 8], f32>
  %b = graph.constant dense<0.25> : !graph.tensor<[], f32>
  %bb = graph.broadcast %b, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[H, M + P, 8], f32>
  %qs = graph.mul %q, %ab : !graph.tensor<[H, M, 8], f32>
  %ks = graph.mul %bb, %k : !graph.tensor<[H, M + P, 8], f32>
  %kt = graph.transpose %ks, perm = [0, 2, 1] : !graph.tensor<[H, M + P, 8], f32> -> !graph.tensor<[H, 8, M + P], f32>
  %s = graph.contract "hmd,hdk->hmk" %qs, %kt : (!graph.tensor<[H, M, 8], f32>, !graph.tensor<[H, 8, M + P], f32>) -> !graph.tensor<[H, M, M + P], f32>
  graph.return %s : !graph.tensor<[H, M, M + P], f32>
}

// The longer one may stand first.
// CHECK-LABEL: graph.func @longer_first
// CHECK: %[[Q:.*]] = graph.mul %arg1
// CHECK: graph.contract "hkd,hmd->hmk" %arg0, %[[Q]]
graph.func @longer_first(%k: !graph.tensor<[H, M + P, 8], f32>, %q: !graph.tensor<[H, M, 8], f32>) -> !graph.tensor<[H, M, M + P], f32> {
  %a = graph.constant dense<0.5> : !graph.tensor<[], f32>
  %ab = graph.broadcast %a, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[H, M, 8], f32>
  %bb = graph.broadcast %a, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[H, M + P, 8], f32>
  %qs = graph.mul %q, %ab : !graph.tensor<[H, M, 8], f32>
  %ks = graph.mul %k, %bb : !graph.tensor<[H, M + P, 8], f32>
  %s = graph.contract "hkd,hmd->hmk" %ks, %qs : (!graph.tensor<[H, M + P, 8], f32>, !graph.tensor<[H, M, 8], f32>) -> !graph.tensor<[H, M, M + P], f32>
  graph.return %s : !graph.tensor<[H, M, M + P], f32>
}

// Nothing is saved where the scaled numbers are needed elsewhere; an infinity is no scale; one tensor by itself has one scale.
// CHECK-LABEL: graph.func @kept
// CHECK-COUNT-5: graph.mul
// CHECK: graph.return
graph.func @kept(%x: !graph.tensor<[M, 8], f32>, %y: !graph.tensor<[N, 8], f32>)
    -> (!graph.tensor<[M, N], f32>, !graph.tensor<[N, 8], f32>, !graph.tensor<[M, N], f32>, !graph.tensor<[M, M], f32>) {
  %a = graph.constant dense<0.5> : !graph.tensor<[], f32>
  %ax = graph.broadcast %a, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[M, 8], f32>
  %ay = graph.broadcast %a, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[N, 8], f32>
  %i = graph.constant dense<0x7F800000> : !graph.tensor<[], f32>
  %iy = graph.broadcast %i, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[N, 8], f32>
  %x0 = graph.mul %x, %ax : !graph.tensor<[M, 8], f32>
  %y0 = graph.mul %y, %ay : !graph.tensor<[N, 8], f32>
  %s0 = graph.contract "md,nd->mn" %x0, %y0 : (!graph.tensor<[M, 8], f32>, !graph.tensor<[N, 8], f32>) -> !graph.tensor<[M, N], f32>
  %n = graph.abs %x : !graph.tensor<[M, 8], f32>
  %x1 = graph.mul %n, %ax : !graph.tensor<[M, 8], f32>
  %y1 = graph.mul %y, %iy : !graph.tensor<[N, 8], f32>
  %s1 = graph.contract "md,nd->mn" %x1, %y1 : (!graph.tensor<[M, 8], f32>, !graph.tensor<[N, 8], f32>) -> !graph.tensor<[M, N], f32>
  %e = graph.exp %x : !graph.tensor<[M, 8], f32>
  %x2 = graph.mul %e, %ax : !graph.tensor<[M, 8], f32>
  %s2 = graph.contract "md,nd->mn" %x2, %x2 : (!graph.tensor<[M, 8], f32>, !graph.tensor<[M, 8], f32>) -> !graph.tensor<[M, M], f32>
  graph.return %s0, %y0, %s1, %s2 : !graph.tensor<[M, N], f32>, !graph.tensor<[N, 8], f32>, !graph.tensor<[M, N], f32>, !graph.tensor<[M, M], f32>
}
