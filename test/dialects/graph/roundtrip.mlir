// RUN: tessera-opt %s | tessera-opt | FileCheck %s

// CHECK-LABEL: graph.func @dense
// CHECK-SAME: dims = {B = #graph.range<1, 64>}
graph.func @dense(%x: !graph.tensor<[B, 128], f32> {graph.name = "input"}, %w: !graph.tensor<[128, 64], f32>)
    -> (!graph.tensor<[B, 64], f32> {graph.name = "output"}) attributes {dims = {B = #graph.range<1, 64>}} {
  // CHECK: graph.contract "mk,kn->mn"
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[B, 128], f32>, !graph.tensor<[128, 64], f32>) -> !graph.tensor<[B, 64], f32>
  // CHECK: graph.relu
  %1 = graph.relu %0 : !graph.tensor<[B, 64], f32>
  graph.return %1 : !graph.tensor<[B, 64], f32>
}

// Symbols of arguments need no declaration in text.
// CHECK-LABEL: graph.func @shapes
// CHECK-SAME: attributes {dims = {H = #graph.range<0, ?>, W = #graph.range<0, ?>}}
graph.func @shapes(%x: !graph.tensor<[2, 3, H, W], f32>, %w: !graph.tensor<[8, 3, 3, 3], f32>) -> !graph.tensor<[2, 8, floordiv(H + 1, 2), W - 2], f32> {
  // CHECK: graph.conv %{{.*}}, %{{.*}}, strides = [2, 1], dilations = [1, 1], lo = [1, 0], hi = [1, 0] :
  %0 = graph.conv %x, %w, strides = [2, 1], dilations = [1, 1], lo = [1, 0], hi = [1, 0]
      : (!graph.tensor<[2, 3, H, W], f32>, !graph.tensor<[8, 3, 3, 3], f32>) -> !graph.tensor<[2, 8, floordiv(H - 1, 2) + 1, W - 2], f32>
  graph.return %0 : !graph.tensor<[2, 8, floordiv(H + 1, 2), W - 2], f32>
}

// CHECK-LABEL: graph.func @movement
graph.func @movement(%x: !graph.tensor<[B, S], si32>, %i: !graph.tensor<[4], si64>, %v: !graph.tensor<[], si32>)
    -> (!graph.tensor<[4, S], si32>, !graph.tensor<[2 * S, 5], i1>) {
  %c = graph.constant dense<[1, 2]> : !graph.tensor<[2], si64>
  %t = graph.transpose %x, perm = [1, 0] : !graph.tensor<[B, S], si32> -> !graph.tensor<[S, B], si32>
  %g = graph.gather %x, %i, axis = 0 : (!graph.tensor<[B, S], si32>, !graph.tensor<[4], si64>) -> !graph.tensor<[4, S], si32>
  // CHECK: graph.pad constant %{{.*}}, %{{.*}}, lo = [0, 1], hi = [0, 0]
  %p = graph.pad constant %g, %v, lo = [0, 1], hi = [0, 0] : (!graph.tensor<[4, S], si32>, !graph.tensor<[], si32>) -> !graph.tensor<[4, S + 1], si32>
  // CHECK: graph.slice %{{.*}}, starts = [0, 1], steps = [1, 1]
  %s = graph.slice %p, starts = [0, 1], steps = [1, 1] : !graph.tensor<[4, S + 1], si32> -> !graph.tensor<[4, S], si32>
  %r = graph.reshape %s : !graph.tensor<[4, S], si32> -> !graph.tensor<[2 * S, 2], si32>
  %iota = graph.iota axis = 1 : !graph.tensor<[2 * S, 3], si32>
  %cat = graph.concat %r, %iota axis = 1 : (!graph.tensor<[2 * S, 2], si32>, !graph.tensor<[2 * S, 3], si32>) -> !graph.tensor<[2 * S, 5], si32>
  %z = graph.broadcast %v, dims = [] : !graph.tensor<[], si32> -> !graph.tensor<[2 * S, 5], si32>
  // CHECK: graph.compare lt
  %cmp = graph.compare lt %cat, %z : !graph.tensor<[2 * S, 5], si32>
  graph.return %s, %cmp : !graph.tensor<[4, S], si32>, !graph.tensor<[2 * S, 5], i1>
}

