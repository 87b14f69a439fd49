# Convolutions by tiles of matrices (AMX), run by a program that stands in for the instructions where the processor has none: bf16
# and bytes, lines that tiles fill and lines that they do not, strides, dilations, channels that end in the middle of a tile, extents that
# only a run knows, with what follows in the same kernel. Bytes are exact; one and three threads give the same bits. Infinities stay
# where their windows are.
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
# Pictures, height, width, channels; filters, taps, stride, dilation.
CASES = [(1, 8, 58, 64, 32, 3, 1, 1), (2, 9, 15, 32, 48, 3, 1, 1), (1, 9, 9, 64, 40, 3, 2, 1), (1, 12, 22, 132, 33, 5, 1, 1),
         (3, 6, 8, 96, 64, 3, 1, 1), (1, 13, 19, 64, 32, 3, 1, 2), (1, 7, 7, 512, 64, 3, 1, 1), (2, 6, 20, 256, 32, 1, 1, 1)]
SIZES = [(1, 3, 3), (2, 5, 40), (1, 20, 18), (3, 4, 16)]  # what a run of open extents gets
OPEN = (64, 32, 3, 1, 1)  # channels, filters, taps, stride, dilation


def model(shape, left, right, result, weight, stride, dilation):
    """y = relu(window over x), channels last."""
    filters, taps, _, channels = weight.shape
    if isinstance(shape[1], int):
        places = [str((extent - (taps - 1) * dilation - 1) // stride + 1) for extent in shape[1:3]]
        source, target, ranges = f"{shape[0]}, {shape[1]}, {shape[2]}, {channels}", f"{shape[0]}, {places[0]}, {places[1]}, {filters}", ""
    else:
        source, target = f"B, H, W, {channels}", f"B, H - {taps - 1}, W - {taps - 1}, {filters}"
        limit = f"#graph.range<{taps}, 4096>"
        ranges = f"attributes {{dims = {{B = #graph.range<0, 64>, H = {limit}, W = {limit}}}}} "
    x, w, y = f"!graph.tensor<[{source}], {left}>", f"!graph.tensor<[{filters}, {taps}, {taps}, {channels}], {right}>", \
        f"!graph.tensor<[{target}], {result}>"
    return f"""
graph.func @main(%x: {x} {{graph.name = "x"}}) -> ({y} {{graph.name = "y"}}) {ranges}{{
  %w = graph.constant dense<"0x{weight.tobytes().hex()}"> : {w}
  %0 = graph.conv %x, %w, strides = [{stride}, {stride}], dilations = [{dilation}, {dilation}], lo = [0, 0], hi = [0, 0],
      layout = "NHWC,OHWI->NHWC" : ({x}, {w}) -> {y}
  %1 = graph.relu %0 : {y}
  graph.return %1 : {y}
}}
"""


def run(program, folder, x, threads):
    np.save(f"{folder}/x.npy", x.view(np.uint16) if x.dtype == ml_dtypes.bfloat16 else x)
    subprocess.run([program, f"{folder}/m.tsm", "--threads", str(threads), "--input", f"x=@{folder}/x.npy", "--output",
                    f"y=@{folder}/y.npy"], check=True, stdout=subprocess.DEVNULL)
    return np.load(f"{folder}/y.npy")


def windows(x, weight, stride, dilation):
    """The sums, in f64."""
    filters, taps, _, _ = weight.shape
    rows, columns = ((extent - (taps - 1) * dilation - 1) // stride + 1 for extent in x.shape[1:3])
    sums = np.zeros((x.shape[0], rows, columns, filters))
    for i in range(taps):
        for j in range(taps):
            part = x[:, i * dilation:i * dilation + (rows - 1) * stride + 1:stride, j * dilation:j * dilation + (columns - 1) * stride + 1:stride]
            sums += np.einsum("nhwc,oc->nhwo", part, weight[:, i, j], optimize=True)
    return sums


def check(program, folder, x, weight, stride, dilation, where):
    is_float = x.dtype == ml_dtypes.bfloat16
    one, three = (run(program, folder, x, threads) for threads in (1, 3))
    exact, filters = x.astype(np.float64), weight.astype(np.float64)
    with np.errstate(invalid="ignore"):
        expected = np.maximum(windows(exact, filters, stride, dilation), 0)
    found = one.view(ml_dtypes.bfloat16) if is_float else one
    assert found.shape == expected.shape, (where, found.shape)
    known = np.isfinite(expected)
    scale = windows(np.where(np.isfinite(exact), np.abs(exact), 0), np.abs(filters), stride, dilation)
    allowed = 2**-8 * np.abs(expected) + 1e-6 * scale if is_float else np.zeros_like(expected)
    found = found.astype(np.float64)
    assert (np.abs(found[known] - expected[known]) <= allowed[known]).all(), where
    assert np.array_equal(found[~known], expected[~known], equal_nan=True), (where, "infinities")
    assert one.tobytes() == three.tobytes(), (where, "threads")


def main():
    program, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(0)

    def numbers(kind, *shape):
        if kind == "bf16":
            return rng.standard_normal(shape).astype(TYPES[kind])
        info = np.iinfo(TYPES[kind])
        return rng.integers(info.min, info.max + 1, shape).astype(TYPES[kind])

    def compiled(shape, left, right, weight, stride, dilation):
        with open(f"{folder}/m.mlir", "w") as file:
            file.write(model(shape, left, right, "bf16" if left == "bf16" else "si32", weight, stride, dilation))
        subprocess.run(["tessera-compile", f"{folder}/m.mlir", "-o", f"{folder}/m.tsm", "--target", LEVEL, "-q"], check=True)
        schedule = subprocess.run(["tessera-compile", f"{folder}/m.mlir", "--target", LEVEL, "--emit", "schedule"], check=True,
                                  capture_output=True, text=True).stdout
        assert "tile_multiply" in schedule, (shape, left, right)

    for left, right in [("bf16", "bf16"), ("ui8", "si8"), ("si8", "si8")]:
        for n, height, width, channels, filters, taps, stride, dilation in CASES:
            weight = numbers(right, filters, taps, taps, channels)
            x = numbers(left, n, height, width, channels)
            compiled(x.shape, left, right, weight, stride, dilation)
            check(program, folder, x, weight, stride, dilation, (left, right, x.shape, weight.shape, stride, dilation))
            if left == "bf16":
                x[-1, -1, -1, -1], x[0, 0, 0, 0] = np.inf, -np.inf
                check(program, folder, x, weight, stride, dilation, (left, x.shape, "infinities"))
        channels, filters, taps, stride, dilation = OPEN
        weight = numbers(right, filters, taps, taps, channels)
        compiled(("B", "H", "W"), left, right, weight, stride, dilation)
        for n, height, width in SIZES:
            x = numbers(left, n, height, width, channels)
            check(program, folder, x, weight, stride, dilation, (left, right, x.shape, "open"))
    print("passed")


if __name__ == "__main__":
    main()
