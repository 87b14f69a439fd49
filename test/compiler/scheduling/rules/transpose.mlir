// A transpose writes lines of the cache and reads 512 bytes of each row.
// RUN: tessera-compile %s --target x86-64-v4 --emit schedule | FileCheck %s

// CHECK: schedule.stage "transpose"
// CHECK-NEXT: schedule.split "i1" into "i1_o", "i1_i" by 16 tail guard
// CHECK-NEXT: schedule.split "i0" into "i0_o", "i0_i" by 128 tail guard
// CHECK-NEXT: schedule.reorder ["i1_i", "i0_i", "i1_o", "i0_o"]
graph.func @main(%x: !graph.tensor<[M, N], f32>) -> !graph.tensor<[N, M], f32> {
  %y = graph.transpose %x, perm = [1, 0] : !graph.tensor<[M, N], f32> -> !graph.tensor<[N, M], f32>
  graph.return %y : !graph.tensor<[N, M], f32>
}
