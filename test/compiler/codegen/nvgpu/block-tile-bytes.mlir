// Products of 8-bit integers, signed or not, are summed in i32 by instructions for matrices; where memory does not run along the depth the
// elements are gathered, since these instructions turn 16 bits at a time.
// RUN: tessera-compile %s --target cuda:sm_80 --emit asm -o - | FileCheck %s
// CHECK: .entry
// CHECK: cp.async.cg.shared.global
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK: mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32
// CHECK-NOT: .local
// CHECK-NOT: .trans
graph.func @main(%x: !graph.tensor<[B, 256], ui8> {graph.name = "x"}, %w: !graph.tensor<[256, 512], si8> {graph.name = "w"})
    -> (!graph.tensor<[B, 512], si32> {graph.name = "y"}) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[B, 256], ui8>, !graph.tensor<[256, 512], si8>) -> !graph.tensor<[B, 512], si32>
  graph.return %0 : !graph.tensor<[B, 512], si32>
}
