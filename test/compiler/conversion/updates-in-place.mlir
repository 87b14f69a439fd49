// RUN: tessera-opt %s --graph-form-kernels --kernel-to-program | FileCheck %s

// A loop that replaces rows of what it carries does so where that is: the launch has one buffer as argument and result,
// and nothing is copied but the start.
// CHECK-LABEL: program.func @rows
// CHECK: program.copy %{{.*}} to %[[ROWS:[0-9]+]] : <f32, 2>
// CHECK: program.while
// CHECK: } do {
// CHECK: program.launch @{{.*}}scatter(%[[ROWS]], %{{.*}}) {{.*}} into(%[[ROWS]])
// CHECK-NOT: program.copy %{{.*}} : <f32, 2>
// CHECK: }
graph.func @rows(%n: !graph.tensor<[], si64>, %x: !graph.tensor<[N, 4], f32>, %row: !graph.tensor<[1, 4], f32>) -> !graph.tensor<[N, 4], f32> {
  %zero = graph.constant dense<0> : !graph.tensor<[], si64>
  %one = graph.constant dense<1> : !graph.tensor<[], si64>
  %r:2 = graph.while (%i = %zero, %all = %x) : !graph.tensor<[], si64>, !graph.tensor<[N, 4], f32> {
    %c = graph.compare lt %i, %n : !graph.tensor<[], si64>
    graph.condition %c : !graph.tensor<[], i1>
  } do (%j, %a) {
    %at = graph.reshape %j : !graph.tensor<[], si64> -> !graph.tensor<[1], si64>
    %b = graph.scatter replace %a, %at, %row, axis = 0 : (!graph.tensor<[N, 4], f32>, !graph.tensor<[1], si64>, !graph.tensor<[1, 4], f32>) -> !graph.tensor<[N, 4], f32>
    %next = graph.add %j, %one : !graph.tensor<[], si64>
    graph.yield %next, %b : !graph.tensor<[], si64>, !graph.tensor<[N, 4], f32>
  }
  graph.return %r#1 : !graph.tensor<[N, 4], f32>
}

// In a branch, too: the other one leaves it.
// CHECK-LABEL: program.func @branch
// CHECK: program.copy %{{.*}} to %[[ROWS:[0-9]+]] : <f32, 2>
// CHECK: program.if
// CHECK-NEXT: program.launch @{{.*}}scatter(%[[ROWS]], %{{.*}}) {{.*}} into(%[[ROWS]])
// CHECK-NEXT: } else {
// CHECK-NEXT: }
graph.func @branch(%n: !graph.tensor<[], si64>, %flag: !graph.tensor<[], i1>, %x: !graph.tensor<[N, 4], f32>, %row: !graph.tensor<[1, 4], f32>) -> !graph.tensor<[N, 4], f32> {
  %zero = graph.constant dense<0> : !graph.tensor<[], si64>
  %one = graph.constant dense<1> : !graph.tensor<[], si64>
  %r:2 = graph.while (%i = %zero, %all = %x) : !graph.tensor<[], si64>, !graph.tensor<[N, 4], f32> {
    %c = graph.compare lt %i, %n : !graph.tensor<[], si64>
    graph.condition %c : !graph.tensor<[], i1>
  } do (%j, %a) {
    %b = graph.if %flag : !graph.tensor<[], i1> -> !graph.tensor<[N, 4], f32> {
      %at = graph.reshape %j : !graph.tensor<[], si64> -> !graph.tensor<[1], si64>
      %new = graph.scatter replace %a, %at, %row, axis = 0 : (!graph.tensor<[N, 4], f32>, !graph.tensor<[1], si64>, !graph.tensor<[1, 4], f32>) -> !graph.tensor<[N, 4], f32>
      graph.yield %new : !graph.tensor<[N, 4], f32>
    } else {
      graph.yield %a : !graph.tensor<[N, 4], f32>
    }
    %next = graph.add %j, %one : !graph.tensor<[], si64>
    graph.yield %next, %b : !graph.tensor<[], si64>, !graph.tensor<[N, 4], f32>
  }
  graph.return %r#1 : !graph.tensor<[N, 4], f32>
}

// Who reads the old rows behind the launch finds them.
// CHECK-LABEL: program.func @read_behind
// CHECK: program.copy %{{.*}} to %[[ROWS:[0-9]+]] : <f32, 2>
// CHECK: } do {
// CHECK: program.launch @{{.*}}scatter(%[[ROWS]], %{{.*}}) {{.*}} into(%[[NEW:[0-9]+]])
// CHECK: program.copy %[[NEW]] to %[[ROWS]]
graph.func @read_behind(%n: !graph.tensor<[], si64>, %x: !graph.tensor<[N, 4], f32>, %row: !graph.tensor<[1, 4], f32>) -> (!graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>) {
  %zero = graph.constant dense<0> : !graph.tensor<[], si64>
  %one = graph.constant dense<1> : !graph.tensor<[], si64>
  %r:3 = graph.while (%i = %zero, %all = %x, %before = %x) : !graph.tensor<[], si64>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32> {
    %c = graph.compare lt %i, %n : !graph.tensor<[], si64>
    graph.condition %c : !graph.tensor<[], i1>
  } do (%j, %a, %d) {
    %at = graph.reshape %j : !graph.tensor<[], si64> -> !graph.tensor<[1], si64>
    %b = graph.scatter replace %a, %at, %row, axis = 0 : (!graph.tensor<[N, 4], f32>, !graph.tensor<[1], si64>, !graph.tensor<[1, 4], f32>) -> !graph.tensor<[N, 4], f32>
    %difference = graph.sub %b, %a : !graph.tensor<[N, 4], f32>
    %next = graph.add %j, %one : !graph.tensor<[], si64>
    graph.yield %next, %b, %difference : !graph.tensor<[], si64>, !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>
  }
  graph.return %r#1, %r#2 : !graph.tensor<[N, 4], f32>, !graph.tensor<[N, 4], f32>
}
