# Sorts, selections, scatters and running values of rows longer and shorter than a block, on the interpreter of PTX: equal to
# the interpreter of graphs, in every type, with NaN, equal elements, duplicate and negative indices.
# RUN: python3 %s %builddir/bin/test/tessera-run-ptx %t
"""Arguments: tessera-run with the device "ptx", a folder."""
import subprocess
import sys
from pathlib import Path

import numpy as np

run, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
NUMPY = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "si32": np.int32, "ui8": np.uint8}


def sort_model(element, first):
    x, y, i = (f"!graph.tensor<[{dims}], {kind}>" for dims, kind in
               (("B, N", element), (f"B, {first}", element), (f"B, {first}", "si64")))
    every = f"!graph.tensor<[B, N], si64>"
    return f"""
graph.func @main(%x: {x} {{graph.name = "x"}}) -> ({x} {{graph.name = "up"}}, {every} {{graph.name = "up_at"}}, {x} {{graph.name = "down"}},
    {every} {{graph.name = "down_at"}}, {y} {{graph.name = "largest"}}, {i} {{graph.name = "largest_at"}}, {y} {{graph.name = "smallest"}},
    {i} {{graph.name = "smallest_at"}}) {{
  %0, %1 = graph.sort %x, axis = 1 : {x} -> {x}, {every}
  %2, %3 = graph.sort %x, axis = 1 descending : {x} -> {x}, {every}
  %4, %5 = graph.top_k %x, k = {first}, axis = 1 : {x} -> {y}, {i}
  %6, %7 = graph.top_k %x, k = {first}, axis = 1 smallest : {x} -> {y}, {i}
  graph.return %0, %1, %2, %3, %4, %5, %6, %7 : {x}, {every}, {x}, {every}, {y}, {i}, {y}, {i}
}}
"""


SCATTERS = ("replace", "add", "mul", "min", "max")


def scatter_model(element, dims, updates, axis):
    x, u, i = (f"!graph.tensor<[{d}], {kind}>" for d, kind in ((dims, element), (updates, element), ("K", "si64")))
    results = ", ".join(f'{x} {{graph.name = "{kind}"}}' for kind in SCATTERS)
    lines = "\n".join(f"  %{n} = graph.scatter {kind} %x, %i, %u, axis = {axis} : ({x}, {i}, {u}) -> {x}" for n, kind in enumerate(SCATTERS))
    return f"""
graph.func @main(%x: {x} {{graph.name = "x"}}, %i: {i} {{graph.name = "i"}}, %u: {u} {{graph.name = "u"}}) -> ({results}) {{
{lines}
  graph.return {", ".join(f"%{n}" for n in range(len(SCATTERS)))} : {", ".join([x] * len(SCATTERS))}
}}
"""


def cumulative_model(element, axis):
    x = f"!graph.tensor<[B, N, 3], {element}>"
    return f"""
graph.func @main(%x: {x} {{graph.name = "x"}}) -> ({x} {{graph.name = "sum"}}, {x} {{graph.name = "before"}}) {{
  %0 = graph.cumulative sum %x, axis = {axis} : {x}
  %1 = graph.cumulative max %x, axis = {axis} exclusive reverse : {x}
  graph.return %0, %1 : {x}, {x}
}}
"""


def compare(name, text, cases, outputs, target="sm_80"):
    model, module = folder / f"{name}.mlir", folder / f"{name}.tsm"
    model.write_text(text)
    subprocess.run(["tessera-compile", model, "--target", f"cuda:{target}", "-o", module, "-q"], check=True)
    for number, inputs in enumerate(cases):
        arguments = []
        for port, array in inputs.items():
            np.save(folder / f"{port}.npy", array)
            arguments += ["--input", f"{port}=@{folder}/{port}.npy"]
        for port in outputs:
            arguments += ["--output", f"{port}=@{folder}/{port}.out.npy"]
        found = []
        for command in ([run, module, "--device", "ptx"], ["tessera-run", model, "--reference"]):
            subprocess.run([*command, *arguments], check=True, stdout=subprocess.DEVNULL)
            found.append({port: np.load(folder / f"{port}.out.npy") for port in outputs})
        for port in outputs:
            # What is added in the same order is the same number.
            np.testing.assert_array_equal(found[0][port], found[1][port], err_msg=f"{port} of {name}, case {number}")


