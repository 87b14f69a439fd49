# Convolutions in tiles of 2x2 (graph-winograd-conv): odd and even extents, known when compiling and not, paddings, groups, layouts,
# batches of 0, 1 and 3, what follows the convolution. Compared with f64 and with the interpreter, within a bound that follows from the
# roundings on the way.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import tessera

LEVELS = ["x86-64-v2", "x86-64-v3", "x86-64-v4"]
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])

# channels, outputs, groups, rows and columns (None: not known), padding (top, left, bottom, right), layout, constant weight
FORMS = [(16, 16, 1, 8, 8, (1, 1, 1, 1), "NHWC,OIHW->NHWC", True),
         (5, 19, 1, 7, 9, (1, 1, 1, 1), "NHWC,OIHW->NHWC", True),
         (33, 7, 1, 5, 6, (0, 0, 0, 0), "NHWC,OIHW->NHWC", False),
         (8, 40, 1, None, None, (1, 1, 1, 1), "NHWC,OIHW->NHWC", True),
         (16, 16, 1, None, 9, (0, 1, 2, 0), "NHWC,OIHW->NHWC", True),
         (24, 12, 3, 6, 7, (1, 1, 1, 1), "NHWC,OIHW->NHWC", True),
         (12, 24, 4, None, None, (1, 0, 1, 2), "NHWC,OIHW->NHWC", False),
         (6, 10, 1, 7, None, (1, 1, 1, 1), "NCHW,OIHW->NCHW", True),
         (9, 16, 1, 6, 6, (2, 2, 2, 2), "NHWC,HWIO->NCHW", True),
         (130, 20, 1, 3, 3, (1, 1, 1, 1), "NHWC,OIHW->NHWC", True)]
SIZES = [(1, 7, 7), (3, 4, 11), (0, 5, 6), (1, 3, 3)]  # batch, and what is not known of rows and columns


def dims(letters, extents):
    return "[" + ", ".join(str(extents[letter]) for letter in letters) + "]"


def text(form, weight, padded):
    """A convolution with a bias, a map, a sum with another tensor, and the padding of the next layer (`padded`)."""
    channels, out, groups, rows, columns, (top, left, bottom, right), layout, _ = form
    ins, filters, results = layout.replace("->", ",").split(",")
    rows, columns = rows or "H", columns or "W"
    def behind(extent, pad):
        return extent + pad - 2 if isinstance(extent, int) else f"{extent} + {pad - 2}" if pad >= 2 else f"{extent} - {2 - pad}"
    y = {"N": "N", "H": behind(rows, top + bottom), "W": behind(columns, left + right), "C": out}
    x = f'!graph.tensor<{dims(ins, {"N": "N", "H": rows, "W": columns, "C": channels})}, f32>'
    w = f'!graph.tensor<{dims(filters, {"O": out, "I": channels // groups, "H": 3, "W": 3})}, f32>'
    r = f"!graph.tensor<{dims(results, y)}, f32>"
    pads = [int(padded and letter in "HW") for letter in results]
    wide = {k: v + 2 if isinstance(v, int) else f"{v} + 2" for k, v in y.items() if k in "HW"} if padded else {}
    p = f"!graph.tensor<{dims(results, {**y, **wide})}, f32>"
    constant = "" if weight is None else f'%w = graph.constant dense<"0x{weight.tobytes().hex()}"> : {w}'
    argument = f', %w: {w} {{graph.name = "w"}}' if weight is None else ""
    return f"""
graph.func @main(%x: {x} {{graph.name = "x"}}, %b: !graph.tensor<[{out}], f32> {{graph.name = "b"}}, %r: {r} {{graph.name = "r"}}{argument}) -> ({p} {{graph.name = "y"}}) {{
  {constant}
  %0 = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [{top}, {left}], hi = [{bottom}, {right}], groups = {groups}, layout = "{layout}" : ({x}, {w}) -> {r}
  %1 = graph.broadcast %b, dims = [{results.index("C")}] : !graph.tensor<[{out}], f32> -> {r}
  %2 = graph.add %0, %1 : {r}
  %3 = graph.relu %2 : {r}
  %4 = graph.add %3, %r : {r}
  %z = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %5 = graph.pad constant %4, %z, lo = {pads}, hi = {pads} : ({r}, !graph.tensor<[], f32>) -> {p}
  graph.return %5 : {p}
}}
"""


def to(array, letters, wanted):
    return np.transpose(array, [letters.index(letter) for letter in wanted])


def tiles(x):
    """[N, TH, TW, 4, 4, C] of a padded picture whose extents are even."""
    parts = [[x[:, i:i + x.shape[1] - 2:2, j:j + x.shape[2] - 2:2] for j in range(4)] for i in range(4)]
    return np.stack([np.stack(row, 3) for row in parts], 3)


def along(parts, absolute, back):
    """B^T or (`back`) A^T times a column of four: what is 0 in them does not meet a NaN."""
    a, b, c, d = parts
    minus = (lambda x, y: x + y) if absolute else (lambda x, y: x - y)
    return [a + b + c, minus(minus(b, c), d)] if back else [minus(a, c), b + c, minus(c, b), minus(b, d)]


def both(x, absolute, back):
    """The same along both axes of the tiles, axes 3 and 4."""
    x = np.stack(along(np.moveaxis(x, 3, 0), absolute, back), 3)
    return np.stack(along(np.moveaxis(x, 4, 0), absolute, back), 4)


