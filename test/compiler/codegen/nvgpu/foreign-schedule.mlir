// A schedule that was made for sm_90a is refused for another processor where it needs what that one alone has.
// RUN: tessera-compile %s --target cuda:sm_90a --emit schedule > %t.schedule
// RUN: tessera-compile %s --target cuda:sm_90a --schedule %t.schedule -o %t.tsm
// RUN: not tessera-compile %s --target cuda:sm_80 --schedule %t.schedule -o %t.tsm 2>&1 | FileCheck %s
// CHECK: multiplies by wgmma, which sm_90a alone has, and the target is sm_80; expected mma
graph.func @main(%x: !graph.tensor<[4096, 512], f16> {graph.name = "x"}, %w: !graph.tensor<[512, 4096], f16> {graph.name = "w"})
    -> (!graph.tensor<[4096, 4096], f16> {graph.name = "y"}) {
  %y = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[4096, 512], f16>, !graph.tensor<[512, 4096], f16>) -> !graph.tensor<[4096, 4096], f16>
  graph.return %y : !graph.tensor<[4096, 4096], f16>
}
