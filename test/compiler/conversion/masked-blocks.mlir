// Blocks of keys that a mask leaves out are not merged, so that they need not be computed.
// RUN: tessera-opt %s --split-input-file --graph-decompose --canonicalize --cse --graph-form-streams --canonicalize --graph-form-kernels --verify-each=numeric | FileCheck %s

// The first key of a block against the query. Blocks have up to 4 pieces of 32 keys.
// CHECK-LABEL: kernel.func @k0_stream(
// CHECK: %[[MOST:.*]] = arith.constant 4 : index
// CHECK: arith.minsi %{{.*}}, %[[MOST]] : index
// CHECK: kernel.skips, kernel.stage = "merge"
// CHECK: %[[BLOCK:.*]] = linalg.index 3 : index
// CHECK: %[[ROW:.*]] = linalg.index 1 : index
// CHECK: %[[FIRST:.*]] = arith.muli %[[BLOCK]],
// CHECK: %[[SOME:.*]] = arith.cmpi sge, %[[ROW]],
// CHECK: arith.select %[[SOME]],
graph.func @causal(%q: !graph.tensor<[H, M, 64], f32> {graph.name = "q"}, %k: !graph.tensor<[H, K, 64], f32> {graph.name = "k"},
                 %v: !graph.tensor<[H, K, 64], f32> {graph.name = "v"}) -> (!graph.tensor<[H, M, 64], f32> {graph.name = "o"})
    attributes {dims = {H = #graph.range<16, ?>, M = #graph.range<2, ?>}} {
  %s = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[H, M, 64], f32>, !graph.tensor<[H, K, 64], f32>) -> !graph.tensor<[H, M, K], f32>
  %i = graph.iota axis = 1 : !graph.tensor<[H, M, K], si32>
  %j = graph.iota axis = 2 : !graph.tensor<[H, M, K], si32>
  %before = graph.compare ge %i, %j : !graph.tensor<[H, M, K], si32>
  %c = graph.constant dense<0xFF800000> : !graph.tensor<[], f32>
  %low = graph.broadcast %c, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[H, M, K], f32>
  %t = graph.select %before, %s, %low : !graph.tensor<[H, M, K], f32>
  %p = graph.softmax %t, axes = [2] : !graph.tensor<[H, M, K], f32>
  %o = graph.contract "hmk,hkd->hmd" %p, %v : (!graph.tensor<[H, M, K], f32>, !graph.tensor<[H, K, 64], f32>) -> !graph.tensor<[H, M, 64], f32>
  graph.return %o : !graph.tensor<[H, M, 64], f32>
}

// -----

// A row without any key has equal weights when masked scores are finite: nothing is neutral then.
// CHECK-LABEL: kernel.func @k0_stream(
// CHECK: arith.constant 8 : index
// CHECK-NOT: kernel.skips
graph.func @finite(%q: !graph.tensor<[H, M, 64], f32> {graph.name = "q"}, %k: !graph.tensor<[H, K, 64], f32> {graph.name = "k"},
                 %v: !graph.tensor<[H, K, 64], f32> {graph.name = "v"}) -> (!graph.tensor<[H, M, 64], f32> {graph.name = "o"})
    attributes {dims = {H = #graph.range<16, ?>, M = #graph.range<2, ?>}} {
  %s = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[H, M, 64], f32>, !graph.tensor<[H, K, 64], f32>) -> !graph.tensor<[H, M, K], f32>
  %i = graph.iota axis = 1 : !graph.tensor<[H, M, K], si32>
  %j = graph.iota axis = 2 : !graph.tensor<[H, M, K], si32>
  %before = graph.compare ge %i, %j : !graph.tensor<[H, M, K], si32>
  %c = graph.constant dense<-1.0e30> : !graph.tensor<[], f32>
  %low = graph.broadcast %c, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[H, M, K], f32>
  %t = graph.select %before, %s, %low : !graph.tensor<[H, M, K], f32>
  %p = graph.softmax %t, axes = [2] : !graph.tensor<[H, M, K], f32>
  %o = graph.contract "hmk,hkd->hmd" %p, %v : (!graph.tensor<[H, M, K], f32>, !graph.tensor<[H, K, 64], f32>) -> !graph.tensor<[H, M, 64], f32>
  graph.return %o : !graph.tensor<[H, M, 64], f32>
}

// -----

// A mask that is given says nothing before it is read.
// CHECK-LABEL: kernel.func @k0_stream(
// CHECK: kernel.stage = "merge"
// CHECK-NOT: linalg.index
// CHECK: linalg.yield
graph.func @given(%q: !graph.tensor<[H, M, 64], f32> {graph.name = "q"}, %k: !graph.tensor<[H, K, 64], f32> {graph.name = "k"},
                 %v: !graph.tensor<[H, K, 64], f32> {graph.name = "v"},
                 %before: !graph.tensor<[H, M, K], i1> {graph.name = "mask"}) -> (!graph.tensor<[H, M, 64], f32> {graph.name = "o"})
    attributes {dims = {H = #graph.range<16, ?>, M = #graph.range<2, ?>}} {
  %s = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[H, M, 64], f32>, !graph.tensor<[H, K, 64], f32>) -> !graph.tensor<[H, M, K], f32>
  %c = graph.constant dense<0xFF800000> : !graph.tensor<[], f32>
  %low = graph.broadcast %c, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[H, M, K], f32>
  %t = graph.select %before, %s, %low : !graph.tensor<[H, M, K], f32>
  %p = graph.softmax %t, axes = [2] : !graph.tensor<[H, M, K], f32>
  %o = graph.contract "hmk,hkd->hmd" %p, %v : (!graph.tensor<[H, M, K], f32>, !graph.tensor<[H, K, 64], f32>) -> !graph.tensor<[H, M, 64], f32>
  graph.return %o : !graph.tensor<[H, M, 64], f32>
}
