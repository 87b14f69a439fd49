# Elementwise kernels, copies, and reductions of rows move 16 bytes a thread where addresses, rows and strides allow it, and give the same
# numbers where they do not: every type, odd rows, broadcasts, slices, gathered rows, addresses of the caller that are multiples of nothing.
# RUN: python3 %s %builddir/lib %t
"""Arguments: the folder of libraries, a folder."""
import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np

libraries, folder = Path(sys.argv[1]), Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
os.environ["TESSERA_CUDA_DRIVER"] = str(libraries / "test/libfake_cuda_driver.so")
import tessera  # noqa: E402

NUMPY = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "si64": np.int64, "si32": np.int32, "ui16": np.uint16,
         "si8": np.int8, "ui8": np.uint8}
# What 16 bytes of a type are to PTX.
VECTOR = {"f64": "v2.b64", "si64": "v2.b64"}
rng = np.random.default_rng(0)


def function(inputs, lines, results):
    def kinds(values):
        return ", ".join(f'{sign}!graph.tensor<{kind}> {{graph.name = "{name}"}}' for name, (sign, kind) in values.items())
    given = kinds({name: (f"%{name}: ", kind) for name, kind in inputs.items()})
    made = kinds({name: ("", kind) for name, kind in results.items()})
    returned = ", ".join(f"%{name}" for name in results) + " : " + ", ".join(f"!graph.tensor<{kind}>" for kind in results.values())
    return f"graph.func @main({given}) -> ({made}) {{\n{lines}\n  graph.return {returned}\n}}\n"


def build(text, name):
    path = folder / f"{name}.mlir"
    path.write_text(text)
    module = folder / f"{name}.tsm"
    subprocess.run(["tessera-compile", path, "--target", "cuda:sm_80", "-o", module, "-q"], check=True)
    code = subprocess.run(["tessera-compile", path, "--target", "cuda:sm_80", "--emit", "asm", "-o", "-", "-q"], check=True, capture_output=True, text=True).stdout
    return module, code