def winograd(x, weight, groups, absolute):
    """In f64; `absolute`: of the absolute values of all terms, to which roundings are relative."""
    rows, columns = x.shape[1] - 2, x.shape[2] - 2
    x = np.pad(x.astype(np.float64), ((0, 0), (0, rows % 2), (0, columns % 2), (0, 0)))
    wide, tall = x.shape[3] // groups, weight.shape[0] // groups
    v = both(np.abs(tiles(x)) if absolute else tiles(x), absolute, False)
    u = np.einsum("pi,ocij,qj->pqco", G, weight.astype(np.float64), G)
    u = np.abs(u) if absolute else u
    m = np.concatenate([np.einsum("nhwpqc,pqco->nhwpqo", v[..., g * wide:(g + 1) * wide], u[..., g * tall:(g + 1) * tall])
                        for g in range(groups)], -1)
    y = both(m, absolute, True).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(y.shape[0], 2 * y.shape[1], 2 * y.shape[3], y.shape[5])[:, :rows, :columns]


def convolve(x, weight, groups):
    rows, columns = x.shape[1] - 2, x.shape[2] - 2
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    wide, tall = x.shape[3] // groups, weight.shape[0] // groups
    sums = np.zeros((x.shape[0], rows, columns, weight.shape[0]))
    for g in range(groups):
        for i in range(3):
            for j in range(3):
                sums[..., g * tall:(g + 1) * tall] += (x[:, i:i + rows, j:j + columns, g * wide:(g + 1) * wide]
                                                       @ weight[g * tall:(g + 1) * tall, :, i, j].T)
    return sums


def check(found, form, x, weight, b, r, padded, what):
    channels, _, groups, _, _, (top, left, bottom, right), layout, _ = form
    ins, filters, results = layout.replace("->", ",").split(",")
    found = to(found, results, "NHWC")
    if padded:
        border = found.copy()
        border[:, 1:-1, 1:-1] = 0
        assert not border.any(), what
        found = found[:, 1:-1, 1:-1]
    x, r, weight = to(x, ins, "NHWC"), to(r, results, "NHWC"), to(weight, filters, "OIHW")
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    expected = np.maximum(convolve(x, weight, groups) + b, 0) + r
    assert found.shape == expected.shape, (what, found.shape, expected.shape)
    # Of a term are rounded: two differences, the filter's element, the product and its sums, four sums behind them; then two more sums.
    count = channels // groups + 10
    unit = count * 2.0**-24 / (1 - count * 2.0**-24)
    spread = winograd(x, weight, groups, False)
    bound = unit * (winograd(np.nan_to_num(x), weight, groups, True) + np.abs(b) + np.abs(r)) + 1e-37
    # NaN is where a term of a result's tile is, and where the result itself has to be.
    assert (np.isnan(found) == np.isnan(spread)).all(), what
    assert np.isnan(spread)[np.isnan(expected)].all(), what
    known = ~np.isnan(spread)
    assert (np.abs(found - expected)[known] <= bound[known]).all(), (what, (np.abs(found - expected)[known] / bound[known]).max())


def reference(path, folder, arrays):
    command = ["tessera-run", "--reference", "-q", str(path), "--output", f"y=@{folder / 'y.npy'}"]
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
        command += ["--input", f"{name}=@{folder / name}.npy"]
    subprocess.run(command, check=True, capture_output=True)
    return np.load(folder / "y.npy")


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number, form in enumerate(FORMS):
        channels, out, groups, rows, columns, (top, left, bottom, right), layout, is_constant = form
        ins, filters, results = layout.replace("->", ",").split(",")
        extents = {"O": out, "I": channels // groups, "H": 3, "W": 3}
        weight = (rng.standard_normal([extents[c] for c in filters]) / np.sqrt(channels * 9)).astype(np.float32)
        padded = number % 2 == 0
        plain, path = folder / "plain.mlir", folder / "tiled.mlir"
        plain.write_text(text(form, weight if is_constant else None, padded))
        # What the interpreter is given, and what is compiled: there a constant filter is transformed when compiling.
        subprocess.run(["tessera-opt", str(plain), "--graph-winograd-conv=always", "-o", str(path)], check=True)
        for stage, products in (("graph", 2 - is_constant), ("kernel", 0)):
            command = ["tessera-compile", str(plain), "--convolution", "winograd-always", "--emit", stage, "--target", LEVELS[0], "-q"]
            listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            assert not re.search(r"graph\.conv ", listing) and listing.count("graph.contract") == products, (form, stage)
        for level in LEVELS:
            module = tessera.compile(plain, target=level, convolution="winograd-always")
            for batch, height, width in SIZES:
                x = {"N": batch, "H": rows or height, "W": columns or width, "C": channels}
                y = {"N": batch, "H": x["H"] + top + bottom - 2, "W": x["W"] + left + right - 2, "C": out}
                arrays = {"x": rng.standard_normal([x[c] for c in ins]).astype(np.float32), "b": rng.standard_normal(out).astype(np.float32),
                          "r": rng.standard_normal([y[c] for c in results]).astype(np.float32)}
                if batch == 3:
                    arrays["x"].reshape(-1)[rng.integers(arrays["x"].size, size=2)] = np.nan
                given = arrays if is_constant else {**arrays, "w": weight}
                try:
                    found = module.context(threads=1).run(given)["y"]
                except tessera.Error as problem:
                    assert "UNSUPPORTED_CPU" in str(problem), problem
                    break
                what = (form, level, batch, x["H"], x["W"])
                check(found, form, arrays["x"], weight, arrays["b"], arrays["r"], padded, what)
                assert np.array_equal(found, module.context(threads=3).run(given)["y"], equal_nan=True), what
                if level == LEVELS[0] and batch != 1:
                    check(reference(path, folder, given), form, arrays["x"], weight, arrays["b"], arrays["r"], padded, ("reference", *what))
    print("passed")


main()
