// The group of a channel is its place divided by a number that only a run knows, beside the reference interpreter.
// RUN: split-file %s %t
// RUN: tessera-opt %t/conv.mlir --graph-form-kernels | FileCheck %s
// RUN: tessera-opt %t/transposed.mlir --graph-form-kernels | FileCheck %s --check-prefix=TRANSPOSED
// RUN: tessera-run %t/conv.mlir --input x=2x6x7xi32 --input w=9x2x3xi32 --print 1000 > %t/run && tessera-run --reference %t/conv.mlir --input x=2x6x7xi32 --input w=9x2x3xi32 --print 1000 | diff - %t/run
// RUN: tessera-run %t/conv.mlir --input x=1x3x70xi32 --input w=3x1x1xi32 --print 1000 > %t/run && tessera-run --reference %t/conv.mlir --input x=1x3x70xi32 --input w=3x1x1xi32 --print 1000 | diff - %t/run
// RUN: tessera-run %t/conv.mlir --input x=2x6x7xi32 --input w=0x2x3xi32 --print 1000 > %t/run && tessera-run --reference %t/conv.mlir --input x=2x6x7xi32 --input w=0x2x3xi32 --print 1000 | diff - %t/run
// RUN: tessera-run %t/transposed.mlir --input x=2x6x7xi32 --input w=6x5x4xi32 --print 1000 > %t/run && tessera-run --reference %t/transposed.mlir --input x=2x6x7xi32 --input w=6x5x4xi32 --print 1000 | diff - %t/run
// RUN: tessera-run %t/transposed.mlir --input x=1x3x1xi32 --input w=3x1x2xi32 --print 1000 > %t/run && tessera-run --reference %t/transposed.mlir --input x=1x3x1xi32 --input w=3x1x2xi32 --print 1000 | diff - %t/run
// RUN: tessera-run %t/transposed.mlir --input x=1x3x1xi32 --input w=3x0x2xi32 --print 1000 > %t/run && tessera-run --reference %t/transposed.mlir --input x=1x3x1xi32 --input w=3x0x2xi32 --print 1000 | diff - %t/run

//--- conv.mlir
// CHECK: kernel.func @k0_conv
// CHECK: kernel.stage = "acc"}
// CHECK: %[[GROUP:.*]] = arith.divui %{{.*}}, %{{.*}} : index
// CHECK: %[[FIRST:.*]] = arith.muli %[[GROUP]], %{{.*}} : index
// CHECK: arith.addi %[[FIRST]]
graph.func @main(%x: !graph.tensor<[N, 3 * I, W], si32> {graph.name = "x"}, %w: !graph.tensor<[O, I, K], si32> {graph.name = "w"}) -> !graph.tensor<[N, O, W - K + 1], si32> {
  %y = graph.conv %x, %w, strides = [1], dilations = [1], lo = [0], hi = [0], groups = 3 : (!graph.tensor<[N, 3 * I, W], si32>, !graph.tensor<[O, I, K], si32>) -> !graph.tensor<[N, O, W - K + 1], si32>
  graph.return %y : !graph.tensor<[N, O, W - K + 1], si32>
}

//--- transposed.mlir
// TRANSPOSED: kernel.func @k0_conv_transpose
// TRANSPOSED: kernel.stage = "acc"}
// TRANSPOSED: arith.divui %{{.*}}, %{{.*}} : index
graph.func @main(%x: !graph.tensor<[N, C, W], si32> {graph.name = "x"}, %w: !graph.tensor<[C, O, K], si32> {graph.name = "w"}) -> !graph.tensor<[N, 3 * O, 2 * W + K - 2], si32> {
  %y = graph.conv_transpose %x, %w, strides = [2], dilations = [1], lo = [0], hi = [0], output_padding = [0], groups = 3 : (!graph.tensor<[N, C, W], si32>, !graph.tensor<[C, O, K], si32>) -> !graph.tensor<[N, 3 * O, 2 * W + K - 2], si32>
  graph.return %y : !graph.tensor<[N, 3 * O, 2 * W + K - 2], si32>
}
