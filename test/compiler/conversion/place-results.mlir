// RUN: tessera-opt %s --graph-explicit-padding --canonicalize --graph-form-kernels --split-input-file | FileCheck %s

// What is padded is written into the padded tensor; a kernel of its own writes the sides.
// CHECK-LABEL: graph.func @pad
// CHECK: %[[A:.*]] = kernel.launch @k0_conv(%arg0, %arg1) {{.*}} -> !graph.tensor<[N, H, 10, 16], f32>
// CHECK: %[[B:.*]]:4 = kernel.launch @k1_border()
// CHECK: %[[P:.*]] = kernel.join %[[A]], %[[B]]#0, %[[B]]#1, %[[B]]#2, %[[B]]#3
// CHECK: kernel.launch @k2_conv(%[[P]], %arg1)
// CHECK: kernel.func @k0_conv({{.*}}) -> (tensor<?x?x8x16xf32> {kernel.place = #kernel.place<begin = [0, 1, 1, 0], end = [0, -1, -1, 0], shape = [-1, -1, 10, 16]>})
// CHECK: kernel.func @k1_border(%arg0: index, %arg1: index)
// CHECK-SAME: tensor<?x1x10x16xf32> {kernel.place = #kernel.place<begin = [0, 0, 0, 0], end = [0, 1, 0, 0],
// CHECK-SAME: tensor<?x1x10x16xf32> {kernel.place = #kernel.place<begin = [0, -1, 0, 0], end = [0, 0, 0, 0],
// CHECK-SAME: tensor<?x?x1x16xf32> {kernel.place = #kernel.place<begin = [0, 1, 0, 0], end = [0, -1, 1, 0],
// CHECK-SAME: tensor<?x?x1x16xf32> {kernel.place = #kernel.place<begin = [0, 1, -1, 0], end = [0, -1, 0, 0],
graph.func @pad(%x: !graph.tensor<[N, H, 10, 16], f32>, %w: !graph.tensor<[3, 3, 16, 16], f32>) -> !graph.tensor<[N, H - 4, 6, 16], f32> {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NHWC,HWIO->NHWC" : (!graph.tensor<[N, H, 10, 16], f32>, !graph.tensor<[3, 3, 16, 16], f32>) -> !graph.tensor<[N, H - 2, 8, 16], f32>
  %1 = graph.conv %0, %w, strides = [1, 1], dilations = [1, 1], lo = [1, 1], hi = [1, 1], layout = "NHWC,HWIO->NHWC" : (!graph.tensor<[N, H - 2, 8, 16], f32>, !graph.tensor<[3, 3, 16, 16], f32>) -> !graph.tensor<[N, H - 2, 8, 16], f32>
  %2 = graph.conv %1, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NHWC,HWIO->NHWC" : (!graph.tensor<[N, H - 2, 8, 16], f32>, !graph.tensor<[3, 3, 16, 16], f32>) -> !graph.tensor<[N, H - 4, 6, 16], f32>
  graph.return %2 : !graph.tensor<[N, H - 4, 6, 16], f32>
}

// -----

// Pieces of a concatenation, which is padded: each is written where it ends up; an input is copied there.
// CHECK-LABEL: graph.func @concat
// CHECK: %[[A:.*]] = kernel.launch @k0_contract
// CHECK: %[[B:.*]] = kernel.launch @k1_contract
// CHECK: %[[C:.*]] = kernel.launch @k2_copy(%arg2)
// CHECK: %[[D:.*]]:4 = kernel.launch @k3_border
// CHECK: kernel.join %[[A]], %[[B]], %[[C]], %[[D]]#0, %[[D]]#1, %[[D]]#2, %[[D]]#3
// CHECK: kernel.func @k0_contract({{.*}}kernel.place = #kernel.place<begin = [2, 1], end = [-2, 5], shape = [-1, 12]>
// CHECK: kernel.func @k1_contract({{.*}}kernel.place = #kernel.place<begin = [2, 5], end = [-2, 9], shape = [-1, 12]>
// CHECK: kernel.func @k2_copy({{.*}}kernel.place = #kernel.place<begin = [2, 9], end = [-2, 11], shape = [-1, 12]>
graph.func @concat(%x: !graph.tensor<[M, 8], f32>, %w: !graph.tensor<[8, 4], f32>, %z: !graph.tensor<[M, 2], f32>) -> !graph.tensor<[M + 4, 12], f32> {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, 8], f32>, !graph.tensor<[8, 4], f32>) -> !graph.tensor<[M, 4], f32>
  %1 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, 8], f32>, !graph.tensor<[8, 4], f32>) -> !graph.tensor<[M, 4], f32>
  %2 = graph.concat %0, %1, %z axis = 1 : (!graph.tensor<[M, 4], f32>, !graph.tensor<[M, 4], f32>, !graph.tensor<[M, 2], f32>) -> !graph.tensor<[M, 10], f32>
  %c = graph.constant dense<-1.0> : !graph.tensor<[], f32>
  %3 = graph.pad constant %2, %c, lo = [2, 1], hi = [2, 1] : (!graph.tensor<[M, 10], f32>, !graph.tensor<[], f32>) -> !graph.tensor<[M + 4, 12], f32>
  graph.return %3 : !graph.tensor<[M + 4, 12], f32>
}

// -----

// What others read as well stays where it is, and is padded by a copy.
// CHECK-LABEL: graph.func @read_twice
// CHECK-NOT: kernel.join
// CHECK: kernel.launch @k1_pad
graph.func @read_twice(%x: !graph.tensor<[M, 8], f32>, %w: !graph.tensor<[8, 4], f32>) -> (!graph.tensor<[M + 1, 4], f32>, !graph.tensor<[M, 4], f32>) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, 8], f32>, !graph.tensor<[8, 4], f32>) -> !graph.tensor<[M, 4], f32>
  %c = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %1 = graph.pad constant %0, %c, lo = [1, 0], hi = [0, 0] : (!graph.tensor<[M, 4], f32>, !graph.tensor<[], f32>) -> !graph.tensor<[M + 1, 4], f32>
  graph.return %1, %0 : !graph.tensor<[M + 1, 4], f32>, !graph.tensor<[M, 4], f32>
}

// -----

// What kernels compute for themselves is no part that could be copied.
// CHECK-LABEL: graph.func @computed
// CHECK-NOT: kernel.join
// CHECK-NOT: graph.broadcast
// CHECK: graph.return
graph.func @computed(%x: !graph.tensor<[M, 8], f32>, %w: !graph.tensor<[8, 4], f32>) -> !graph.tensor<[M, 5], f32> {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, 8], f32>, !graph.tensor<[8, 4], f32>) -> !graph.tensor<[M, 4], f32>
  %c = graph.constant dense<1.0> : !graph.tensor<[], f32>
  %1 = graph.broadcast %c, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[M, 1], f32>
  %2 = graph.concat %0, %1 axis = 1 : (!graph.tensor<[M, 4], f32>, !graph.tensor<[M, 1], f32>) -> !graph.tensor<[M, 5], f32>
  graph.return %2 : !graph.tensor<[M, 5], f32>
}
