// What a product reads once is asked for 8 KB ahead: rows of a matrix, keys and values of one query. Rows of a matrix that the columns
// run along go by in long pieces, four at a time. Keys of many queries stay in the cache: nothing is asked for.
// RUN: tessera-compile %s --target x86-64-v4 --emit schedule | FileCheck %s
// RUN: tessera-compile %s --target x86-64-v4 --emit llvm | FileCheck %s --check-prefix=LINES

// CHECK-LABEL: schedule.func @k0_contract_schedule
// CHECK: schedule.update "acc_part"
// CHECK-NEXT: schedule.prefetch 1 loop "r0_o" ahead 32
// Each step asks for its four lines once.
// LINES-LABEL: define {{.*}}kernel_par_for_stage_acc_out
// LINES-COUNT-4: call void @llvm.prefetch
graph.func @dots(%x: !graph.tensor<[1, K], f32>, %w: !graph.tensor<[N, K], f32>) -> !graph.tensor<[1, N], f32> {
  %y = graph.contract "mk,nk->mn" %x, %w : (!graph.tensor<[1, K], f32>, !graph.tensor<[N, K], f32>) -> !graph.tensor<[1, N], f32>
  graph.return %y : !graph.tensor<[1, N], f32>
}

// CHECK-LABEL: schedule.func @k1_contract_schedule
// CHECK: schedule.split "i1_t" into "i1_b", "i1_c" by 8 tail guard
// CHECK: schedule.update "acc"
// CHECK-NEXT: schedule.split "r0" into "r0_o", "r0_i" by 4 tail guard
// CHECK-NEXT: schedule.reorder ["i1_i", "r0_i", "i1_t", "r0_o"]
graph.func @sums(%x: !graph.tensor<[1, K], f32>, %w: !graph.tensor<[K, N], f32>) -> !graph.tensor<[1, N], f32> {
  %y = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[1, K], f32>, !graph.tensor<[K, N], f32>) -> !graph.tensor<[1, N], f32>
  graph.return %y : !graph.tensor<[1, N], f32>
}

// CHECK-LABEL: schedule.func @k2_stream_schedule
// CHECK: schedule.update "acc
// CHECK-NEXT: schedule.prefetch 1 loop "i4" ahead 32
// CHECK: schedule.prefetch 2 loop "r0" ahead 32
graph.func @query(%q: !graph.tensor<[H, 1, 64], f32>, %k: !graph.tensor<[H, 8192, 64], f32>, %v: !graph.tensor<[H, 8192, 64], f32>)
    -> !graph.tensor<[H, 1, 64], f32> {
  %s = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[H, 1, 64], f32>, !graph.tensor<[H, 8192, 64], f32>) -> !graph.tensor<[H, 1, 8192], f32>
  %p = graph.softmax %s, axes = [2] : !graph.tensor<[H, 1, 8192], f32>
  %o = graph.contract "hmk,hkd->hmd" %p, %v : (!graph.tensor<[H, 1, 8192], f32>, !graph.tensor<[H, 8192, 64], f32>) -> !graph.tensor<[H, 1, 64], f32>
  graph.return %o : !graph.tensor<[H, 1, 64], f32>
}

// CHECK-LABEL: schedule.func @k4_stream_schedule
// CHECK-NOT: schedule.prefetch
graph.func @queries(%q: !graph.tensor<[H, 512, 64], f32>, %k: !graph.tensor<[H, 8192, 64], f32>, %v: !graph.tensor<[H, 8192, 64], f32>)
    -> !graph.tensor<[H, 512, 64], f32> {
  %s = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[H, 512, 64], f32>, !graph.tensor<[H, 8192, 64], f32>) -> !graph.tensor<[H, 512, 8192], f32>
  %p = graph.softmax %s, axes = [2] : !graph.tensor<[H, 512, 8192], f32>
  %o = graph.contract "hmk,hkd->hmd" %p, %v : (!graph.tensor<[H, 512, 8192], f32>, !graph.tensor<[H, 8192, 64], f32>) -> !graph.tensor<[H, 512, 64], f32>
  graph.return %o : !graph.tensor<[H, 512, 64], f32>
}
