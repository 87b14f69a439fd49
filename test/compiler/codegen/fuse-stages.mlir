// RUN: compile-kernels %s --emit=loops --cpu=x86-64-v4 | FileCheck %s
// RUN: compile-kernels %s --emit=loops | FileCheck %s --check-prefix=V3
// RUN: compile-kernels %s --emit=asm | FileCheck %s --check-prefix=ASM

// A step of a recurrence: the product starts from zero in registers and keeps its sums in the only buffer,
// gates read their columns of it, and all that is computed element by element is one sweep over vectors.
// Threads that get enough rows go through all steps on their own; else they share the stages of each step.
// CHECK-LABEL: kernel step
// CHECK: @task2(
// CHECK: vector.load %{{.*}} : memref<2x64x64xf32>, vector<64xf32>
// CHECK: vector.store
// CHECK: @task3(
// CHECK: vector.load %{{.*}} : memref<?x64xf32, strided<[128, 1], offset: 64>>, vector<16xf32>
// CHECK-NEXT: vector.load %{{.*}} : memref<?x64xf32, strided<[128, 1]>>, vector<16xf32>
// CHECK-NEXT: vector.load %{{.*}} : memref<?x64xf32>, vector<16xf32>
// CHECK-NEXT: arith.divf
// CHECK-NEXT: arith.subf
// CHECK-NEXT: vector.store
// CHECK: func.func @kernel(
// CHECK: memref.view
// CHECK-NOT: memref.view
// CHECK: call @thread_count
// CHECK: scf.if
// CHECK: call @parallel_for0
// CHECK: } else {
// CHECK: scf.for
// CHECK: call @parallel_for2
// CHECK: call @parallel_for3
// V3: vector.load %{{.*}}, vector<64xf32>
// V3: vector.load %{{.*}}, vector<8xf32>
// ASM-NOT: memset
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j, k) -> (i, k)>
#weight = affine_map<(i, j, k) -> (j floordiv 64, k, j mod 64)>
#sum = affine_map<(i, j, k) -> (i, j)>
kernel.func @step(%x: tensor<?x64xf32>, %w: tensor<2x64x64xf32>, %h0: tensor<?x64xf32>, %B: index, %T: index)
    -> (tensor<?x64xf32>, tensor<?xi8> {kernel.scratch}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %c512 = arith.constant 512 : index
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%B) : tensor<?x64xf32>
  %start = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%h0 : tensor<?x64xf32>) outs(%e : tensor<?x64xf32>) attrs = {kernel.stage = "start"} {
  ^bb0(%a: f32, %o: f32):
    linalg.yield %a : f32
  } -> tensor<?x64xf32>
  %r = scf.for %t = %c0 to %T step %c1 iter_args(%h = %start) -> tensor<?x64xf32> {
    %place = tensor.empty(%B) : tensor<?x128xf32>
    %none = linalg.fill {kernel.stage = "zeros"} ins(%zero : f32) outs(%place : tensor<?x128xf32>) -> tensor<?x128xf32>
    %n = linalg.generic {indexing_maps = [#row, #weight, #sum], iterator_types = ["parallel", "parallel", "reduction"]}
        ins(%h, %w : tensor<?x64xf32>, tensor<2x64x64xf32>) outs(%none : tensor<?x128xf32>) attrs = {kernel.stage = "product"} {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %p = arith.mulf %a, %b : f32
      %s = arith.addf %o, %p : f32
      linalg.yield %s : f32
    } -> tensor<?x128xf32>
    %e1 = tensor.empty(%B) : tensor<?x64xf32>
    %first = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]}
        outs(%e1 : tensor<?x64xf32>) attrs = {kernel.stage = "first"} {
    ^bb0(%o: f32):
      %i = linalg.index 0 : index
      %j = linalg.index 1 : index
      %v = tensor.extract %n[%i, %j] : tensor<?x128xf32>
      linalg.yield %v : f32
    } -> tensor<?x64xf32>
    %e2 = tensor.empty(%B) : tensor<?x64xf32>
    %second = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]}
        outs(%e2 : tensor<?x64xf32>) attrs = {kernel.stage = "second"} {
    ^bb0(%o: f32):
      %i = linalg.index 0 : index
      %j = linalg.index 1 : index
      %k = arith.addi %j, %c64 : index
      %v = tensor.extract %n[%i, %k] : tensor<?x128xf32>
      linalg.yield %v : f32
    } -> tensor<?x64xf32>
    %e3 = tensor.empty(%B) : tensor<?x64xf32>
    %gate = linalg.generic {indexing_maps = [#id, #id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%first, %second, %x : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>)
        outs(%e3 : tensor<?x64xf32>) attrs = {kernel.stage = "gate"} {
    ^bb0(%a: f32, %b: f32, %c: f32, %o: f32):
      %d = arith.divf %a, %b : f32
      %s = arith.subf %d, %c : f32
      linalg.yield %s : f32
    } -> tensor<?x64xf32>
    %next = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%gate : tensor<?x64xf32>) outs(%h : tensor<?x64xf32>) attrs = {kernel.stage = "next"} {
    ^bb0(%a: f32, %o: f32):
      linalg.yield %a : f32
    } -> tensor<?x64xf32>
    scf.yield %next : tensor<?x64xf32>
  } {kernel.stage = "loop"}
  %bytes = arith.muli %B, %c512 : index
  %scratch = tensor.empty(%bytes) : tensor<?xi8>
  kernel.return %r, %scratch : tensor<?x64xf32>, tensor<?xi8>
}

