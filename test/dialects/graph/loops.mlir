// Loops carry what changes and is needed.
// RUN: tessera-opt --canonicalize %s | FileCheck %s

// Weights that are handed around are values from outside; what only feeds itself is not computed.
// CHECK-LABEL: graph.func @weights
// CHECK-SAME:    %[[W:.*]]: !graph.tensor<[4, 4], f32>, %[[N:.*]]: !graph.tensor<[], si64>, %[[X:.*]]: !graph.tensor<[4], f32>
// CHECK:         %[[LOOP:.*]]:2 = graph.while (%{{.*}} = %{{.*}}, %{{.*}} = %[[X]])
// CHECK:           graph.compare lt %{{.*}}, %[[N]]
// CHECK:           %[[Y:.*]] = graph.contract "ij,j->i" %[[W]]
// CHECK-NOT:       graph.mul
// CHECK:           graph.yield %{{.*}}, %[[Y]]
// CHECK:         graph.return %[[LOOP]]#1, %[[W]]
graph.func @weights(%w: !graph.tensor<[4, 4], f32>, %n: !graph.tensor<[], si64>, %x: !graph.tensor<[4], f32>)
    -> (!graph.tensor<[4], f32>, !graph.tensor<[4, 4], f32>) {
  %zero = graph.constant dense<0> : !graph.tensor<[], si64>
  %one = graph.constant dense<1> : !graph.tensor<[], si64>
  %r:5 = graph.while (%i = %zero, %h = %x, %v = %w, %end = %n, %unread = %x) : !graph.tensor<[], si64>, !graph.tensor<[4], f32>, !graph.tensor<[4, 4], f32>, !graph.tensor<[], si64>, !graph.tensor<[4], f32> {
    %c = graph.compare lt %i, %end : <[], si64>
    graph.condition %c : <[], i1>
  } do (%i, %h, %v, %end, %unread) {
    %next = graph.add %i, %one : <[], si64>
    %y = graph.contract "ij,j->i" %v, %h : (!graph.tensor<[4, 4], f32>, !graph.tensor<[4], f32>) -> !graph.tensor<[4], f32>
    %product = graph.mul %unread, %y : <[4], f32>
    graph.yield %next, %y, %v, %end, %product : !graph.tensor<[], si64>, !graph.tensor<[4], f32>, !graph.tensor<[4, 4], f32>, !graph.tensor<[], si64>, !graph.tensor<[4], f32>
  }
  graph.return %r#1, %r#2 : !graph.tensor<[4], f32>, !graph.tensor<[4, 4], f32>
}

// Two values that change places are needed, both, where one is.
// CHECK-LABEL: graph.func @swapped
// CHECK:         graph.while (%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}, %{{.*}} = %{{.*}})
// CHECK:           graph.yield %{{.*}}, %{{.*}}, %{{.*}} :
graph.func @swapped(%n: !graph.tensor<[], si64>, %x: !graph.tensor<[4], f32>, %y: !graph.tensor<[4], f32>)
    -> !graph.tensor<[4], f32> {
  %zero = graph.constant dense<0> : !graph.tensor<[], si64>
  %one = graph.constant dense<1> : !graph.tensor<[], si64>
  %r:3 = graph.while (%i = %zero, %a = %x, %b = %y) : !graph.tensor<[], si64>, !graph.tensor<[4], f32>, !graph.tensor<[4], f32> {
    %c = graph.compare lt %i, %n : <[], si64>
    graph.condition %c : <[], i1>
  } do (%i, %a, %b) {
    %next = graph.add %i, %one : <[], si64>
    graph.yield %next, %b, %a : !graph.tensor<[], si64>, !graph.tensor<[4], f32>, !graph.tensor<[4], f32>
  }
  graph.return %r#1 : !graph.tensor<[4], f32>
}

// What a loop binds and writes is needed without a result; what is read within a branch is, too.
// CHECK-LABEL: graph.func @effects
// CHECK:         graph.while (%[[I:.*]] = %{{.*}}, %[[S:.*]] = %{{.*}})
// CHECK:         } do (%{{.*}}, %[[T:.*]]) {
// CHECK:           %[[SUM:.*]] = graph.if
// CHECK:             graph.add %[[T]]
// CHECK:           graph.write_variable @kept, %[[SUM]]
// CHECK:           graph.yield %{{.*}}, %[[SUM]] :
graph.variable @kept : !graph.tensor<[4], f32> = dense<0.0> : !graph.tensor<[4], f32>
graph.func @effects(%n: !graph.tensor<[], si64>, %x: !graph.tensor<[4], f32>) -> !graph.tensor<[], si64> {
  %zero = graph.constant dense<0> : !graph.tensor<[], si64>
  %one = graph.constant dense<1> : !graph.tensor<[], si64>
  %r:3 = graph.while (%i = %zero, %s = %x, %unread = %x) : !graph.tensor<[], si64>, !graph.tensor<[4], f32>, !graph.tensor<[4], f32> {
    %c = graph.compare lt %i, %n : <[], si64>
    graph.condition %c : <[], i1>
  } do (%i, %s, %unread) {
    %next = graph.add %i, %one : <[], si64>
    %odd = graph.compare lt %one, %next : <[], si64>
    %sum = graph.if %odd : !graph.tensor<[], i1> -> !graph.tensor<[4], f32> {
      %more = graph.add %s, %x : <[4], f32>
      graph.yield %more : !graph.tensor<[4], f32>
    } else {
      graph.yield %x : !graph.tensor<[4], f32>
    }
    graph.write_variable @kept, %sum : !graph.tensor<[4], f32>
    %other = graph.add %unread, %sum : <[4], f32>
    graph.yield %next, %sum, %other : !graph.tensor<[], si64>, !graph.tensor<[4], f32>, !graph.tensor<[4], f32>
  }
  graph.return %r#0 : !graph.tensor<[], si64>
}
