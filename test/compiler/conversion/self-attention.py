# Causal attention of a sequence to itself, whose positions are one tensor, read along the queries and along the keys:
# the online form, the parts, one query and an empty sequence beside NumPy.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import sys

import numpy as np
import tessera

MODEL = """graph.func @main(%q: !graph.tensor<[H, S, 64], f32> {graph.name = "q"}, %k: !graph.tensor<[H, S, 64], f32> {graph.name = "k"},
                 %v: !graph.tensor<[H, S, 64], f32> {graph.name = "v"}) -> (!graph.tensor<[H, S, 64], f32> {graph.name = "o"}) {
  %s0 = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[H, S, 64], f32>, !graph.tensor<[H, S, 64], f32>) -> !graph.tensor<[H, S, S], f32>
  %at = graph.iota axis = 0 : !graph.tensor<[S], si64>
  %keys = graph.broadcast %at, dims = [2] : !graph.tensor<[S], si64> -> !graph.tensor<[H, S, S], si64>
  %queries = graph.broadcast %at, dims = [1] : !graph.tensor<[S], si64> -> !graph.tensor<[H, S, S], si64>
  %seen = graph.compare le %keys, %queries : !graph.tensor<[H, S, S], si64>
  %c = graph.constant dense<VALUE> : !graph.tensor<[], f32>
  %cb = graph.broadcast %c, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[H, S, S], f32>
  %s = graph.select %seen, %s0, %cb : !graph.tensor<[H, S, S], f32>
  %p = graph.softmax %s, axes = [2] : !graph.tensor<[H, S, S], f32>
  %o = graph.contract "hmk,hkd->hmd" %p, %v : (!graph.tensor<[H, S, S], f32>, !graph.tensor<[H, S, 64], f32>) -> !graph.tensor<[H, S, 64], f32>
  graph.return %o : !graph.tensor<[H, S, 64], f32>
}
"""


def reference(q, k, v):
    s = q.astype("f8") @ k.astype("f8").transpose(0, 2, 1)
    s = np.where(np.tril(np.ones(s.shape[1:], bool)), s, -np.inf)
    p = np.exp(s - s.max(2, initial=-1e300, keepdims=True))
    return p / p.sum(2, keepdims=True) @ v.astype("f8")


def main():
    rng = np.random.default_rng(0)
    # A number is no mask that leaves blocks out, -inf is one.
    for value in "-1.0e9", "0xFF800000":
        path = sys.argv[1] + ".mlir"
        with open(path, "w") as file:
            file.write(MODEL.replace("VALUE", value))
        model = tessera.compile(path)
        for heads, length in (3, 1), (3, 2), (1, 77), (20, 77), (1, 515), (18, 300), (2, 0):
            q, k, v = (rng.standard_normal((heads, length, 64), np.float32) for _ in range(3))
            got = model.run({"q": q, "k": k, "v": v})["o"]
            np.testing.assert_allclose(got, reference(q, k, v), atol=2e-5, err_msg=f"{value} {heads} {length}")
    print("passed")


main()
