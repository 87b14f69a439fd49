// RUN: tessera-opt %s --graph-form-kernels --kernel-to-program | FileCheck %s

// A host operator is an instruction of its own, between kernels; extents that it gives are loaded, and open a plan. It
// writes an output where it lies.
// CHECK-LABEL: program.func @main
// CHECK: %[[X:.*]] = program.input 0 "file"
// CHECK: program.body
// CHECK: program.host_call "image.extents" ""(%[[X]]) into(%[[E:.*]]) for ["line 17"]
// CHECK: program.launch @{{.*}}(%[[E]])
// CHECK: %[[H:.*]] = program.load
// CHECK: %[[Y:.*]] = program.output 0 "image"[%[[H]],
// CHECK: program.plan
// CHECK: program.host_call "image.decode" "RGB"(%[[X]]) into(%[[Y]])
// CHECK-NOT: program.copy
graph.func @main(%x: !graph.tensor<[N], ui8> {graph.name = "file"}) -> (!graph.tensor<[H, 4, 3], ui8> {graph.name = "image"})
    attributes {dims = {N = #graph.range<0, ?>, H = #graph.range<0, ?>}} {
  %e = graph.host_call "image.extents" (%x) : (!graph.tensor<[N], ui8>) -> !graph.tensor<[2], si64>
  %s = graph.slice %e, starts = [0], steps = [1] : !graph.tensor<[2], si64> -> !graph.tensor<[1], si64>
  %h = graph.reshape %s : !graph.tensor<[1], si64> -> !graph.tensor<[], si64>
  graph.bind_dim %h, "H" : !graph.tensor<[], si64>
  %i = graph.host_call "image.decode" "RGB" (%x) : (!graph.tensor<[N], ui8>) -> !graph.tensor<[H, 4, 3], ui8>
  graph.return %i : !graph.tensor<[H, 4, 3], ui8>
}
