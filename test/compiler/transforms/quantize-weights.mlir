// Constant operands of contractions are packed along an axis that is summed over; what cannot be, is left and named.
// RUN: tessera-opt %s --graph-quantize-weights="format=q4_g32 least-elements=64 explain" 2>&1 | FileCheck %s
// RUN: tessera-opt %s --graph-quantize-weights="format=bf16 least-elements=64" | FileCheck %s --check-prefix=BF16
// RUN: not tessera-opt %s --graph-quantize-weights="format=q9" 2>&1 | FileCheck %s --check-prefix=FORMAT

// FORMAT: unknown format of weights 'q9'; known are bf16, f16, mxfp4, mxfp8_e4m3, mxfp8_e5m2, nf4_g64, q4_g32, q4a_g32, q8_g32, q8a_g32

// CHECK-DAG: remark: {{.*}}quantize-weights.mlir:[[# @LINE + 25]]: f32[32x4], 512 bytes, now takes 72
// CHECK-DAG: remark: {{.*}}: f32[2x5x64], 2560 bytes, now takes 360
// CHECK-DAG: remark: {{.*}}: f32[4x20], 320 bytes, is left: the 20 elements along the sum are no multiple of 32, the block of q4_g32
// CHECK-DAG: remark: {{.*}}: f32[2x32], 256 bytes, is left: it is also read by graph.relu
// CHECK-DAG: remark: {{.*}}: f32[32], 128 bytes, is left: it is small: 32 of at least 64 elements
// CHECK-DAG: remark: {{.*}}: f32[3x32], 384 bytes, is left: it has NaN or infinities
// CHECK-DAG: remark: {{.*}}: f32[3x32], 384 bytes, is left: it has values beyond 65504, the largest f16
// CHECK-DAG: remark: {{.*}}: f32[32x3], 384 bytes, is left: it is not summed over

// CHECK-LABEL: graph.func @main
// CHECK: %[[W:.*]] = graph.constant #graph.weight<"%{{.*}}", 0, 72 : !graph.tensor<[4, 1], !graph.block<"q4_g32">>>
// CHECK: %[[D:.*]] = graph.decode_blocks %[[W]] : {{.*}} -> <[4, 32], f32>
// CHECK: graph.contract "mk,nk->mn" %{{.*}}, %[[D]]
// CHECK: graph.decode_blocks %{{.*}} -> <[2, 5, 64], f32>
// CHECK: graph.contract "bmk,bnk->bmn"
// CHECK-NOT: graph.decode_blocks

// The types of operands may differ; sums stay in f32.
// BF16: %[[W:.*]] = graph.constant #graph.weight<"%{{.*}}", 0, 256 : !graph.tensor<[32, 4], bf16>>
// BF16: graph.contract "mk,kn->mn" %{{.*}}, %[[W]] acc f32 : (!graph.tensor<[M, 32], f32>, !graph.tensor<[32, 4], bf16>) -> !graph.tensor<[M, 4], f32>

graph.func @main(%x: !graph.tensor<[M, 32], f32>, %y: !graph.tensor<[2, M, 64], f32>, %z: !graph.tensor<[M, 20], f32>) -> (!graph.tensor<[M, 4], f32>,
    !graph.tensor<[2, M, 5], f32>, !graph.tensor<[M, 4], f32>, !graph.tensor<[M, 2], f32>, !graph.tensor<[2, 32], f32>, !graph.tensor<[M], f32>,
    !graph.tensor<[M, 3], f32>, !graph.tensor<[M, 3], f32>, !graph.tensor<[M, 32, 3], f32>) {
  %w0 = graph.constant dense<0.5> : !graph.tensor<[32, 4], f32>
  %0 = graph.contract "mk,kn->mn" %x, %w0 : (!graph.tensor<[M, 32], f32>, !graph.tensor<[32, 4], f32>) -> !graph.tensor<[M, 4], f32>
  %w1 = graph.constant dense<0.5> : !graph.tensor<[2, 5, 64], f32>
  %1 = graph.contract "bmk,bnk->bmn" %y, %w1 : (!graph.tensor<[2, M, 64], f32>, !graph.tensor<[2, 5, 64], f32>) -> !graph.tensor<[2, M, 5], f32>
  %w2 = graph.constant dense<0.5> : !graph.tensor<[4, 20], f32>
  %2 = graph.contract "mk,nk->mn" %z, %w2 : (!graph.tensor<[M, 20], f32>, !graph.tensor<[4, 20], f32>) -> !graph.tensor<[M, 4], f32>
  %w3 = graph.constant dense<0.5> : !graph.tensor<[2, 32], f32>
  %3 = graph.contract "mk,nk->mn" %x, %w3 : (!graph.tensor<[M, 32], f32>, !graph.tensor<[2, 32], f32>) -> !graph.tensor<[M, 2], f32>
  %4 = graph.relu %w3 : !graph.tensor<[2, 32], f32>
  %w5 = graph.constant dense<0.5> : !graph.tensor<[32], f32>
  %5 = graph.contract "mk,k->m" %x, %w5 : (!graph.tensor<[M, 32], f32>, !graph.tensor<[32], f32>) -> !graph.tensor<[M], f32>
  %w6 = graph.constant dense<0x7FC00000> : !graph.tensor<[3, 32], f32>
  %6 = graph.contract "mk,nk->mn" %x, %w6 : (!graph.tensor<[M, 32], f32>, !graph.tensor<[3, 32], f32>) -> !graph.tensor<[M, 3], f32>
  %w7 = graph.constant dense<1.0e10> : !graph.tensor<[3, 32], f32>
  %7 = graph.contract "mk,nk->mn" %x, %w7 : (!graph.tensor<[M, 32], f32>, !graph.tensor<[3, 32], f32>) -> !graph.tensor<[M, 3], f32>
  %w8 = graph.constant dense<0.5> : !graph.tensor<[32, 3], f32>
  %8 = graph.contract "mk,kn->mkn" %x, %w8 : (!graph.tensor<[M, 32], f32>, !graph.tensor<[32, 3], f32>) -> !graph.tensor<[M, 32, 3], f32>
  graph.return %0, %1, %2, %3, %4, %5, %6, %7, %8 : !graph.tensor<[M, 4], f32>, !graph.tensor<[2, M, 5], f32>, !graph.tensor<[M, 4], f32>,
    !graph.tensor<[M, 2], f32>, !graph.tensor<[2, 32], f32>, !graph.tensor<[M], f32>, !graph.tensor<[M, 3], f32>, !graph.tensor<[M, 3], f32>,
    !graph.tensor<[M, 32, 3], f32>
}
