# Results that are written into padded and concatenated tensors: extents known when running (none of them, too), types of elements,
# for every level of instructions that this machine has; alike for every number of threads, and with the interpreter's numbers.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import os
import subprocess
import sys

import numpy as np

import tessera

LEVELS = ["x86-64-v2", "x86-64-v3", "x86-64-v4"]
TYPES = {"f32": np.float32, "f64": np.float64, "si32": np.int32, "ui8": np.uint8, "si64": np.int64}


def product(x, w):
    """Exact, as the numbers are small."""
    return (x.astype(np.int64) @ w.astype(np.int64)).astype(x.dtype)


def text(kind):
    def t(*dims):
        return f"!graph.tensor<[{', '.join(map(str, dims))}], {kind}>"
    one = "1.5" if kind.startswith("f") else "3"
    return f"""
graph.func @main(%x: {t("B", "M", 8)} {{graph.name = "x"}}, %w: {t(8, 5)} {{graph.name = "w"}}, %v: {t(8, 20)} {{graph.name = "v"}},
                 %z: {t("B", "M", 3)} {{graph.name = "z"}}) -> ({t("B", "M + 3", 32)} {{graph.name = "y"}}, {t("B + 1", "M", 5)} {{graph.name = "q"}}) {{
  %0 = graph.contract "bmk,kn->bmn" %x, %w : ({t("B", "M", 8)}, {t(8, 5)}) -> {t("B", "M", 5)}
  %1 = graph.contract "bmk,kn->bmn" %x, %v : ({t("B", "M", 8)}, {t(8, 20)}) -> {t("B", "M", 20)}
  %2 = graph.concat %0, %z, %1 axis = 2 : ({t("B", "M", 5)}, {t("B", "M", 3)}, {t("B", "M", 20)}) -> {t("B", "M", 28)}
  %c = graph.constant dense<{one}> : {t()}
  %3 = graph.pad constant %2, %c, lo = [0, 1, 3], hi = [0, 2, 1] : ({t("B", "M", 28)}, {t()}) -> {t("B", "M + 3", 32)}
  %4 = graph.add %x, %x : {t("B", "M", 8)}
  %5 = graph.contract "bmk,kn->bmn" %4, %w : ({t("B", "M", 8)}, {t(8, 5)}) -> {t("B", "M", 5)}
  %6 = graph.add %5, %5 : {t("B", "M", 5)}
  %7 = graph.pad constant %6, %c, lo = [1, 0, 0], hi = [0, 0, 0] : ({t("B", "M", 5)}, {t()}) -> {t("B + 1", "M", 5)}
  graph.return %3, %7 : {t("B", "M + 3", 32)}, {t("B + 1", "M", 5)}
}}
"""


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(0)
    for kind, numbers in TYPES.items():
        model = text(kind)
        with open(f"{folder}/m.mlir", "w") as file:
            file.write(model)
        program = subprocess.run(["tessera-compile", f"{folder}/m.mlir", "--emit", "program"], check=True, capture_output=True,
                                 text=True).stdout
        assert "border" in program and "_concat" not in program and "_pad" not in program, program
        one = numbers(1.5 if kind.startswith("f") else 3)
        for level in LEVELS:
            module = tessera.compile(model.encode(), target=level)
            for batch, rows in [(1, 1), (2, 7), (3, 40), (0, 4), (2, 0), (1, 129)]:
                x, w, v, z = (rng.integers(0, 3, shape).astype(numbers) for shape in
                              [(batch, rows, 8), (8, 5), (8, 20), (batch, rows, 3)])
                inputs = {"x": x, "w": w, "v": v, "z": z}
                try:
                    found = module.context(threads=1).run(inputs)
                except tessera.Error as problem:
                    assert "UNSUPPORTED_CPU" in str(problem), problem
                    break
                joined = np.concatenate([product(x, w), z, product(x, v)], axis=2)
                y = np.pad(joined, ((0, 0), (1, 2), (3, 1)), constant_values=one)
                twice = product(x + x, w) + product(x + x, w)
                q = np.pad(twice, ((1, 0), (0, 0), (0, 0)), constant_values=one)
                assert (found["y"] == y).all() and found["y"].shape == y.shape, (kind, level, batch, rows)
                assert (found["q"] == q).all() and found["q"].shape == q.shape, (kind, level, batch, rows)
                shared = module.context(threads=3).run(inputs)
                assert all((found[name] == shared[name]).all() for name in found), (kind, level, batch, rows)
        # The interpreters give parts their place as well.
        subprocess.run(["tessera-compile", f"{folder}/m.mlir", "-o", f"{folder}/m.tsm", "--verify-each=numeric"], check=True,
                       capture_output=True)
    print("passed")


main()
