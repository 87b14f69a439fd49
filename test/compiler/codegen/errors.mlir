// RUN: not compile-kernels %s | FileCheck %s

// A kernel never allocates: an intermediate needs a constant size.
// CHECK: kernel allocates
// CHECK: error: {{.*}}keeps an intermediate whose size is not constant
kernel.func @allocates(%x: tensor<?xf32>, %N: index) -> tensor<?xf32> {
  %e = tensor.empty(%N) : tensor<?xf32>
  %a = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<?xf32>) outs(%e : tensor<?xf32>) attrs = {kernel.stage = "a", kernel.loops = ["i"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %v, %v : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  %b = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%a : tensor<?xf32>) outs(%e : tensor<?xf32>) attrs = {kernel.stage = "b", kernel.loops = ["i"]} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.mulf %v, %v : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  kernel.return %b : tensor<?xf32>
}
schedule.func @s for @allocates {
  schedule.stage "a" { schedule.compute_root }
}

// CHECK: kernel unexpanded
// CHECK: error: {{.*}}math.exp{{.*}}is not known to the Halide generator
kernel.func @unexpanded(%x: tensor<?xf32>, %N: index) -> tensor<?xf32> {
  %e = tensor.empty(%N) : tensor<?xf32>
  %a = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<?xf32>) outs(%e : tensor<?xf32>) attrs = {kernel.stage = "a", kernel.loops = ["i"]} {
  ^bb0(%v: f32, %o: f32):
    %s = math.exp %v : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  kernel.return %a : tensor<?xf32>
}

// CHECK: kernel unknown_loop
// CHECK: error: {{.*}}names loop 'k' of stage 'a', which has i
kernel.func @unknown_loop(%x: tensor<?xf32>, %N: index) -> tensor<?xf32> {
  %e = tensor.empty(%N) : tensor<?xf32>
  %a = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<?xf32>) outs(%e : tensor<?xf32>) attrs = {kernel.stage = "a", kernel.loops = ["i"]} {
  ^bb0(%v: f32, %o: f32):
    linalg.yield %v : f32
  } -> tensor<?xf32>
  kernel.return %a : tensor<?xf32>
}
schedule.func @u for @unknown_loop {
  schedule.stage "a" { schedule.vectorize "k" by 8 }
}

// CHECK: kernel not_a_tensor
// CHECK: error: {{.*}}names argument 1, which is no tensor of the kernel
kernel.func @not_a_tensor(%x: tensor<?xf32>, %N: index) -> tensor<?xf32> {
  %e = tensor.empty(%N) : tensor<?xf32>
  %a = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<?xf32>) outs(%e : tensor<?xf32>) attrs = {kernel.stage = "a", kernel.loops = ["i"]} {
  ^bb0(%v: f32, %o: f32):
    linalg.yield %v : f32
  } -> tensor<?xf32>
  kernel.return %a : tensor<?xf32>
}
schedule.func @p for @not_a_tensor {
  schedule.stage "a" { schedule.prefetch 1 loop "i" ahead 4 }
}

// What runs in order.
// CHECK: kernel of_the_reduction
// CHECK: error: {{.*}}'r' of stage 'a' is no loop of an update with several results that can run in order
kernel.func @of_the_reduction(%x: tensor<?x8xf32>, %y: tensor<?xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8xf32>
  %f = linalg.fill {kernel.stage = "f"} ins(%zero : f32) outs(%e : tensor<8xf32>) -> tensor<8xf32>
  %a:2 = linalg.generic {indexing_maps = [affine_map<(i, r) -> (r, i)>, affine_map<(i, r) -> (r)>, affine_map<(i, r) -> (i)>,
      affine_map<(i, r) -> (i)>], iterator_types = ["parallel", "reduction"]} ins(%x, %y : tensor<?x8xf32>, tensor<?xf32>)
      outs(%f, %f : tensor<8xf32>, tensor<8xf32>) attrs = {kernel.stage = "a", kernel.loops = ["i", "r"]} {
  ^bb0(%v: f32, %w: f32, %s: f32, %t: f32):
    %t1 = arith.addf %t, %w : f32
    %p = arith.mulf %t1, %v : f32
    %s1 = arith.addf %s, %p : f32
    linalg.yield %s1, %t1 : f32, f32
  } -> (tensor<8xf32>, tensor<8xf32>)
  kernel.return %a#0, %a#1 : tensor<8xf32>, tensor<8xf32>
}
schedule.func @of_of_the_reduction for @of_the_reduction {
  schedule.update "a" {
    schedule.in_order "r"
  }
}

// CHECK: kernel not_innermost
// CHECK: error: {{.*}}loop 'i' of stage 'a' runs in order, so it has to be the innermost one
kernel.func @not_innermost(%x: tensor<?x8xf32>, %y: tensor<?xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8xf32>
  %f = linalg.fill {kernel.stage = "f"} ins(%zero : f32) outs(%e : tensor<8xf32>) -> tensor<8xf32>
  %a:2 = linalg.generic {indexing_maps = [affine_map<(i, r) -> (r, i)>, affine_map<(i, r) -> (r)>, affine_map<(i, r) -> (i)>,
      affine_map<(i, r) -> (i)>], iterator_types = ["parallel", "reduction"]} ins(%x, %y : tensor<?x8xf32>, tensor<?xf32>)
      outs(%f, %f : tensor<8xf32>, tensor<8xf32>) attrs = {kernel.stage = "a", kernel.loops = ["i", "r"]} {
  ^bb0(%v: f32, %w: f32, %s: f32, %t: f32):
    %t1 = arith.addf %t, %w : f32
    %p = arith.mulf %t1, %v : f32
    %s1 = arith.addf %s, %p : f32
    linalg.yield %s1, %t1 : f32, f32
  } -> (tensor<8xf32>, tensor<8xf32>)
  kernel.return %a#0, %a#1 : tensor<8xf32>, tensor<8xf32>
}
schedule.func @of_not_innermost for @not_innermost {
  schedule.update "a" {
    schedule.in_order "i"
    schedule.reorder ["r", "i"]
  }
}

// CHECK: kernel on_threads
// CHECK: error: {{.*}}loop 'i' of stage 'a' cannot be parallel beside a loop that runs in order
kernel.func @on_threads(%x: tensor<?x8xf32>, %y: tensor<?xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8xf32>
  %f = linalg.fill {kernel.stage = "f"} ins(%zero : f32) outs(%e : tensor<8xf32>) -> tensor<8xf32>
  %a:2 = linalg.generic {indexing_maps = [affine_map<(i, r) -> (r, i)>, affine_map<(i, r) -> (r)>, affine_map<(i, r) -> (i)>,
      affine_map<(i, r) -> (i)>], iterator_types = ["parallel", "reduction"]} ins(%x, %y : tensor<?x8xf32>, tensor<?xf32>)
      outs(%f, %f : tensor<8xf32>, tensor<8xf32>) attrs = {kernel.stage = "a", kernel.loops = ["i", "r"]} {
  ^bb0(%v: f32, %w: f32, %s: f32, %t: f32):
    %t1 = arith.addf %t, %w : f32
    %p = arith.mulf %t1, %v : f32
    %s1 = arith.addf %s, %p : f32
    linalg.yield %s1, %t1 : f32, f32
  } -> (tensor<8xf32>, tensor<8xf32>)
  kernel.return %a#0, %a#1 : tensor<8xf32>, tensor<8xf32>
}
schedule.func @of_on_threads for @on_threads {
  schedule.update "a" {
    schedule.in_order "i"
    schedule.parallel "i"
  }
}
