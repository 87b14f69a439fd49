// RUN: tessera-opt %s --graph-channels-last --canonicalize --split-input-file | FileCheck %s

// Two convolutions and what lies between them change together: one transpose at each end, the bias
// broadcast to its new place, the padding moved.
// CHECK-LABEL: graph.func @chain
// CHECK: %[[T:.*]] = graph.transpose %arg0, perm = [0, 2, 3, 1]
// CHECK: %[[A:.*]] = graph.conv %[[T]], %arg1, {{.*}} layout = "NHWC,OIHW->NHWC" : {{.*}} -> !graph.tensor<[1, 64, 64, 32], f32>
// CHECK: %[[B:.*]] = graph.broadcast %arg2, dims = [3]
// CHECK: %[[C:.*]] = graph.add %[[A]], %[[B]] : <[1, 64, 64, 32], f32>
// CHECK: %[[P:.*]] = graph.pad {{.*}}%[[C]], %{{.*}}, lo = [0, 1, 1, 0], hi = [0, 1, 1, 0]
// CHECK: %[[D:.*]] = graph.conv %[[P]], %arg3, {{.*}} layout = "NHWC,OIHW->NHWC"
// CHECK: %[[M:.*]] = graph.window_reduce {{ *}}max %[[D]], axes = [1, 2]
// CHECK: %[[R:.*]] = graph.transpose %[[M]], perm = [0, 3, 1, 2]
// CHECK: graph.return %[[R]]
graph.func @chain(%x: !graph.tensor<[1, 32, 66, 66], f32>, %w: !graph.tensor<[32, 32, 3, 3], f32>, %b: !graph.tensor<[32], f32>, %v: !graph.tensor<[32, 32, 3, 3], f32>) -> !graph.tensor<[1, 32, 32, 32], f32> {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0] : (!graph.tensor<[1, 32, 66, 66], f32>, !graph.tensor<[32, 32, 3, 3], f32>) -> !graph.tensor<[1, 32, 64, 64], f32>
  %bb = graph.broadcast %b, dims = [1] : !graph.tensor<[32], f32> -> !graph.tensor<[1, 32, 64, 64], f32>
  %1 = graph.add %0, %bb : !graph.tensor<[1, 32, 64, 64], f32>
  %zero = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %2 = graph.pad constant %1, %zero, lo = [0, 0, 1, 1], hi = [0, 0, 1, 1] : (!graph.tensor<[1, 32, 64, 64], f32>, !graph.tensor<[], f32>) -> !graph.tensor<[1, 32, 66, 66], f32>
  %3 = graph.conv %2, %v, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0] : (!graph.tensor<[1, 32, 66, 66], f32>, !graph.tensor<[32, 32, 3, 3], f32>) -> !graph.tensor<[1, 32, 64, 64], f32>
  %4 = graph.window_reduce max %3, axes = [2, 3], window = [2, 2], strides = [2, 2], dilations = [1, 1], lo = [0, 0], hi = [0, 0] : !graph.tensor<[1, 32, 64, 64], f32> -> !graph.tensor<[1, 32, 32, 32], f32>
  graph.return %4 : !graph.tensor<[1, 32, 32, 32], f32>
}

// -----

// One pixel: the conversion back is a view. The mean over a picture reads it as it is; the factor of each
// channel is broadcast from where it stands.
// CHECK-LABEL: graph.func @squeeze
// CHECK: %[[T:.*]] = graph.transpose %arg0, perm = [0, 2, 3, 1]
// CHECK: %[[A:.*]] = graph.conv %[[T]]
// CHECK: %[[S:.*]] = graph.reduce {{ *}}sum %[[A]], axes = [1, 2]
// CHECK: %[[V:.*]] = graph.reshape %[[S]] : <[1, 64], f32> -> <[1, 1, 1, 64], f32>
// CHECK: %[[F:.*]] = graph.conv %[[V]], %arg2, {{.*}} layout = "NHWC,OIHW->NHWC"
// CHECK: %[[B:.*]] = graph.broadcast %[[F]], dims = [0, 1, 2, 3]
// CHECK: graph.mul %[[A]], %[[B]]
graph.func @squeeze(%x: !graph.tensor<[1, 64, 66, 66], f32>, %w: !graph.tensor<[64, 64, 3, 3], f32>, %v: !graph.tensor<[64, 64, 1, 1], f32>) -> !graph.tensor<[1, 64, 64, 64], f32> {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0] : (!graph.tensor<[1, 64, 66, 66], f32>, !graph.tensor<[64, 64, 3, 3], f32>) -> !graph.tensor<[1, 64, 64, 64], f32>
  %1 = graph.reduce sum %0, axes = [2, 3] : !graph.tensor<[1, 64, 64, 64], f32> -> !graph.tensor<[1, 64], f32>
  %2 = graph.reshape %1 : !graph.tensor<[1, 64], f32> -> !graph.tensor<[1, 64, 1, 1], f32>
  %3 = graph.conv %2, %v, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0] : (!graph.tensor<[1, 64, 1, 1], f32>, !graph.tensor<[64, 64, 1, 1], f32>) -> !graph.tensor<[1, 64, 1, 1], f32>
  %4 = graph.broadcast %3, dims = [0, 1, 2, 3] : !graph.tensor<[1, 64, 1, 1], f32> -> !graph.tensor<[1, 64, 64, 64], f32>
  %5 = graph.mul %0, %4 : !graph.tensor<[1, 64, 64, 64], f32>
  graph.return %5 : !graph.tensor<[1, 64, 64, 64], f32>
}

// -----

