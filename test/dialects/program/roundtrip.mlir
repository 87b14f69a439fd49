// RUN: tessera-opt %s | tessera-opt | FileCheck %s

graph.variable @h : !graph.tensor<[2], f32> = dense<0.0> : !graph.tensor<[2], f32>
kernel.func @copy(%x: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  kernel.return %x : tensor<?xf32>
}

// CHECK-LABEL: program.func @main {
program.func @main {
  // CHECK: %[[B:.*]] = program.symbol "B" range[1, 64]
  %b = program.symbol "B" range [1, 64]
  // CHECK: %[[TWO:.*]] = program.number 2
  %two = program.number 2
  // CHECK: program.binary floordiv %[[B]], %[[TWO]]
  %half = program.binary floordiv %b, %two
  // CHECK: program.assert %{{.*}}, "odd"
  program.assert %half, "odd"
  // CHECK: %[[X:.*]] = program.input 0 "x"[%[[B]]] text ["B"] : <f32, 1>
  %x = program.input 0 "x" [%b] text ["B"] : !program.buffer<f32, 1>
  %n = program.input 1 "n" [] text [] : !program.buffer<si64, 0>
  // CHECK: %[[Y:.*]] = program.output 0 "y"[%[[B]]] text ["B"]
  %y = program.output 0 "y" [%b] text ["B"] : !program.buffer<f32, 1>
  // CHECK: program.temp[%[[B]]]
  %t = program.temp [%b] : !program.buffer<f32, 1>
  // CHECK: program.view %{{.*}}[%[[TWO]], %{{.*}}] : <f32, 1> -> <f32, 2>
  %v = program.view %t [%two, %half] : !program.buffer<f32, 1> -> !program.buffer<f32, 2>
  // CHECK: program.constant dense<1.000000e+00> : tensor<2xf32> shape [2]
  %c = program.constant dense<1.0> : tensor<2xf32> shape [2] : !program.buffer<f32, 1>
  // CHECK: program.variable @h shape [2]
  %h = program.variable @h shape [2] : !program.buffer<f32, 1>
  // CHECK: program.body
  program.body
  %zero = program.number 0
  // CHECK: program.load %{{.*}}[%{{.*}}] : <si64, 0>
  %i = program.load %n[%zero] : !program.buffer<si64, 0>
  // CHECK: program.launch @copy(%[[X]]) dims[%[[B]]] into(%{{.*}})
  program.launch @copy(%x) dims [%b] into (%t) : (!program.buffer<f32, 1>) -> !program.buffer<f32, 1>
  // CHECK: program.host_call "image.decode" "RGB"(%[[X]]) into(%{{.*}}) for ["decoder"]
  program.host_call "image.decode" "RGB" (%x) into (%t) for ["decoder"] : (!program.buffer<f32, 1>) -> !program.buffer<f32, 1>
  // CHECK: program.if
  program.if %i {
    program.copy %t to %y : !program.buffer<f32, 1>, !program.buffer<f32, 1>
  // CHECK: } else {
  } else {
    program.copy %x to %y : !program.buffer<f32, 1>, !program.buffer<f32, 1>
  }
  // CHECK: program.while {
  program.while {
    // CHECK: program.condition
    program.condition %zero
  // CHECK: } do {
  } do {
    program.copy %c to %h : !program.buffer<f32, 1>, !program.buffer<f32, 1>
  }
}
