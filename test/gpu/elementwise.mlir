// A module for CUDA devices, run by the runtime on the interpreter of PTX; on other devices, clear messages.
// RUN: tessera-compile %s --target cuda:sm_80 -o %t.tsm
// RUN: %builddir/bin/test/tessera-run-ptx %t.tsm --device ptx --input x=3x100xf32=2 --input b=100xf32=1 --print 1 | FileCheck %s
// RUN: not %builddir/bin/test/tessera-run-ptx %t.tsm 2>&1 | FileCheck %s --check-prefix=FAMILY
// RUN: not %builddir/bin/test/tessera-run-ptx %t.tsm --device gpu 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// CHECK: y: {{.*}}0.995
// FAMILY: the module has no code for device 'cpu'
// UNKNOWN: unknown device 'gpu'; known are cpu, null and ptx
graph.func @main(%x: !graph.tensor<[B, 100], f32> {graph.name = "x"}, %b: !graph.tensor<[100], f32> {graph.name = "b"})
    -> (!graph.tensor<[B, 100], f32> {graph.name = "y"}) {
  %0 = graph.broadcast %b, dims = [1] : !graph.tensor<[100], f32> -> !graph.tensor<[B, 100], f32>
  %1 = graph.add %x, %0 : !graph.tensor<[B, 100], f32>
  %2 = graph.tanh %1 : !graph.tensor<[B, 100], f32>
  graph.return %2 : !graph.tensor<[B, 100], f32>
}
