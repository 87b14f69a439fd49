// RUN: tessera-opt %s --split-input-file --verify-diagnostics

// expected-error @+1 {{expected one program.body}}
program.func @func_c1 {
}

// -----

program.func @func_c2 {
  %zero = program.number 0
  %n = program.input 0 "n" [] text [] : !program.buffer<si64, 0>
  // expected-error @+1 {{may not stand before program.body}}
  %i = program.load %n[%zero] : !program.buffer<si64, 0>
  program.body
}

// -----

program.func @func_c3_late {
  program.body
  // expected-error @+1 {{has to stand before program.body}}
  %b = program.symbol "B" range [1, 64]
}

// -----

program.func @func_c3_twice {
  %a = program.symbol "B" range [1, 64]
  // expected-error @+1 {{'B' is bound twice}}
  %b = program.symbol "B" range [1, 64]
  program.body
}

// -----

program.func @func_c3_order {
  // expected-error @+1 {{expected number 0, found 1}}
  %x = program.input 1 "x" [] text [] : !program.buffer<f32, 0>
  program.body
}

// -----

program.func @symbol_c1 {
  // expected-error @+1 {{expected 0 <= min <= max, found [2, 1]}}
  %a = program.symbol "B" range [2, 1]
  program.body
}

// -----

program.func @load_c1 {
  %x = program.input 0 "x" [] text [] : !program.buffer<f32, 0>
  program.body
  %zero = program.number 0
  // expected-error @+1 {{expected integers or bools, found 'f32'}}
  %i = program.load %x[%zero] : !program.buffer<f32, 0>
}

// -----

program.func @input_c1 {
  // expected-error @+1 {{expected 1 dims, found 0}}
  %x = program.input 0 "x" [] text ["B"] : !program.buffer<f32, 1>
  program.body
}

// -----

program.func @output_c1 {
  %two = program.number 2
  // expected-error @+1 {{expected 1 texts, found 0}}
  %x = program.output 0 "x" [%two] text [] : !program.buffer<f32, 1>
  program.body
}

// -----

program.func @constant_c1 {
  // expected-error @+1 {{expected 2 extents, found 1}}
  %c = program.constant dense<1.0> : tensor<2xf32> shape [2] : !program.buffer<f32, 2>
  program.body
}

// -----

graph.variable @h : !graph.tensor<[2], f32> = dense<0.0> : !graph.tensor<[2], f32>
program.func @variable_c1 {
  // expected-error @+1 {{expected extents that are not negative, found [-2]}}
  %c = program.variable @h shape [-2] : !program.buffer<f32, 1>
  program.body
}

// -----

program.func @variable_c2 {
  // expected-error @+1 {{names no variable: @h}}
  %c = program.variable @h shape [2] : !program.buffer<f32, 1>
  program.body
}

// -----

program.func @temp_c1 {
  // expected-error @+1 {{expected 1 dims, found 0}}
  %t = program.temp [] : !program.buffer<f32, 1>
  program.body
}

// -----

program.func @view_c1 {
  %t = program.temp [] : !program.buffer<f32, 0>
  // expected-error @+1 {{expected 1 dims, found 0}}
  %v = program.view %t [] : !program.buffer<f32, 0> -> !program.buffer<f32, 1>
  program.body
}

// -----

program.func @view_c2 {
  %t = program.temp [] : !program.buffer<f32, 0>
  // expected-error @+1 {{expected elements of 'f32' as in the source, found 'f64'}}
  %v = program.view %t [] : !program.buffer<f32, 0> -> !program.buffer<f64, 0>
  program.body
}

// -----

program.func @launch_c1_unknown {
  program.body
  // expected-error @+1 {{names no kernel: @k}}
  program.launch @k() dims [] into () : () -> ()
}

// -----

kernel.func @k(%x: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  kernel.return %x : tensor<?xf32>
}
program.func @launch_c1_counts {
  %two = program.number 2
  %t = program.temp [%two] : !program.buffer<f32, 1>
  program.body
  // expected-error @+1 {{expected 1 tensors, 1 extents and 1 outputs, found 1, 0 and 1}}
  program.launch @k(%t) dims [] into (%t) : (!program.buffer<f32, 1>) -> !program.buffer<f32, 1>
}

// -----

