// A fused elementwise kernel as PTX: one function, pointers and extents, no runtime.
// RUN: tessera-compile %s --target cuda:sm_80 --emit asm -o - | FileCheck %s
// RUN: tessera-compile %s --target cuda:sm_80 --emit schedule -o - | FileCheck %s --check-prefix=SCHEDULE
// RUN: not tessera-compile %s --target cuda:sm_7 --emit asm -o - 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// SCHEDULE: schedule.fuse
// SCHEDULE: schedule.split "element" into "block", "thread" by 256
// SCHEDULE: schedule.gpu_blocks "block"
// SCHEDULE: schedule.gpu_threads "thread"

// CHECK: .target sm_80
// CHECK-NOT: .extern
// CHECK: .visible .entry kernel(
// CHECK: %ctaid.x
// CHECK: %tid.x
// CHECK: ld.global
// CHECK: fma.rn.f32
// CHECK: st.global
// CHECK-NOT: .func
// UNKNOWN: 'sm_7' is no CUDA processor that LLVM knows
graph.func @main(%x: !graph.tensor<[B, 100], f32> {graph.name = "x"}, %b: !graph.tensor<[100], f32> {graph.name = "b"})
    -> (!graph.tensor<[B, 100], f32> {graph.name = "y"}) {
  %0 = graph.broadcast %b, dims = [1] : !graph.tensor<[100], f32> -> !graph.tensor<[B, 100], f32>
  %1 = graph.add %x, %0 : !graph.tensor<[B, 100], f32>
  %2 = graph.tanh %1 : !graph.tensor<[B, 100], f32>
  graph.return %2 : !graph.tensor<[B, 100], f32>
}
