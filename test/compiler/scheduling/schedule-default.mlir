// RUN: tessera-opt %s --schedule-default | FileCheck %s --check-prefixes=CHECK,NARROW
// RUN: tessera-opt %s --schedule-default=vector-bits=512 | FileCheck %s --check-prefixes=CHECK,WIDE
// RUN: tessera-opt %s --schedule-default=cores=1 | FileCheck %s --check-prefix=SERIAL

// Tasks of many vectors; the lanes follow the target.
// CHECK: schedule.func @double_schedule for @double {
// CHECK-NEXT: schedule.stage "out" {
// NARROW-NEXT: schedule.vectorize "i" by 8
// WIDE-NEXT: schedule.vectorize "i" by 16
// CHECK-NEXT: schedule.split "i" into "task", "task_i" by {{[0-9]+}} tail guard
// CHECK-NEXT: schedule.parallel "task"
// SERIAL: schedule.func @double_schedule
// SERIAL-NOT: schedule.parallel
// SERIAL: schedule.func @mine
kernel.func @double(%x: tensor<?xf32>, %N: index) -> tensor<?xf32> {
  %two = arith.constant 2.0 : f32
  %e = tensor.empty(%N) : tensor<?xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<?xf32>) outs(%e : tensor<?xf32>) attrs = {kernel.stage = "out", kernel.loops = ["i"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.mulf %v, %two : f32
    %t = math.exp %s : f32
    linalg.yield %t : f32
  } -> tensor<?xf32>
  kernel.return %r : tensor<?xf32>
}

// A kernel that has a schedule keeps it.
// CHECK: schedule.func @mine for @scheduled {
// CHECK-NOT: @scheduled_schedule
kernel.func @scheduled(%x: tensor<8xf32>) -> tensor<8xf32> {
  %e = tensor.empty() : tensor<8xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) attrs = {kernel.stage = "out", kernel.loops = ["i"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.negf %v : f32
    linalg.yield %s : f32
  } -> tensor<8xf32>
  kernel.return %r : tensor<8xf32>
}
schedule.func @mine for @scheduled {
  schedule.stage "out" {
    schedule.vectorize "i" by 4
  }
}
