# Depthwise convolutions of floats, channels last: register tiles with rows and lines of places, for heights and widths known
# when compiling and when running (shorter than a tile, no multiple of it, none at all), steps, dilations, filters of
# several kinds, channels that fill no vector or lie a power of two apart, for every level of instructions that this
# machine has. Numbers are small integers, so that sums are exact in any order; NaN and infinity stay where they are read.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import os
import re
import subprocess
import sys

import numpy as np

LEVELS = ["x86-64-v2", "x86-64-v3", "x86-64-v4"]
# channels, height and width of the filter, step, dilation
FORMS = [(24, 3, 3, 1, 1), (5, 5, 5, 2, 1), (36, 3, 3, 2, 2), (512, 3, 3, 1, 1), (64, 1, 7, 1, 1), (16, 4, 1, 3, 1), (8, 2, 9, 4, 1),
         (17, 2, 2, 3, 1)]
SIZES = [(1, 13, 17), (2, 9, 40), (1, 22, 33), (3, 9, 9), (0, 9, 12)]


def text(channels, height, width, step, dilation, kind, weight, sizes):
    n, h, w = sizes or ("N", "H", "W")
    x = f"!graph.tensor<[{n}, {h}, {w}, {channels}], {kind}>"
    f = f"!graph.tensor<[{channels}, 1, {height}, {width}], {kind}>"
    extent = [(dim - dilation * (taps - 1) - 1) // step + 1 if sizes else
              f"floordiv({dim} - {dilation * (taps - 1) + 1}, {step}) + 1" if step > 1 else f"{dim} - {dilation * (taps - 1)}"
              for dim, taps in ((h, height), (w, width))]
    y = f"!graph.tensor<[{n}, {extent[0]}, {extent[1]}, {channels}], {kind}>"
    return f"""
graph.func @main(%x: {x} {{graph.name = "x"}}) -> ({y} {{graph.name = "y"}}) {{
  %w = graph.constant dense<{weight.tolist()}> : {f}
  %0 = graph.conv %x, %w, strides = [{step}, {step}], dilations = [{dilation}, {dilation}], lo = [0, 0], hi = [0, 0], groups = {channels}, layout = "NHWC,OIHW->NHWC" : ({x}, {f}) -> {y}
  %1 = graph.neg %0 : {y}
  graph.return %1 : {y}
}}
"""


def convolve(x, weight, step, dilation):
    height, width = weight.shape[2:]
    rows = (x.shape[1] - dilation * (height - 1) - 1) // step + 1
    columns = (x.shape[2] - dilation * (width - 1) - 1) // step + 1
    sums = 0
    for i in range(height):
        for j in range(width):
            part = x[:, i * dilation:, j * dilation:][:, :(rows - 1) * step + 1:step, :(columns - 1) * step + 1:step]
            sums = sums + part * weight[:, 0, i, j]
    return -sums


def run(folder, level, x):
    np.save(f"{folder}/x.npy", x)
    done = subprocess.run(["tessera-run", f"{folder}/m.tsm", "--input", f"x=@{folder}/x.npy", "--output", f"y=@{folder}/y.npy"],
                          capture_output=True, text=True)
    if "[UNSUPPORTED_CPU]" in done.stderr:
        return None  # it lacks the level
    assert done.returncode == 0, done.stderr
    return np.load(f"{folder}/y.npy")


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(0)
    lines = set()
    for number, form in enumerate(FORMS):
        channels, height, width, step, dilation = form
        kind, dtype = ("f32", np.float32) if number != 1 else ("f64", np.float64)
        weight = rng.integers(-8, 9, (channels, 1, height, width)).astype(dtype)
        for sizes in [None, SIZES[0]] if number % 2 else [None, SIZES[3]]:
            with open(f"{folder}/m.mlir", "w") as file:
                file.write(text(channels, height, width, step, dilation, kind, weight, sizes))
            for level in LEVELS:
                schedule = subprocess.run(["tessera-compile", f"{folder}/m.mlir", "--emit", "schedule", "--target", level],
                                          check=True, capture_output=True, text=True).stdout
                lines |= set(re.findall(r'pad_to_tile "acc" loop "i1" by (\d+)', schedule))
                subprocess.run(["tessera-compile", f"{folder}/m.mlir", "-o", f"{folder}/m.tsm", "--target", level], check=True,
                               stderr=subprocess.DEVNULL)
                for n, rows, columns in [sizes] if sizes else SIZES:
                    x = rng.integers(-8, 9, (n, rows, columns, channels)).astype(dtype)
                    if n:
                        x[0, rows // 2, columns // 2, 1] = np.nan
                        x[-1, -1, -1, 0] = np.inf
                    found = run(folder, level, x)
                    if found is None:
                        continue
                    with np.errstate(invalid="ignore"):
                        expected = convolve(x, weight, step, dilation)
                    assert found.shape == expected.shape, (level, form, x.shape)
                    assert np.array_equal(found, expected, equal_nan=True), (level, form, x.shape)
    assert len(lines) > 1, lines  # Tiles had lines, too.
    print("passed")


if __name__ == "__main__":
    main()