// CHECK: graph.variable @h : !graph.tensor<[2], f32> = dense<0.000000e+00>
graph.variable @h : !graph.tensor<[2], f32> = dense<0.0> : !graph.tensor<[2], f32>

// CHECK-LABEL: graph.func @control
graph.func @control(%c: !graph.tensor<[], i1>, %n: !graph.tensor<[], si64>) -> !graph.tensor<[2], f32> {
  %h = graph.read_variable @h : !graph.tensor<[2], f32>
  // CHECK: graph.if
  %r = graph.if %c : !graph.tensor<[], i1> -> !graph.tensor<[2], f32> {
    %d = graph.add %h, %h : !graph.tensor<[2], f32>
    graph.yield %d : !graph.tensor<[2], f32>
  } else {
    graph.yield %h : !graph.tensor<[2], f32>
  }
  // CHECK: graph.while (%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) : !graph.tensor<[], si64>, !graph.tensor<[2], f32>
  %zero = graph.constant dense<0> : !graph.tensor<[], si64>
  %w:2 = graph.while (%i = %zero, %acc = %r) : !graph.tensor<[], si64>, !graph.tensor<[2], f32> {
    %go = graph.compare lt %i, %n : !graph.tensor<[], si64>
    graph.condition %go : !graph.tensor<[], i1>
  } do (%j, %a) {
    %one = graph.constant dense<1> : !graph.tensor<[], si64>
    %next = graph.add %j, %one : !graph.tensor<[], si64>
    %b = graph.mul %a, %a : !graph.tensor<[2], f32>
    graph.yield %next, %b : !graph.tensor<[], si64>, !graph.tensor<[2], f32>
  }
  graph.write_variable @h, %w#1 : !graph.tensor<[2], f32>
  graph.return %w#1 : !graph.tensor<[2], f32>
}

