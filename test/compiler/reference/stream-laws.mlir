// The numeric verifier tries the laws of streams on random values. Run element by element from the left, all of these
// wrong streams but the one with a wrong identity give the right numbers, so that comparing results would not find them.
// RUN: not tessera-opt %s --canonicalize --cse --verify-each=numeric --split-input-file -o /dev/null 2>&1 \
// RUN:   | FileCheck %s --implicit-check-not=error: --implicit-check-not=warning:

// Chan's rule for the mean and the centred sum of squares: right.
graph.func @moments(%x: !graph.tensor<[M, K], f64>) -> !graph.tensor<[M], f64> {
  %v = graph.stream %x axes = [1], identity = [0.0 : f64, 0.0 : f64, 0.0 : f64] : (!graph.tensor<[M, K], f64>) -> !graph.tensor<[M], f64>
  lift {
  ^bb0(%e: !graph.tensor<[M], f64>):
    %one = graph.constant dense<1.0> : !graph.tensor<[], f64>
    %zero = graph.constant dense<0.0> : !graph.tensor<[], f64>
    %n = graph.broadcast %one, dims = [] : !graph.tensor<[], f64> -> !graph.tensor<[M], f64>
    %s = graph.broadcast %zero, dims = [] : !graph.tensor<[], f64> -> !graph.tensor<[M], f64>
    graph.yield %n, %e, %s : !graph.tensor<[M], f64>, !graph.tensor<[M], f64>, !graph.tensor<[M], f64>
  } merge {
  ^bb0(%n0: !graph.tensor<[M], f64>, %m0: !graph.tensor<[M], f64>, %s0: !graph.tensor<[M], f64>,
       %n1: !graph.tensor<[M], f64>, %m1: !graph.tensor<[M], f64>, %s1: !graph.tensor<[M], f64>):
    %one = graph.constant dense<1.0> : !graph.tensor<[], f64>
    %ones = graph.broadcast %one, dims = [] : !graph.tensor<[], f64> -> !graph.tensor<[M], f64>
    %n = graph.add %n0, %n1 : !graph.tensor<[M], f64>
    %n2 = graph.max %n, %ones : !graph.tensor<[M], f64>
    %share = graph.div %n1, %n2 : !graph.tensor<[M], f64>
    %d = graph.sub %m1, %m0 : !graph.tensor<[M], f64>
    %step = graph.mul %d, %share : !graph.tensor<[M], f64>
    %m = graph.add %m0, %step : !graph.tensor<[M], f64>
    %dd = graph.mul %d, %step : !graph.tensor<[M], f64>
    %between = graph.mul %dd, %n0 : !graph.tensor<[M], f64>
    %within = graph.add %s0, %s1 : !graph.tensor<[M], f64>
    %s = graph.add %within, %between : !graph.tensor<[M], f64>
    graph.yield %n, %m, %s : !graph.tensor<[M], f64>, !graph.tensor<[M], f64>, !graph.tensor<[M], f64>
  } finalize {
  ^bb0(%n: !graph.tensor<[M], f64>, %m: !graph.tensor<[M], f64>, %s: !graph.tensor<[M], f64>):
    %v = graph.div %s, %n : !graph.tensor<[M], f64>
    graph.yield %v : !graph.tensor<[M], f64>
  }
  graph.return %v : !graph.tensor<[M], f64>
}

// -----

