# A transformer block in the textual IR, for any batch and length, compared with NumPy in f64.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import os
import subprocess
import sys

import numpy as np

D, H, F = 32, 4, 64  # width, heads, hidden
HEAD = D // H


def tensor(dims, element="f32"):
    return f"!graph.tensor<[{', '.join(map(str, dims))}], {element}>"


def model():
    x, heads, scores = tensor(["B", "S", D]), tensor(["B", "S", H, HEAD]), tensor(["B", H, "S", "S"])
    hidden, weight = tensor(["B", "S", F]), tensor([D, D])
    arguments = [("x", x), ("wq", weight), ("wk", weight), ("wv", weight), ("wo", weight),
                 ("g1", tensor([D])), ("b1", tensor([D])), ("g2", tensor([D])), ("b2", tensor([D])),
                 ("w1", tensor([D, F])), ("w2", tensor([F, D]))]
    lines = [f"graph.func @main({', '.join(f'%{n}: {t} {{graph.name = {chr(34)}{n}{chr(34)}}}' for n, t in arguments)}) "
             f'-> ({x} {{graph.name = "y"}}) {{']

    def norm(result, source, scale, bias):
        lines.append(f"  %{result} = graph.layer_norm %{source}, %{scale}, %{bias}, axis = 2 {{epsilon = 1.0e-5 : f64}} "
                     f": ({x}, {tensor([D])}, {tensor([D])}) -> {x}")

    norm("n1", "x", "g1", "b1")
    for name in "qkv":
        lines.append(f'  %{name}0 = graph.contract "bsd,de->bse" %n1, %w{name} : ({x}, {weight}) -> {x}')
        lines.append(f"  %{name} = graph.reshape %{name}0 : {x} -> {heads}")
    lines += [
        f'  %s0 = graph.contract "bihd,bjhd->bhij" %q, %k : ({heads}, {heads}) -> {scores}',
        f"  %c = graph.constant dense<{HEAD ** -0.5}> : {tensor([])}",
        f"  %cb = graph.broadcast %c, dims = [] : {tensor([])} -> {scores}",
        f"  %s1 = graph.mul %s0, %cb : {scores}",
        f"  %p = graph.softmax %s1, axes = [3] : {scores}",
        f'  %o0 = graph.contract "bhij,bjhd->bihd" %p, %v : ({scores}, {heads}) -> {heads}',
        f"  %o1 = graph.reshape %o0 : {heads} -> {x}",
        f'  %o = graph.contract "bsd,de->bse" %o1, %wo : ({x}, {weight}) -> {x}',
        f"  %r1 = graph.add %x, %o : {x}"]
    norm("n2", "r1", "g2", "b2")
    lines += [
        f'  %h0 = graph.contract "bsd,df->bsf" %n2, %w1 : ({x}, {tensor([D, F])}) -> {hidden}',
        f"  %h = graph.gelu %h0 : {hidden}",
        f'  %m = graph.contract "bsf,fd->bsd" %h, %w2 : ({hidden}, {tensor([F, D])}) -> {x}',
        f"  %y = graph.add %r1, %m : {x}",
        f"  graph.return %y : {x}", "}"]
    return [name for name, _ in arguments], "\n".join(lines) + "\n"


def reference(a):
    import math

    def norm(x, scale, bias):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred ** 2).mean(-1, keepdims=True) + 1e-5) * scale + bias

    b, s, _ = a["x"].shape
    n1 = norm(a["x"], a["g1"], a["b1"])
    q, k, v = ((n1 @ a["w" + name]).reshape(b, s, H, HEAD) for name in "qkv")
    scores = np.einsum("bihd,bjhd->bhij", q, k) * HEAD ** -0.5
    p = np.exp(scores - scores.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    r1 = a["x"] + np.einsum("bhij,bjhd->bihd", p, v).reshape(b, s, D) @ a["wo"]
    h = norm(r1, a["g2"], a["b2"]) @ a["w1"]
    h = h * 0.5 * (1 + np.vectorize(math.erf)(h / math.sqrt(2)))
    return r1 + h @ a["w2"]


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    names, text = model()
    with open(f"{folder}/block.mlir", "w") as file:
        file.write(text)
    subprocess.run(["tessera-compile", f"{folder}/block.mlir", "-o", f"{folder}/block.tsm"], check=True)
    rng = np.random.default_rng(0)
    shapes = {"g1": (D,), "b1": (D,), "g2": (D,), "b2": (D,), "w1": (D, F), "w2": (F, D)}
    for batch, length in ((1, 1), (2, 7), (3, 33)):
        arrays = {name: (rng.standard_normal(shapes.get(name, (D, D))) * 0.2).astype(np.float32) for name in names}
        arrays["x"] = rng.standard_normal((batch, length, D)).astype(np.float32)
        results = []
        for threads in ("1", "2"):
            command = ["tessera-run", f"{folder}/block.tsm", "--threads", threads, "--output", f"y=@{folder}/y.npy"]
            for name, array in arrays.items():
                np.save(f"{folder}/{name}.npy", array)
                command += ["--input", f"{name}=@{folder}/{name}.npy"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            results.append(np.load(f"{folder}/y.npy"))
        expected = reference({name: array.astype(np.float64) for name, array in arrays.items()})
        error = np.abs(results[0] - expected).max() / np.abs(expected).max()
        print(f"batch {batch}, length {length}: {error:.1e} of the largest magnitude")
        if not error <= 1e-5 or results[0].tobytes() != results[1].tobytes():
            return 1
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
