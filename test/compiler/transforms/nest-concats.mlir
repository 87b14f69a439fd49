// RUN: tessera-opt %s --graph-nest-concats | FileCheck %s

// 34 pieces: 32, and 2.
// CHECK-LABEL: graph.func @tree(%arg0: {{.*}}, %arg1: {{.*}})
// CHECK-NEXT: %[[A:.*]] = graph.concat %arg0, %arg0, {{.*}}, %arg0 axis = 1 : {{.*}} -> !graph.tensor<[N, 128], f32>
// CHECK-NEXT: %[[B:.*]] = graph.concat %arg1, %arg0 axis = 1 : {{.*}} -> !graph.tensor<[N, M + 4], f32>
// CHECK-NEXT: graph.concat %[[A]], %[[B]] axis = 1 : {{.*}} -> !graph.tensor<[N, M + 132], f32>
// CHECK-NEXT: graph.return
graph.func @tree(%x: !graph.tensor<[N, 4], f32>, %y: !graph.tensor<[N, M], f32>) -> (!graph.tensor<[N, M + 132], f32>) {
  %c = graph.concat %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x,
                    %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %y, %x axis = 1 :
    (!graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>,
     !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>,
     !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>,
     !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>,
     !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>,
     !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>,
     !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>,
     !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>,
     !graph.tensor<[N, M], f32>, !graph.tensor<[N, 4], f32>) -> !graph.tensor<[N, M + 132], f32>
  graph.return %c : !graph.tensor<[N, M + 132], f32>
}

// Few pieces stay as they are.
// CHECK-LABEL: graph.func @few(
// CHECK-NEXT: graph.concat %arg0, %arg0, %arg0 axis = 0
// CHECK-NEXT: graph.return
graph.func @few(%x: !graph.tensor<[N], f32>) -> (!graph.tensor<[3 * N], f32>) {
  %c = graph.concat %x, %x, %x axis = 0 : (!graph.tensor<[N], f32>, !graph.tensor<[N], f32>, !graph.tensor<[N], f32>) -> !graph.tensor<[3 * N], f32>
  graph.return %c : !graph.tensor<[3 * N], f32>
}
