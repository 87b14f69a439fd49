// Blocks of keys that a mask of positions leaves out for all rows are neither copied nor multiplied: the lanes of a warp ask for the rows of the
// block, and go on to the next one that any of them needs. Without such a mask nobody asks.
// RUN: tessera-compile %s --target cuda:sm_80 --emit asm -o - | FileCheck %s
// RUN: sed 's/graph.select [^,]*, \([^,]*\), [^ ]* :/graph.neg \1 :/' %s > %t.mlir
// RUN: tessera-compile %t.mlir --target cuda:sm_80 --emit asm -o - | FileCheck %s --check-prefix=ALL --implicit-check-not=vote

// Before the first keys, and before the next ones.
// CHECK-COUNT-2: vote.sync.any.pred
// CHECK-NOT: vote
// ALL: shfl.sync.bfly
graph.func @main(%q: !graph.tensor<[8, 512, 64], f32> {graph.name = "q"}, %k: !graph.tensor<[8, 512, 64], f32> {graph.name = "k"},
                 %v: !graph.tensor<[8, 512, 64], f32> {graph.name = "v"}) -> (!graph.tensor<[8, 512, 64], f32> {graph.name = "y"}) {
  %c = graph.contract "hqd,hkd->hqk" %q, %k : (!graph.tensor<[8, 512, 64], f32>, !graph.tensor<[8, 512, 64], f32>) -> !graph.tensor<[8, 512, 512], f32>
  %i = graph.iota axis = 1 : !graph.tensor<[8, 512, 512], si32>
  %j = graph.iota axis = 2 : !graph.tensor<[8, 512, 512], si32>
  %seen = graph.compare ge %i, %j : !graph.tensor<[8, 512, 512], si32>
  %low = graph.constant dense<0xFF800000> : !graph.tensor<[], f32>
  %none = graph.broadcast %low, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[8, 512, 512], f32>
  %s = graph.select %seen, %c, %none : !graph.tensor<[8, 512, 512], f32>
  %p = graph.softmax %s, axes = [2] : !graph.tensor<[8, 512, 512], f32>
  %y = graph.contract "hqk,hkd->hqd" %p, %v : (!graph.tensor<[8, 512, 512], f32>, !graph.tensor<[8, 512, 64], f32>) -> !graph.tensor<[8, 512, 64], f32>
  graph.return %y : !graph.tensor<[8, 512, 64], f32>
}
