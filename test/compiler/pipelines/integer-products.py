# Products of 8-bit integers, all signs, at odd sizes and with the largest values there are, against NumPy: sums are
# exact. Both operands given, and one of them a constant of the model.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import os
import subprocess
import sys

import numpy as np

KINDS = {"ui8": np.uint8, "si8": np.int8}
SIZES = [(1, 1, 1), (1, 301, 70), (7, 300, 130), (65, 130, 40), (130, 521, 33), (0, 5, 3)]
CONSTANT = (37, 24)  # extents of the constant operand


def text(left, right, weight):
    """One function: the product of two inputs (K is bounded, so that no sum overflows), and that with a constant."""
    x, w, y = f"!graph.tensor<[M, K], {left}>", f"!graph.tensor<[K, N], {right}>", "!graph.tensor<[M, N], si32>"
    k, n = CONSTANT
    a, c, z = f"!graph.tensor<[M, {k}], {left}>", f"!graph.tensor<[{k}, {n}], {right}>", f"!graph.tensor<[M, {n}], si32>"
    return f"""
graph.func @main(%x: {x} {{graph.name = "x"}}, %w: {w} {{graph.name = "w"}}, %a: {a} {{graph.name = "a"}})
    -> ({y} {{graph.name = "y"}}, {z} {{graph.name = "z"}})
    attributes {{dims = {{K = #graph.range<0, 4096>, M = #graph.range<0, ?>, N = #graph.range<0, ?>}}}} {{
  %c = graph.constant dense<{weight.tolist()}> : {c}
  %0 = graph.contract "mk,kn->mn" %x, %w : ({x}, {w}) -> {y}
  %1 = graph.contract "mk,kn->mn" %a, %c : ({a}, {c}) -> {z}
  graph.return %0, %1 : {y}, {z}
}}
"""


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(0)

    def numbers(kind, shape, extreme):
        info = np.iinfo(KINDS[kind])
        if extreme:  # No sum of two of these products fits 16 bits.
            return np.full(shape, info.min or info.max, KINDS[kind])
        return rng.integers(info.min, info.max + 1, shape).astype(KINDS[kind])

    for left in KINDS:
        for right in KINDS:
            weight = numbers(right, CONSTANT, False)
            weight[:, ::3] = numbers(right, (1,), True)
            with open(f"{folder}/m.mlir", "w") as file:
                file.write(text(left, right, weight))
            subprocess.run(["tessera-compile", f"{folder}/m.mlir", "-o", f"{folder}/m.tsm"], check=True,
                           stderr=subprocess.DEVNULL)
            for m, k, n in SIZES:
                for extreme in (False, True):
                    values = {"x": numbers(left, (m, k), extreme), "w": numbers(right, (k, n), extreme),
                              "a": numbers(left, (m, CONSTANT[0]), extreme)}
                    command = ["tessera-run", f"{folder}/m.tsm", "--output", f"y=@{folder}/y.npy", "--output",
                               f"z=@{folder}/z.npy"]
                    for name, value in values.items():
                        np.save(f"{folder}/{name}.npy", value)
                        command += ["--input", f"{name}=@{folder}/{name}.npy"]
                    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                    wide = {name: value.astype(np.int32) for name, value in values.items()}
                    for name, expected in (("y", wide["x"] @ wide["w"]), ("z", wide["a"] @ weight.astype(np.int32))):
                        found = np.load(f"{folder}/{name}.npy")
                        assert found.shape == expected.shape and (found == expected).all(), (left, right, m, k, n, name)
    print("passed")


if __name__ == "__main__":
    main()
