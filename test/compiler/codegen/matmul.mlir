// RUN: compile-kernels %s --emit=asm | FileCheck %s
// RUN: compile-kernels %s --emit=llvm | FileCheck %s --check-prefix=LLVM
// RUN: compile-kernels %s --emit=asm > %t.1 && compile-kernels %s --emit=asm --jobs=2 > %t.2 && cmp %t.1 %t.2
// RUN: rm -rf %t.cache && compile-kernels %s --cache=%t.cache | FileCheck %s --check-prefix=COLD
// RUN: compile-kernels %s --cache=%t.cache | FileCheck %s --check-prefix=WARM
// RUN: compile-kernels %s --cpu=x86-64-v4 --emit=asm | FileCheck %s --check-prefix=V4

// COLD: kernel dense_relu
// COLD-NOT: cached
// WARM: bytes {{[0-9]+}} entry {{[0-9]+}} cached

// The register tile stays in registers; nothing is called but the table's parallel loop.
// CHECK: vfmadd231ps
// CHECK-NOT: callq {{[a-z_]}}
// CHECK: callq *8(%rdi)
// V4: vfmadd231ps

// LLVM: define {{.*}}@tessera_kernel(
// LLVM-NOT: declare i32 @halide

kernel.func @dense_relu(%x: tensor<?x128xf32>, %w: tensor<128x64xf32>, %b: tensor<64xf32>, %B: index) -> tensor<?x64xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%B) : tensor<?x64xf32>
  %init = linalg.fill {kernel.stage = "acc_init"} ins(%zero : f32) outs(%e : tensor<?x64xf32>) -> tensor<?x64xf32>
  %acc = linalg.generic {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>],
       iterator_types = ["parallel", "parallel", "reduction"]}
     ins(%x, %w : tensor<?x128xf32>, tensor<128x64xf32>) outs(%init : tensor<?x64xf32>)
     attrs = {kernel.stage = "acc", kernel.loops = ["m", "n", "k"]} {
  ^bb0(%a: f32, %c: f32, %s: f32):
    %p = arith.mulf %a, %c : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<?x64xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (n)>, affine_map<(m, n) -> (m, n)>],
       iterator_types = ["parallel", "parallel"]}
     ins(%acc, %b : tensor<?x64xf32>, tensor<64xf32>) outs(%e : tensor<?x64xf32>)
     attrs = {kernel.stage = "out", kernel.loops = ["m", "n"]} {
  ^bb0(%a: f32, %c: f32, %s: f32):
    %p = arith.addf %a, %c : f32
    %t = arith.maximumf %p, %zero : f32
    linalg.yield %t : f32
  } -> tensor<?x64xf32>
  kernel.return %r : tensor<?x64xf32>
}
schedule.func @s for @dense_relu {
  schedule.stage "out" {
    schedule.split "m" into "mo", "mi" by 4 tail guard
    schedule.split "n" into "no", "ni" by 16
    schedule.reorder ["ni", "mi", "no", "mo"]
    schedule.vectorize "ni" by 8
    schedule.unroll "mi"
    schedule.parallel "mo"
  }
  schedule.stage "acc" {
    schedule.compute_at "out" loop "no"
    schedule.store stack
    schedule.bound_extent "n" 16
    schedule.bound_extent "m" 4
    schedule.vectorize "n" by 8
    schedule.unroll "n"
    schedule.unroll "m"
  }
  schedule.update "acc" {
    schedule.reorder ["n", "m", "k"]
    schedule.vectorize "n" by 8
    schedule.unroll "n"
    schedule.unroll "m"
  }
}
