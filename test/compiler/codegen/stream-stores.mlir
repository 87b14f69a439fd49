// Loops that write whole lines of results have a second form that does not read them before; sums that a loop goes on with have not.
// RUN: tessera-compile %s --target x86-64-v4 --emit asm -o - | FileCheck %s --check-prefixes=CHECK,V4
// RUN: tessera-compile %s --target x86-64-v3 --emit asm -o - | FileCheck %s --check-prefixes=CHECK,V3

// CHECK-LABEL: kernel_par_for_stage_max{{.*}}:
// V4: vmovntps %zmm
// V3: vmovntps %ymm
// CHECK: sfence
graph.func @relu(%x: !graph.tensor<[M, N], f32>) -> !graph.tensor<[M, N], f32> {
  %a = graph.relu %x : !graph.tensor<[M, N], f32>
  graph.return %a : !graph.tensor<[M, N], f32>
}
// Sixteen elements of a column lie on a line of the result.
// CHECK-LABEL: kernel_par_for_stage_transpose{{.*}}:
// CHECK: vmovntps
// CHECK: sfence
graph.func @turned(%x: !graph.tensor<[M, N], f32>) -> !graph.tensor<[N, M], f32> {
  %a = graph.transpose %x, perm = [1, 0] : !graph.tensor<[M, N], f32> -> !graph.tensor<[N, M], f32>
  graph.return %a : !graph.tensor<[N, M], f32>
}
// CHECK-LABEL: kernel_par_for_stage_sum{{.*}}:
// CHECK-NOT: vmovnt
// CHECK-NOT: sfence
graph.func @sums(%x: !graph.tensor<[M, N], f32>) -> !graph.tensor<[M], f32> {
  %a = graph.reduce sum %x, axes = [1] : !graph.tensor<[M, N], f32> -> !graph.tensor<[M], f32>
  graph.return %a : !graph.tensor<[M], f32>
}
