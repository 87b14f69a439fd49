// RUN: tessera-opt %s --split-input-file --verify-diagnostics

graph.func @cumulative_c1(%x: !graph.tensor<[B], f32>) {
  // expected-error@+1 {{(C1) axis 1 is not below the rank, 1}}
  %0 = graph.cumulative sum %x, axis = 1 : !graph.tensor<[B], f32>
  graph.return
}

// -----

graph.func @scan_c1_nothing(%h: !graph.tensor<[2], f32>) {
  // expected-error@+1 {{(C1) scans no operand}}
  %0 = graph.scan (%s = %h) over (), axis = 0 : (!graph.tensor<[2], f32>), () -> (!graph.tensor<[2], f32>) {
    graph.yield %s : !graph.tensor<[2], f32>
  }
  graph.return
}

// -----

graph.func @scan_c1_extents(%x: !graph.tensor<[N], f32>, %y: !graph.tensor<[M], f32>) {
  // expected-error@+1 {{(C1) one scanned operand has extent N, another M}}
  %0 = graph.scan () over (%a = %x, %b = %y), axis = 0 : (), (!graph.tensor<[N], f32>, !graph.tensor<[M], f32>) -> (!graph.tensor<[N], f32>) {
    graph.yield %a : !graph.tensor<[], f32>
  }
  graph.return
}

// -----

graph.func @scan_c1_axis(%x: !graph.tensor<[N], f32>) {
  // expected-error@+1 {{(C1) axis 1 does not lie in '!graph.tensor<[N], f32>'}}
  graph.scan () over (%a = %x), axis = 1 : (), (!graph.tensor<[N], f32>) -> () {
    graph.yield
  }
  graph.return
}

// -----

graph.func @scan_c2(%x: !graph.tensor<[N], f32>) {
  // expected-error@+1 {{(C2) the region needs arguments of types '!graph.tensor<[], f32>'}}
  "graph.scan"(%x) <{axis = 0 : i64, operandSegmentSizes = array<i32: 0, 1>}> ({
  ^bb0(%a: !graph.tensor<[N], f32>):
    "graph.yield"() : () -> ()
  }) : (!graph.tensor<[N], f32>) -> ()
  graph.return
}

// -----

graph.func @scan_c3_state(%x: !graph.tensor<[N], f32>, %h: !graph.tensor<[2], f32>) {
  // expected-error@+1 {{(C3) state 0 begins as '!graph.tensor<[2], f32>', the region yields '!graph.tensor<[], f32>'}}
  %0 = graph.scan (%s = %h) over (%a = %x), axis = 0 : (!graph.tensor<[2], f32>), (!graph.tensor<[N], f32>) -> (!graph.tensor<[2], f32>) {
    graph.yield %a : !graph.tensor<[], f32>
  }
  graph.return
}

// -----

graph.func @scan_c3_count(%x: !graph.tensor<[N], f32>) {
  // expected-error@+1 {{(C3) the region yields one value per result}}
  %0 = graph.scan () over (%a = %x), axis = 0 : (), (!graph.tensor<[N], f32>) -> (!graph.tensor<[N], f32>) {
    graph.yield
  }
  graph.return
}

// -----

graph.func @scan_c3_result(%x: !graph.tensor<[N], f32>) {
  // expected-error@+1 {{(C3) result 0 is '!graph.tensor<[N], f32>', not '!graph.tensor<[2], f32>'}}
  %0 = graph.scan () over (%a = %x), axis = 0 : (), (!graph.tensor<[N], f32>) -> (!graph.tensor<[2], f32>) {
    graph.yield %a : !graph.tensor<[], f32>
  }
  graph.return
}

// -----

graph.variable @v : !graph.tensor<[], f32> = dense<0.0> : !graph.tensor<[], f32>
graph.func @scan_c4(%x: !graph.tensor<[N], f32>) {
  // expected-error@+1 {{(C4) the region reads or writes a variable}}
  %0 = graph.scan () over (%a = %x), axis = 0 : (), (!graph.tensor<[N], f32>) -> (!graph.tensor<[N], f32>) {
    %b = graph.read_variable @v : !graph.tensor<[], f32>
    graph.yield %b : !graph.tensor<[], f32>
  }
  graph.return
}

// -----

graph.func @scatter_c1(%x: !graph.tensor<[2], f32>, %i: !graph.tensor<[1], si64>) {
  // expected-error@+2 {{failed to infer returned types}}
  // expected-error@+1 {{(C1) axis 2 is not below the rank, 1}}
  %0 = graph.scatter add %x, %i, %x, axis = 2 : (!graph.tensor<[2], f32>, !graph.tensor<[1], si64>, !graph.tensor<[2], f32>) -> !graph.tensor<[2], f32>
  graph.return
}

// -----

