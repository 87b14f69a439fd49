// RUN: tessera-opt %s --split-input-file --program-place-copies | FileCheck %s

// Small inputs first, small outputs last; what comes between stays as it was.
// CHECK-LABEL: program.func @small
// CHECK: %[[X:.*]] = program.input 0 "x"[] text [] {on_host}
// CHECK: %[[DX:.*]] = program.mirror %[[X]]
// CHECK: %[[W:.*]] = program.input 1 "w"[] text [] {on_host}
// CHECK: %[[DW:.*]] = program.mirror %[[W]]
// CHECK: %[[Y:.*]] = program.output 0 "y"[] text [] {on_host}
// CHECK: %[[DY:.*]] = program.mirror %[[Y]]
// CHECK: program.body
// CHECK-NEXT: program.upload %[[X]] to %[[DX]] :
// CHECK-NEXT: program.upload %[[W]] to %[[DW]] :
// CHECK-NEXT: program.launch @k(%[[DX]]) dims[] into(%[[T:[0-9]+]])
// CHECK-NEXT: program.copy %[[DW]] to %[[T]]
// CHECK-NEXT: program.launch @k(%[[T]]) dims[] into(%[[DY]])
// CHECK-NEXT: program.download %[[DY]] to %[[Y]] :
module attributes {tessera.target = "cuda:sm_80"} {
  kernel.func @k(%x: tensor<f32>) -> tensor<f32> {
    kernel.return %x : tensor<f32>
  }
  program.func @small {
    %x = program.input 0 "x" [] text [] : !program.buffer<f32, 0>
    %w = program.input 1 "w" [] text [] : !program.buffer<f32, 0>
    %y = program.output 0 "y" [] text [] : !program.buffer<f32, 0>
    %t = program.temp [] : !program.buffer<f32, 0>
    program.body
    program.launch @k(%x) dims [] into (%t) : (!program.buffer<f32, 0>) -> !program.buffer<f32, 0>
    program.copy %w to %t : !program.buffer<f32, 0>, !program.buffer<f32, 0>
    program.launch @k(%t) dims [] into (%y) : (!program.buffer<f32, 0>) -> !program.buffer<f32, 0>
  }
}

// -----

// Large ones go beside the launches between; views follow their tensor.
// CHECK-LABEL: program.func @large
// CHECK: %[[X:.*]] = program.input 0
// CHECK: %[[DX:.*]] = program.mirror %[[X]]
// CHECK: %[[W:.*]] = program.input 1
// CHECK: %[[DW:.*]] = program.mirror %[[W]]
// CHECK: %[[Y:.*]] = program.output 0
// CHECK: %[[DY:.*]] = program.mirror %[[Y]]
// CHECK: %[[Z:.*]] = program.output 1
// CHECK: %[[DZ:.*]] = program.mirror %[[Z]]
// CHECK: %[[V:.*]] = program.view %[[DW]][
// CHECK-NOT: program.view
// CHECK: program.body
// CHECK-NEXT: program.upload %[[X]] to %[[DX]] :
// CHECK-NEXT: program.launch @k(%[[DX]]) dims[] into(%[[DY]])
// CHECK-NEXT: program.download %[[DY]] to %[[Y]] beside
// CHECK-NEXT: program.upload %[[W]] to %[[DW]] beside
// CHECK-NEXT: program.await %[[DW]]
// CHECK-NEXT: program.launch @k(%[[V]]) dims[] into(%[[DZ]])
// CHECK-NEXT: program.download %[[DZ]] to %[[Z]] :
module attributes {tessera.target = "cuda:sm_90a"} {
  kernel.func @k(%x: tensor<?xf32>) -> tensor<?xf32> {
    kernel.return %x : tensor<?xf32>
  }
  program.func @large {
    %n = program.number 100000
    %s = program.symbol "N" range [0, 100]
    %x = program.input 0 "x" [%n] text ["100000"] : !program.buffer<f32, 1>
    %w = program.input 1 "w" [%s] text ["N"] : !program.buffer<f32, 1>
    %y = program.output 0 "y" [%n] text ["100000"] : !program.buffer<f32, 1>
    %z = program.output 1 "z" [%n] text ["100000"] : !program.buffer<f32, 1>
    %v = program.view %w [%s] : !program.buffer<f32, 1> -> !program.buffer<f32, 1>
    program.body
    program.launch @k(%x) dims [] into (%y) : (!program.buffer<f32, 1>) -> !program.buffer<f32, 1>
    program.launch @k(%v) dims [] into (%z) : (!program.buffer<f32, 1>) -> !program.buffer<f32, 1>
  }
}

