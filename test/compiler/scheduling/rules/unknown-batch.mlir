// How many samples a batch has is not known: tiles of the product are shared among threads, too, since it may be one.
// RUN: tessera-compile %s --target x86-64-v3 --emit schedule | FileCheck %s

// CHECK: schedule.stage "acc_out"
// CHECK: schedule.fuse "{{i[12]_[a-z]*}}", "i0" into "task"
// CHECK: schedule.parallel "task"
graph.func @main(%x: !graph.tensor<[B, 64, 256], f32>, %w: !graph.tensor<[B, 256, 512], f32>) -> !graph.tensor<[B, 64, 512], f32> {
  %0 = graph.contract "bmk,bkn->bmn" %x, %w : (!graph.tensor<[B, 64, 256], f32>, !graph.tensor<[B, 256, 512], f32>) -> !graph.tensor<[B, 64, 512], f32>
  graph.return %0 : !graph.tensor<[B, 64, 512], f32>
}
