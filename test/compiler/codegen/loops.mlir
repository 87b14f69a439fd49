// RUN: compile-kernels %s --emit=asm | FileCheck %s
// RUN: compile-kernels %s --emit=llvm | FileCheck %s --check-prefix=LLVM
// RUN: compile-kernels %s --emit=asm > %t.1 && compile-kernels %s --emit=asm --jobs=2 > %t.2 && cmp %t.1 %t.2
// RUN: compile-kernels %s --cpu=x86-64-v4 --emit=asm | FileCheck %s --check-prefix=V4

// A contraction inside of a recurrence computes many elements of the next state at a time, in registers,
// and calls nothing.
// LLVM: define {{.*}}@tessera_kernel(
// LLVM-NOT: declare {{.*}}@mem
// CHECK-LABEL: kernel recurrence
// CHECK-NOT: call
// CHECK: vfmadd{{.*}} %ymm
// CHECK: vfmadd{{.*}} %ymm
// V4: vfmadd{{.*}} %zmm
#vector = affine_map<(n) -> (n)>
#lhs = affine_map<(n, k) -> (k)>
#rhs = affine_map<(n, k) -> (k, n)>
#out = affine_map<(n, k) -> (n)>
kernel.func @recurrence(%x: tensor<?x256xf32>, %w: tensor<256x256xf32>, %h0: tensor<256xf32>, %T: index) -> (tensor<256xf32>, tensor<?x256xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %place = tensor.empty() : tensor<256xf32>
  %start = linalg.generic {indexing_maps = [#vector, #vector], iterator_types = ["parallel"]}
      ins(%h0 : tensor<256xf32>) outs(%place : tensor<256xf32>) attrs = {kernel.stage = "start"} {
  ^bb0(%a: f32, %o: f32):
    linalg.yield %a : f32
  } -> tensor<256xf32>
  %all = tensor.empty(%T) : tensor<?x256xf32>
  %r:2 = scf.for %t = %c0 to %T step %c1 iter_args(%h = %start, %ys = %all) -> (tensor<256xf32>, tensor<?x256xf32>) {
    %e = tensor.extract_slice %x[%t, 0] [1, 256] [1, 1] : tensor<?x256xf32> to tensor<256xf32>
    %sums = tensor.empty() : tensor<256xf32>
    %copy = linalg.generic {indexing_maps = [#vector, #vector], iterator_types = ["parallel"]}
        ins(%e : tensor<256xf32>) outs(%sums : tensor<256xf32>) attrs = {kernel.stage = "input"} {
    ^bb0(%a: f32, %o: f32):
      linalg.yield %a : f32
    } -> tensor<256xf32>
    %n = linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "reduction"]}
        ins(%h, %w : tensor<256xf32>, tensor<256x256xf32>) outs(%copy : tensor<256xf32>) attrs = {kernel.stage = "product"} {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %p = arith.mulf %a, %b : f32
      %s = arith.addf %o, %p : f32
      linalg.yield %s : f32
    } -> tensor<256xf32>
    %y = tensor.insert_slice %n into %ys[%t, 0] [1, 256] [1, 1] : tensor<256xf32> into tensor<?x256xf32>
    %next = linalg.generic {indexing_maps = [#vector, #vector], iterator_types = ["parallel"]}
        ins(%n : tensor<256xf32>) outs(%h : tensor<256xf32>) attrs = {kernel.stage = "next"} {
    ^bb0(%a: f32, %o: f32):
      linalg.yield %a : f32
    } -> tensor<256xf32>
    scf.yield %next, %y : tensor<256xf32>, tensor<?x256xf32>
  } {kernel.stage = "scan_loop"}
  kernel.return %r#0, %r#1 : tensor<256xf32>, tensor<?x256xf32>
}
