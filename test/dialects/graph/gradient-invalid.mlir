// RUN: tessera-opt %s --split-input-file --verify-diagnostics

graph.func @gradient_c1(%x: !graph.tensor<[2], f32>) {
  // expected-error@+1 {{(C1) the region needs arguments of types '!graph.tensor<[2], f32>'}}
  %r:2 = "graph.gradient"(%x) ({
  ^bb0(%a: !graph.tensor<[3], f32>):
    graph.yield %x : !graph.tensor<[2], f32>
  }) : (!graph.tensor<[2], f32>) -> (!graph.tensor<[2], f32>, !graph.tensor<[2], f32>)
  graph.return
}

// -----

graph.func @gradient_c2_results(%x: !graph.tensor<[2], f32>) {
  // expected-error@+1 {{(C2) the results are the yielded value, then the operands' types}}
  %r = "graph.gradient"(%x) ({
  ^bb0(%a: !graph.tensor<[2], f32>):
    graph.yield %a : !graph.tensor<[2], f32>
  }) : (!graph.tensor<[2], f32>) -> (!graph.tensor<[2], f32>)
  graph.return
}

// -----

graph.func @gradient_c2_yield(%x: !graph.tensor<[2], f32>, %y: !graph.tensor<[3], f32>) {
  // expected-error@+1 {{(C2) the region yields one value of type '!graph.tensor<[2], f32>'}}
  %r:2 = graph.gradient (%a = %x) : !graph.tensor<[2], f32> -> !graph.tensor<[2], f32> {
    graph.yield %y : !graph.tensor<[3], f32>
  }
  graph.return
}

// -----

graph.variable @v : !graph.tensor<[2], f32> = dense<0.0> : !graph.tensor<[2], f32>
graph.func @gradient_c3(%x: !graph.tensor<[2], f32>) {
  // expected-error@+1 {{(C3) the region reads or writes a variable}}
  %r:2 = graph.gradient (%a = %x) : !graph.tensor<[2], f32> -> !graph.tensor<[2], f32> {
    graph.write_variable @v, %a : !graph.tensor<[2], f32>
    graph.yield %a : !graph.tensor<[2], f32>
  }
  graph.return
}
