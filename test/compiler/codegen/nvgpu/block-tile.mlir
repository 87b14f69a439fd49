// Where elements follow from one sum of products, a block takes a tile: factors come to shared memory some steps ahead, warps
// multiply them by instructions for matrices (f16, bf16, i8) or one by one, and what follows is computed where sums are stored.
// On sm_90a four warps multiply together, while four others copy; factors come as boxes where the launch has maps for them, and larger
// tiles ask for the memory that they share.
// RUN: tessera-compile %s --target cuda:sm_80 --emit schedule -o - | FileCheck %s --check-prefix=SCHEDULE
// RUN: tessera-compile %s --target cuda:sm_80 --emit asm -o - | FileCheck %s --implicit-check-not=.local
// RUN: tessera-compile %s --target cuda:sm_90a --emit schedule -o - | FileCheck %s --check-prefix=GROUPS-SCHEDULE
// RUN: tessera-compile %s --target cuda:sm_90a --emit asm -o - | FileCheck %s --check-prefix=GROUPS --implicit-check-not=.local --implicit-check-not=mma.sync
// RUN: sed s/f16/f32/g %s > %t.f32.mlir
// RUN: tessera-compile %t.f32.mlir --target cuda:sm_80 --emit asm -o - | FileCheck %s --check-prefix=WORDS --implicit-check-not=.local --implicit-check-not=mma.sync
// RUN: tessera-compile %t.f32.mlir --target cuda:sm_80 --precision bf16 --emit asm -o - | FileCheck %s --check-prefix=ROUNDED

// SCHEDULE: schedule.stage "add"
// SCHEDULE-NEXT: schedule.split "i0" into "row_tile", "row" by 128
// SCHEDULE-NEXT: schedule.split "i1" into "column_tile", "column" by 64
// SCHEDULE-NEXT: schedule.fuse "column_tile", "row_tile" into "block"
// SCHEDULE-NEXT: schedule.gpu_blocks "block"
// SCHEDULE: schedule.stage "acc"
// SCHEDULE-NEXT: schedule.compute_at "add" loop "block"
// SCHEDULE: schedule.update "acc"
// SCHEDULE-NEXT: schedule.split "r0" into "step", "inner" by 32
// SCHEDULE-NEXT: schedule.gpu_tile "row", "column", "inner" warps 2, 2 stages 3 by mma

// CHECK: .maxntid 128
// CHECK-DAG: cp.async.cg.shared.global
// CHECK-DAG: cp.async.wait_group 1
// CHECK-DAG: bar.sync 0
// CHECK-DAG: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK-DAG: ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
// CHECK-DAG: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK-DAG: bar.warp.sync
// CHECK-DAG: st.global

// GROUPS-SCHEDULE: schedule.split "i0" into "row_tile", "row" by 128
// GROUPS-SCHEDULE-NEXT: schedule.split "i1" into "column_tile", "column" by 64
// GROUPS-SCHEDULE: schedule.split "r0" into "step", "inner" by 64
// GROUPS-SCHEDULE-NEXT: schedule.gpu_tile "row", "column", "inner" warps 8, 1 stages 4 by wgmma copy_warps bulk

// GROUPS: .extern .shared .align 1024 .b8 tile_acc[]
// GROUPS: .maxntid 384
// GROUPS-DAG: setmaxnreg.dec.sync.aligned.u32
// GROUPS-DAG: setmaxnreg.inc.sync.aligned.u32
// GROUPS-DAG: mbarrier.init.shared::cta.b64
// GROUPS-DAG: fence.mbarrier_init.release.cluster
// GROUPS-DAG: mbarrier.arrive.expect_tx.shared::cta.b64 _
// GROUPS-DAG: cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes
// GROUPS-DAG: mbarrier.try_wait.parity.shared::cta.b64
// GROUPS-DAG: cp.async.cg.shared.global
// GROUPS-DAG: cp.async.wait_group 1
// GROUPS-DAG: fence.proxy.async.shared::cta
// GROUPS-DAG: wgmma.fence.sync.aligned
// GROUPS-DAG: wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {{.*}}, p, 1, 1, 0, 1;
// GROUPS-DAG: wgmma.commit_group.sync.aligned
// GROUPS-DAG: wgmma.wait_group.sync.aligned 0

// f32 is not lowered silently.
// WORDS: cp.async.cg.shared.global
// WORDS: fma.rn.f32

// ROUNDED: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
graph.func @main(%x: !graph.tensor<[B, 256], f16> {graph.name = "x"}, %w: !graph.tensor<[256, 512], f16> {graph.name = "w"},
                 %r: !graph.tensor<[B, 512], f16> {graph.name = "r"}) -> (!graph.tensor<[B, 512], f16> {graph.name = "y"}) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[B, 256], f16>, !graph.tensor<[256, 512], f16>) -> !graph.tensor<[B, 512], f16>
  %1 = graph.add %0, %r : !graph.tensor<[B, 512], f16>
  graph.return %1 : !graph.tensor<[B, 512], f16>
}