// CHECK-LABEL: graph.func @data_dependent
graph.func @data_dependent(%n: !graph.tensor<[], si64>) -> !graph.tensor<[N], si64> attributes {dims = {N = #graph.range<0, 10>}} {
  // CHECK: graph.bind_dim %{{.*}}, "N" message "the count" : <[], si64>
  graph.bind_dim %n, "N" message "the count" : !graph.tensor<[], si64>
  %0 = graph.iota axis = 0 : !graph.tensor<[N], si64>
  graph.return %0 : !graph.tensor<[N], si64>
}

// CHECK-LABEL: graph.func @quantization
graph.func @quantization(%x: !graph.tensor<[N, 64], f32>, %s: !graph.tensor<[64], f32>, %z: !graph.tensor<[64], si8>,
                         %t: !graph.tensor<[N, 2], f32>) -> !graph.tensor<[N, 64], f32> {
  // CHECK: graph.quantize %{{.*}}, %{{.*}}, %{{.*}} axis = 1 :
  %0 = graph.quantize %x, %s, %z axis = 1 : (!graph.tensor<[N, 64], f32>, !graph.tensor<[64], f32>, !graph.tensor<[64], si8>) -> !graph.tensor<[N, 64], si8>
  // CHECK: graph.dequantize %{{.*}}, %{{.*}} axis = 1 block = 32 :
  %1 = graph.dequantize %0, %t axis = 1 block = 32 : (!graph.tensor<[N, 64], si8>, !graph.tensor<[N, 2], f32>) -> !graph.tensor<[N, 64], f32>
  // CHECK: graph.quantize %{{.*}}, %{{.*}} axis = 1 unbounded : {{.*}} -> !graph.tensor<[N, 64], f8E4M3FN>
  %2 = graph.quantize %x, %s axis = 1 unbounded : (!graph.tensor<[N, 64], f32>, !graph.tensor<[64], f32>) -> !graph.tensor<[N, 64], f8E4M3FN>
  // CHECK: graph.bitcast %{{.*}} : <[N, 64], f8E4M3FN> -> <[N, 64], ui8>
  %3 = graph.bitcast %2 : !graph.tensor<[N, 64], f8E4M3FN> -> !graph.tensor<[N, 64], ui8>
  graph.return %1 : !graph.tensor<[N, 64], f32>
}

// Operands that may be absent, with a comma behind them.
// CHECK-LABEL: graph.func @optional
graph.func @optional(%x: !graph.tensor<[2, 3], f32>, %s: !graph.tensor<[3], f32>) -> !graph.tensor<[2, 5], f32> {
  // CHECK: graph.layer_norm %{{[^ ,]*}}, %{{[^ ,]*}}, {{ *}}axis = 1
  %0 = graph.layer_norm %x, %s, axis = 1 {epsilon = 1.0e-5 : f64} : (!graph.tensor<[2, 3], f32>, !graph.tensor<[3], f32>) -> !graph.tensor<[2, 3], f32>
  // CHECK: graph.layer_norm %{{[^ ,]*}}, %{{[^ ,]*}}, %{{[^ ,]*}}, axis = 1
  %1 = graph.layer_norm %0, %s, %s, axis = 1 {epsilon = 1.0e-5 : f64} : (!graph.tensor<[2, 3], f32>, !graph.tensor<[3], f32>, !graph.tensor<[3], f32>) -> !graph.tensor<[2, 3], f32>
  // CHECK: graph.pad reflect %{{[^ ,]*}}, {{ *}}lo = [0, 1]
  %2 = graph.pad reflect %1, lo = [0, 1], hi = [0, 1] : (!graph.tensor<[2, 3], f32>) -> !graph.tensor<[2, 5], f32>
  graph.return %2 : !graph.tensor<[2, 5], f32>
}

// CHECK-LABEL: graph.func @sequential
graph.func @sequential(%x: !graph.tensor<[B, T, 4], f32>, %h0: !graph.tensor<[B, 4], f32>,
                       %i: !graph.tensor<[N], si64>, %u: !graph.tensor<[B, N, 4], f32>,
                       %key: !graph.tensor<[2], ui32>) -> !graph.tensor<[B, T, 4], f32> {
  // CHECK: graph.cumulative {{ *}}sum %{{.*}}, axis = 1 exclusive reverse
  %0 = graph.cumulative sum %x, axis = 1 exclusive reverse : !graph.tensor<[B, T, 4], f32>
  // CHECK: graph.scan (%{{.*}} = %{{.*}}) over (%{{.*}} = %{{.*}}), axis = 1 reverse : (!graph.tensor<[B, 4], f32>), (!graph.tensor<[B, T, 4], f32>) -> (!graph.tensor<[B, 4], f32>, !graph.tensor<[B, T, 4], f32>) {
  %last, %all = graph.scan (%h = %h0) over (%e = %0), axis = 1 reverse
      : (!graph.tensor<[B, 4], f32>), (!graph.tensor<[B, T, 4], f32>)
      -> (!graph.tensor<[B, 4], f32>, !graph.tensor<[B, T, 4], f32>) {
    %s = graph.add %h, %e : !graph.tensor<[B, 4], f32>
    // CHECK: graph.yield
    graph.yield %s, %s : !graph.tensor<[B, 4], f32>, !graph.tensor<[B, 4], f32>
  }
  // CHECK: graph.scatter {{ *}}add %{{.*}}, %{{.*}}, %{{.*}}, axis = 1
  %1 = graph.scatter add %all, %i, %u, axis = 1 : (!graph.tensor<[B, T, 4], f32>, !graph.tensor<[N], si64>, !graph.tensor<[B, N, 4], f32>) -> !graph.tensor<[B, T, 4], f32>
  // CHECK: graph.sort %{{.*}}, axis = 1 descending
  %v, %at = graph.sort %1, axis = 1 descending : !graph.tensor<[B, T, 4], f32> -> !graph.tensor<[B, T, 4], f32>, !graph.tensor<[B, T, 4], si64>
  // CHECK: graph.sort %{{.*}}, axis = 1, first = T - 1
  %f, %fat = graph.sort %1, axis = 1, first = T - 1 : !graph.tensor<[B, T, 4], f32> -> !graph.tensor<[B, T - 1, 4], f32>, !graph.tensor<[B, T - 1, 4], si64>
  // CHECK: graph.top_k %{{.*}}, k = 2, axis = 2 smallest
  %k, %kat = graph.top_k %v, k = 2, axis = 2 smallest : !graph.tensor<[B, T, 4], f32> -> !graph.tensor<[B, T, 2], f32>, !graph.tensor<[B, T, 2], si64>
  // CHECK: graph.random_bits
  %bits = graph.random_bits %key : !graph.tensor<[2], ui32> -> !graph.tensor<[B, 3], ui32>
  // CHECK: graph.random_normal
  %n = graph.random_normal %key {mean = 0.0 : f64, scale = 1.0 : f64} : !graph.tensor<[2], ui32> -> !graph.tensor<[B, T, 4], f32>
  // CHECK: graph.stop_gradient
  %c = graph.stop_gradient %n : !graph.tensor<[B, T, 4], f32>
  // CHECK: graph.call @callee(%{{.*}}) : (!graph.tensor<[B, T, 4], f32>) -> !graph.tensor<[B, T, 4], f32>
  %r = graph.call @callee(%c) : (!graph.tensor<[B, T, 4], f32>) -> !graph.tensor<[B, T, 4], f32>
  graph.return %r : !graph.tensor<[B, T, 4], f32>
}

graph.func private @callee(%x: !graph.tensor<[P, Q, 4], f32>) -> !graph.tensor<[P, Q, 4], f32> {
  graph.return %x : !graph.tensor<[P, Q, 4], f32>
}

// Of groups and layout each may be absent.
// CHECK-LABEL: graph.func @layouts
graph.func @layouts(%x: !graph.tensor<[2, 5, 5, 4], f32>, %w: !graph.tensor<[4, 4, 1, 1], f32>, %g: !graph.tensor<[4, 2, 1, 1], f32>) -> !graph.tensor<[2, 5, 5, 4], f32> {
  // CHECK: hi = [0, 0], layout = "NHWC,OIHW->NHWC" :
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NHWC,OIHW->NHWC" : (!graph.tensor<[2, 5, 5, 4], f32>, !graph.tensor<[4, 4, 1, 1], f32>) -> !graph.tensor<[2, 5, 5, 4], f32>
  // CHECK: hi = [0, 0], groups = 2, layout = "NHWC,OIHW->NHWC" :
  %1 = graph.conv %0, %g, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], groups = 2, layout = "NHWC,OIHW->NHWC" : (!graph.tensor<[2, 5, 5, 4], f32>, !graph.tensor<[4, 2, 1, 1], f32>) -> !graph.tensor<[2, 5, 5, 4], f32>
  // CHECK: output_padding = [0, 0], layout = "NHWC,IOHW->NHWC" :
  %2 = graph.conv_transpose %1, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], output_padding = [0, 0], layout = "NHWC,IOHW->NHWC" : (!graph.tensor<[2, 5, 5, 4], f32>, !graph.tensor<[4, 4, 1, 1], f32>) -> !graph.tensor<[2, 5, 5, 4], f32>
  graph.return %2 : !graph.tensor<[2, 5, 5, 4], f32>
}