// Welford's rule for one more element, which forgets the second part's own sum of squares and its count.
graph.func @not_associative(%x: !graph.tensor<[M, K], f64>) -> !graph.tensor<[M], f64> {
  // CHECK: stream-laws.mlir:[[@LINE+1]]:8: error: graph.stream breaks a law after pass 'canonicalize': merge is not associative: state 1 at [0] is
  %v = graph.stream %x axes = [1], identity = [0.0 : f64, 0.0 : f64] : (!graph.tensor<[M, K], f64>) -> !graph.tensor<[M], f64>
  lift {
  ^bb0(%e: !graph.tensor<[M], f64>):
    %one = graph.constant dense<1.0> : !graph.tensor<[], f64>
    %n = graph.broadcast %one, dims = [] : !graph.tensor<[], f64> -> !graph.tensor<[M], f64>
    graph.yield %n, %e : !graph.tensor<[M], f64>, !graph.tensor<[M], f64>
  } merge {
  ^bb0(%n0: !graph.tensor<[M], f64>, %m0: !graph.tensor<[M], f64>, %n1: !graph.tensor<[M], f64>, %m1: !graph.tensor<[M], f64>):
    %zero = graph.constant dense<0.0> : !graph.tensor<[], f64>
    %zeros = graph.broadcast %zero, dims = [] : !graph.tensor<[], f64> -> !graph.tensor<[M], f64>
    %one = graph.constant dense<1.0> : !graph.tensor<[], f64>
    %ones = graph.broadcast %one, dims = [] : !graph.tensor<[], f64> -> !graph.tensor<[M], f64>
    %n = graph.add %n0, %n1 : !graph.tensor<[M], f64>
    %n2 = graph.max %n, %ones : !graph.tensor<[M], f64>
    %d = graph.sub %m1, %m0 : !graph.tensor<[M], f64>
    %step = graph.div %d, %n2 : !graph.tensor<[M], f64>
    %sum = graph.add %m0, %step : !graph.tensor<[M], f64>
    %isNone = graph.compare eq %n1, %zeros : !graph.tensor<[M], f64>
    %m = graph.select %isNone, %m0, %sum : !graph.tensor<[M], f64>
    graph.yield %n, %m : !graph.tensor<[M], f64>, !graph.tensor<[M], f64>
  } finalize {
  ^bb0(%n: !graph.tensor<[M], f64>, %m: !graph.tensor<[M], f64>):
    graph.yield %m : !graph.tensor<[M], f64>
  }
  graph.return %v : !graph.tensor<[M], f64>
}

// -----

// A maximum that begins at 0.
graph.func @not_neutral(%x: !graph.tensor<[M, K], f32>) -> !graph.tensor<[M], f32> {
  // CHECK: stream-laws.mlir:[[@LINE+1]]:8: error: graph.stream breaks a law after pass 'canonicalize': merge(identity, s) is not s: state 0 at
  %v = graph.stream %x axes = [1], identity = [0.0 : f32] : (!graph.tensor<[M, K], f32>) -> !graph.tensor<[M], f32>
  lift {
  ^bb0(%e: !graph.tensor<[M], f32>):
    graph.yield %e : !graph.tensor<[M], f32>
  } merge {
  ^bb0(%a: !graph.tensor<[M], f32>, %b: !graph.tensor<[M], f32>):
    %m = graph.max %a, %b : !graph.tensor<[M], f32>
    graph.yield %m : !graph.tensor<[M], f32>
  } finalize {
  ^bb0(%m: !graph.tensor<[M], f32>):
    graph.yield %m : !graph.tensor<[M], f32>
  }
  graph.return %v : !graph.tensor<[M], f32>
}

// -----

// The square of a block's sum is the sum of squares for blocks of one element only; an input that is no part of the
// axis is the same for both blocks.
graph.func @not_of_blocks(%x: !graph.tensor<[M, K], f32>, %y: !graph.tensor<[M], f32>) -> !graph.tensor<[M], f32>
    attributes {dims = {K = #graph.range<0, ?>, M = #graph.range<0, ?>, T = #graph.range<1, ?>}} {
  // CHECK: stream-laws.mlir:[[@LINE+1]]:8: error: graph.stream breaks a law after pass 'canonicalize': merging two blocks is not lifting both: state 0 at [0] is
  %v = graph.stream %x, %y axes = [1, -1], identity = [0.0 : f32], block = "T" : (!graph.tensor<[M, K], f32>, !graph.tensor<[M], f32>) -> !graph.tensor<[M], f32>
  lift {
  ^bb0(%e: !graph.tensor<[M, T], f32>, %f: !graph.tensor<[M], f32>):
    %s = graph.reduce sum %e, axes = [1] : !graph.tensor<[M, T], f32> -> !graph.tensor<[M], f32>
    %ss = graph.mul %s, %s : !graph.tensor<[M], f32>
    %r = graph.mul %ss, %f : !graph.tensor<[M], f32>
    graph.yield %r : !graph.tensor<[M], f32>
  } merge {
  ^bb0(%a: !graph.tensor<[M], f32>, %b: !graph.tensor<[M], f32>):
    %m = graph.add %a, %b : !graph.tensor<[M], f32>
    graph.yield %m : !graph.tensor<[M], f32>
  } finalize {
  ^bb0(%m: !graph.tensor<[M], f32>):
    graph.yield %m : !graph.tensor<[M], f32>
  }
  graph.return %v : !graph.tensor<[M], f32>
}
