# Softmax, norms and their kind over rows, fused in one model, compared with NumPy in f64 at odd sizes.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import os
import subprocess
import sys

import numpy as np

ROWS, SUMS = "!graph.tensor<[B, N], f32>", "!graph.tensor<[B], f32>"
LINES = [
    ("softmax", ROWS, f"graph.softmax %x, axes = [1] : {ROWS}"),
    ("log_softmax", ROWS, f"graph.log_softmax %x, axes = [1] : {ROWS}"),
    ("lse", SUMS, f"graph.logsumexp %x, axes = [1] : {ROWS} -> {SUMS}"),
    ("sum", ROWS, f"graph.add %x, %r : {ROWS}"),
    ("norm", ROWS, f"graph.layer_norm %sum, %s, axis = 1 {{epsilon = 1.0e-5}} : ({ROWS}, !graph.tensor<[N], f32>) -> {ROWS}"),
    ("rms", ROWS, f"graph.rms_norm %r, %s, axis = 1 {{epsilon = 1.0e-5}} : ({ROWS}, !graph.tensor<[N], f32>) -> {ROWS}"),
    ("mean", SUMS, f"graph.mean %r, axes = [1] : {ROWS} -> {SUMS}"),
    ("variance", SUMS, f"graph.variance %r, axes = [1] : {ROWS} -> {SUMS}"),
    ("l2", ROWS, f"graph.l2_normalize %r, axes = [1] {{epsilon = 1.0e-12}} : {ROWS}"),
]


def model():
    inputs = (("x", ROWS), ("r", ROWS), ("s", "!graph.tensor<[N], f32>"))
    text = ", ".join(f'%{name}: {kind} {{graph.name = "{name}"}}' for name, kind in inputs)
    results = ", ".join(f'{kind} {{graph.name = "{name}"}}' for name, kind, _ in LINES)
    body = "".join(f"  %{name} = {line}\n" for name, _, line in LINES)
    values, types = ", ".join("%" + name for name, _, _ in LINES), ", ".join(kind for _, kind, _ in LINES)
    return f"graph.func @main({text}) -> ({results}) {{\n{body}  graph.return {values} : {types}\n}}\n"


def reference(x, r, s):
    lse = np.log(np.exp(x - x.max(1, keepdims=True)).sum(1)) + x.max(1)
    total = x + r
    centred = total - total.mean(1, keepdims=True)
    return {
        "softmax": np.exp(x - lse[:, None]), "log_softmax": x - lse[:, None], "lse": lse, "sum": total,
        "norm": centred / np.sqrt(total.var(1, keepdims=True) + 1e-5) * s,
        "rms": r / np.sqrt((r * r).mean(1, keepdims=True) + 1e-5) * s, "mean": r.mean(1), "variance": r.var(1),
        "l2": r / np.maximum(np.sqrt((r * r).sum(1, keepdims=True)), 1e-12)}


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    source, module = f"{folder}/rows.mlir", f"{folder}/rows.tsm"
    with open(source, "w") as file:
        file.write(model())
    subprocess.run(["tessera-compile", source, "-o", module], check=True, stderr=subprocess.DEVNULL)
    good = True
    for rows, width in ((1, 1), (3, 7), (5, 33), (2, 1000), (70, 64), (0, 5)):
        rng = np.random.default_rng(rows * width)
        inputs = {"x": rng.standard_normal((rows, width)) * 3, "r": rng.standard_normal((rows, width)),
                  "s": rng.standard_normal(width)}
        command = ["tessera-run", module]
        for name, value in inputs.items():
            np.save(f"{folder}/{name}.npy", value.astype(np.float32))
            command += ["--input", f"{name}=@{folder}/{name}.npy"]
            inputs[name] = value.astype(np.float32).astype(np.float64)
        for name, _, _ in LINES:
            command += ["--output", f"{name}=@{folder}/out_{name}.npy"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for name, expected in reference(**inputs).items() if rows else ():
            actual = np.load(f"{folder}/out_{name}.npy")
            error = np.abs(actual - expected).max() / max(1e-3, np.abs(expected).max())
            if not error < 3e-6:
                print(f"{name} of {rows} x {width}: off by {error:.1e} of the largest")
                good = False
    print("passed" if good else "a result differs")
    return not good


if __name__ == "__main__":
    sys.exit(main())