// CHECK-LABEL: graph.func @gradient
graph.func @gradient(%x: !graph.tensor<[N], f32>, %w: !graph.tensor<[], f64>) -> !graph.tensor<[N], f32> {
  // CHECK: graph.gradient (%{{.*}} = %arg0, %{{.*}} = %arg1) : !graph.tensor<[N], f32>, !graph.tensor<[], f64> -> !graph.tensor<[N], f32> {
  %y, %dx, %dw = graph.gradient (%a = %x, %b = %w) : !graph.tensor<[N], f32>, !graph.tensor<[], f64> -> !graph.tensor<[N], f32> {
    // CHECK: graph.yield
    graph.yield %a : !graph.tensor<[N], f32>
  }
  // CHECK: graph.gradient () : -> !graph.tensor<[N], f32> {
  %z = graph.gradient () : -> !graph.tensor<[N], f32> {
    graph.yield %dx : !graph.tensor<[N], f32>
  }
  graph.return %z : !graph.tensor<[N], f32>
}

// CHECK-LABEL: graph.func @host
graph.func @host(%x: !graph.tensor<[N], ui8>) -> !graph.tensor<[4, 5, 3], ui8> {
  // CHECK: graph.host_call "image.extents"(%arg0) : (!graph.tensor<[N], ui8>) -> !graph.tensor<[2], si64>
  %e = graph.host_call "image.extents" (%x) : (!graph.tensor<[N], ui8>) -> !graph.tensor<[2], si64>
  // CHECK: graph.host_call "image.decode" "RGB"(%arg0) : (!graph.tensor<[N], ui8>) -> !graph.tensor<[4, 5, 3], ui8>
  %i = graph.host_call "image.decode" "RGB" (%x) : (!graph.tensor<[N], ui8>) -> !graph.tensor<[4, 5, 3], ui8>
  graph.return %i : !graph.tensor<[4, 5, 3], ui8>
}