// Stages that look at each other's elements from other places stay apart: here the second one reads
// its neighbour, which the first one writes.
// CHECK-LABEL: kernel apart
// CHECK: func.func @kernel(
// CHECK: arith.divf
// CHECK: vector.store
// CHECK: memref.load
// CHECK: memref.store
#one = affine_map<(i) -> (i)>
kernel.func @apart(%x: tensor<64xf32>, %T: index) -> tensor<64xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c63 = arith.constant 63 : index
  %e = tensor.empty() : tensor<64xf32>
  %start = linalg.generic {indexing_maps = [#one, #one], iterator_types = ["parallel"]}
      ins(%x : tensor<64xf32>) outs(%e : tensor<64xf32>) attrs = {kernel.stage = "start"} {
  ^bb0(%a: f32, %o: f32):
    linalg.yield %a : f32
  } -> tensor<64xf32>
  %r = scf.for %t = %c0 to %T step %c1 iter_args(%h = %start) -> tensor<64xf32> {
    %e1 = tensor.empty() : tensor<64xf32>
    %root = linalg.generic {indexing_maps = [#one, #one], iterator_types = ["parallel"]}
        ins(%h : tensor<64xf32>) outs(%e1 : tensor<64xf32>) attrs = {kernel.stage = "root"} {
    ^bb0(%a: f32, %o: f32):
      %v = arith.divf %a, %a : f32
      linalg.yield %v : f32
    } -> tensor<64xf32>
    %next = linalg.generic {indexing_maps = [#one], iterator_types = ["parallel"]}
        outs(%h : tensor<64xf32>) attrs = {kernel.stage = "next"} {
    ^bb0(%o: f32):
      %i = linalg.index 0 : index
      %j = arith.subi %c63, %i : index
      %v = tensor.extract %root[%j] : tensor<64xf32>
      linalg.yield %v : f32
    } -> tensor<64xf32>
    scf.yield %next : tensor<64xf32>
  } {kernel.stage = "loop"}
  kernel.return %r : tensor<64xf32>
}

// Rows that meet take their steps together.
// CHECK-LABEL: kernel meeting
// CHECK-NOT: thread_count
// CHECK: func.func @kernel(
#turned = affine_map<(i, j) -> (j, i)>
kernel.func @meeting(%x: tensor<64x64xf32>, %T: index) -> (tensor<64x64xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %e = tensor.empty() : tensor<64x64xf32>
  %start = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<64x64xf32>) outs(%e : tensor<64x64xf32>) attrs = {kernel.stage = "start"} {
  ^bb0(%a: f32, %o: f32):
    linalg.yield %a : f32
  } -> tensor<64x64xf32>
  %r = scf.for %t = %c0 to %T step %c1 iter_args(%h = %start) -> tensor<64x64xf32> {
    %e1 = tensor.empty() : tensor<64x64xf32>
    %other = linalg.generic {indexing_maps = [#turned, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%h, %h : tensor<64x64xf32>, tensor<64x64xf32>) outs(%e1 : tensor<64x64xf32>) attrs = {kernel.stage = "other"} {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %v = arith.divf %a, %b : f32
      linalg.yield %v : f32
    } -> tensor<64x64xf32>
    %next = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%other : tensor<64x64xf32>) outs(%h : tensor<64x64xf32>) attrs = {kernel.stage = "next"} {
    ^bb0(%a: f32, %o: f32):
      linalg.yield %a : f32
    } -> tensor<64x64xf32>
    scf.yield %next : tensor<64x64xf32>
  } {kernel.stage = "loop"}
  kernel.return %r : tensor<64x64xf32>
}
