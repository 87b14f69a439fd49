// RUN: tessera-opt %s --split-input-file --verify-diagnostics

schedule.func @func_c1 for @k {
  // expected-error @+1 {{expected only schedule.stage and schedule.update here}}
  %0 = arith.constant 0 : i32
}

// -----

schedule.func @directive_place for @k {
  schedule.stage "a" {
    // expected-error @+1 {{attribute 'factor' failed to satisfy constraint: 64-bit signless integer attribute whose value is positive}}
    schedule.split "m" into "mo", "mi" by 0
  }
}
