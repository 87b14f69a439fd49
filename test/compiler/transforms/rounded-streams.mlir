// A softmax of 16-bit numbers is computed in f32, its weights rounded for the product behind it: for GPUs a stream all the same, which rounds the
// weights of a block, keeps f32 states, and rounds the result once. Without the option (CPUs) scores stay in memory.
// RUN: tessera-opt %s --graph-decompose --canonicalize --cse --graph-form-streams=rounded-weights | FileCheck %s
// RUN: tessera-opt %s --graph-decompose --canonicalize --cse --graph-form-streams | FileCheck %s --check-prefix=CPU --implicit-check-not=graph.stream
// RUN: tessera-opt %s --verify-each=numeric --graph-decompose --canonicalize --cse --graph-form-streams=rounded-weights -o /dev/null

// CHECK: graph.stream
// CHECK: lift
// CHECK: [[S:%.+]] = graph.contract "hqd,hkd->hqk" {{.*}} -> !graph.tensor<[2, Q, block], f16>
// CHECK: [[W:%.+]] = graph.exp {{.*}} : <[2, Q, block], f32>
// CHECK: [[R:%.+]] = graph.convert [[W]] : {{.*}} -> <[2, Q, block], f16>
// CHECK: graph.contract "hqk,hkd->hqd" [[R]], {{.*}}f16>) -> !graph.tensor<[2, Q, 8], f32>
// CHECK: finalize
// CHECK: graph.convert {{.*}}, f32> -> <[2, Q, 8], f16>
// CPU: graph.reduce max
graph.func @main(%q: !graph.tensor<[2, Q, 8], f16> {graph.name = "q"}, %k: !graph.tensor<[2, S, 8], f16> {graph.name = "k"},
                 %v: !graph.tensor<[2, S, 8], f16> {graph.name = "v"}) -> (!graph.tensor<[2, Q, 8], f16> {graph.name = "y"}) {
  %s = graph.contract "hqd,hkd->hqk" %q, %k : (!graph.tensor<[2, Q, 8], f16>, !graph.tensor<[2, S, 8], f16>) -> !graph.tensor<[2, Q, S], f16>
  %p = graph.softmax %s, axes = [2] : !graph.tensor<[2, Q, S], f16>
  %y = graph.contract "hqk,hkd->hqd" %p, %v : (!graph.tensor<[2, Q, S], f16>, !graph.tensor<[2, S, 8], f16>) -> !graph.tensor<[2, Q, 8], f16>
  graph.return %y : !graph.tensor<[2, Q, 8], f16>
}
