// RUN: tessera-opt %s --kernel-expand-math | FileCheck %s

// Straight-line arithmetic without calls: range reduction, a series, the scaling by a power of two.
// CHECK-LABEL: kernel.func @exponential
// CHECK-NOT: math.exp
// CHECK: math.roundeven
// CHECK: math.fma
// CHECK: arith.bitcast %{{.*}} : i32 to f32
// CHECK-NOT: math.exp
// CHECK: linalg.yield
kernel.func @exponential(%x: tensor<?xf32>, %N: index) -> tensor<?xf32> {
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

// What processors have stays.
// CHECK-LABEL: kernel.func @root
// CHECK: math.sqrt
kernel.func @root(%x: tensor<8xf32>) -> tensor<8xf32> {
  %e = tensor.empty() : tensor<8xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) attrs = {kernel.stage = "out", kernel.loops = ["i"]} {
  ^bb0(%v: f32, %o: f32):
    %s = math.sqrt %v : f32
    linalg.yield %s : f32
  } -> tensor<8xf32>
  kernel.return %r : tensor<8xf32>
}

// f16 computes in f32.
// CHECK-LABEL: kernel.func @half
// CHECK: arith.extf %{{.*}} : f16 to f32
// CHECK-NOT: math.exp
// CHECK: arith.truncf %{{.*}} : f32 to f16
kernel.func @half(%x: tensor<8xf16>) -> tensor<8xf16> {
  %e = tensor.empty() : tensor<8xf16>
  %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<8xf16>) outs(%e : tensor<8xf16>) attrs = {kernel.stage = "out", kernel.loops = ["i"]} {
  ^bb0(%v: f16, %o: f16):
    %s = math.exp %v : f16
    linalg.yield %s : f16
  } -> tensor<8xf16>
  kernel.return %r : tensor<8xf16>
}

// A remainder is a long division; the sign is that of the dividend.
// CHECK-LABEL: kernel.func @remainder
// CHECK-NOT: arith.remf
// CHECK: arith.divf %{{.*}} : f64
// CHECK: math.trunc
// CHECK: math.copysign
// CHECK-NOT: arith.remf
// CHECK: linalg.yield
kernel.func @remainder(%x: tensor<?xf32>, %N: index) -> tensor<?xf32> {
  %e = tensor.empty(%N) : tensor<?xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<?xf32>) outs(%e : tensor<?xf32>) attrs = {kernel.stage = "out", kernel.loops = ["i"]} {
  ^bb0(%v: f32, %o: f32):
    %y = arith.constant 3.0 : f32
    %t = arith.remf %v, %y : f32
    linalg.yield %t : f32
  } -> tensor<?xf32>
  kernel.return %r : tensor<?xf32>
}
