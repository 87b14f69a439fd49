// Kernels that differ in scalar constants get arguments for them; constants on which code depends stay.
// RUN: tessera-opt %s --graph-form-kernels --kernel-lift-constants --verify-each | FileCheck %s
// RUN: tessera-opt %s --graph-form-kernels --kernel-lift-constants --verify-each=numeric -o %t
// RUN: tessera-opt %s --graph-form-kernels --kernel-lift-constants --kernel-lift-constants -o %t.twice
// RUN: diff %t %t.twice

// What differs is handed over, what is equal in both (5.0) stays, and a number that is used twice is one argument.
// CHECK-LABEL: @layer_0
// CHECK-DAG: %[[S:.*]] = graph.constant dense<3.000000e-01> : !graph.tensor<[], f32>
// CHECK-DAG: %[[Z:.*]] = graph.constant dense<1.600000e+01> : !graph.tensor<[], f32>
// CHECK: kernel.launch @[[A:k[0-9]+_[a-z]+]](%arg0, %[[S]], %[[Z]])
graph.func @layer_0(%x: !graph.tensor<[40], f32>) -> !graph.tensor<[40], f32> {
  %s = graph.constant dense<0.3> : !graph.tensor<[40], f32>
  %z = graph.constant dense<16.0> : !graph.tensor<[40], f32>
  %m = graph.constant dense<5.0> : !graph.tensor<[40], f32>
  %0 = graph.mul %x, %s : !graph.tensor<[40], f32>
  %1 = graph.add %0, %z : !graph.tensor<[40], f32>
  %2 = graph.max %1, %m : !graph.tensor<[40], f32>
  %3 = graph.sub %2, %z : !graph.tensor<[40], f32>
  graph.return %3 : !graph.tensor<[40], f32>
}
// CHECK-LABEL: @layer_1
// CHECK-DAG: %[[S:.*]] = graph.constant dense<0.699999988> : !graph.tensor<[], f32>
// CHECK-DAG: %[[Z:.*]] = graph.constant dense<-9.000000e+00> : !graph.tensor<[], f32>
// CHECK: kernel.launch @[[B:k[0-9]+_[a-z]+]](%arg0, %[[S]], %[[Z]])
graph.func @layer_1(%x: !graph.tensor<[40], f32>) -> !graph.tensor<[40], f32> {
  %s = graph.constant dense<0.7> : !graph.tensor<[40], f32>
  %z = graph.constant dense<-9.0> : !graph.tensor<[40], f32>
  %m = graph.constant dense<5.0> : !graph.tensor<[40], f32>
  %0 = graph.mul %x, %s : !graph.tensor<[40], f32>
  %1 = graph.add %0, %z : !graph.tensor<[40], f32>
  %2 = graph.max %1, %m : !graph.tensor<[40], f32>
  %3 = graph.sub %2, %z : !graph.tensor<[40], f32>
  graph.return %3 : !graph.tensor<[40], f32>
}

// Multiplying by a power of two, or adding 0, is other code: the kernel of such a layer is its own.
// CHECK-LABEL: @half
// CHECK: kernel.launch @{{[^(]*}}(%arg0) dims
graph.func @half(%x: !graph.tensor<[40], f32>) -> !graph.tensor<[40], f32> {
  %s = graph.constant dense<0.5> : !graph.tensor<[40], f32>
  %z = graph.constant dense<-9.0> : !graph.tensor<[40], f32>
  %m = graph.constant dense<5.0> : !graph.tensor<[40], f32>
  %0 = graph.mul %x, %s : !graph.tensor<[40], f32>
  %1 = graph.add %0, %z : !graph.tensor<[40], f32>
  %2 = graph.max %1, %m : !graph.tensor<[40], f32>
  %3 = graph.sub %2, %z : !graph.tensor<[40], f32>
  graph.return %3 : !graph.tensor<[40], f32>
}

