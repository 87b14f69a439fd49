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