kernel.func @k(%x: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  kernel.return %x : tensor<?xf32>
}
program.func @launch_c2 {
  %two = program.number 2
  %s = program.temp [] : !program.buffer<f32, 0>
  %t = program.temp [%two] : !program.buffer<f32, 1>
  program.body
  // expected-error @+1 {{input 0 is '!program.buffer<f32, 0>', but the kernel takes 'tensor<?xf32>'}}
  program.launch @k(%s) dims [%two] into (%t) : (!program.buffer<f32, 0>) -> !program.buffer<f32, 1>
}

// -----

program.func @copy_c1 {
  %s = program.temp [] : !program.buffer<f32, 0>
  %t = program.temp [] : !program.buffer<f64, 0>
  program.body
  // expected-error @+1 {{expected one element type, found 'f32' and 'f64'}}
  program.copy %s to %t : !program.buffer<f32, 0>, !program.buffer<f64, 0>
}

// -----

program.func @while_c1 {
  program.body
  // expected-error @+1 {{expected program.condition at the end of the condition region, and nowhere else}}
  program.while {
  } do {
  }
}

// -----

program.func @host_call_c1 {
  %s = program.temp [] : !program.buffer<ui8, 0>
  program.body
  // expected-error @+1 {{expected results, and at most 32 tensors}}
  program.host_call "image.decode" "" (%s) into () for ["node"] : (!program.buffer<ui8, 0>) -> ()
}

// -----

program.func @mirror_c1 {
  %x = program.input 0 "x" [] text [] : !program.buffer<f32, 0>
  // expected-error @+1 {{expected an input or output on the host}}
  %d = program.mirror %x : !program.buffer<f32, 0>
  program.body
}

// -----

kernel.func @k(%x: tensor<f32>) -> tensor<f32> {
  kernel.return %x : tensor<f32>
}
program.func @launch_c3 {
  %s = program.temp [] {on_host} : !program.buffer<f32, 0>
  %t = program.temp [] : !program.buffer<f32, 0>
  program.body
  // expected-error @+1 {{takes a buffer that is on the host}}
  program.launch @k(%s) dims [] into (%t) : (!program.buffer<f32, 0>) -> !program.buffer<f32, 0>
}

// -----

program.func @upload_c1 {
  %s = program.temp [] {on_host} : !program.buffer<f32, 0>
  %t = program.temp [] : !program.buffer<f64, 0>
  program.body
  // expected-error @+1 {{expected one element type, found 'f32' and 'f64'}}
  program.upload %s to %t : !program.buffer<f32, 0>, !program.buffer<f64, 0>
}

// -----

program.func @upload_c2 {
  %s = program.temp [] : !program.buffer<f32, 0>
  %t = program.temp [] : !program.buffer<f32, 0>
  program.body
  // expected-error @+1 {{expected a copy from the host}}
  program.upload %s to %t : !program.buffer<f32, 0>, !program.buffer<f32, 0>
}

// -----

program.func @upload_c3 {
  %s = program.temp [] {on_host} : !program.buffer<f32, 0>
  %t = program.temp [] : !program.buffer<f32, 0>
  program.body
  // expected-error @+1 {{goes beside launches, but not between a tensor and its mirror}}
  program.upload %s to %t beside : !program.buffer<f32, 0>, !program.buffer<f32, 0>
}

// -----

program.func @download_c1 {
  %s = program.temp [] {on_host} : !program.buffer<f32, 0>
  %t = program.temp [] : !program.buffer<f64, 0>
  program.body
  // expected-error @+1 {{expected one element type, found 'f64' and 'f32'}}
  program.download %t to %s : !program.buffer<f64, 0>, !program.buffer<f32, 0>
}

// -----

program.func @download_c2 {
  %s = program.temp [] {on_host} : !program.buffer<f32, 0>
  %t = program.temp [] : !program.buffer<f32, 0>
  program.body
  // expected-error @+1 {{expected a copy to the host}}
  program.download %s to %t : !program.buffer<f32, 0>, !program.buffer<f32, 0>
}

// -----

program.func @download_c3 {
  %x = program.output 0 "x" [] text [] {on_host} : !program.buffer<f32, 0>
  %t = program.temp [] : !program.buffer<f32, 0>
  program.body
  // expected-error @+1 {{goes beside launches, but not between a tensor and its mirror}}
  program.download %t to %x beside : !program.buffer<f32, 0>, !program.buffer<f32, 0>
}
