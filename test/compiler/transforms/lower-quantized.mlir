// RUN: tessera-opt %s --graph-lower-quantized | FileCheck %s
// RUN: tessera-compile %s --emit kernel -o %t.kernel && FileCheck %s --check-prefix=KERNEL < %t.kernel
// RUN: tessera-compile %s -o %t.tsm --verify-each=numeric

// The zero point of x goes into a vector that is added; quantizing multiplies by the reciprocal scale.
// CHECK-LABEL: graph.func @asymmetric
// CHECK: %[[Q:.*]] = graph.quantize %arg0
// CHECK: %[[P:.*]] = graph.contract "mk,kn->mn" %[[Q]], %{{.*}} acc si32 : (!graph.tensor<[M, 6], ui8>, !graph.tensor<[6, 4], si8>)
// CHECK: %[[SUMS:.*]] = graph.contract "kn,k->n"
// CHECK: graph.mul %[[SUMS]]
// CHECK: %[[WHOLE:.*]] = graph.add %[[P]]
// CHECK: graph.convert %[[WHOLE]] : <[M, 4], si32> -> <[M, 4], f32>
// CHECK: graph.relu
// CHECK: %[[R:.*]] = graph.constant dense<4.000000e+00>
// CHECK: graph.broadcast %[[R]]
// CHECK: graph.quantize %{{.*}}, %[[ONE:.*]], %

// All behind the product is in its kernel, and int8 is what it reads and writes.
// KERNEL-LABEL: graph.func @asymmetric
// KERNEL: %[[Q:.*]] = kernel.launch @{{.*}}(%arg0) {{.*}} -> !graph.tensor<[M, 6], ui8>
// KERNEL-NEXT: %[[Y:.*]] = kernel.launch @{{.*}}(%[[Q]]{{.*}}) {{.*}} -> !graph.tensor<[M, 4], ui8>
// KERNEL-NEXT: graph.return %[[Y]]
graph.func @asymmetric(%x: !graph.tensor<[M, 6], f32>) -> !graph.tensor<[M, 4], ui8> {
  %w = graph.constant dense<[[1, -2, 3, 127], [-128, 5, 0, 9], [1, 1, -1, 2], [7, 8, -9, 3], [0, 4, 2, 1], [-3, 5, 6, 7]]> : !graph.tensor<[6, 4], si8>
  %sw = graph.constant dense<[0.5, 0.25, 1.0, 2.0]> : !graph.tensor<[4], f32>
  %sx = graph.constant dense<0.5> : !graph.tensor<[], f32>
  %zx = graph.constant dense<7> : !graph.tensor<[], ui8>
  %sy = graph.constant dense<0.25> : !graph.tensor<[], f32>
  %zy = graph.constant dense<3> : !graph.tensor<[], ui8>
  %q = graph.quantize %x, %sx, %zx : (!graph.tensor<[M, 6], f32>, !graph.tensor<[], f32>, !graph.tensor<[], ui8>) -> !graph.tensor<[M, 6], ui8>
  %a = graph.dequantize %q, %sx, %zx : (!graph.tensor<[M, 6], ui8>, !graph.tensor<[], f32>, !graph.tensor<[], ui8>) -> !graph.tensor<[M, 6], f32>
  %b = graph.dequantize %w, %sw axis = 1 : (!graph.tensor<[6, 4], si8>, !graph.tensor<[4], f32>) -> !graph.tensor<[6, 4], f32>
  %p = graph.contract "mk,kn->mn" %a, %b : (!graph.tensor<[M, 6], f32>, !graph.tensor<[6, 4], f32>) -> !graph.tensor<[M, 4], f32>
  %r = graph.relu %p : !graph.tensor<[M, 4], f32>
  %y = graph.quantize %r, %sy, %zy : (!graph.tensor<[M, 4], f32>, !graph.tensor<[], f32>, !graph.tensor<[], ui8>) -> !graph.tensor<[M, 4], ui8>
  graph.return %y : !graph.tensor<[M, 4], ui8>
}

// Zero points on both sides: sums of both.
// CHECK-LABEL: graph.func @both_sides
// CHECK: graph.contract "mk,nk->mn" %arg0, %arg1 acc si32
// CHECK: graph.contract "nk,k->n" %arg1
// CHECK: graph.contract "mk,k->m" %arg0
// CHECK-NOT: graph.contract
graph.func @both_sides(%x: !graph.tensor<[M, 5], si8>, %w: !graph.tensor<[N, 5], ui8>) -> !graph.tensor<[M, N], f32> {
  %s = graph.constant dense<0.5> : !graph.tensor<[], f32>
  %zx = graph.constant dense<-3> : !graph.tensor<[], si8>
  %zw = graph.constant dense<130> : !graph.tensor<[], ui8>
  %a = graph.dequantize %x, %s, %zx : (!graph.tensor<[M, 5], si8>, !graph.tensor<[], f32>, !graph.tensor<[], si8>) -> !graph.tensor<[M, 5], f32>
  %b = graph.dequantize %w, %s, %zw : (!graph.tensor<[N, 5], ui8>, !graph.tensor<[], f32>, !graph.tensor<[], ui8>) -> !graph.tensor<[N, 5], f32>
  %p = graph.contract "mk,nk->mn" %a, %b : (!graph.tensor<[M, 5], f32>, !graph.tensor<[N, 5], f32>) -> !graph.tensor<[M, N], f32>
  graph.return %p : !graph.tensor<[M, N], f32>
}

