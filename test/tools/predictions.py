# The time that is predicted for a kernel says something true: over kernels of every class it lies within a factor of what is
# measured (by one thread, in the quietest of many runs), and in the middle within a smaller one.
# RUN: python3 %s %t
import json
import math
import subprocess
import sys
from pathlib import Path

FACTOR, MIDDLE = 4, 1.7

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)


def tensor(*extents):
    return f"!graph.tensor<[{', '.join(str(e) for e in extents)}], f32>"


# Each output is a kernel (or a few): name, extents of the input, text of the operation, extents of the output.
M, N, K = 192, 320, 256
KERNELS = [
    ("product", f'graph.contract "mk,kn->mn" %a, %b : ({tensor("M", "K")}, {tensor("K", "N")}) -> {tensor("M", "N")}', ("M", "N")),
    ("row", f'graph.contract "k,kn->n" %v, %b : ({tensor("K")}, {tensor("K", "N")}) -> {tensor("N")}', ("N",)),
    ("exp", f'graph.exp %a : {tensor("M", "K")}', ("M", "K")),
    ("tanh", f'graph.tanh %b : {tensor("K", "N")}', ("K", "N")),
    ("add", f'graph.add %a, %c : {tensor("M", "K")}', ("M", "K")),
    ("softmax", f'graph.softmax %a, axes = [1] : {tensor("M", "K")}', ("M", "K")),
    ("rows", f'graph.reduce sum %b, axes = [1] : {tensor("K", "N")} -> {tensor("K")}', ("K",)),
    ("columns", f'graph.reduce max %b, axes = [0] : {tensor("K", "N")} -> {tensor("N")}', ("N",)),
    ("transpose", f'graph.transpose %b, perm = [1, 0] : {tensor("K", "N")} -> {tensor("N", "K")}', ("N", "K")),
]
arguments = {"a": ("M", "K"), "b": ("K", "N"), "c": ("M", "K"), "v": ("K",)}
sizes = {"M": M, "N": N, "K": K}
lines = [f"  %{name} = {text}" for name, text, _ in KERNELS]
results = ", ".join(f'{tensor(*extents)} {{graph.name = "{name}"}}' for name, _, extents in KERNELS)
inputs = ", ".join(f'%{name}: {tensor(*extents)} {{graph.name = "{name}"}}' for name, extents in arguments.items())
returned = ", ".join(f"%{name}" for name, *_ in KERNELS)
types = ", ".join(tensor(*extents) for *_, extents in KERNELS)
model = folder / "model.mlir"
model.write_text(f"graph.func @main({inputs}) -> ({results}) {{\n" + "\n".join(lines) + f"\n  graph.return {returned} : {types}\n}}\n")
shapes = [word for name, extents in arguments.items() for word in ("-i", f"{name}={'x'.join(str(sizes[e]) for e in extents)}xf32")]


def measured_and_predicted(*options):
    page = folder / "page.html"
    subprocess.run(["tessera-compile", model, "-o", folder / "model.tsm", "-q", "--report", page, "--threads", "1", *shapes, *options],
                   check=True)
    data = json.loads(page.read_text().split("const data = ", 1)[1].split(";\n", 1)[0])
    measured = {kernel["name"]: kernel for kernel in data["measured"]["kernels"]}
    (variant,) = data["report"]["variants"]
    found = {}
    for kernel in variant["kernels"]:
        predicted, launched = kernel["predicted"], measured.get(kernel["name"])
        assert predicted["bound"] in ("arithmetic", "memory", "launch"), predicted
        assert 0 < predicted["roof_seconds"] <= predicted["seconds"], predicted
        if not launched:  # In the branch for longer rows, which is not taken.
            continue
        found[kernel["name"]] = (predicted["seconds"], launched["best_seconds"] / launched["launches"])
    return found


def quietest(one, other):
    """The machine's rates are measured, too: beside other work both may be too slow, at different times."""
    return {name: tuple(map(min, times, other[name])) for name, times in one.items()}


ATTEMPTS = 4
found = measured_and_predicted()
assert len(found) >= len(KERNELS), found
for attempt in range(ATTEMPTS):
    logs = {name: math.log(predicted / measured) for name, (predicted, measured) in found.items()}
    table = "\n".join(f"{name:<20} predicted {p * 1e6:8.2f} us, measured {m * 1e6:8.2f} us, {p / m:.2f}" for name, (p, m) in found.items())
    print(table)
    distances = sorted(map(abs, logs.values()))
    if distances[-1] < math.log(FACTOR) and distances[len(distances) // 2] < math.log(MIDDLE):
        break
    assert attempt + 1 < ATTEMPTS, table
    found = quietest(found, measured_and_predicted())
