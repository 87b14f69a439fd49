// A transpose writes lines of the cache and reads 256 bytes of each row, of 256 rows one piece after the other. Tiles are read along
// the rows and turned in registers, and what follows in the rows is asked for.
// RUN: tessera-compile %s --target x86-64-v4 --emit schedule | FileCheck %s
// RUN: tessera-compile %s --target x86-64-v4 --emit llvm | FileCheck %s --check-prefixes=TILE,WIDE
// RUN: tessera-compile %s --target x86-64-v3 --emit llvm | FileCheck %s --check-prefixes=TILE,NARROW

// CHECK: schedule.stage "transpose"
// CHECK-NEXT: schedule.split "i1" into "i1_o", "i1_i" by 16 tail guard
// CHECK-NEXT: schedule.split "i0" into "i0_o", "i0_i" by 64 tail guard
// CHECK-NEXT: schedule.split "i1_o" into "i1_b", "i1_o" by 16 tail guard
// CHECK-NEXT: schedule.reorder ["i1_i", "i0_i", "i1_o", "i0_o", "i1_b"]

// TILE-LABEL: define {{.*}}kernel_par_for_stage_transpose
// WIDE: load <16 x float>
// NARROW: load <8 x float>
// TILE-NEXT: getelementptr i8, ptr %{{.*}}, i64 512
// TILE-NEXT: call void @llvm.prefetch
// WIDE: shufflevector <16 x float>
// NARROW: shufflevector <8 x float>
graph.func @main(%x: !graph.tensor<[M, N], f32>) -> !graph.tensor<[N, M], f32> {
  %y = graph.transpose %x, perm = [1, 0] : !graph.tensor<[M, N], f32> -> !graph.tensor<[N, M], f32>
  graph.return %y : !graph.tensor<[N, M], f32>
}
