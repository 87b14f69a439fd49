// RUN: tessera-opt %s --schedule-default | FileCheck %s

// What a product broadcasts is converted once, by vectors; weights are converted where they are loaded. A
// product with one column reads each element once: no copy.
// CHECK-LABEL: schedule.func @product_schedule
// CHECK: schedule.widen_operand "acc" operand 0 to f32 as "acc_wide"
// CHECK: schedule.scratch "acc_wide"
// CHECK: schedule.pack_operand 1
kernel.func @product(%x: tensor<?x70xf16>, %w: tensor<70x33xf16> {kernel.constant}, %M: index) -> tensor<?x33xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%M) : tensor<?x33xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<?x33xf32>) -> tensor<?x33xf32>
  %acc = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>],
       iterator_types = ["parallel", "parallel", "reduction"]}
     ins(%x, %w : tensor<?x70xf16>, tensor<70x33xf16>) outs(%init : tensor<?x33xf32>) attrs = {kernel.stage = "acc"} {
  ^bb0(%a: f16, %b: f16, %s: f32):
    %c = arith.extf %a : f16 to f32
    %d = arith.extf %b : f16 to f32
    %p = arith.mulf %c, %d : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<?x33xf32>
  kernel.return %acc : tensor<?x33xf32>
}
// CHECK-LABEL: schedule.func @column_schedule
// CHECK-NOT: widen_operand
kernel.func @column(%x: tensor<?x70xf16>, %w: tensor<70x1xf16> {kernel.constant}, %M: index) -> tensor<?x1xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%M) : tensor<?x1xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<?x1xf32>) -> tensor<?x1xf32>
  %acc = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>],
       iterator_types = ["parallel", "parallel", "reduction"]}
     ins(%x, %w : tensor<?x70xf16>, tensor<70x1xf16>) outs(%init : tensor<?x1xf32>) attrs = {kernel.stage = "acc"} {
  ^bb0(%a: f16, %b: f16, %s: f32):
    %c = arith.extf %a : f16 to f32
    %d = arith.extf %b : f16 to f32
    %p = arith.mulf %c, %d : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<?x1xf32>
  kernel.return %acc : tensor<?x1xf32>
}
