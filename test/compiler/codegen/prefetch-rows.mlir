// A loop that reads a row again, which is in the caches, asks memory for the next row; a row that is read once brings it by itself.
// RUN: tessera-compile %s --target x86-64-v4 --emit llvm -o - | FileCheck %s
// RUN: tessera-compile %s --target x86-64-v3 --emit llvm -o - | FileCheck %s

// The distance is that of rows, or 0 for rows that no cache keeps so long.
// CHECK-LABEL: define internal {{.*}}kernel_par_for_stage_sub
// CHECK: %[[SHORT:.*]] = icmp ule i64 {{.*}}, 131072
// CHECK: %[[DISTANCE:.*]] = select i1 %[[SHORT]], i64 {{.*}}, i64 0
// CHECK: getelementptr i8, ptr {{.*}}, i64 %[[DISTANCE]]
// CHECK: call void @llvm.prefetch
graph.func @again(%x: !graph.tensor<[M, N], f32>) -> !graph.tensor<[M, N], f32> {
  %s = graph.reduce sum %x, axes = [1] : !graph.tensor<[M, N], f32> -> !graph.tensor<[M], f32>
  %b = graph.broadcast %s, dims = [0] : !graph.tensor<[M], f32> -> !graph.tensor<[M, N], f32>
  %y = graph.sub %x, %b : !graph.tensor<[M, N], f32>
  graph.return %y : !graph.tensor<[M, N], f32>
}
// CHECK-LABEL: define internal {{.*}}kernel_par_for_stage_sum
// CHECK-NOT: call void @llvm.prefetch
graph.func @once(%x: !graph.tensor<[M, N], f32>) -> !graph.tensor<[M], f32> {
  %s = graph.reduce sum %x, axes = [1] : !graph.tensor<[M, N], f32> -> !graph.tensor<[M], f32>
  graph.return %s : !graph.tensor<[M], f32>
}
