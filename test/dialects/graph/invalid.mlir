// RUN: tessera-opt %s --split-input-file --verify-diagnostics

graph.func @f(%x: !graph.tensor<[B, 2], f32>) -> !graph.tensor<[B, 3], f32> {
  // expected-error@+1 {{(C2) operand dim 1 has extent 2, which is neither 1 nor that of result dim 1, 3}}
  %0 = graph.broadcast %x, dims = [0, 1] : !graph.tensor<[B, 2], f32> -> !graph.tensor<[B, 3], f32>
  graph.return %0 : !graph.tensor<[B, 3], f32>
}

// -----

graph.func @f(%y: !graph.tensor<[2 * B + 1], f32>) {
  // expected-error@+1 {{(C1) has 2 * B + 1 elements before and 2 * B after}}
  %0 = graph.reshape %y : !graph.tensor<[2 * B + 1], f32> -> !graph.tensor<[B, 2], f32>
  graph.return
}

// -----

graph.func @f() {
  // expected-error@+1 {{(C1) uses symbol 'N', which dims of graph.func @f does not declare}}
  %0 = graph.iota axis = 0 : !graph.tensor<[N], f32>
  graph.return
}

// -----

graph.func @f(%a: !graph.tensor<[M, K], f32>, %b: !graph.tensor<[L, N], f32>) {
  // expected-error@+2 {{failed to infer returned types}}
  // expected-error@+1 {{(C3) 'k' is K in one operand and L in the other}}
  %0 = graph.contract "mk,kn->mn" %a, %b : (!graph.tensor<[M, K], f32>, !graph.tensor<[L, N], f32>) -> !graph.tensor<[M, N], f32>
  graph.return
}

// -----

// expected-error@+1 {{(C1) an element is a float, a signed or unsigned integer (si8, ui8, ...), i1, !graph.string or !graph.block, not 'i32'}}
graph.func private @f(!graph.tensor<[2], i32>)

// -----

// expected-error@+1 {{(C1) unknown block format 'q9'; known are mxfp4 mxfp8_e4m3 mxfp8_e5m2 nf4_g64 q4_g32 q4a_g32 q8_g32 q8a_g32}}
graph.func private @f(!graph.tensor<[2], !graph.block<"q9">>)

// -----

// expected-error@+1 {{extent expression overflows 64 bits, has too many terms, or divides by a constant that is not positive}}
graph.func private @f(!graph.tensor<[floordiv(N, 0)], f32>)

// -----

