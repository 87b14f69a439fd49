# Convolutions whose filters go by in pieces, for pictures of few and of many places, channels last: heights and batches known
# when running (none, too), steps, dilations and groups, for every level of instructions that this machine has.
# RUN: python3 %s | FileCheck %s
# CHECK: passed
import ml_dtypes
import numpy as np

import tessera

LEVELS = ["x86-64-v2", "x86-64-v3", "x86-64-v4", "x86-64-v4+bf16"]
# channels in and out, width, window, step, dilation, groups, type
FORMS = [(200, 40, 7, 3, 1, 1, 1, "f32"), (130, 33, 14, 3, 1, 1, 1, "f32"), (192, 24, 29, 3, 2, 1, 1, "f32"), (300, 17, 13, 1, 1, 1, 1, "f32"),
         (72, 70, 9, 3, 1, 2, 1, "f32"), (128, 48, 11, 3, 1, 1, 2, "f32"), (150, 10, None, 3, 1, 1, 1, "f32"), (100, 20, 12, 5, 2, 1, 1, "f64"),
         # Filters that the second cache does not hold, lines of unknown length.
         (180, 170, None, 3, 1, 1, 1, "f32"), (130, 130, None, 3, 2, 1, 1, "f64"),
         (140, 18, 7, 3, 1, 1, 1, "f16"), (91, 18, 13, 3, 1, 1, 1, "bf16"), (64, 34, None, 3, 2, 1, 2, "bf16")]
SIZES = [(1, 7), (2, 15), (0, 9), (3, 29)]  # batch, height
TYPES = {"bf16": (ml_dtypes.bfloat16, 1e-2), "f16": (np.float16, 2e-3), "f32": (np.float32, 1e-5), "f64": (np.float64, 1e-13)}


def text(form, weight):
    """`weight`: of the model, or (None) an input."""
    channels, out, width, window, step, dilation, groups, kind = form
    width = width or "W"
    reach = dilation * (window - 1)
    rows = f"floordiv(H + {2 * (reach // 2) - reach - 1}, {step}) + 1"
    columns = f"floordiv({width} + {2 * (reach // 2) - reach - 1}, {step}) + 1"
    x, w = f"!graph.tensor<[N, H, {width}, {channels}], {kind}>", f"!graph.tensor<[{out}, {channels // groups}, {window}, {window}], {kind}>"
    y = f"!graph.tensor<[N, {rows}, {columns}, {out}], {kind}>"
    half = reach // 2
    constant = "" if weight is None else f'%w = graph.constant dense<"0x{weight.tobytes().hex()}"> : {w}'
    argument = f', %w: {w} {{graph.name = "w"}}' if weight is None else ""
    return f"""
graph.func @main(%x: {x} {{graph.name = "x"}}{argument}) -> ({y} {{graph.name = "y"}}) {{
  {constant}
  %0 = graph.conv %x, %w, strides = [{step}, {step}], dilations = [{dilation}, {dilation}], lo = [{half}, {half}], hi = [{half}, {half}], groups = {groups}, layout = "NHWC,OIHW->NHWC" : ({x}, {w}) -> {y}
  %1 = graph.relu %0 : {y}
  graph.return %1 : {y}
}}
""".encode()


def convolve(x, weight, form):
    _, out, _, window, step, dilation, groups, _ = form
    half = dilation * (window - 1) // 2
    x = np.pad(x.astype(np.float64), ((0, 0), (half, half), (half, half), (0, 0)))
    rows, columns = ((extent - dilation * (window - 1) - 1) // step + 1 for extent in x.shape[1:3])
    sums = np.zeros((x.shape[0], rows, columns, out))
    wide, tall = x.shape[3] // groups, out // groups
    for group in range(groups):
        w = weight[group * tall:(group + 1) * tall].astype(np.float64)
        for i in range(window):
            for j in range(window):
                part = x[:, i * dilation:, j * dilation:][:, :(rows - 1) * step + 1:step, :(columns - 1) * step + 1:step]
                sums[..., group * tall:(group + 1) * tall] += part[..., group * wide:(group + 1) * wide] @ w[:, :, i, j].T
    return np.maximum(sums, 0)


def main():
    rng = np.random.default_rng(0)
    for form in FORMS:
        channels, out, width, window, _, _, groups, kind = form
        numbers, tolerance = TYPES[kind]
        weight = (rng.standard_normal((out, channels // groups, window, window)) / np.sqrt(channels * window**2)).astype(numbers)
        for number, level in enumerate(LEVELS[kind == "f16":4 if kind == "bf16" else 3]):
            given = {"w": weight} if number == 0 else {}
            module = tessera.compile(text(form, None if given else weight), target=level)
            for batch, height in SIZES:
                x = rng.standard_normal((batch, height, width or height + 3, channels)).astype(numbers)
                try:
                    found = module.context(threads=1).run({"x": x, **given})["y"].view(numbers)
                except tessera.Error as problem:
                    assert "UNSUPPORTED_CPU" in str(problem), problem
                    break
                expected = convolve(x, weight, form)
                assert found.shape == expected.shape, (form, level, found.shape, expected.shape)
                scale = max(1.0, np.abs(expected).max(initial=0))
                error = np.abs(found.astype(np.float64) - expected).max(initial=0) / scale
                assert error <= tolerance, (form, level, x.shape, error)
                shared = module.context(threads=3).run({"x": x, **given})["y"].view(numbers)
                assert (found == shared).all(), (form, level, x.shape)
    print("passed")


main()