// -----

// What host operators write is uploaded at once; what they and loads read comes from the device where it was written there.
// CHECK-LABEL: program.func @both
// CHECK: %[[X:.*]] = program.input 0
// CHECK-NOT: program.mirror %[[X]]
// CHECK: %[[A:.*]] = program.temp[] : <si64, 0>
// CHECK-NEXT: %[[HA:.*]] = program.temp[] {on_host}
// CHECK: %[[B:.*]] = program.temp[] : <si64, 0>
// CHECK-NEXT: %[[HB:.*]] = program.temp[] {on_host}
// CHECK: %[[C:.*]] = program.temp[] {on_host}
// CHECK: program.body
// CHECK-NEXT: program.host_call "f" ""(%[[X]]) into(%[[HA]])
// CHECK-NEXT: program.upload %[[HA]] to %[[A]]
// CHECK-NEXT: program.launch @k(%[[A]]) dims[] into(%[[B]])
// CHECK-NEXT: program.download %[[B]] to %[[HB]]
// CHECK-NEXT: program.await %[[HB]]
// CHECK-NEXT: program.load %[[HB]]
// CHECK-NEXT: program.host_call "g" ""(%[[HB]], %[[HA]]) into(%[[C]])
// CHECK-NEXT: program.launch @k(%[[A]]) dims[] into(%[[B]])
// CHECK-NEXT: program.download %[[B]] to %[[HB]]
// CHECK-NEXT: program.await %[[HB]]
// CHECK-NEXT: program.host_call "h" ""(%[[HB]], %[[C]]) into(%[[Y:[0-9]+]]) for
// CHECK-NOT: program.download
module attributes {tessera.target = "cuda:sm_80"} {
  kernel.func @k(%x: tensor<i64>) -> tensor<i64> {
    kernel.return %x : tensor<i64>
  }
  program.func @both {
    %zero = program.number 0
    %x = program.input 0 "x" [] text [] : !program.buffer<si64, 0>
    %y = program.output 0 "y" [] text [] : !program.buffer<si64, 0>
    %a = program.temp [] : !program.buffer<si64, 0>
    %b = program.temp [] : !program.buffer<si64, 0>
    %c = program.temp [] : !program.buffer<si64, 0>
    program.body
    program.host_call "f" "" (%x) into (%a) for ["n"] : (!program.buffer<si64, 0>) -> !program.buffer<si64, 0>
    program.launch @k(%a) dims [] into (%b) : (!program.buffer<si64, 0>) -> !program.buffer<si64, 0>
    %i = program.load %b[%zero] : !program.buffer<si64, 0>
    program.host_call "g" "" (%b, %a) into (%c) for ["n"] : (!program.buffer<si64, 0>, !program.buffer<si64, 0>) -> !program.buffer<si64, 0>
    program.launch @k(%a) dims [] into (%b) : (!program.buffer<si64, 0>) -> !program.buffer<si64, 0>
    program.host_call "h" "" (%b, %c) into (%y) for ["n"] : (!program.buffer<si64, 0>, !program.buffer<si64, 0>) -> !program.buffer<si64, 0>
  }
}

// -----

// Programs for the host's memory have nothing to copy.
// CHECK-LABEL: program.func @host
// CHECK-NOT: on_host
// CHECK-NOT: program.upload
module attributes {tessera.target = "x86-64-v3"} {
  kernel.func @k(%x: tensor<f32>) -> tensor<f32> {
    kernel.return %x : tensor<f32>
  }
  program.func @host {
    %x = program.input 0 "x" [] text [] : !program.buffer<f32, 0>
    %y = program.output 0 "y" [] text [] : !program.buffer<f32, 0>
    program.body
    program.launch @k(%x) dims [] into (%y) : (!program.buffer<f32, 0>) -> !program.buffer<f32, 0>
  }
}
