// A thread takes 16 bytes of elementwise stages, copies and reductions of rows where a launch finds that addresses, strides and extents are
// multiples, or that there is nothing between rows; else neighbouring threads have neighbouring elements.
// RUN: tessera-compile %s --target cuda:sm_80 --emit schedule -o - | FileCheck %s --check-prefix=SCHEDULE
// RUN: tessera-compile %s --target cuda:sm_80 --emit asm -o - | FileCheck %s

// All loops as one: rows of any length.
// SCHEDULE-LABEL: schedule.func @k0_
// SCHEDULE: schedule.fuse "i1", "i0" into "element"
// SCHEDULE-NEXT: schedule.split "element" into "vector", "lane" by 4 tail guard
// SCHEDULE-NEXT: schedule.vectorize "lane" by 4
// SCHEDULE-NEXT: schedule.split "vector" into "block", "thread" by 256 tail guard
// A row that is read again for others is none of these: along rows. Elements of 16 bits.
// SCHEDULE-LABEL: schedule.func @k1_
// SCHEDULE: schedule.split "i1" into "vector", "lane" by 8 tail guard
// SCHEDULE-NEXT: schedule.vectorize "lane" by 8
// SCHEDULE-NEXT: schedule.fuse "vector", "i0" into "element"
// A known extent that is no multiple.
// SCHEDULE-LABEL: schedule.func @k2_
// SCHEDULE-NOT: vectorize
// Reductions of rows, and what follows from them.
// SCHEDULE-LABEL: schedule.func @k3_
// SCHEDULE: schedule.stage "exp"
// SCHEDULE: schedule.vectorize "lane" by 4
// SCHEDULE: schedule.update "max"
// SCHEDULE-NEXT: schedule.split "r0" into "vector", "lane" by 4
// SCHEDULE-NEXT: schedule.vectorize "lane" by 4
// SCHEDULE-NEXT: schedule.split "vector" into "step", "thread" by 256
// SCHEDULE-LABEL: schedule.func @k4_
// SCHEDULE: schedule.vectorize "lane" by 4
// SCHEDULE: schedule.update "sum"
// SCHEDULE: schedule.vectorize "lane" by 4

// CHECK: .entry
// CHECK: and.b64 {{.*}}, 15;
// CHECK: ld.global.v4.b32
// CHECK: ld.global.v4.b32
// CHECK: st.global.v4.b32
// CHECK: ld.global.b32
// CHECK: st.global.b32
// CHECK: .entry
// CHECK: ld.global.v4.b32
// CHECK: ld.global.v4.b32
// CHECK: st.global.v4.b32
// CHECK: ld.global.b16
// CHECK: st.global.b16
// CHECK: .entry
// CHECK-NOT: .v4
// CHECK: .entry
// CHECK: ld.global.v4.b32
// CHECK: bar.sync
// CHECK: ld.global.v4.b32
// CHECK: st.global.v4.b32
// CHECK: .entry
// CHECK: ld.global.v4.b32
// CHECK: bar.sync
// CHECK: ld.global.v4.b32
// CHECK: st.global.v4.b32
graph.func @main(%x: !graph.tensor<[N, M], f32>, %y: !graph.tensor<[N, M], f32>, %h: !graph.tensor<[N, M], f16>, %b: !graph.tensor<[M], f16>,
                 %o: !graph.tensor<[N, 75], f32>, %p: !graph.tensor<[75], f32>)
    -> (!graph.tensor<[N, M], f32>, !graph.tensor<[N, M], f16>, !graph.tensor<[N, 75], f32>, !graph.tensor<[N, M], f32>) {
  %0 = graph.add %x, %y : !graph.tensor<[N, M], f32>
  %1 = graph.broadcast %b, dims = [1] : !graph.tensor<[M], f16> -> !graph.tensor<[N, M], f16>
  %2 = graph.mul %h, %1 : !graph.tensor<[N, M], f16>
  %3 = graph.broadcast %p, dims = [1] : !graph.tensor<[75], f32> -> !graph.tensor<[N, 75], f32>
  %4 = graph.add %o, %3 : !graph.tensor<[N, 75], f32>
  %5 = graph.softmax %y, axes = [1] : !graph.tensor<[N, M], f32>
  graph.return %0, %2, %4, %5 : !graph.tensor<[N, M], f32>, !graph.tensor<[N, M], f16>, !graph.tensor<[N, 75], f32>, !graph.tensor<[N, M], f32>
}