// A convolution is padded with the zero point; the bias, whose scale is the product of the others, is added to integers.
// CHECK-LABEL: graph.func @convolution
// CHECK: %[[PADDED:.*]] = graph.pad constant %arg0
// CHECK: %[[P:.*]] = graph.conv %[[PADDED]], %{{.*}}, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0] acc si32
// CHECK: %[[C:.*]] = graph.add %[[P]], %{{.*}} : <[N, 2, H, W], si32>
// CHECK: %[[B:.*]] = graph.add %[[C]], %{{.*}} : <[N, 2, H, W], si32>
// CHECK: graph.convert %[[B]]
graph.func @convolution(%x: !graph.tensor<[N, 4, H, W], ui8>) -> !graph.tensor<[N, 2, H, W], f32>
    attributes {dims = {H = #graph.range<1, ?>, N = #graph.range<0, ?>, W = #graph.range<1, ?>}} {
  %w = graph.constant dense<5> : !graph.tensor<[2, 4, 3, 3], si8>
  %sw = graph.constant dense<[0.5, 0.25]> : !graph.tensor<[2], f32>
  %sx = graph.constant dense<0.5> : !graph.tensor<[], f32>
  %zx = graph.constant dense<128> : !graph.tensor<[], ui8>
  %bias = graph.constant dense<[100, -70]> : !graph.tensor<[2], si32>
  %sb = graph.constant dense<[0.25, 0.125]> : !graph.tensor<[2], f32>
  %a = graph.dequantize %x, %sx, %zx : (!graph.tensor<[N, 4, H, W], ui8>, !graph.tensor<[], f32>, !graph.tensor<[], ui8>) -> !graph.tensor<[N, 4, H, W], f32>
  %b = graph.dequantize %w, %sw axis = 0 : (!graph.tensor<[2, 4, 3, 3], si8>, !graph.tensor<[2], f32>) -> !graph.tensor<[2, 4, 3, 3], f32>
  %c = graph.dequantize %bias, %sb axis = 0 : (!graph.tensor<[2], si32>, !graph.tensor<[2], f32>) -> !graph.tensor<[2], f32>
  %p = graph.conv %a, %b, strides = [1, 1], dilations = [1, 1], lo = [1, 1], hi = [1, 1] : (!graph.tensor<[N, 4, H, W], f32>, !graph.tensor<[2, 4, 3, 3], f32>) -> !graph.tensor<[N, 2, H, W], f32>
  %d = graph.broadcast %c, dims = [1] : !graph.tensor<[2], f32> -> !graph.tensor<[N, 2, H, W], f32>
  %y = graph.add %p, %d : !graph.tensor<[N, 2, H, W], f32>
  graph.return %y : !graph.tensor<[N, 2, H, W], f32>
}

// Three channels leave a half of each second pair empty: their sums, which f32 holds exactly, are summed in f32.
// CHECK-LABEL: graph.func @three_channels
// CHECK: %[[X:.*]] = graph.sub
// CHECK: graph.conv %[[X]], %{{.*}} : (!graph.tensor<[N, 3, H, W], f32>
graph.func @three_channels(%x: !graph.tensor<[N, 3, H, W], ui8>) -> !graph.tensor<[N, 2, H, W], f32>
    attributes {dims = {H = #graph.range<1, ?>, N = #graph.range<0, ?>, W = #graph.range<1, ?>}} {
  %w = graph.constant dense<5> : !graph.tensor<[2, 3, 3, 3], si8>
  %sw = graph.constant dense<[0.5, 0.25]> : !graph.tensor<[2], f32>
  %sx = graph.constant dense<0.5> : !graph.tensor<[], f32>
  %zx = graph.constant dense<128> : !graph.tensor<[], ui8>
  %bias = graph.constant dense<[100, -70]> : !graph.tensor<[2], si32>
  %sb = graph.constant dense<[0.25, 0.125]> : !graph.tensor<[2], f32>
  %a = graph.dequantize %x, %sx, %zx : (!graph.tensor<[N, 3, H, W], ui8>, !graph.tensor<[], f32>, !graph.tensor<[], ui8>) -> !graph.tensor<[N, 3, H, W], f32>
  %b = graph.dequantize %w, %sw axis = 0 : (!graph.tensor<[2, 3, 3, 3], si8>, !graph.tensor<[2], f32>) -> !graph.tensor<[2, 3, 3, 3], f32>
  %c = graph.dequantize %bias, %sb axis = 0 : (!graph.tensor<[2], si32>, !graph.tensor<[2], f32>) -> !graph.tensor<[2], f32>
  %p = graph.conv %a, %b, strides = [1, 1], dilations = [1, 1], lo = [1, 1], hi = [1, 1] : (!graph.tensor<[N, 3, H, W], f32>, !graph.tensor<[2, 3, 3, 3], f32>) -> !graph.tensor<[N, 2, H, W], f32>
  %d = graph.broadcast %c, dims = [1] : !graph.tensor<[2], f32> -> !graph.tensor<[N, 2, H, W], f32>
  %y = graph.add %p, %d : !graph.tensor<[N, 2, H, W], f32>
  graph.return %y : !graph.tensor<[N, 2, H, W], f32>
}

// Depthwise, with a zero point for each channel of the weight.
// CHECK-LABEL: graph.func @depthwise
// CHECK: graph.conv %arg0, %arg1, {{.*}} groups = 4 acc si32
// CHECK: graph.conv %arg0, %{{.*}}, {{.*}} groups = 4 acc si32
graph.func @depthwise(%x: !graph.tensor<[1, 4, 9], si8>, %w: !graph.tensor<[4, 1, 3], si8>) -> !graph.tensor<[1, 4, 4], f32> {
  %zw = graph.constant dense<[1, -2, 0, 9]> : !graph.tensor<[4], si8>
  %sw = graph.constant dense<[0.5, 0.25, 1.0, 2.0]> : !graph.tensor<[4], f32>
  %sx = graph.constant dense<2.0> : !graph.tensor<[], f32>
  %a = graph.dequantize %x, %sx : (!graph.tensor<[1, 4, 9], si8>, !graph.tensor<[], f32>) -> !graph.tensor<[1, 4, 9], f32>
  %b = graph.dequantize %w, %sw, %zw axis = 0 : (!graph.tensor<[4, 1, 3], si8>, !graph.tensor<[4], f32>, !graph.tensor<[4], si8>) -> !graph.tensor<[4, 1, 3], f32>
  %p = graph.conv %a, %b, strides = [2], dilations = [1], lo = [0], hi = [0], groups = 4 : (!graph.tensor<[1, 4, 9], f32>, !graph.tensor<[4, 1, 3], f32>) -> !graph.tensor<[1, 4, 4], f32>
  graph.return %p : !graph.tensor<[1, 4, 4], f32>
}

// Integers less their zero points, as quantized operators of models are written.
// CHECK-LABEL: graph.func @centred
// CHECK: graph.contract "mk,kn->mn" %arg0, %arg1 acc si32 : (!graph.tensor<[M, 7], ui8>, !graph.tensor<[7, 6], si8>)
graph.func @centred(%x: !graph.tensor<[M, 7], ui8>, %w: !graph.tensor<[7, 6], si8>, %z: !graph.tensor<[], ui8>) -> !graph.tensor<[M, 6], si32> {
  %a = graph.convert %x : !graph.tensor<[M, 7], ui8> -> !graph.tensor<[M, 7], si32>
  %b = graph.convert %w : !graph.tensor<[7, 6], si8> -> !graph.tensor<[7, 6], si32>
  %c = graph.convert %z : !graph.tensor<[], ui8> -> !graph.tensor<[], si32>
  %d = graph.broadcast %c, dims = [] : !graph.tensor<[], si32> -> !graph.tensor<[M, 7], si32>
  %e = graph.sub %a, %d : !graph.tensor<[M, 7], si32>
  %p = graph.contract "mk,kn->mn" %e, %b : (!graph.tensor<[M, 7], si32>, !graph.tensor<[7, 6], si32>) -> !graph.tensor<[M, 6], si32>
  graph.return %p : !graph.tensor<[M, 6], si32>
}

// Maxima, padding and other places of elements stay in integers: nothing is left of both conversions.
// CHECK-LABEL: graph.func @places
// CHECK-NEXT: %[[Z:.*]] = graph.constant dense<9>
// CHECK-NOT: quantize
// CHECK: graph.window_reduce max %arg0, {{.*}} ui8
// CHECK: graph.pad constant %{{.*}}, %[[Z]]
// CHECK: graph.concat
// CHECK-NOT: quantize
// CHECK: graph.return
graph.func @places(%x: !graph.tensor<[N, 4], ui8>) -> !graph.tensor<[2 * N + 2, 4], ui8> attributes {dims = {N = #graph.range<1, ?>}} {
  %z = graph.constant dense<9> : !graph.tensor<[], ui8>
  %s = graph.constant dense<0.1> : !graph.tensor<[], f32>
  %none = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %a = graph.dequantize %x, %s, %z : (!graph.tensor<[N, 4], ui8>, !graph.tensor<[], f32>, !graph.tensor<[], ui8>) -> !graph.tensor<[N, 4], f32>
  %m = graph.window_reduce max %a, axes = [1], window = [3], strides = [1], dilations = [1], lo = [1], hi = [1] : !graph.tensor<[N, 4], f32> -> !graph.tensor<[N, 4], f32>
  %p = graph.pad constant %m, %none, lo = [1, 0], hi = [1, 0] : (!graph.tensor<[N, 4], f32>, !graph.tensor<[], f32>) -> !graph.tensor<[N + 2, 4], f32>
  %c = graph.concat %p, %a axis = 0 : (!graph.tensor<[N + 2, 4], f32>, !graph.tensor<[N, 4], f32>) -> !graph.tensor<[2 * N + 2, 4], f32>
  %q = graph.quantize %c, %s, %z : (!graph.tensor<[2 * N + 2, 4], f32>, !graph.tensor<[], f32>, !graph.tensor<[], ui8>) -> !graph.tensor<[2 * N + 2, 4], ui8>
  graph.return %q : !graph.tensor<[2 * N + 2, 4], ui8>
}

// Near misses: a sum that may not fit si32, a scale that is computed, one that varies along what is summed.
// CHECK-LABEL: graph.func @long
// CHECK: graph.contract {{.*}} f32>) -> !graph.tensor<[M, N], f32>
graph.func @long(%x: !graph.tensor<[M, K], ui8>, %w: !graph.tensor<[K, N], ui8>) -> !graph.tensor<[M, N], f32> {
  %s = graph.constant dense<0.5> : !graph.tensor<[], f32>
  %a = graph.dequantize %x, %s : (!graph.tensor<[M, K], ui8>, !graph.tensor<[], f32>) -> !graph.tensor<[M, K], f32>
  %b = graph.dequantize %w, %s : (!graph.tensor<[K, N], ui8>, !graph.tensor<[], f32>) -> !graph.tensor<[K, N], f32>
  %p = graph.contract "mk,kn->mn" %a, %b : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, N], f32>) -> !graph.tensor<[M, N], f32>
  graph.return %p : !graph.tensor<[M, N], f32>
}

// CHECK-LABEL: graph.func @computed_scale
// CHECK: graph.contract {{.*}} f32>) -> !graph.tensor<[M, N], f32>
graph.func @computed_scale(%x: !graph.tensor<[M, 8], ui8>, %w: !graph.tensor<[8, N], ui8>, %s: !graph.tensor<[], f32>) -> !graph.tensor<[M, N], f32> {
  %a = graph.dequantize %x, %s : (!graph.tensor<[M, 8], ui8>, !graph.tensor<[], f32>) -> !graph.tensor<[M, 8], f32>
  %b = graph.dequantize %w, %s : (!graph.tensor<[8, N], ui8>, !graph.tensor<[], f32>) -> !graph.tensor<[8, N], f32>
  %p = graph.contract "mk,kn->mn" %a, %b : (!graph.tensor<[M, 8], f32>, !graph.tensor<[8, N], f32>) -> !graph.tensor<[M, N], f32>
  graph.return %p : !graph.tensor<[M, N], f32>
}

// CHECK-LABEL: graph.func @scale_along_sum
// CHECK: graph.contract {{.*}} f32>) -> !graph.tensor<[M, N], f32>
graph.func @scale_along_sum(%x: !graph.tensor<[M, 2], ui8>, %w: !graph.tensor<[2, N], ui8>) -> !graph.tensor<[M, N], f32> {
  %s = graph.constant dense<[0.5, 0.25]> : !graph.tensor<[2], f32>
  %t = graph.constant dense<0.5> : !graph.tensor<[], f32>
  %a = graph.dequantize %x, %t : (!graph.tensor<[M, 2], ui8>, !graph.tensor<[], f32>) -> !graph.tensor<[M, 2], f32>
  %b = graph.dequantize %w, %s axis = 0 : (!graph.tensor<[2, N], ui8>, !graph.tensor<[2], f32>) -> !graph.tensor<[2, N], f32>
  %p = graph.contract "mk,kn->mn" %a, %b : (!graph.tensor<[M, 2], f32>, !graph.tensor<[2, N], f32>) -> !graph.tensor<[M, N], f32>
  graph.return %p : !graph.tensor<[M, N], f32>
}
