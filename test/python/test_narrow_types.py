"""Elements of 8-bit floats and of fewer than 8 bits: every code both ways against ml_dtypes, and what moves them."""
import subprocess

import numpy as np
import pytest
from test_package import text_model

import tessera

ml_dtypes = pytest.importorskip("ml_dtypes")
# NaN, and numbers too large for f16, are what is tried.
pytestmark = pytest.mark.filterwarnings("ignore:.*encountered in cast:RuntimeWarning")

# The type in the textual IR, the runtime's, ml_dtypes', bits.
FLOATS = {"f8E4M3FN": ("f8e4m3fn", ml_dtypes.float8_e4m3fn, 8), "f8E4M3FNUZ": ("f8e4m3fnuz", ml_dtypes.float8_e4m3fnuz, 8),
          "f8E5M2": ("f8e5m2", ml_dtypes.float8_e5m2, 8), "f8E5M2FNUZ": ("f8e5m2fnuz", ml_dtypes.float8_e5m2fnuz, 8),
          "f8E8M0FNU": ("f8e8m0fnu", ml_dtypes.float8_e8m0fnu, 8), "f4E2M1FN": ("f4e2m1fn", ml_dtypes.float4_e2m1fn, 4),
          "f6E2M3FN": ("f6e2m3fn", ml_dtypes.float6_e2m3fn, 6), "f6E3M2FN": ("f6e3m2fn", ml_dtypes.float6_e3m2fn, 6)}
# Whose codes are all numbers: NaN becomes 0.
ALL_NUMBERS = ("f4E2M1FN", "f6E2M3FN", "f6E3M2FN")
INTEGERS = {"si4": ("i4", ml_dtypes.int4, 4), "ui4": ("u4", ml_dtypes.uint4, 4),
            "si2": ("i2", ml_dtypes.int2, 2), "ui2": ("u2", ml_dtypes.uint2, 2)}
NARROW = {**FLOATS, **INTEGERS}
WIDE = {"f64": np.float64, "f32": np.float32, "f16": np.float16}


def codes(name):
    return np.arange(1 << NARROW[name][2], dtype=np.uint8)


def numbers(name):
    """What each code stands for, in f64."""
    return codes(name).view(NARROW[name][1]).astype(np.float64)


def convert(source, target):
    body = f"  %y = graph.convert %x : !graph.tensor<[N], {source}> -> !graph.tensor<[N], {target}>"
    return text_model({"x": f"[N], {source}"}, f"[N], {target}", body)


def same(got, wanted):
    """NaN equals NaN, and zeros have signs."""
    got, wanted = got.astype(np.float64), wanted.astype(np.float64)
    np.testing.assert_array_equal(got, wanted)
    number = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(wanted[number]))


def samples(name, dtype):
    """Every number of a narrow type, the ties between neighbours, what is next to both, and anything."""
    exact = np.unique(numbers(name)[np.isfinite(numbers(name))])
    beyond = 2 * exact[-1] - exact[-2]
    points = np.concatenate([exact, [beyond, -beyond]])
    points = np.concatenate([points, (np.sort(points)[1:] + np.sort(points)[:-1]) / 2]).astype(dtype)
    near = [np.nextafter(points, dtype(end)) for end in (-np.inf, np.inf)]
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, np.finfo(dtype).max, np.finfo(dtype).tiny,
                        np.finfo(dtype).smallest_subnormal], dtype)
    size = np.dtype(dtype).itemsize
    bits = np.random.default_rng(0).integers(0, 256, 20000 * size, dtype=np.uint8).view(dtype)
    return np.concatenate([points, *near, special, bits])


