// RUN: tessera-opt %s --kernel-to-program | FileCheck %s

// Sizes first, from symbols alone; then what runs at every call. A branch computes where its result is wanted,
// and a reshape is a view of the same memory.
// CHECK-LABEL: program.func @main
// CHECK: %[[B:.*]] = program.symbol "B" range[0, 2147483647]
// CHECK: %[[X:.*]] = program.input 1 "x"[%[[B]], %{{.*}}] text ["B", "6"]
// CHECK: %[[Y:.*]] = program.output 0 "y"
// CHECK: %[[ROWS:.*]] = program.view %[[Y]][%[[B]], %{{.*}}]
// CHECK: program.body
// CHECK-NEXT: %[[C:.*]] = program.load
// CHECK-NEXT: program.if %[[C]] {
// CHECK-NEXT: program.launch @double(%[[X]]) dims[%{{.*}}] into(%[[ROWS]])
// CHECK-NEXT: } else {
// CHECK-NEXT: program.copy %{{.*}} to %[[Y]]
// CHECK-NEXT: }
// CHECK-NEXT: }
graph.func @main(%c: !graph.tensor<[], i1> {graph.name = "c"}, %x: !graph.tensor<[B, 6], f32> {graph.name = "x"}) -> (!graph.tensor<[2 * B, 3], f32> {graph.name = "y"}) {
  %r = graph.if %c : !graph.tensor<[], i1> -> !graph.tensor<[2 * B, 3], f32> {
    %0 = kernel.launch @double(%x) dims [#graph.dim<6 * B>] : (!graph.tensor<[B, 6], f32>) -> !graph.tensor<[B, 6], f32>
    %1 = graph.reshape %0 : !graph.tensor<[B, 6], f32> -> !graph.tensor<[2 * B, 3], f32>
    graph.yield %1 : !graph.tensor<[2 * B, 3], f32>
  } else {
    %1 = graph.reshape %x : !graph.tensor<[B, 6], f32> -> !graph.tensor<[2 * B, 3], f32>
    graph.yield %1 : !graph.tensor<[2 * B, 3], f32>
  }
  graph.return %r : !graph.tensor<[2 * B, 3], f32>
}
kernel.func @double(%x: tensor<?x6xf32>, %N: index) -> tensor<?x6xf32> {
  %d0 = arith.constant 0 : index
  %n = tensor.dim %x, %d0 : tensor<?x6xf32>
  %e = tensor.empty(%n) : tensor<?x6xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<?x6xf32>) outs(%e : tensor<?x6xf32>) attrs = {kernel.stage = "out", kernel.loops = ["i", "j"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %v, %v : f32
    linalg.yield %s : f32
  } -> tensor<?x6xf32>
  kernel.return %r : tensor<?x6xf32>
}

// Variables are read by value: a later write does not change what was read.
// CHECK-LABEL: program.func @count
// CHECK: program.body
// CHECK-NEXT: %[[V:.*]] = program.variable @n
// CHECK-NEXT: program.copy %[[V]] to %[[OLD:[0-9]+]] :
// CHECK-NEXT: %[[AGAIN:.*]] = program.variable @n
// CHECK-NEXT: program.copy %{{.*}} to %[[AGAIN]] :
// CHECK-NEXT: program.copy %[[OLD]] to
graph.variable @n : !graph.tensor<[2], f32> = dense<0.0> : !graph.tensor<[2], f32>
graph.func @count(%x: !graph.tensor<[2], f32>) -> !graph.tensor<[2], f32> {
  %old = graph.read_variable @n : !graph.tensor<[2], f32>
  graph.write_variable @n, %x : !graph.tensor<[2], f32>
  graph.return %old : !graph.tensor<[2], f32>
}
