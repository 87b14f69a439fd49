# A product of two inputs at odd sizes (full and partial tiles, blocks and panels) against NumPy in f64; one and
# two threads give the same bits.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import os
import subprocess
import sys

import numpy as np

MODEL = """
graph.func @main(%x: !graph.tensor<[M, K], f32> {graph.name = "x"}, %w: !graph.tensor<[K, N], f32> {graph.name = "w"})
    -> (!graph.tensor<[M, N], f32> {graph.name = "y"}) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, N], f32>) -> !graph.tensor<[M, N], f32>
  graph.return %0 : !graph.tensor<[M, N], f32>
}
"""
SIZES = [(1, 1, 1), (1, 300, 70), (7, 300, 130), (65, 129, 200), (130, 521, 33), (200, 64, 513), (256, 256, 256), (0, 5, 3)]


def run(folder, x, w, threads):
    for name, value in (("x", x), ("w", w)):
        np.save(f"{folder}/{name}.npy", value)
    subprocess.run(["tessera-run", f"{folder}/m.tsm", "--threads", str(threads), "--input", f"x=@{folder}/x.npy", "--input",
                    f"w=@{folder}/w.npy", "--output", f"y=@{folder}/y.npy"], check=True, stdout=subprocess.DEVNULL)
    return np.load(f"{folder}/y.npy")


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/m.mlir", "w") as file:
        file.write(MODEL)
    subprocess.run(["tessera-compile", f"{folder}/m.mlir", "-o", f"{folder}/m.tsm"], check=True, stderr=subprocess.DEVNULL)
    good = True
    for m, k, n in SIZES:
        rng = np.random.default_rng(m + k + n)
        x = rng.standard_normal((m, k)).astype(np.float32)
        w = rng.standard_normal((k, n)).astype(np.float32)
        one, two = (run(folder, x, w, threads) for threads in (1, 2))
        expected = x.astype(np.float64) @ w.astype(np.float64)
        scale = np.abs(x).astype(np.float64) @ np.abs(w).astype(np.float64)
        if one.shape != (m, n) or not (np.abs(one - expected) <= 1e-6 * scale).all():
            print(f"{m} x {k} x {n} differs from NumPy")
            good = False
        if one.tobytes() != two.tobytes():
            print(f"{m} x {k} x {n} depends on the number of threads")
            good = False
    print("passed" if good else "a result differs")
    return not good


if __name__ == "__main__":
    sys.exit(main())
