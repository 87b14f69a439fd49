// RUN: tessera-opt %s --split-input-file --verify-diagnostics

graph.func @host_call_c1_name(%x: !graph.tensor<[N], ui8>) {
  // expected-error@+1 {{(C1) the function has no name}}
  %0 = graph.host_call "" (%x) : (!graph.tensor<[N], ui8>) -> !graph.tensor<[2], si64>
  graph.return
}

// -----

graph.func @host_call_c1_zero(%x: !graph.tensor<[N], ui8>) {
  // expected-error@+1 {{(C1) a name or text has zero bytes}}
  %0 = graph.host_call "image.decode" "RGB\00" (%x) : (!graph.tensor<[N], ui8>) -> !graph.tensor<[2], si64>
  graph.return
}

// -----

graph.func @host_call_c2(%x: !graph.tensor<[N], ui8>) {
  // expected-error@+1 {{(C2) has 1 operands and 0 results, up to 32 are possible}}
  graph.host_call "image.decode" (%x) : (!graph.tensor<[N], ui8>) -> ()
  graph.return
}

// -----

graph.func @host_call_c3(%x: !graph.tensor<[N], !graph.string>) {
  // expected-error@+1 {{operand #0 must be variadic of tensor of numbers or bools}}
  %0 = graph.host_call "image.decode" (%x) : (!graph.tensor<[N], !graph.string>) -> !graph.tensor<[2], si64>
  graph.return
}
