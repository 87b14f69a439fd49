// RUN: tessera-opt %s --print-kernel-analysis --verify-diagnostics -o /dev/null

#mk = affine_map<(m, n, k) -> (m, k)>
#kn = affine_map<(m, n, k) -> (k, n)>
#mn = affine_map<(m, n, k) -> (m, n)>
// expected-remark @+1 {{costs 1024 operations, reads 512 and writes 256 bytes}}
kernel.func @contraction(%a: tensor<8x8xf32>, %b: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x8xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<8x8xf32>) -> tensor<8x8xf32>
  // expected-remark @+1 {{stage 'acc' is contraction batch [] m [m] n [n] k [k], 2 operations per point}}
  %acc = linalg.generic {indexing_maps = [#mk, #kn, #mn], iterator_types = ["parallel", "parallel", "reduction"]}
     ins(%a, %b : tensor<8x8xf32>, tensor<8x8xf32>) outs(%init : tensor<8x8xf32>) attrs = {kernel.stage = "acc", kernel.loops = ["m", "n", "k"]} {
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.mulf %x, %y : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<8x8xf32>
  kernel.return %acc : tensor<8x8xf32>
}

#x = affine_map<(o, h, w, c, i, j) -> (c, h * 2 + i, w * 2 + j)>
#f = affine_map<(o, h, w, c, i, j) -> (o, c, i, j)>
#y = affine_map<(o, h, w, c, i, j) -> (o, h, w)>
// expected-remark @+1 {{costs about}}
kernel.func @window(%x: tensor<8x?x?xf32>, %w: tensor<16x8x3x3xf32>, %H: index, %W: index) -> tensor<16x?x?xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%H, %W) : tensor<16x?x?xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<16x?x?xf32>) -> tensor<16x?x?xf32>
  // expected-remark @+1 {{stage 'conv' is window batch [] m [h,w] n [o] k [c,i,j], 2 operations per point}}
  %acc = linalg.generic {indexing_maps = [#x, #f, #y], iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
     ins(%x, %w : tensor<8x?x?xf32>, tensor<16x8x3x3xf32>) outs(%init : tensor<16x?x?xf32>) attrs = {kernel.stage = "conv", kernel.loops = ["o", "h", "w", "c", "i", "j"]} {
  ^bb0(%a: f32, %b: f32, %s: f32):
    %p = arith.mulf %a, %b : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<16x?x?xf32>
  kernel.return %acc : tensor<16x?x?xf32>
}

#dx = affine_map<(c, w, j) -> (c, w + j)>
#df = affine_map<(c, w, j) -> (c, j)>
#dy = affine_map<(c, w, j) -> (c, w)>
// expected-remark @+1 {{costs}}
kernel.func @depthwise(%x: tensor<8x12xf32>, %f: tensor<8x3xf32>) -> (tensor<8x10xf32>, tensor<8x10xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x10xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<8x10xf32>) -> tensor<8x10xf32>
  // expected-remark @+1 {{stage 'conv' is depthwise window batch [c] m [w] n [] k [j]}}
  %acc = linalg.generic {indexing_maps = [#dx, #df, #dy], iterator_types = ["parallel", "parallel", "reduction"]}
     ins(%x, %f : tensor<8x12xf32>, tensor<8x3xf32>) outs(%init : tensor<8x10xf32>) attrs = {kernel.stage = "conv", kernel.loops = ["c", "w", "j"]} {
  ^bb0(%a: f32, %b: f32, %s: f32):
    %p = arith.mulf %a, %b : f32
    %t = arith.addf %s, %p : f32
    linalg.yield %t : f32
  } -> tensor<8x10xf32>
  // expected-remark @+1 {{stage 'pool' is depthwise window, 1 operations per point}}
  %pool = linalg.generic {indexing_maps = [#dx, #df, #dy], iterator_types = ["parallel", "parallel", "reduction"]}
     ins(%x, %f : tensor<8x12xf32>, tensor<8x3xf32>) outs(%init : tensor<8x10xf32>) attrs = {kernel.stage = "pool", kernel.loops = ["c", "w", "j"]} {
  ^bb0(%a: f32, %b: f32, %s: f32):
    %t = arith.maximumf %s, %a : f32
    linalg.yield %t : f32
  } -> tensor<8x10xf32>
  kernel.return %acc, %pool : tensor<8x10xf32>, tensor<8x10xf32>
}

#i = affine_map<(i) -> (i)>
// expected-remark @+1 {{costs}}
kernel.func @maps(%x: tensor<8xf32>, %at: tensor<8xi32>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) {
  %e = tensor.empty() : tensor<8xf32>
  %seven = arith.constant 7 : index
  // expected-remark @+1 {{stage 'a' is elementwise, 1 operations per point}}
  %a = linalg.generic {indexing_maps = [#i, #i], iterator_types = ["parallel"]} ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) attrs = {kernel.stage = "a"} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %v, %v : f32
    linalg.yield %s : f32
  } -> tensor<8xf32>
  // expected-remark @+1 {{stage 'b' is movement, 0 operations per point}}
  %b = linalg.generic {indexing_maps = [#i], iterator_types = ["parallel"]} outs(%e : tensor<8xf32>) attrs = {kernel.stage = "b"} {
  ^bb0(%o: f32):
    %j = linalg.index 0 : index
    %k = arith.subi %seven, %j : index
    %v = tensor.extract %x[%k] : tensor<8xf32>
    linalg.yield %v : f32
  } -> tensor<8xf32>
  // expected-remark @+1 {{stage 'c' is gather}}
  %c = linalg.generic {indexing_maps = [#i, #i], iterator_types = ["parallel"]} ins(%at : tensor<8xi32>) outs(%e : tensor<8xf32>) attrs = {kernel.stage = "c"} {
  ^bb0(%p: i32, %o: f32):
    %k = arith.index_castui %p : i32 to index
    %l = arith.minui %k, %seven : index
    %v = tensor.extract %x[%l] : tensor<8xf32>
    linalg.yield %v : f32
  } -> tensor<8xf32>
  kernel.return %a, %b, %c : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>
}

#ik = affine_map<(i, k) -> (k)>
#ii = affine_map<(i, k) -> (i)>
// expected-remark @+1 {{costs}}
kernel.func @scan(%x: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8xf32>
  %init = linalg.fill {kernel.stage = "init"} ins(%zero : f32) outs(%e : tensor<8xf32>) -> tensor<8xf32>
  // expected-remark @+1 {{stage 'scan' is scan}}
  %a = linalg.generic {indexing_maps = [#ik, #ii], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<8xf32>) outs(%init : tensor<8xf32>) attrs = {kernel.stage = "scan"} {
  ^bb0(%v: f32, %o: f32):
    %i = linalg.index 0 : index
    %k = linalg.index 1 : index
    %upTo = arith.cmpi sle, %k, %i : index
    %w = arith.select %upTo, %v, %zero : f32
    %s = arith.addf %o, %w : f32
    linalg.yield %s : f32
  } -> tensor<8xf32>
  // expected-remark @+1 {{stage 'sum' is reduction}}
  %b = linalg.generic {indexing_maps = [#ik, #ii], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<8xf32>) outs(%init : tensor<8xf32>) attrs = {kernel.stage = "sum"} {
  ^bb0(%v: f32, %o: f32):
    %s = arith.addf %o, %v : f32
    linalg.yield %s : f32
  } -> tensor<8xf32>
  kernel.return %a, %b : tensor<8xf32>, tensor<8xf32>
}