graph.func @bind_c1(%n: !graph.tensor<[1], si64>) attributes {dims = {N = #graph.range<0, ?>}} {
  // expected-error@+1 {{(C1) the value is '!graph.tensor<[1], si64>', not an si64 scalar}}
  graph.bind_dim %n, "N" : !graph.tensor<[1], si64>
  graph.return
}

// -----

graph.func @bind_c2_undeclared(%n: !graph.tensor<[], si64>) {
  // expected-error@+1 {{(C2) symbol 'N' is not declared in dims of the function}}
  graph.bind_dim %n, "N" : !graph.tensor<[], si64>
  graph.return
}

// -----

graph.func @bind_c2_argument(%n: !graph.tensor<[], si64>, %x: !graph.tensor<[N], f32>) {
  // expected-error@+1 {{(C2) symbol 'N' is in the type of an argument}}
  graph.bind_dim %n, "N" : !graph.tensor<[], si64>
  graph.return
}

// -----

graph.func @bind_c2_twice(%n: !graph.tensor<[], si64>) attributes {dims = {N = #graph.range<0, ?>}} {
  graph.bind_dim %n, "N" : !graph.tensor<[], si64>
  // expected-error@+1 {{(C2) symbol 'N' is bound twice}}
  graph.bind_dim %n, "N" : !graph.tensor<[], si64>
  graph.return
}

// -----

graph.func @bind_c3(%n: !graph.tensor<[], si64>) attributes {dims = {N = #graph.range<0, ?>}} {
  // expected-error@+1 {{uses symbol 'N' before graph.bind_dim gives it a value (C3)}}
  %0 = graph.iota axis = 0 : !graph.tensor<[N], si64>
  graph.bind_dim %n, "N" : !graph.tensor<[], si64>
  graph.return
}

// -----

graph.func @quantize_c1(%x: !graph.tensor<[4], f32>, %s: !graph.tensor<[], f32>) {
  // expected-error@+1 {{(C1) quantized elements are integers of at most 32 bits or floats of at most 8 with a sign, not 'si64'}}
  %0 = graph.quantize %x, %s : (!graph.tensor<[4], f32>, !graph.tensor<[], f32>) -> !graph.tensor<[4], si64>
  graph.return
}

// -----

graph.func @quantize_c1_powers(%x: !graph.tensor<[4], f32>, %s: !graph.tensor<[], f32>) {
  // expected-error@+1 {{(C1) quantized elements are integers of at most 32 bits or floats of at most 8 with a sign, not 'f8E8M0FNU'}}
  %0 = graph.quantize %x, %s : (!graph.tensor<[4], f32>, !graph.tensor<[], f32>) -> !graph.tensor<[4], f8E8M0FNU>
  graph.return
}

// -----

graph.func @quantize_c6(%x: !graph.tensor<[4], f32>, %s: !graph.tensor<[], f32>) {
  // expected-error@+1 {{(C6) integers are always saturated}}
  %0 = graph.quantize %x, %s unbounded : (!graph.tensor<[4], f32>, !graph.tensor<[], f32>) -> !graph.tensor<[4], si8>
  graph.return
}

// -----

graph.func @bitcast_c1(%x: !graph.tensor<[4], f32>) {
  // expected-error@+1 {{(C1) changes the dims from}}
  %0 = graph.bitcast %x : !graph.tensor<[4], f32> -> !graph.tensor<[5], ui32>
  graph.return
}

// -----

graph.func @bitcast_c2(%x: !graph.tensor<[4], f8E5M2>) {
  // expected-error@+1 {{(C2) makes 4 bits of 8: from}}
  %0 = graph.bitcast %x : !graph.tensor<[4], f8E5M2> -> !graph.tensor<[4], ui4>
  graph.return
}

// -----

graph.func @quantize_c2(%x: !graph.tensor<[N, 4], f32>, %s: !graph.tensor<[3], f32>) {
  // expected-error@+1 {{(C2) the scale is '!graph.tensor<[3], f32>', expected '!graph.tensor<[4], f32>'}}
  %0 = graph.quantize %x, %s axis = 1 : (!graph.tensor<[N, 4], f32>, !graph.tensor<[3], f32>) -> !graph.tensor<[N, 4], si8>
  graph.return
}

// -----

graph.func @dequantize_c3(%x: !graph.tensor<[N, 4], si8>, %s: !graph.tensor<[], f32>, %z: !graph.tensor<[], ui8>) {
  // expected-error@+1 {{(C3) the zero point is '!graph.tensor<[], ui8>', expected '!graph.tensor<[], si8>'}}
  %0 = graph.dequantize %x, %s, %z : (!graph.tensor<[N, 4], si8>, !graph.tensor<[], f32>, !graph.tensor<[], ui8>) -> !graph.tensor<[N, 4], f32>
  graph.return
}

// -----

graph.func @quantize_c4(%x: !graph.tensor<[4], f32>, %s: !graph.tensor<[4], f32>) {
  // expected-error@+1 {{(C4) axis 1 is not below the rank, 1}}
  %0 = graph.quantize %x, %s axis = 1 : (!graph.tensor<[4], f32>, !graph.tensor<[4], f32>) -> !graph.tensor<[4], si8>
  graph.return
}

// -----

graph.func @dequantize_c5(%x: !graph.tensor<[N, 4], si8>, %s: !graph.tensor<[N, 2], f32>) {
  // expected-error@+1 {{(C5) the result has other dims than x}}
  %0 = graph.dequantize %x, %s axis = 1 block = 2 : (!graph.tensor<[N, 4], si8>, !graph.tensor<[N, 2], f32>) -> !graph.tensor<[N, 5], f32>
  graph.return
}

// -----

// expected-error@+1 {{marks '!graph.tensor<[N], f32>' as strings, expected ui8 and an axis of bytes}}
graph.func @numbers_are_no_strings(%x: !graph.tensor<[N], f32> {graph.strings}) -> !graph.tensor<[N], f32> {
  graph.return %x : !graph.tensor<[N], f32>
}

// -----

// expected-error@+1 {{leaves array<i64: 2> out of '!graph.tensor<[N, 3], f32>', expected axes of it}}
graph.func @squeezes_what_is_not_there(%x: !graph.tensor<[N, 3], f32>) -> (!graph.tensor<[N, 3], f32> {graph.squeezed = array<i64: 2>}) {
  graph.return %x : !graph.tensor<[N, 3], f32>
}
