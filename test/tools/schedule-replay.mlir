// A schedule that was printed, directives that restructure the kernel included, can be edited and replayed: the
// result stays, the code changes. Each variant has the schedule of its instruction set.
// RUN: tessera-compile %s --target x86-64-v3 --emit schedule -o %t.schedule
// RUN: FileCheck %s --check-prefix=DEFAULT < %t.schedule
// RUN: sed -e "s/\"i0\" by [0-9]* into/\"i0\" by 3 into/" -e "s/\"i0\" into \(.*\) by [0-9]* tail/\"i0\" into \1 by 3 tail/" -e "s/bound_extent \"i0_i\" [0-9]*/bound_extent \"i0_i\" 3/" %t.schedule > %t.edited
// RUN: tessera-compile %s --target x86-64-v3 --schedule %t.edited --emit schedule | FileCheck %s --check-prefix=EDITED
// RUN: tessera-compile %s --target x86-64-v3 -o %t.default.tsm
// RUN: tessera-compile %s --target x86-64-v3 --schedule %t.schedule -o %t.same.tsm
// RUN: cmp %t.default.tsm %t.same.tsm
// RUN: tessera-compile %s --target x86-64-v3 --schedule %t.edited -o %t.edited.tsm
// RUN: not cmp %t.default.tsm %t.edited.tsm
// RUN: tessera-run %t.default.tsm --input x=7x40xf32=3 | FileCheck %s --check-prefix=RESULT
// RUN: tessera-run %t.edited.tsm --input x=7x40xf32=3 | FileCheck %s --check-prefix=RESULT
// RUN: tessera-compile %s --target x86-64-v2,x86-64-v3,x86-64-v4 --emit schedule | FileCheck %s --check-prefix=LEVELS
// RUN: sed -e "s/for @k0_contract/for @k7/" %t.schedule > %t.wrong
// RUN: not tessera-compile %s --schedule %t.wrong --emit schedule 2>&1 | FileCheck %s --check-prefix=WRONG

// DEFAULT: kernel.func @k0_contract
// DEFAULT: schedule.func @k0_contract_schedule for @k0_contract {
// DEFAULT: schedule.pad_to_tile "acc" loop "i0" by 2 into "i0_t", "i0_i"
// DEFAULT: schedule.vectorize "i1_i" by 8
// EDITED: schedule.pad_to_tile "acc" loop "i0" by 3 into "i0_t", "i0_i"
// EDITED: schedule.split "i0" into "i0_t", "i0_i" by 3
// RESULT: y: f32[7x33] min 180 max 180 mean 180
// LEVELS: tessera.target = "x86-64-v4"
// LEVELS: schedule.vectorize "i1_i" by 16
// LEVELS: tessera.target = "x86-64-v3"
// LEVELS: schedule.vectorize "i1_i" by 8
// LEVELS: tessera.target = "x86-64-v2"
// LEVELS: schedule.vectorize "i1_i" by 4
// WRONG: schedule-replay.mlir.tmp.wrong:{{.*}} the model has no kernel 'k7'; known are k0_contract
graph.func @main(%x: !graph.tensor<[M, 40], f32> {graph.name = "x"}) -> (!graph.tensor<[M, 33], f32> {graph.name = "y"}) {
  %w = graph.constant dense<1.5> : !graph.tensor<[40, 33], f32>
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, 40], f32>, !graph.tensor<[40, 33], f32>) -> !graph.tensor<[M, 33], f32>
  graph.return %0 : !graph.tensor<[M, 33], f32>
}
