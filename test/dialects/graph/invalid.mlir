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

// expected-error@+1 {{(C1) unknown block format 'q9'; known are q4_g32}}
graph.func private @f(!graph.tensor<[2], !graph.block<"q9">>)

// -----

// expected-error@+1 {{extent expression overflows 64 bits or divides by a constant that is not positive}}
graph.func private @f(!graph.tensor<[floordiv(N, 0)], f32>)
