# A transformer block whose weights are stored in each format: the module holds packed weights only, and gives the interpreter's
# numbers for that format. What the format costs in accuracy is within what its bits allow.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import json
import os
import subprocess
import sys

import numpy as np

D, H, F = 128, 4, 512  # width, heads, hidden
HEAD = D // H
PARAMETERS = 4 * D * D + 2 * D * F
# bits of a weight with its part of the scale, and the largest error of the output, relative to its largest number
MODES = {"int8-weights": (8.5, 0.01), "int4": (4.5, 0.25), "int4-asymmetric": (5, 0.25), "nf4": (4.25, 0.25), "mxfp4": (4.25, 0.25),
         "fp8-e4m3": (8.25, 0.1), "fp8-e5m2": (8.25, 0.2), "bf16-weights": (16, 0.01)}


def tensor(dims, element="f32"):
    return f"!graph.tensor<[{', '.join(map(str, dims))}], {element}>"


def model(folder):
    """The weights go to a file; the hidden layers' weight is transposed, as exporters write it."""
    x, heads, scores = tensor(["B", "S", D]), tensor(["B", "S", H, HEAD]), tensor(["B", H, "S", "S"])
    hidden = tensor(["B", "S", F])
    rng = np.random.default_rng(1)
    lines, offset = [f'graph.func @main(%x: {x} {{graph.name = "x"}}) -> ({x} {{graph.name = "y"}}) {{'], 0
    with open(f"{folder}/weights.bin", "wb") as file:
        for name, shape in [("wq", (D, D)), ("wk", (D, D)), ("wv", (D, D)), ("wo", (D, D)), ("w1", (F, D)), ("w2", (F, D))]:
            file.write((rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32).tobytes())
            lines.append(f'  %{name} = graph.constant #graph.weight<"weights.bin", {offset}, {4 * shape[0] * shape[1]} : {tensor(shape)}>')
            offset += 4 * shape[0] * shape[1]

    def norm(result, source):
        lines.append(f"  %{result}g = graph.constant dense<1.5> : {tensor([D])}")
        lines.append(f"  %{result} = graph.rms_norm %{source}, %{result}g, axis = 2 {{epsilon = 1.0e-5 : f64}} : ({x}, {tensor([D])}) -> {x}")

    norm("n1", "x")
    weight = tensor([D, D])
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
    norm("n2", "r1")
    lines += [
        f"  %w1t = graph.transpose %w1, perm = [1, 0] : {tensor([F, D])} -> {tensor([D, F])}",
        f'  %h0 = graph.contract "bsd,df->bsf" %n2, %w1t : ({x}, {tensor([D, F])}) -> {hidden}',
        f"  %h = graph.gelu %h0 : {hidden}",
        f'  %m = graph.contract "bsf,fd->bsd" %h, %w2 : ({hidden}, {tensor([F, D])}) -> {x}',
        f"  %y = graph.add %r1, %m : {x}",
        f"  graph.return %y : {x}", "}"]
    with open(f"{folder}/model.mlir", "w") as file:
        file.write("\n".join(lines) + "\n")
    return f"{folder}/model.mlir"


def tool(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    path = model(folder)
    rng = np.random.default_rng(2)
    lengths = (1, 7)
    exact = {}
    for length in lengths:
        np.save(f"{folder}/x{length}.npy", rng.standard_normal((1, length, D)).astype(np.float32))
        tool("tessera-run", path, "--reference", "-i", f"x=@{folder}/x{length}.npy", "-o", f"y=@{folder}/y.npy")
        exact[length] = np.load(f"{folder}/y.npy")
    for mode, (bits, allowed) in MODES.items():
        report = json.loads(tool("tessera-compile", path, "--quantize", mode, "-o", f"{folder}/m.tsm", "--json"))
        packed = sum(weight["new_bytes"] for weight in report["weights"])
        assert packed == PARAMETERS * bits / 8 and not any(weight["left"] for weight in report["weights"]), report
        # Also for machines other than this one: their tiles are as wide as their vectors.
        for level in "x86-64-v3", "x86-64-v4":
            tool("tessera-compile", path, "--quantize", mode, "--target", level, "-o", f"{folder}/other.tsm", "-q")
        if bits < 16:  # One constant for each weight, no larger than tiles that are filled up, and no second copy.
            constants = json.loads(tool("tessera-dump", f"{folder}/m.tsm", "--json"))["constants"]
            stored = [constant["bytes"] for constant in constants if constant["type"].startswith("u8")]
            assert len(stored) == len(report["weights"]) and packed <= sum(stored) < 1.25 * packed, constants
            assert sum(constant["bytes"] for constant in constants) < sum(stored) + PARAMETERS / 16, constants
        for length in lengths:
            io = ["-i", f"x=@{folder}/x{length}.npy", "-o", f"y=@{folder}/y.npy"]
            tool("tessera-run", path, "--reference", "--quantize", mode, *io)
            reference = np.load(f"{folder}/y.npy")
            tool("tessera-run", f"{folder}/m.tsm", *io)
            got = np.load(f"{folder}/y.npy")
            scale = np.abs(reference).max()
            error, cost = np.abs(got - reference).max() / scale, np.abs(exact[length] - reference).max() / scale
            assert error < 2e-5, (mode, length, error)
            assert 0 < cost < allowed, (mode, length, cost)
    print("passed")


main()