// One convolution of one pixel window does too little for two transposes.
// CHECK-LABEL: graph.func @alone
// CHECK-NEXT: graph.conv %arg0, %arg1, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0] :
// CHECK-NEXT: graph.return
graph.func @alone(%x: !graph.tensor<[1, 32, 64, 64], f32>, %w: !graph.tensor<[32, 32, 1, 1], f32>) -> !graph.tensor<[1, 32, 64, 64], f32> {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0] : (!graph.tensor<[1, 32, 64, 64], f32>, !graph.tensor<[32, 32, 1, 1], f32>) -> !graph.tensor<[1, 32, 64, 64], f32>
  graph.return %0 : !graph.tensor<[1, 32, 64, 64], f32>
}

// -----

// Bytes are worth it: several are multiplied by one instruction where channels are neighbours. The same window in f32 stays.
// CHECK-LABEL: graph.func @bytes
// CHECK-NEXT: graph.transpose %arg0, perm = [0, 2, 3, 1]
// CHECK-NEXT: graph.conv {{.*}} layout = "NHWC,OIHW->NHWC"
// CHECK-LABEL: graph.func @floats
// CHECK-NEXT: graph.conv %arg0, %arg1, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0] :
// CHECK-NEXT: graph.return
graph.func @bytes(%x: !graph.tensor<[1, 64, 56, 56], ui8>, %w: !graph.tensor<[256, 64, 1, 1], si8>) -> !graph.tensor<[1, 256, 56, 56], si32> {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0] : (!graph.tensor<[1, 64, 56, 56], ui8>, !graph.tensor<[256, 64, 1, 1], si8>) -> !graph.tensor<[1, 256, 56, 56], si32>
  graph.return %0 : !graph.tensor<[1, 256, 56, 56], si32>
}
graph.func @floats(%x: !graph.tensor<[1, 64, 56, 56], f32>, %w: !graph.tensor<[256, 64, 1, 1], f32>) -> !graph.tensor<[1, 256, 56, 56], f32> {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0] : (!graph.tensor<[1, 64, 56, 56], f32>, !graph.tensor<[256, 64, 1, 1], f32>) -> !graph.tensor<[1, 256, 56, 56], f32>
  graph.return %0 : !graph.tensor<[1, 256, 56, 56], f32>
}

// -----

// What the model transposes itself costs nothing more.
// CHECK-LABEL: graph.func @transposed
// CHECK-NEXT: %[[C:.*]] = graph.conv %arg0, %arg1, {{.*}} layout = "NHWC,OIHW->NHWC"
// CHECK-NEXT: graph.return %[[C]]
graph.func @transposed(%x: !graph.tensor<[1, 64, 64, 32], f32>, %w: !graph.tensor<[32, 32, 1, 1], f32>) -> !graph.tensor<[1, 64, 64, 32], f32> {
  %0 = graph.transpose %x, perm = [0, 3, 1, 2] : !graph.tensor<[1, 64, 64, 32], f32> -> !graph.tensor<[1, 32, 64, 64], f32>
  %1 = graph.conv %0, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0] : (!graph.tensor<[1, 32, 64, 64], f32>, !graph.tensor<[32, 32, 1, 1], f32>) -> !graph.tensor<[1, 32, 64, 64], f32>
  %2 = graph.transpose %1, perm = [0, 2, 3, 1] : !graph.tensor<[1, 32, 64, 64], f32> -> !graph.tensor<[1, 64, 64, 32], f32>
  graph.return %2 : !graph.tensor<[1, 64, 64, 32], f32>
}

// -----

// Channels that become places of the picture stay where they are: the factors of the last dim move.
// CHECK-LABEL: graph.func @shuffled
// CHECK: %[[C:.*]] = graph.conv {{.*}} layout = "NHWC,OIHW->NHWC" : {{.*}} -> !graph.tensor<[B, 32, 32, 96], f32>
// CHECK: %[[S:.*]] = graph.reshape %[[C]] : <[B, 32, 32, 96], f32> -> <[B, 32, 32, 2, 2, 24], f32>
// CHECK: %[[T:.*]] = graph.transpose %[[S]], perm = [0, 1, 3, 2, 4, 5]
// CHECK: graph.reshape %[[T]] : <[B, 32, 2, 32, 2, 24], f32> -> <[B, 64, 64, 24], f32>
// CHECK: graph.abs {{.*}} : <[B, 64, 64, 24], f32>
// CHECK-NOT: graph.transpose
graph.func @shuffled(%x: !graph.tensor<[B, 16, 34, 34], f32>, %w: !graph.tensor<[96, 16, 3, 3], f32>) -> !graph.tensor<[B, 24], f32> {
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0]
      : (!graph.tensor<[B, 16, 34, 34], f32>, !graph.tensor<[96, 16, 3, 3], f32>) -> !graph.tensor<[B, 96, 32, 32], f32>
  %1 = graph.reshape %0 : !graph.tensor<[B, 96, 32, 32], f32> -> !graph.tensor<[B, 2, 2, 24, 32, 32], f32>
  %2 = graph.transpose %1, perm = [0, 3, 4, 1, 5, 2] : !graph.tensor<[B, 2, 2, 24, 32, 32], f32> -> !graph.tensor<[B, 24, 32, 2, 32, 2], f32>
  %3 = graph.reshape %2 : !graph.tensor<[B, 24, 32, 2, 32, 2], f32> -> !graph.tensor<[B, 24, 64, 64], f32>
  %4 = graph.abs %3 : !graph.tensor<[B, 24, 64, 64], f32>
  %5 = graph.reduce sum %4, axes = [2, 3] : !graph.tensor<[B, 24, 64, 64], f32> -> !graph.tensor<[B, 24], f32>
  graph.return %5 : !graph.tensor<[B, 24], f32>
}