// An exponent decides about code, and so do the factors of integers.
// CHECK-LABEL: @cube
// CHECK: kernel.launch @{{[^(]*}}(%arg0) dims
graph.func @cube(%x: !graph.tensor<[40], f32>) -> !graph.tensor<[40], f32> {
  %e = graph.constant dense<3.0> : !graph.tensor<[40], f32>
  %0 = graph.pow %x, %e : !graph.tensor<[40], f32>
  graph.return %0 : !graph.tensor<[40], f32>
}
// CHECK-LABEL: @fifth
// CHECK: kernel.launch @{{[^(]*}}(%arg0) dims
graph.func @fifth(%x: !graph.tensor<[40], f32>) -> !graph.tensor<[40], f32> {
  %e = graph.constant dense<5.0> : !graph.tensor<[40], f32>
  %0 = graph.pow %x, %e : !graph.tensor<[40], f32>
  graph.return %0 : !graph.tensor<[40], f32>
}
// CHECK-LABEL: @times_3
// CHECK: kernel.launch @{{[^(]*}}(%arg0) dims
graph.func @times_3(%x: !graph.tensor<[40], si32>) -> !graph.tensor<[40], si32> {
  %e = graph.constant dense<3> : !graph.tensor<[40], si32>
  %0 = graph.mul %x, %e : !graph.tensor<[40], si32>
  graph.return %0 : !graph.tensor<[40], si32>
}
// CHECK-LABEL: @times_7
// CHECK: kernel.launch @{{[^(]*}}(%arg0) dims
graph.func @times_7(%x: !graph.tensor<[40], si32>) -> !graph.tensor<[40], si32> {
  %e = graph.constant dense<7> : !graph.tensor<[40], si32>
  %0 = graph.mul %x, %e : !graph.tensor<[40], si32>
  graph.return %0 : !graph.tensor<[40], si32>
}

// Of integers, what is added and bounded. Unsigned ones are signed in a constant of the graph: the bytes are the same.
// CHECK-LABEL: @bounded_200
// CHECK: %[[Z:.*]] = graph.constant dense<-56> : !graph.tensor<[], si8>
// CHECK: kernel.launch @{{[^(]*}}(%arg0, %[[Z]])
graph.func @bounded_200(%x: !graph.tensor<[40], ui8>) -> !graph.tensor<[40], ui8> {
  %m = graph.constant dense<200> : !graph.tensor<[40], ui8>
  %0 = graph.min %x, %m : !graph.tensor<[40], ui8>
  graph.return %0 : !graph.tensor<[40], ui8>
}
// CHECK-LABEL: @bounded_7
// CHECK: kernel.launch @{{[^(]*}}(%arg0, %{{.*}}) dims
graph.func @bounded_7(%x: !graph.tensor<[40], ui8>) -> !graph.tensor<[40], ui8> {
  %m = graph.constant dense<7> : !graph.tensor<[40], ui8>
  %0 = graph.min %x, %m : !graph.tensor<[40], ui8>
  graph.return %0 : !graph.tensor<[40], ui8>
}

// Numbers that become indices stay where they are.
// CHECK-LABEL: @shifted_3
// CHECK: kernel.launch @{{[^(]*}}(%arg1, %arg0) dims
graph.func @shifted_3(%x: !graph.tensor<[40], f32>, %i: !graph.tensor<[8], si64>) -> !graph.tensor<[8], f32> {
  %s = graph.constant dense<3> : !graph.tensor<[8], si64>
  %0 = graph.add %i, %s : !graph.tensor<[8], si64>
  %1 = graph.gather %x, %0, axis = 0 : (!graph.tensor<[40], f32>, !graph.tensor<[8], si64>) -> !graph.tensor<[8], f32>
  graph.return %1 : !graph.tensor<[8], f32>
}
// CHECK-LABEL: @shifted_5
// CHECK: kernel.launch @{{[^(]*}}(%arg1, %arg0) dims
graph.func @shifted_5(%x: !graph.tensor<[40], f32>, %i: !graph.tensor<[8], si64>) -> !graph.tensor<[8], f32> {
  %s = graph.constant dense<5> : !graph.tensor<[8], si64>
  %0 = graph.add %i, %s : !graph.tensor<[8], si64>
  %1 = graph.gather %x, %0, axis = 0 : (!graph.tensor<[40], f32>, !graph.tensor<[8], si64>) -> !graph.tensor<[8], f32>
  graph.return %1 : !graph.tensor<[8], f32>
}

// CHECK: kernel.func @[[A]](%arg0: tensor<40xf32>, %arg1: tensor<f32>, %arg2: tensor<f32>) -> tensor<40xf32>
// CHECK: kernel.func @[[B]](%arg0: tensor<40xf32>, %arg1: tensor<f32>, %arg2: tensor<f32>) -> tensor<40xf32>
// CHECK: arith.constant 5.000000e+00 : f32
