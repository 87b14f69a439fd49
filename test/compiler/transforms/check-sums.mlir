// RUN: tessera-opt %s --kernel-check-sums --split-input-file --verify-diagnostics

// Floats: at least 32 bits, however the sum is written.
#in = affine_map<(d0, d1) -> (d0, d1)>
#out = affine_map<(d0, d1) -> (d0)>
kernel.func @short_sum(%x: tensor<4x8xf16>) -> tensor<4xf16> {
  %zero = arith.constant 0.0 : f16
  %empty = tensor.empty() : tensor<4xf16>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f16) outs(%empty : tensor<4xf16>) -> tensor<4xf16>
  // expected-error@+1 {{stage 'sum' of kernel 'short_sum' sums 'f16' in 'f16', with fewer than the 32 bits that nobody asked to go below}}
  %sum = linalg.generic {indexing_maps = [#in, #out], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x8xf16>) outs(%init : tensor<4xf16>) attrs = {kernel.stage = "sum"} {
  ^bb0(%a: f16, %running: f16):
    %wide = arith.extf %running : f16 to f32
    %more = arith.extf %a : f16 to f32
    %next = arith.addf %wide, %more : f32
    %rounded = arith.truncf %next : f32 to f16
    linalg.yield %rounded : f16
  } -> tensor<4xf16>
  kernel.return %sum : tensor<4xf16>
}

// -----

// f64 in f32: 32 bits are not enough for what is summed.
#in = affine_map<(d0) -> (d0)>
#out = affine_map<(d0) -> ()>
kernel.func @shortened(%x: tensor<8xf64>) -> tensor<f32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<f32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%empty : tensor<f32>) -> tensor<f32>
  // expected-error@+1 {{stage 'sum' of kernel 'shortened' sums 'f64' in 'f32', with fewer than the 64 bits}}
  %sum = linalg.generic {indexing_maps = [#in, #out], iterator_types = ["reduction"]}
      ins(%x : tensor<8xf64>) outs(%init : tensor<f32>) attrs = {kernel.stage = "sum"} {
  ^bb0(%a: f64, %running: f32):
    %short = arith.truncf %a : f64 to f32
    %next = arith.addf %running, %short : f32
    linalg.yield %next : f32
  } -> tensor<f32>
  kernel.return %sum : tensor<f32>
}

// -----

// Products of 8-bit integers need 32 bits; a sum of integers themselves wraps alike in any.
#in = affine_map<(d0) -> (d0)>
#out = affine_map<(d0) -> ()>
kernel.func @integers(%x: tensor<8xi8>, %y: tensor<8xi8>) -> (tensor<i16>, tensor<i8>) {
  %zero = arith.constant 0 : i16
  %zero8 = arith.constant 0 : i8
  %empty = tensor.empty() : tensor<i16>
  %empty8 = tensor.empty() : tensor<i8>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : i16) outs(%empty : tensor<i16>) -> tensor<i16>
  %init8 = linalg.fill {kernel.stage = "init8"} ins(%zero8 : i8) outs(%empty8 : tensor<i8>) -> tensor<i8>
  // expected-error@+1 {{stage 'products' of kernel 'integers' sums 'i8' in 'i16', with fewer than the 32 bits}}
  %products = linalg.generic {indexing_maps = [#in, #in, #out], iterator_types = ["reduction"]}
      ins(%x, %y : tensor<8xi8>, tensor<8xi8>) outs(%init : tensor<i16>) attrs = {kernel.stage = "products"} {
  ^bb0(%a: i8, %b: i8, %running: i16):
    %p = arith.extsi %a : i8 to i16
    %q = arith.extsi %b : i8 to i16
    %product = arith.muli %p, %q : i16
    %next = arith.addi %running, %product : i16
    linalg.yield %next : i16
  } -> tensor<i16>
  %sum = linalg.generic {indexing_maps = [#in, #out], iterator_types = ["reduction"]}
      ins(%x : tensor<8xi8>) outs(%init8 : tensor<i8>) attrs = {kernel.stage = "sum"} {
  ^bb0(%a: i8, %running: i8):
    %next = arith.addi %running, %a : i8
    linalg.yield %next : i8
  } -> tensor<i8>
  kernel.return %products, %sum : tensor<i16>, tensor<i8>
}

// -----

// A maximum is exact in any type, and so is the sum that a model asks for.
#in = affine_map<(d0) -> (d0)>
#out = affine_map<(d0) -> ()>
kernel.func @allowed(%x: tensor<8xbf16>) -> (tensor<bf16>, tensor<bf16>) attributes {kernel.asked_sums = [bf16]} {
  %zero = arith.constant 0.0 : bf16
  %empty = tensor.empty() : tensor<bf16>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : bf16) outs(%empty : tensor<bf16>) -> tensor<bf16>
  %max = linalg.generic {indexing_maps = [#in, #out], iterator_types = ["reduction"]}
      ins(%x : tensor<8xbf16>) outs(%init : tensor<bf16>) attrs = {kernel.stage = "max"} {
  ^bb0(%a: bf16, %running: bf16):
    %next = arith.maximumf %running, %a : bf16
    linalg.yield %next : bf16
  } -> tensor<bf16>
  %sum = linalg.generic {indexing_maps = [#in, #out], iterator_types = ["reduction"]}
      ins(%x : tensor<8xbf16>) outs(%init : tensor<bf16>) attrs = {kernel.stage = "sum"} {
  ^bb0(%a: bf16, %running: bf16):
    %next = arith.addf %running, %a : bf16
    linalg.yield %next : bf16
  } -> tensor<bf16>
  kernel.return %max, %sum : tensor<bf16>, tensor<bf16>
}
