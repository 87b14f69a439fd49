# Long constants fold to derived weights, also through what repeats one number, a reshape of a weight is the same bytes, and values stay.
# RUN: python3 %s %t | FileCheck %s
# CHECK: graph.weight<"w.bin", 0, 8192 : !graph.tensor<[64, 32], f32>>
# CHECK: graph.weight<"%
# CHECK-NOT: graph.{{transpose|mul|broadcast}}
# CHECK: passed
import os
import subprocess
import sys

import numpy as np

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
w = np.random.default_rng(0).standard_normal((32, 64)).astype(np.float32)
w.tofile(f"{folder}/w.bin")
with open(f"{folder}/model.mlir", "w") as file:
    file.write("""
graph.func @main(%x: !graph.tensor<[B, 64], f32> {graph.name = "x"})
    -> (!graph.tensor<[B, 32], f32> {graph.name = "y"}, !graph.tensor<[B, 32], f32> {graph.name = "z"}) {
  %w = graph.constant #graph.weight<"w.bin", 0, 8192 : !graph.tensor<[32, 64], f32>>
  %r = graph.reshape %w : !graph.tensor<[32, 64], f32> -> !graph.tensor<[64, 32], f32>
  %t = graph.transpose %w, perm = [1, 0] : !graph.tensor<[32, 64], f32> -> !graph.tensor<[64, 32], f32>
  %two = graph.constant dense<2.0> : !graph.tensor<[], f32>
  %twos = graph.broadcast %two, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[64, 32], f32>
  %m = graph.mul %t, %twos : !graph.tensor<[64, 32], f32>
  %n = graph.neg %m : !graph.tensor<[64, 32], f32>
  %0 = graph.contract "mk,kn->mn" %x, %r : (!graph.tensor<[B, 64], f32>, !graph.tensor<[64, 32], f32>) -> !graph.tensor<[B, 32], f32>
  %1 = graph.contract "mk,kn->mn" %x, %n : (!graph.tensor<[B, 64], f32>, !graph.tensor<[64, 32], f32>) -> !graph.tensor<[B, 32], f32>
  graph.return %0, %1 : !graph.tensor<[B, 32], f32>, !graph.tensor<[B, 32], f32>
}
""")
print(subprocess.run(["tessera-compile", f"{folder}/model.mlir", "--emit", "graph"], check=True, capture_output=True, text=True).stdout)
x = np.random.default_rng(1).standard_normal((5, 64)).astype(np.float32)
np.save(f"{folder}/x.npy", x)
for how in ([], ["--reference"]):
    subprocess.run(["tessera-run", f"{folder}/model.mlir", "--input", f"x=@{folder}/x.npy", "--output", f"y=@{folder}/y.npy",
                    "--output", f"z=@{folder}/z.npy"] + how, check=True, stdout=subprocess.DEVNULL)
    np.testing.assert_allclose(np.load(f"{folder}/y.npy"), x @ w.reshape(64, 32), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.load(f"{folder}/z.npy"), x @ (-2 * w.T), rtol=1e-4, atol=1e-4)
print("passed")
