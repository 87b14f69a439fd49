// Attention is merged by one launch: keys and values come to shared memory some at a time, scores, weights and states stay in registers, lanes
// of a row exchange what they reduced, and no scores are stored.
// RUN: tessera-compile %s --target cuda:sm_80 --emit schedule -o - | FileCheck %s --check-prefix=SCHEDULE --implicit-check-not=scratch
// RUN: tessera-compile %s --target cuda:sm_80 --emit asm -o - | FileCheck %s --check-prefix=WORDS --implicit-check-not=.local --implicit-check-not=mma.sync
// RUN: tessera-compile %s --target cuda:sm_80 --precision f16 --emit schedule -o - | FileCheck %s --check-prefix=MATRIX
// RUN: tessera-compile %s --target cuda:sm_80 --precision f16 --emit asm -o - | FileCheck %s --implicit-check-not=.local
// RUN: tessera-compile %s --target cuda:sm_90a --precision f16 --emit schedule -o - | FileCheck %s --check-prefix=GROUPS-SCHEDULE
// RUN: tessera-compile %s --target cuda:sm_90a --precision f16 --emit asm -o - | FileCheck %s --check-prefix=GROUPS --implicit-check-not=.local
// RUN: tessera-opt --explain --graph-form-streams --graph-form-kernels "--schedule-default=gpu" %s -o /dev/null 2>&1 | FileCheck %s --check-prefix=EXPLAIN
// RUN: sed 's/f32/f64/g; s/, 64\]/, 200]/g' %s > %t.f64.mlir
// RUN: tessera-opt --explain --graph-form-streams --graph-form-kernels "--schedule-default=gpu" %t.f64.mlir -o /dev/null 2>&1 | FileCheck %s --check-prefix=OTHER

// SCHEDULE: schedule.split "i1" into "row_tile", "row" by 64
// SCHEDULE: schedule.fuse "row_tile", "i0" into "block"
// SCHEDULE: schedule.gpu_blocks "block"
// SCHEDULE: schedule.stage "merge"
// SCHEDULE-NEXT: schedule.compute_at "{{.*}}" loop "block"
// SCHEDULE: schedule.update "merge"
// SCHEDULE-NEXT: schedule.gpu_stream "row" keys 32 warps 4, 1, 1 by fma

// WORDS: .maxntid 128
// WORDS-DAG: cp.async.cg.shared.global
// WORDS-DAG: fma.rn.f32
// WORDS-DAG: shfl.sync.bfly.b32

// MATRIX: schedule.gpu_stream "row" keys 64 warps 4, 1, 1 by mma

// On sm_90a four warps multiply together, for whom four others copy: boxes where keys follow each other, else chunks.
// GROUPS-SCHEDULE: schedule.gpu_stream "row" keys {{64|128}} warps 8, 1, 1 stages {{[0-9]}} by wgmma
// GROUPS: .maxntid 384
// GROUPS-DAG: setmaxnreg.dec.sync.aligned.u32 72;
// GROUPS-DAG: setmaxnreg.inc.sync.aligned.u32 216;
// GROUPS-DAG: cp.async.bulk.tensor
// GROUPS-DAG: cp.async.cg.shared.global
// GROUPS-DAG: mbarrier.try_wait.parity
// GROUPS-DAG: wgmma.mma_async.sync.aligned.m64n{{[0-9]+}}k16.f32.f16.f16 {{.*}}, x, y, p, 1, 1, 0, 0;
// GROUPS-DAG: wgmma.mma_async.sync.aligned.m64n{{[0-9]+}}k16.f32.f16.f16 {{.*}}, y, p, 1, 1, 1;

// CHECK: .maxntid 128
// CHECK-DAG: cp.async.cg.shared.global
// CHECK-DAG: cp.async.wait_group 0
// CHECK-DAG: bar.sync 0
// CHECK-DAG: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK-DAG: ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
// CHECK-DAG: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK-DAG: shfl.sync.bfly.b32

// EXPLAIN: remark: stage 'merge' of kernel '{{.*}}' is merged by one launch, which stores no scores
// OTHER: remark: stage 'merge' of kernel '{{.*}}' is merged by a row of launches: no tile of its rows and keys fits registers and shared memory
graph.func @main(%q: !graph.tensor<[8, 512, 64], f32> {graph.name = "q"}, %k: !graph.tensor<[8, 300, 64], f32> {graph.name = "k"},
                 %v: !graph.tensor<[8, 300, 64], f32> {graph.name = "v"}) -> (!graph.tensor<[8, 512, 64], f32> {graph.name = "y"}) {
  %s = graph.contract "hqd,hkd->hqk" %q, %k : (!graph.tensor<[8, 512, 64], f32>, !graph.tensor<[8, 300, 64], f32>) -> !graph.tensor<[8, 512, 300], f32>
  %m = graph.reduce max %s, axes = [2] : !graph.tensor<[8, 512, 300], f32> -> !graph.tensor<[8, 512], f32>
  %w = graph.broadcast %m, dims = [0, 1] : !graph.tensor<[8, 512], f32> -> !graph.tensor<[8, 512, 300], f32>
  %d = graph.sub %s, %w : !graph.tensor<[8, 512, 300], f32>
  %e = graph.exp %d : !graph.tensor<[8, 512, 300], f32>
  %l = graph.reduce sum %e, axes = [2] : !graph.tensor<[8, 512, 300], f32> -> !graph.tensor<[8, 512], f32>
  %o = graph.contract "hqk,hkd->hqd" %e, %v : (!graph.tensor<[8, 512, 300], f32>, !graph.tensor<[8, 300, 64], f32>) -> !graph.tensor<[8, 512, 64], f32>
  %b = graph.broadcast %l, dims = [0, 1] : !graph.tensor<[8, 512], f32> -> !graph.tensor<[8, 512, 64], f32>
  %y = graph.div %o, %b : !graph.tensor<[8, 512, 64], f32>
  graph.return %y : !graph.tensor<[8, 512, 64], f32>
}