graph.func @scatter_c2(%x: !graph.tensor<[2], f32>, %i: !graph.tensor<[1], si64>) {
  // expected-error@+2 {{failed to infer returned types}}
  // expected-error@+1 {{(C2) updates are '!graph.tensor<[2], f32>', expected '!graph.tensor<[1], f32>'}}
  %0 = graph.scatter add %x, %i, %x, axis = 0 : (!graph.tensor<[2], f32>, !graph.tensor<[1], si64>, !graph.tensor<[2], f32>) -> !graph.tensor<[2], f32>
  graph.return
}

// -----

graph.func @scatter_c3(%x: !graph.tensor<[2], i1>, %i: !graph.tensor<[2], si64>) {
  // expected-error@+2 {{failed to infer returned types}}
  // expected-error@+1 {{(C3) max of 'i1'}}
  %0 = graph.scatter max %x, %i, %x, axis = 0 : (!graph.tensor<[2], i1>, !graph.tensor<[2], si64>, !graph.tensor<[2], i1>) -> !graph.tensor<[2], i1>
  graph.return
}

// -----

graph.func @sort_c1(%x: !graph.tensor<[2], f32>) {
  // expected-error@+2 {{failed to infer returned types}}
  // expected-error@+1 {{(C1) axis 1 is not below the rank, 1}}
  %0, %1 = graph.sort %x, axis = 1 : !graph.tensor<[2], f32> -> !graph.tensor<[2], f32>, !graph.tensor<[2], si64>
  graph.return
}

// -----

graph.func @top_k_c2(%x: !graph.tensor<[2], f32>) {
  // expected-error@+2 {{failed to infer returned types}}
  // expected-error@+1 {{(C2) 3 elements of 2}}
  %0, %1 = graph.top_k %x, k = 3, axis = 0 : !graph.tensor<[2], f32> -> !graph.tensor<[3], f32>, !graph.tensor<[3], si64>
  graph.return
}

// -----

graph.func @random_bits_c1(%k: !graph.tensor<[3], ui32>) {
  // expected-error@+1 {{(C1) the key is '!graph.tensor<[3], ui32>', expected shape [2] of ui32}}
  %0 = graph.random_bits %k : !graph.tensor<[3], ui32> -> !graph.tensor<[4], ui32>
  graph.return
}

// -----

graph.func @random_bits_c2(%k: !graph.tensor<[2], ui32>) {
  // expected-error@+1 {{(C2) gives elements of ui32, not 'si32'}}
  %0 = graph.random_bits %k : !graph.tensor<[2], ui32> -> !graph.tensor<[4], si32>
  graph.return
}

// -----

graph.func @random_uniform_c1(%k: !graph.tensor<[2], ui32>) {
  // expected-error@+1 {{(C1) gives elements of f32, not 'f16'}}
  %0 = graph.random_uniform %k {low = 0.0 : f64, high = 1.0 : f64} : !graph.tensor<[2], ui32> -> !graph.tensor<[4], f16>
  graph.return
}

// -----

graph.func @call_c1(%x: !graph.tensor<[2], f32>) {
  // expected-error@+1 {{(C1) 'missing' is no graph.func}}
  %0 = graph.call @missing(%x) : (!graph.tensor<[2], f32>) -> !graph.tensor<[2], f32>
  graph.return
}

// -----

graph.func private @f(%x: !graph.tensor<[N, N], f32>) -> !graph.tensor<[N], f32> {
  %0 = graph.reduce sum %x, axes = [0] : !graph.tensor<[N, N], f32> -> !graph.tensor<[N], f32>
  graph.return %0 : !graph.tensor<[N], f32>
}
graph.func @call_c2(%x: !graph.tensor<[2, 3], f32>) {
  // expected-error@+1 {{(C2) an operand is '!graph.tensor<[2, 3], f32>', the argument '!graph.tensor<[2, 2], f32>'}}
  %0 = graph.call @f(%x) : (!graph.tensor<[2, 3], f32>) -> !graph.tensor<[2], f32>
  graph.return
}

// -----

graph.func private @f(%x: !graph.tensor<[N], f32>) -> !graph.tensor<[N], f32> {
  graph.return %x : !graph.tensor<[N], f32>
}
graph.func @call_c3(%x: !graph.tensor<[2], f32>) {
  // expected-error@+1 {{(C3) 'f' gives '!graph.tensor<[2], f32>'}}
  %0 = graph.call @f(%x) : (!graph.tensor<[2], f32>) -> !graph.tensor<[3], f32>
  graph.return
}

// -----

graph.func @sort_c2(%x: !graph.tensor<[2], f32>) {
  // expected-error@+2 {{(C2) 3 elements of 2}}
  // expected-error@+1 {{failed to infer returned types}}
  %0, %1 = graph.sort %x, axis = 0, first = 3 : !graph.tensor<[2], f32> -> !graph.tensor<[3], f32>, !graph.tensor<[3], si64>
  graph.return
}
