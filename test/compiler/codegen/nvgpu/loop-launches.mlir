// Kernels with loops of their own: a launch for each stage or loop at their outermost level, which hand on what they keep in memory.
// RUN: tessera-compile %s --target cuda:sm_80 --emit asm -o - | FileCheck %s
// RUN: tessera-compile %s --target cuda:sm_80 --emit program -o - | FileCheck %s --check-prefix=PROGRAM

// Parallel loops are blocks whose threads share the stages inside: they meet before and after each. What a block keeps (a
// running row of 5) is part of a scratch buffer, as often as there are blocks.
// PROGRAM: %[[BLOCKS:.*]] = program.symbol "B"
// PROGRAM: %[[ALL:.*]] = program.binary mul %{{.*}}, %[[BLOCKS]]
// PROGRAM-NEXT: program.temp[%[[ALL]]] : <si8, 1>
// CHECK: .entry kernel(
// CHECK: mov.u32 %{{.*}}, %ctaid.x;
// CHECK: bar.sync 0;
// CHECK: bar.sync 0;
graph.func @rows(%x: !graph.tensor<[B, N, 5], f16> {graph.name = "x"}) -> (!graph.tensor<[B, N, 5], f16> {graph.name = "y"}) {
  %0 = graph.cumulative sum %x, axis = 1 : !graph.tensor<[B, N, 5], f16>
  graph.return %0 : !graph.tensor<[B, N, 5], f16>
}

// Where stages have one element, an iteration is a thread: nobody waits, running values stay in registers.
// CHECK: .entry kernel(
// CHECK-NOT: bar.sync
// CHECK-NOT: .local
// CHECK: mov.u32 %{{.*}}, %tid.x;
graph.func @scalars(%x: !graph.tensor<[B, N], f32> {graph.name = "x"}) -> (!graph.tensor<[B, N], f32> {graph.name = "y"}) {
  %0 = graph.cumulative sum %x, axis = 1 : !graph.tensor<[B, N], f32>
  graph.return %0 : !graph.tensor<[B, N], f32>
}

// The copy is spread over the whole grid, and done when the loop begins: a launch of its own.
// CHECK: .entry kernel_0(
// CHECK-NOT: bar.sync
// CHECK: mov.u32 %{{.*}}, %nctaid.x;
// CHECK: .entry kernel_1(
// CHECK: bar.sync 0;
graph.func @scatter(%x: !graph.tensor<[N, 4], f32> {graph.name = "x"}, %i: !graph.tensor<[K], si64> {graph.name = "i"},
                    %u: !graph.tensor<[K, 4], f32> {graph.name = "u"}) -> (!graph.tensor<[N, 4], f32> {graph.name = "y"}) {
  %0 = graph.scatter add %x, %i, %u, axis = 0
      : (!graph.tensor<[N, 4], f32>, !graph.tensor<[K], si64>, !graph.tensor<[K, 4], f32>) -> !graph.tensor<[N, 4], f32>
  graph.return %0 : !graph.tensor<[N, 4], f32>
}
