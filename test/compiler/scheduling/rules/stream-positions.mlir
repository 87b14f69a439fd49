// RUN: tessera-compile %s --emit schedule --target x86-64-v3 | FileCheck %s

// Causal attention of a sequence to itself: positions are read along queries and along keys, and it is computed in online form
// all the same (scores of one step of queries, inside of the loop that merges).
// CHECK: schedule.func @k0_stream_schedule
// CHECK: schedule.stage "merge" {
// CHECK: schedule.update "merge" {
// CHECK: schedule.split "i1" into "i1_o", "i1_i" by 18 tail guard
// CHECK: schedule.stage "{{max.*}}" {
// CHECK-NEXT: schedule.compute_at "merge" loop "i1_o"
graph.func @main(%q: !graph.tensor<[H, S, 64], f32> {graph.name = "q"}, %k: !graph.tensor<[H, S, 64], f32> {graph.name = "k"},
                 %v: !graph.tensor<[H, S, 64], f32> {graph.name = "v"}) -> (!graph.tensor<[H, S, 64], f32> {graph.name = "o"})
    attributes {dims = {H = #graph.range<16, ?>, S = #graph.range<2, ?>}} {
  %s0 = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[H, S, 64], f32>, !graph.tensor<[H, S, 64], f32>) -> !graph.tensor<[H, S, S], f32>
  %at = graph.iota axis = 0 : !graph.tensor<[S], si64>
  %keys = graph.broadcast %at, dims = [2] : !graph.tensor<[S], si64> -> !graph.tensor<[H, S, S], si64>
  %queries = graph.broadcast %at, dims = [1] : !graph.tensor<[S], si64> -> !graph.tensor<[H, S, S], si64>
  %seen = graph.compare le %keys, %queries : !graph.tensor<[H, S, S], si64>
  %c = graph.constant dense<-1.0e9> : !graph.tensor<[], f32>
  %cb = graph.broadcast %c, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[H, S, S], f32>
  %s = graph.select %seen, %s0, %cb : !graph.tensor<[H, S, S], f32>
  %p = graph.softmax %s, axes = [2] : !graph.tensor<[H, S, S], f32>
  %o = graph.contract "hmk,hkd->hmd" %p, %v : (!graph.tensor<[H, S, S], f32>, !graph.tensor<[H, S, 64], f32>) -> !graph.tensor<[H, S, 64], f32>
  graph.return %o : !graph.tensor<[H, S, 64], f32>
}