def sizes(code, kind):
    """The bytes of each instruction of a kind."""
    return [int(count or 1) * int(bits) // 8 for count, bits in re.findall(rf"{kind}\.global(?:\.nc)?(?:\.L1::\S+?)?(?:\.v(\d))?\.[a-z](\d+)", code)]


def random(shape, element):
    kind = NUMPY[element]
    if np.issubdtype(kind, np.integer):
        info = np.iinfo(kind)
        return rng.integers(max(info.min, -1000), min(info.max, 1000), shape, endpoint=True).astype(kind)
    values = (rng.standard_normal(shape) * 3).astype(kind)
    if values.size > 20:
        values.reshape(-1)[[3, 11, -1]] = [np.nan, np.inf, -0.0]
    return values


def same(actual, expected, what):
    if expected.dtype == ml_dtypes.bfloat16:  # NumPy has it as its bits.
        actual, expected = actual.view(expected.dtype).astype(np.float64), expected.astype(np.float64)
    np.testing.assert_array_equal(actual, expected, err_msg=str(what))


maximum, minimum = (np.errstate(invalid="ignore")(f) for f in (np.maximum, np.minimum))
SHAPES = [(3, 1000), (7, 33), (1, 1), (0, 5), (5, 0), (64, 96), (2, 1001), (70, 256)]
for element in NUMPY:
    t, row, column = (f"[{dims}], {element}" for dims in ("N, M", "M", "N, 1"))
    T, R, C = (f"!graph.tensor<{kind}>" for kind in (t, row, column))
    # One kernel each: of tensors of one form; of one that has a row of another, and one of a number for each row.
    flat, module_code = build(function({"x": t, "y": t}, f"  %out = graph.max %x, %y : {T}", {"out": t}), f"flat-{element}")
    least = 16
    assert least in sizes(module_code, "ld") and least in sizes(module_code, "st"), (element, module_code)
    rows, code = build(function({"x": t, "b": row, "c": column}, f"""  %0 = graph.broadcast %b, dims = [1] : {R} -> {T}
  %1 = graph.broadcast %c, dims = [0, 1] : {C} -> {T}
  %2 = graph.max %x, %0 : {T}
  %out = graph.min %2, %1 : {T}""", {"out": t}), f"rows-{element}")
    assert sizes(code, "ld").count(16) >= 2 and 16 in sizes(code, "st"), (element, code)
    loaded = [tessera.load(module, device="cuda") for module in (flat, rows)]
    for n, m in SHAPES:
        x, y, b, c = random((n, m), element), random((n, m), element), random((m,), element), random((n, 1), element)
        same(loaded[0].run({"x": x, "y": y})["out"], maximum(x, y), (element, n, m))
        same(loaded[1].run({"x": x, "b": b, "c": c})["out"], minimum(maximum(x, b), c), (element, n, m))

# Results of other widths: of the widest elements a thread has 16 bytes. A bool is a byte.
for source, target in (("f16", "f32"), ("f32", "f16"), ("si8", "f32"), ("f64", "si8"), ("f32", "i1")):
    s, t = f"[N, M], {source}", f"[N, M], {target}"
    line = f"  %n = graph.neg %x : !graph.tensor<{s}>\n  %out = graph.compare lt %x, %n : !graph.tensor<{s}>" if target == "i1" else f"  %out = graph.convert %x : !graph.tensor<{s}> -> !graph.tensor<{t}>"
    module, code = build(function({"x": s}, line, {"out": t}), f"{source}-{target}")
    widths = {"i1": 1} | {kind: np.dtype(NUMPY[kind]).itemsize for kind in NUMPY}
    moved = 16 // max(widths[source], widths[target])
    assert max(sizes(code, "ld")) == moved * widths[source] and max(sizes(code, "st")) == moved * widths[target], (source, target, code)
    session = tessera.load(module, device="cuda")
    for n, m in SHAPES:
        x = rng.integers(-9, 9, (n, m)).astype(NUMPY[source])
        same(session.run({"x": x})["out"], x < -x if target == "i1" else x.astype(NUMPY[target]), (source, target, n, m))

# Slices that begin within a vector, pieces side by side, rows that an index chooses, known extents that are no multiples.
for name, inputs, lines, result, expected, widest in (
        ("slice", {"x": "[80, 1000], f32"}, "  %out = graph.slice %x, starts = [1, 8], steps = [1, 1] : !graph.tensor<[80, 1000], f32> -> !graph.tensor<[60, 960], f32>",
         "[60, 960], f32", lambda x: x[1:61, 8:968], 16),
        ("odd-slice", {"x": "[80, 1000], f32"}, "  %out = graph.slice %x, starts = [1, 3], steps = [1, 1] : !graph.tensor<[80, 1000], f32> -> !graph.tensor<[60, 960], f32>",
         "[60, 960], f32", lambda x: x[1:61, 3:963], 4),
        ("beside", {"x": "[40, 256], f16", "y": "[40, 64], f16"},
         "  %out = graph.concat %x, %y axis = 1 : (!graph.tensor<[40, 256], f16>, !graph.tensor<[40, 64], f16>) -> !graph.tensor<[40, 320], f16>", "[40, 320], f16",
         lambda x, y: np.concatenate([x, y], 1), None),
        ("four-dims", {"x": "[7, 5, 59, 17], f32"}, "  %out = graph.neg %x : !graph.tensor<[7, 5, 59, 17], f32>", "[7, 5, 59, 17], f32", lambda x: -x, None),
        ("four-dims-rows", {"x": "[7, 5, 59, 20], f32", "y": "[5, 1, 20], f32"}, """  %0 = graph.broadcast %y, dims = [1, 2, 3] : !graph.tensor<[5, 1, 20], f32> -> !graph.tensor<[7, 5, 59, 20], f32>
  %out = graph.add %x, %0 : !graph.tensor<[7, 5, 59, 20], f32>""", "[7, 5, 59, 20], f32", lambda x, y: x + y, None),
        ("odd-known", {"x": "[513, 131], f16", "y": "[513, 131], f16"}, "  %out = graph.add %x, %y : !graph.tensor<[513, 131], f16>", "[513, 131], f16", lambda x, y: x + y, 16)):
    module, code = build(function(inputs, lines, {"out": result}), name)
    if widest:
        assert max(sizes(code, "ld")) == widest, (name, code)
    values = [random(tuple(int(d) for d in kind.split("]")[0][1:].split(",")), kind.split("], ")[1]) for kind in inputs.values()]
    same(tessera.load(module, device="cuda").run(dict(zip(inputs, values)))["out"], expected(*values), name)
module, code = build(function({"x": "[50, M], f32", "i": "[N], si64"},
                              "  %out = graph.gather %x, %i, axis = 0 : (!graph.tensor<[50, M], f32>, !graph.tensor<[N], si64>) -> !graph.tensor<[N, M], f32>",
                              {"out": "[N, M], f32"}), "rows-of-table")
assert 16 in sizes(code, "ld") and 16 in sizes(code, "st"), code
session = tessera.load(module, device="cuda")
for n, m in ((40, 256), (9, 37), (3, 0)):
    x, i = random((50, m), "f32"), rng.integers(0, 50, n)
    same(session.run({"x": x, "i": i})["out"], x[i], (n, m))

def run(module, x):
    y = tessera.load(module, device="cuda").run({"x": x})["out"]
    return (y.view(x.dtype) if x.dtype == ml_dtypes.bfloat16 else y).astype(np.float64)


# Reductions of rows: sums, and what follows from them.
for element, tolerance in (("f32", 2e-6), ("f16", 2e-3), ("bf16", 2e-2), ("f64", 1e-13)):
    t, s = f"[N, M], {element}", f"[N], {element}"
    T, S = f"!graph.tensor<{t}>", f"!graph.tensor<{s}>"
    module, code = build(function({"x": t}, f"  %out = graph.reduce sum %x, axes = [1] : {T} -> {S}", {"out": s}), f"sum-{element}")
    softmax, normed = build(function({"x": t}, f"  %out = graph.softmax %x, axes = [1] : {T}", {"out": t}), f"softmax-{element}")
    assert 16 in sizes(code, "ld") and sizes(normed, "ld").count(16) >= 3 and 16 in sizes(normed, "st"), (element, code, normed)
    for n, m in ((3, 1024), (5, 77), (2, 1000), (1, 1), (0, 4), (2, 5000)):
        x = rng.standard_normal((n, m)).astype(NUMPY[element])
        wide = x.astype(np.float64)
        np.testing.assert_allclose(run(module, x), wide.sum(1), rtol=tolerance, atol=tolerance * 30)
        e = np.exp(wide - wide.max(1, keepdims=True))
        np.testing.assert_allclose(run(softmax, x), e / e.sum(1, keepdims=True), rtol=tolerance * 4, atol=tolerance)