def numbers(rng, shape, kind):
    values = rng.integers(0, 50, shape)  # Many are equal.
    if not np.issubdtype(kind, np.floating):
        return values.astype(kind)
    values = (values / 8 - 3).astype(kind)
    values[rng.random(shape) < 0.02] = np.nan
    values[rng.random(shape) < 0.02] = -np.inf
    return values


rng = np.random.default_rng(0)
PORTS = [f"{way}{at}" for way in ("up", "down", "largest", "smallest") for at in ("", "_at")]
for element, kind in NUMPY.items():
    compare(f"sort-{element}", sort_model(element, 3), [{"x": numbers(rng, shape, kind)} for shape in ((2, 3), (3, 700), (0, 5))], PORTS)
# More than one part of a row: the last one is shorter, and each has fewer elements than are wanted.
compare("sort-long", sort_model("f32", 1200), [{"x": numbers(rng, (2, extent), np.float32)} for extent in (1200, 2050)], PORTS, "sm_90a")
compare("sort-none", sort_model("f32", 0), [{"x": numbers(rng, shape, np.float32)} for shape in ((2, 4), (2, 0))], PORTS)

for element, kind in NUMPY.items():
    rows = [{"x": numbers(rng, (extent, 5), kind), "i": rng.integers(-extent - 2, extent + 2, 90), "u": numbers(rng, (90, 5), kind)}
            for extent in (7, 150)]
    compare(f"scatter-rows-{element}", scatter_model(element, "N, 5", "K, 5", 0), rows, SCATTERS, "sm_90a")
    places = [{"x": numbers(rng, shape, kind), "i": rng.integers(-shape[1] - 2, shape[1] + 2, count), "u": numbers(rng, (shape[0], count), kind)}
              for shape, count in (((3, 4), 100), ((1, 1500), 40), ((2, 0), 3), ((2, 9), 0), ((0, 9), 4))]
    compare(f"scatter-places-{element}", scatter_model(element, "B, N", "B, K", 1), places, SCATTERS)
    for axis in (0, 1, 2):
        compare(f"cumulative-{axis}-{element}", cumulative_model(element, axis),
                [{"x": numbers(rng, shape, kind)} for shape in ((300, 4, 3), (2, 0, 3), (1, 9, 3))], ["sum", "before"])

# Sums, minima and maxima of integers: all updates at once, by atomics (of 8 and 16 bits: of the words around them, whose other elements are updated at
# the same time; the last word of a tensor may end behind it); all others in their order, as sums of floats have another result in every order.
ATOMIC = {"si32": ("add.u32", "min.s32", "max.s32"), "ui32": ("add.u32", "min.u32", "max.u32"), "si64": ("add.u64", "min.s64", "max.s64"),
          "ui64": ("add.u64", "min.u64", "max.u64"), "f32": (), "f64": (), "f16": (),
          **dict.fromkeys(("si8", "ui8", "si16", "ui16"), ("atom.relaxed.gpu.cas.b32",))}
INTEGERS = {"si32": np.int32, "ui32": np.uint32, "si64": np.int64, "ui64": np.uint64, "si8": np.int8, "ui8": np.uint8, "si16": np.int16, "ui16": np.uint16}
for element, instructions in ATOMIC.items():
    model = folder / "atomics.mlir"
    model.write_text(scatter_model(element, "B, N, 3", "B, K, 3", 1))
    text = subprocess.run(["tessera-compile", model, "--target", "cuda:sm_80", "--emit", "asm"], check=True, capture_output=True, text=True).stdout
    found = {line.split()[0].removeprefix("atom.global.") for line in text.split("\n") if line.strip().startswith(("atom", "red."))}
    assert found == set(instructions), (element, found)
for element, kind in INTEGERS.items():
    big = np.iinfo(kind)
    cases = [{"x": rng.integers(0, 9, (2, extent, 3)).astype(kind), "i": rng.integers(-extent - 2, extent + 2, 300),
              "u": rng.integers(big.min, big.max, (2, 300, 3), dtype=kind, endpoint=True)} for extent in (1, 7, 401)]
    compare(f"scatter-atomic-{element}", scatter_model(element, "B, N, 3", "B, K, 3", 1), cases, SCATTERS, "sm_90a")
compare("scatter-one", scatter_model("si32", "N", "", 0).replace("[K]", "[]"),
        [{"x": np.arange(5, dtype=np.int32), "i": np.array(index), "u": np.array(7, np.int32)} for index in (2, -1, 5)], SCATTERS)