def rounded(x, name):
    """x in a narrow float by graph.convert's rule: the nearest of its numbers, ties to even codes."""
    if name == "f8E8M0FNU":
        x = np.abs(x.astype(np.float64))
        with np.errstate(divide="ignore", invalid="ignore"):
            fraction, exponent = np.frexp(x)
            power = np.clip(exponent - 1 + (fraction >= 0.75), -127, 127)
            power = np.where(np.isinf(x), 127, np.where(x == 0, -127, power))
        return np.where(np.isnan(x), np.nan, np.ldexp(1.0, power))
    _, kind, bits = FLOATS[name]
    table = codes(name)[:1 << (bits - 1)].view(kind).astype(np.float64)  # Without sign: ascending.
    table = table[np.isfinite(table)]
    ends = np.append(table, 2 * table[-1] - table[-2])
    size = np.fmin(np.abs(x.astype(np.float64)), ends[-1])  # Where x is NaN nothing of this counts.
    code = np.clip(np.searchsorted(ends, size, side="right") - 1, 0, len(table) - 1)
    below, above = size - ends[code], ends[code + 1] - size
    code = code + ((above < below) | ((above == below) & (code % 2 == 1)))
    last = np.inf if name == "f8E5M2" else table[-1]
    result = np.where(code < len(table), np.append(table, last)[code], last)
    negative = np.signbit(x) & ((result != 0) | (not name.endswith("UZ")))
    result = np.where(negative, -result, result)
    return np.where(np.isnan(x), 0.0 if name in ALL_NUMBERS else np.nan, result)


