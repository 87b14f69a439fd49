// CPUs and GPUs get graphs of their own: what is worth fusing differs, and loops of kernels leave more to threads on a GPU.
// RUN: tessera-compile %s --target host,cuda:sm_80 --emit graph -o - | FileCheck %s --check-prefix=GRAPH
// RUN: tessera-compile %s --target host,cuda:sm_80 --emit kernel -o - | FileCheck %s --check-prefix=KERNEL
// RUN: tessera-compile %s --target cuda:sm_80,host,cuda:sm_90a -q -o %t.tsm
// RUN: tessera-dump %t.tsm | FileCheck %s --check-prefix=MODULE
// GRAPH-LABEL: module
// GRAPH-NOT: graph.stream
// GRAPH: graph.sort
// GRAPH-LABEL: module
// GRAPH: graph.stream
// GRAPH: graph.sort

// KERNEL-LABEL: module
// KERNEL-NOT: kernel.stage = "exchange
// KERNEL-LABEL: module
// KERNEL: kernel.stage = "exchange

// MODULE-DAG: cuda:sm_80
// MODULE-DAG: x86-64
// MODULE-DAG: cuda:sm_90a
graph.func @main(%x: !graph.tensor<[S, 64], f16> {graph.name = "x"})
    -> (!graph.tensor<[S, 64], f16> {graph.name = "y"}, !graph.tensor<[S, 64], si64> {graph.name = "places"}) {
  %w = graph.constant dense<0.015625> : !graph.tensor<[64, 64], f16>
  %q = graph.contract "sd,de->se" %x, %w : (!graph.tensor<[S, 64], f16>, !graph.tensor<[64, 64], f16>) -> !graph.tensor<[S, 64], f16>
  %0 = graph.contract "qd,kd->qk" %q, %x : (!graph.tensor<[S, 64], f16>, !graph.tensor<[S, 64], f16>) -> !graph.tensor<[S, S], f16>
  %1 = graph.softmax %0, axes = [1] : !graph.tensor<[S, S], f16>
  %2 = graph.contract "qk,kd->qd" %1, %x : (!graph.tensor<[S, S], f16>, !graph.tensor<[S, 64], f16>) -> !graph.tensor<[S, 64], f16>
  %v, %i = graph.sort %2, axis = 1 : !graph.tensor<[S, 64], f16> -> !graph.tensor<[S, 64], f16>, !graph.tensor<[S, 64], si64>
  graph.return %v, %i : !graph.tensor<[S, 64], f16>, !graph.tensor<[S, 64], si64>
}
