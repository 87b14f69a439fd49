# Depthwise convolutions of 8-bit integers, channels last: heights and widths known when running, steps, dilations and
# filters of several kinds, channels that fill no vector, for every level of instructions that this machine has.
# Sums are exact, so they are NumPy's.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import os
import subprocess
import sys

import numpy as np

LEVELS = ["x86-64-v2", "x86-64-v3", "x86-64-v4", "x86-64-v3+vnni", "x86-64-v4+vnni"]
# channels, height and width of the filter, step, dilation
FORMS = [(24, 3, 3, 1, 1), (5, 5, 5, 2, 1), (36, 3, 3, 2, 2), (64, 1, 7, 1, 1), (16, 4, 1, 3, 1), (8, 2, 9, 4, 1)]
SIZES = [(1, 13, 17), (2, 9, 40), (1, 22, 33)]


def text(channels, height, width, step, dilation, kinds, weight):
    x = f"!graph.tensor<[N, H, W, {channels}], {kinds[0]}>"
    w = f"!graph.tensor<[{channels}, 1, {height}, {width}], {kinds[1]}>"
    extent = [f"floordiv({dim} - {dilation * (taps - 1) + 1}, {step}) + 1" if step > 1 else f"{dim} - {dilation * (taps - 1)}"
              for dim, taps in (("H", height), ("W", width))]
    y = f"!graph.tensor<[N, {extent[0]}, {extent[1]}, {channels}], si32>"
    return f"""
graph.func @main(%x: {x} {{graph.name = "x"}}) -> ({y} {{graph.name = "y"}}) {{
  %w = graph.constant dense<{weight.tolist()}> : {w}
  %0 = graph.conv %x, %w, strides = [{step}, {step}], dilations = [{dilation}, {dilation}], lo = [0, 0], hi = [0, 0], groups = {channels}, layout = "NHWC,OIHW->NHWC" acc si32 : ({x}, {w}) -> {y}
  graph.return %0 : {y}
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
            sums = sums + part.astype(np.int32) * weight[:, 0, i, j].astype(np.int32)
    return sums


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(0)
    types = {"ui8": np.uint8, "si8": np.int8}
    groups = set()
    for number, (channels, height, width, step, dilation) in enumerate(FORMS):
        for kinds in [("ui8", "si8")] if number else [("ui8", "si8"), ("si8", "si8")]:
            weight = rng.integers(-128, 128, (channels, 1, height, width)).astype(np.int8)
            weight[::2] = -128  # with the greatest values of x no sum of two products fits 16 bits
            with open(f"{folder}/m.mlir", "w") as file:
                file.write(text(channels, height, width, step, dilation, kinds, weight))
            for level in LEVELS:
                schedule = subprocess.run(["tessera-compile", f"{folder}/m.mlir", "--emit", "schedule", "--target", level],
                                          check=True, capture_output=True, text=True).stdout
                groups |= {line.split(" as ")[0].strip() for line in schedule.splitlines() if "copy_window" in line}
                subprocess.run(["tessera-compile", f"{folder}/m.mlir", "-o", f"{folder}/m.tsm", "--target", level], check=True,
                               stderr=subprocess.DEVNULL)
                for n, rows, columns in SIZES:
                    info = np.iinfo(types[kinds[0]])
                    x = rng.integers(info.min, info.max + 1, (n, rows, columns, channels)).astype(types[kinds[0]])
                    x[:, ::2] = info.max
                    np.save(f"{folder}/x.npy", x)
                    done = subprocess.run(["tessera-run", f"{folder}/m.tsm", "--input", f"x=@{folder}/x.npy", "--output",
                                           f"y=@{folder}/y.npy"], capture_output=True, text=True)
                    if "[UNSUPPORTED_CPU]" in done.stderr:
                        continue  # it lacks the level
                    assert done.returncode == 0, done.stderr
                    found, expected = np.load(f"{folder}/y.npy"), convolve(x, weight, step, dilation)
                    assert found.shape == expected.shape and (found == expected).all(), (level, FORMS[number], kinds, x.shape)
    # Taps lie side by side in pairs and in fours.
    assert any("by 2" in group for group in groups) and any("by 4" in group for group in groups), groups
    print("passed")


if __name__ == "__main__":
    main()
