# Products by tiles of matrices (AMX), run by a program that stands in for the instructions where the processor has none:
# bf16 and all signs of bytes, at sizes that fill tiles and blocks and at others, with a constant factor and with two
# that are given, in batches, with what follows in the same kernel, of rows read as they lie and of such that are copied. Bytes are exact; one and three threads give the same bits.
# REQUIRES: avx512_bf16
# RUN: python3 %s %builddir/bin/test/tessera-run-amx %t | FileCheck %s
# CHECK: passed
import os
import subprocess
import sys

import ml_dtypes
import numpy as np

LEVEL = "x86-64-v4+amx"
TYPES = {"bf16": ml_dtypes.bfloat16, "ui8": np.uint8, "si8": np.int8}
SIZES = [(1, 1, 1), (32, 64, 32), (33, 131, 31), (140, 300, 97), (5, 1100, 130), (300, 15, 20), (17, 0, 40)]
CONSTANT = (77, 45)  # extents of the constant factor
EVEN = (96, 40)  # and of one whose rows end with a step
BATCH = 3


def model(left, right, result, weight, even):
    """y = x w; z = relu(a c); u = e f; v[b] = p[b] q[b], and q read transposed, for batches."""
    def tensor(shape, kind):
        return f"!graph.tensor<[{shape}], {kind}>"

    k, n = CONSTANT
    x, w, y = tensor("M, K", left), tensor("K, N", right), tensor("M, N", result)
    a, c, z = tensor(f"M, {k}", left), tensor(f"{k}, {n}", right), tensor(f"M, {n}", result)
    e, f, u = tensor(f"M, {EVEN[0]}", left), tensor(f"{EVEN[0]}, {EVEN[1]}", right), tensor(f"M, {EVEN[1]}", result)
    p, q, v = tensor("B, M, K", left), tensor("B, N, K", right), tensor("B, M, N", result)
    limit = "#graph.range<0, 4096>"
    return f"""
graph.func @main(%x: {x} {{graph.name = "x"}}, %w: {w} {{graph.name = "w"}}, %a: {a} {{graph.name = "a"}}, %e: {e} {{graph.name = "e"}}, %p: {p} {{graph.name = "p"}},
    %q: {q} {{graph.name = "q"}}) -> ({y} {{graph.name = "y"}}, {z} {{graph.name = "z"}}, {u} {{graph.name = "u"}}, {v} {{graph.name = "v"}})
    attributes {{dims = {{B = {limit}, K = {limit}, M = {limit}, N = {limit}}}}} {{
  %c = graph.constant dense<"0x{weight.tobytes().hex()}"> : {c}
  %f = graph.constant dense<"0x{even.tobytes().hex()}"> : {f}
  %0 = graph.contract "mk,kn->mn" %x, %w : ({x}, {w}) -> {y}
  %1 = graph.contract "mk,kn->mn" %a, %c : ({a}, {c}) -> {z}
  %2 = graph.relu %1 : {z}
  %3 = graph.contract "bmk,bnk->bmn" %p, %q : ({p}, {q}) -> {v}
  %4 = graph.contract "mk,kn->mn" %e, %f : ({e}, {f}) -> {u}
  graph.return %0, %2, %4, %3 : {y}, {z}, {u}, {v}
}}
"""


def run(program, folder, inputs, threads):
    command = [program, f"{folder}/m.tsm", "--threads", str(threads)]
    for name, value in inputs.items():
        np.save(f"{folder}/{name}.npy", value.view(np.uint16) if value.dtype == ml_dtypes.bfloat16 else value)
        command += ["--input", f"{name}=@{folder}/{name}.npy"]
    for name in ("y", "z", "u", "v"):
        command += ["--output", f"{name}=@{folder}/{name}.npy"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return {name: np.load(f"{folder}/{name}.npy") for name in ("y", "z", "u", "v")}


def main():
    program, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(0)

    def numbers(kind, *shape):
        if kind == "bf16":
            return rng.standard_normal(shape).astype(TYPES[kind])
        info = np.iinfo(TYPES[kind])
        return rng.integers(info.min, info.max + 1, shape).astype(TYPES[kind])

    for left, right in [("bf16", "bf16"), ("ui8", "si8"), ("si8", "si8"), ("si8", "ui8"), ("ui8", "ui8")]:
        isFloat = left == "bf16"
        weight, even = numbers(right, *CONSTANT), numbers(right, *EVEN)
        with open(f"{folder}/m.mlir", "w") as file:
            file.write(model(left, right, "bf16" if isFloat else "si32", weight, even))
        subprocess.run(["tessera-compile", f"{folder}/m.mlir", "-o", f"{folder}/m.tsm", "--target", LEVEL], check=True,
                       stderr=subprocess.DEVNULL)
        for m, k, n in SIZES:
            inputs = {"x": numbers(left, m, k), "w": numbers(right, k, n), "a": numbers(left, m, CONSTANT[0]), "e": numbers(left, m, EVEN[0]),
                      "p": numbers(left, BATCH, m, k), "q": numbers(right, BATCH, n, k)}
            one, three = (run(program, folder, inputs, threads) for threads in (1, 3))
            exact = {name: value.astype(np.float64) for name, value in {**inputs, "c": weight, "f": even}.items()}
            transposed = exact["q"].transpose(0, 2, 1)
            expected = {"y": exact["x"] @ exact["w"], "z": np.maximum(exact["a"] @ exact["c"], 0), "u": exact["e"] @ exact["f"], "v": exact["p"] @ transposed}
            scales = {"y": np.abs(exact["x"]) @ np.abs(exact["w"]), "z": np.abs(exact["a"]) @ np.abs(exact["c"]),
                      "u": np.abs(exact["e"]) @ np.abs(exact["f"]),
                      "v": np.abs(exact["p"]) @ np.abs(transposed)}
            for name, value in expected.items():
                found = one[name].view(ml_dtypes.bfloat16) if isFloat else one[name]
                where = (left, right, m, k, n, name)
                assert found.shape == value.shape, (where, found.shape)
                allowed = 2**-8 * np.abs(value) + 1e-6 * scales[name] if isFloat else 0
                assert (np.abs(found.astype(np.float64) - value) <= allowed).all(), where
                assert one[name].tobytes() == three[name].tobytes(), (where, "threads")
    print("passed")


if __name__ == "__main__":
    main()