@pytest.mark.parametrize("wide", WIDE)
@pytest.mark.parametrize("name", FLOATS)
def test_floats(name, wide):
    kind, dtype = FLOATS[name][1], WIDE[wide]
    with np.errstate(over="ignore", invalid="ignore"):
        same(tessera.compile(convert(name, wide))(codes(name))["y"], numbers(name).astype(dtype))
    x = samples(name, dtype)
    y = tessera.compile(convert(wide, name))(x)["y"]
    assert y.dtype == np.uint8
    same(y.view(kind), rounded(x, name))
    if wide == "f64":  # Theirs are rounded twice, to f32 first.
        return
    with np.errstate(over="ignore", invalid="ignore"):
        theirs = x.astype(kind).astype(np.float64)
    inside = np.abs(x.astype(np.float64)) <= np.nanmax(numbers(name)[np.isfinite(numbers(name))])
    if name == "f8E8M0FNU":
        inside &= x.astype(np.float64) >= 2.0**-126  # Below, theirs are NaN, or none of the nearest.
    same(y.view(kind)[inside], theirs[inside])


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("integer", ["si8", "ui8", "si32", "ui32", "si64", "i1"])
def test_floats_and_integers(name, integer):
    dtype = np.dtype("bool") if integer == "i1" else np.dtype(("u" if integer[0] == "u" else "i") + str(int(integer[2:]) // 8))
    x = np.arange(2) > 0 if integer == "i1" else np.concatenate(
        [np.arange(100), np.random.default_rng(1).integers(np.iinfo(dtype).min, np.iinfo(dtype).max, 5000, dtype, True)]).astype(dtype)
    same(tessera.compile(convert(integer, name))(x)["y"].view(FLOATS[name][1]), rounded(x.astype(np.float64), name))
    values = numbers(name)
    if integer == "i1":
        wanted = values != 0
    else:
        limits = np.iinfo(dtype)
        wanted = np.array([0 if np.isnan(v) else limits.max if v >= limits.max else limits.min if v <= limits.min else int(v)
                           for v in values], dtype)
    np.testing.assert_array_equal(tessera.compile(convert(name, integer))(codes(name))["y"], wanted)


@pytest.mark.parametrize("other", ["si8", "ui8", "si32", "si64", "f32", "f16"])
@pytest.mark.parametrize("name", INTEGERS)
def test_short_integers(name, other):
    kind, bits = INTEGERS[name][1:]
    dtype = WIDE.get(other) or np.dtype(("u" if other[0] == "u" else "i") + str(int(other[2:]) // 8)).type
    values = codes(name).view(kind).astype(np.int64)
    for given in (codes(name), codes(name) | (0xFF << bits & 0xFF)):  # The other bits are not looked at.
        np.testing.assert_array_equal(tessera.compile(convert(name, other))(given.astype(np.uint8))["y"], values.astype(dtype))
    back = tessera.compile(convert(other, name))
    if other[0] == "f":
        x = np.array([-1e9, -8.5, -3, -2, -1.5, -0.5, 0, 0.99, 1, 2, 3.7, 7.2, 15, 16, 1e9, np.nan, np.inf, -np.inf], dtype)
        wanted = np.clip(np.trunc(np.nan_to_num(x.astype(np.float64), nan=0)), values.min(), values.max())
    else:
        x = np.arange(-128, 128).astype(dtype) if other != "ui8" else np.arange(256).astype(dtype)
        wanted = x  # The low bits.
    y = back(x)["y"]
    np.testing.assert_array_equal(y, wanted.astype(np.int64).astype(np.uint8) & ((1 << bits) - 1))


@pytest.mark.parametrize("name", NARROW)
def test_moves(name):
    """Bytes move; a select and a padding choose; an if and a while carry."""
    tensor = "!graph.tensor<[{}], %s>" % name
    body = f"""
  %t = graph.transpose %x, perm = [1, 0] : {tensor.format("N, 4")} -> {tensor.format("4, N")}
  %r = graph.reshape %t : {tensor.format("4, N")} -> {tensor.format("4 * N")}
  %c = graph.concat %r, %r axis = 0 : ({tensor.format("4 * N")}, {tensor.format("4 * N")}) -> {tensor.format("8 * N")}
  %s = graph.slice %c, starts = [1], steps = [2] : {tensor.format("8 * N")} -> {tensor.format("4 * N")}
  %g = graph.gather %s, %i, axis = 0 : ({tensor.format("4 * N")}, !graph.tensor<[3], si64>) -> {tensor.format("3")}
  %j = graph.constant dense<[5, 4, 3, 2, 1, 0]> : !graph.tensor<[6], si64>
  %v = graph.constant dense<1.0> : {tensor.format("")}
  %p = graph.pad constant %g, %v, lo = [1], hi = [2] : ({tensor.format("3")}, {tensor.format("")}) -> {tensor.format("6")}
  %q = graph.gather %p, %j, axis = 0 : ({tensor.format("6")}, !graph.tensor<[6], si64>) -> {tensor.format("6")}
  %y = graph.if %b : !graph.tensor<[], i1> -> {tensor.format("6")} {{
    graph.yield %p : {tensor.format("6")}
  }} else {{
    graph.yield %q : {tensor.format("6")}
  }}"""
    if name in INTEGERS:
        body = body.replace("dense<1.0>", "dense<1>")
    module = tessera.compile(text_model({"x": f"[N, 4], {name}", "i": "[3], si64", "b": "[], i1"}, f"[6], {name}", body))
    kind = NARROW[name][1]
    x = np.random.default_rng(2).choice(codes(name), (5, 4)).view(kind)
    indices = np.array([2, 0, 13])
    moved = np.concatenate([x.T.ravel(), x.T.ravel()])[1::2][indices].view(np.uint8)
    one = np.array(1.0).astype(kind).view(np.uint8)
    wanted = np.concatenate([[one], moved, [one, one]])
    for branch in (True, False):
        got = module(x=x, i=indices, b=np.array(branch))["y"]
        np.testing.assert_array_equal(got, wanted if branch else wanted[::-1])


@pytest.mark.parametrize("name", NARROW)
def test_arithmetic(name, tmp_path):
    """Computed in a wider type and rounded once; the interpreter's numbers."""
    x = np.random.default_rng(3).choice(codes(name), (2, 64))
    tensor = f"!graph.tensor<[2, N], {name}>"
    body = f"""
  %m = graph.mul %x, %x : {tensor}
  %a = graph.add %m, %x : {tensor}
  %h = graph.max %a, %m : {tensor}
  %y = graph.reduce sum %h, axes = [0] : {tensor} -> !graph.tensor<[N], {name}>"""
    model = text_model({"x": f"[2, N], {name}"}, f"[N], {name}", body)
    got = tessera.compile(model)(x)["y"]
    (tmp_path / "model.mlir").write_bytes(model)
    np.save(tmp_path / "x.npy", x)
    subprocess.run(["tessera-run", tmp_path / "model.mlir", "--reference", "--input", f"x=@{tmp_path}/x.npy",
                    "--output", f"y=@{tmp_path}/y.npy"], check=True, stdout=subprocess.DEVNULL)
    kind = NARROW[name][1]
    same(got.view(kind), np.load(tmp_path / "y.npy").view(kind))
    if name in INTEGERS:
        wide = x.view(kind).astype(np.int64)
        low = lambda v: (v & ((1 << INTEGERS[name][2]) - 1)).astype(np.uint8).view(kind).astype(np.int64)  # noqa: E731
        product = low(wide * wide)
        np.testing.assert_array_equal(got, low(np.maximum(low(product + wide), product).sum(0)).astype(np.uint8)
                                      & ((1 << INTEGERS[name][2]) - 1))


@pytest.mark.parametrize("source, target, x, y", [
    ("f32", "ui32", np.array([1.0, -0.0, np.nan], np.float32), None), ("si64", "f64", np.array([1, -1]), None),
    ("f16", "si16", np.array([1.0, -2], np.float16), None), ("f8E5M2", "ui8", np.arange(256, dtype=np.uint8), None),
    ("si4", "f4E2M1FN", np.arange(16, dtype=np.uint8), None), ("f4E2M1FN", "ui4", np.arange(16, dtype=np.uint8), None),
    ("i1", "ui8", np.array([True, False]), np.array([1, 0], np.uint8)),
    ("ui8", "i1", np.array([0, 1, 255], np.uint8), np.array([False, True, True]))])
def test_bits(source, target, x, y):
    body = f"  %y = graph.bitcast %x : !graph.tensor<[N], {source}> -> !graph.tensor<[N], {target}>"
    got = tessera.compile(text_model({"x": f"[N], {source}"}, f"[N], {target}", body))(x)["y"]
    np.testing.assert_array_equal(got.view(np.uint8), (x if y is None else y).view(np.uint8))


def test_arrays_of_ml_dtypes_are_taken_and_others_refused():
    module = tessera.compile(convert("si4", "f32"))
    assert [info.type for info in (*module.inputs, *module.outputs)] == ["i4", "f32"]
    x = np.array([-8, -1, 0, 7])
    for given in (x.astype(ml_dtypes.int4), x.astype(np.int8), (x & 15).astype(np.uint8)):
        np.testing.assert_array_equal(module(given)["y"], x)
    for other in (ml_dtypes.uint4, ml_dtypes.float4_e2m1fn, np.int16):
        with pytest.raises(tessera.Error, match=r"input 'x': expected i4\[N\]"):
            module(x.astype(other))
    bits = np.array([1.5, -2], ml_dtypes.bfloat16)
    np.testing.assert_array_equal(tessera.compile(convert("bf16", "f32"))(bits)["y"], bits.astype(np.float32))


def test_variables_keep_narrow_elements():
    model = b"""graph.variable @h : !graph.tensor<[3], si4> = dense<[-8, 0, 7]> : !graph.tensor<[3], si4>
graph.func @main(%x: !graph.tensor<[3], si4> {graph.name = "x"}) -> (!graph.tensor<[3], si4> {graph.name = "y"}) {
  %h = graph.read_variable @h : !graph.tensor<[3], si4>
  graph.write_variable @h, %x : !graph.tensor<[3], si4>
  graph.return %h : !graph.tensor<[3], si4>
}
"""
    context = tessera.compile(model).context()
    x = np.array([1, -2, 3], ml_dtypes.int4)
    np.testing.assert_array_equal(context(x)["y"].view(ml_dtypes.int4), np.array([-8, 0, 7], ml_dtypes.int4))
    np.testing.assert_array_equal(context(x)["y"].view(ml_dtypes.int4), x)
