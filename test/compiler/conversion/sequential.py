# Cumulative, scan, scatter, sort and random ops against NumPy: odd sizes, empty axes, NaN, all element types.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import subprocess
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(3)
ELEMENTS = {np.float32: "f32", np.float64: "f64", np.float16: "f16", np.int8: "si8", np.uint8: "ui8", np.int16: "si16",
            np.int32: "si32", np.uint32: "ui32", np.int64: "si64", np.uint64: "ui64", np.bool_: "i1"}


def tensor(array, dims=None):
    return f"!graph.tensor<[{', '.join(map(str, dims or array.shape))}], {ELEMENTS[array.dtype.type]}>"


def run(text, inputs, outputs):
    """Runs a function whose arguments are called as in `inputs`."""
    (folder / "m.mlir").write_text(text)
    command = ["tessera-run", str(folder / "m.mlir")]
    for name, value in inputs.items():
        np.save(folder / f"{name}.npy", value)
        command += ["--input", f"{name}=@{folder}/{name}.npy"]
    for name in outputs:
        command += ["--output", f"{name}=@{folder}/{name}_out.npy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr + text)
    return [np.load(folder / f"{name}_out.npy") for name in outputs]


def function(arguments, results, body):
    """graph.func @main with named arguments and results (name, type)."""
    given = ", ".join(f'%{n}: {t} {{graph.name = "{n}"}}' for n, t in arguments)
    types = ", ".join(f'{t} {{graph.name = "{n}"}}' for n, t in results)
    values, returned = ", ".join(f"%{n}" for n, _ in results), ", ".join(t for _, t in results)
    return f"graph.func @main({given}) -> ({types}) {{\n{body}\n  graph.return {values} : {returned}\n}}\n"


def values(dtype, *shape):
    if dtype is np.bool_:
        return rng.integers(0, 2, shape).astype(bool)
    if np.issubdtype(dtype, np.floating):
        return (rng.integers(-40, 40, shape) / 8).astype(dtype)  # sums are exact
    return rng.integers(0 if np.issubdtype(dtype, np.unsignedinteger) else -4, 5, shape).astype(dtype)


good = True


def expect(label, actual, expected):
    global good
    same = actual.dtype == expected.dtype and actual.shape == expected.shape and \
        np.array_equal(actual, expected, equal_nan=expected.dtype.kind == "f")
    if not same:
        print(f"{label}: {actual}, expected {expected}")
        good = False


def cumulative():
    functions = {"sum": np.cumsum, "prod": np.cumprod, "max": np.maximum.accumulate, "min": np.minimum.accumulate}
    cases = [(np.float32, (3, 5), 1), (np.float32, (4, 13), 0), (np.int32, (2, 3, 4), 1), (np.float16, (5, 3), 0),
             (np.uint8, (7,), 0), (np.float64, (2, 3, 33), 2), (np.int64, (0, 3), 0), (np.float32, (3, 0), 1)]
    for dtype, shape, axis in cases:
        x = values(dtype, *shape)
        names = [("x", "!graph.tensor<[" + ", ".join("ABC"[:len(shape)]) + f"], {ELEMENTS[dtype]}>")]
        body, results = "", []
        for kind in functions:
            body += f"  %{kind} = graph.cumulative {kind} %x, axis = {axis} : {names[0][1]}\n"
            results.append((kind, names[0][1]))
        body += f"  %other = graph.cumulative sum %x, axis = {axis} exclusive reverse : {names[0][1]}"
        results.append(("other", names[0][1]))
        got = run(function(names, results, body), {"x": x}, [name for name, _ in results])
        for (kind, f), actual in zip(functions.items(), got):
            expected = f(x, axis=axis, dtype=None if kind in ("max", "min") else dtype) if x.size else x
            expect(f"cumulative {kind} {dtype.__name__} {shape} {axis}", actual, expected)
        flipped = np.flip(x, axis)
        total = np.flip(np.cumsum(flipped, axis, dtype=dtype) - flipped, axis).astype(dtype)
        expect(f"cumulative exclusive reverse {dtype.__name__} {shape}", got[-1], total)
    x = np.array([1, np.nan, 3, -np.inf], np.float32)
    t = tensor(x)
    got = run(function([("x", t)], [("m", t)], f"  %m = graph.cumulative max %x, axis = 0 : {t}"), {"x": x}, ["m"])
    expect("cumulative max with NaN", got[0], np.array([1, np.nan, np.nan, np.nan], np.float32))


def scan():
    """h' = h w + e for a captured w; the outputs lie on axis 1, and the rows are swapped in a second state."""
    x, w, h = values(np.float32, 3, 5, 4), values(np.float32, 4, 4) / 8, values(np.float32, 3, 4)
    dims, state = "!graph.tensor<[B, T, 4], f32>", "!graph.tensor<[B, 4], f32>"
    for reverse in ("", " reverse"):
        body = f"""  %last, %first, %all = graph.scan (%a = %h, %b = %h) over (%e = %x), axis = 1{reverse}
      : ({state}, {state}), ({dims}) -> ({state}, {state}, {dims}) {{
    %p = graph.contract "bk,kn->bn" %a, %w : ({state}, {tensor(w)}) -> {state}
    %n = graph.add %p, %e : {state}
    graph.yield %n, %a, %b : {state}, {state}, {state}
  }}"""
        got = run(function([("x", dims), ("w", tensor(w)), ("h", state)],
                           [("last", state), ("first", state), ("all", dims)], body),
                  {"x": x, "w": w, "h": h}, ["last", "first", "all"])
        a, b, outputs = h.astype(np.float64), h.astype(np.float64), []
        order = range(5)[::-1] if reverse else range(5)
        for t in order:
            outputs.append(b)
            a, b = a @ w + x[:, t], a
        outputs = np.stack(outputs[::-1] if reverse else outputs, 1)
        for label, actual, expected in zip(("last", "first", "all"), got, (a, b, outputs)):
            if not np.allclose(actual, expected, rtol=1e-5, atol=1e-5):
                expect(f"scan{reverse} {label}", actual, expected.astype(np.float32))


def condition():
    """Steps without which every state stays as it is; a list that grows where it is, or that is read after it grew."""
    e, n, xs, flag = (f"!graph.tensor<[{t}>" for t in ("], f32", "], si64", "T], f32", "], i1"))
    grows, flags = "!graph.tensor<[5], f32>", "!graph.tensor<[5], i1>"
    for old in ("%next", "%list"):
        body = f"""  %zero = graph.constant dense<0.0> : {e}
  %one = graph.constant dense<1> : {n}
  %all, %count, %sum = graph.scan (%list = %start, %taken = %first, %s = %zero) over (%e = %x), axis = 0
      : ({grows}, {n}, {e}), ({xs}) -> ({grows}, {n}, {e}) {{
    %positive = graph.compare gt %e, %zero : {e}
    %room = graph.compare lt %taken, %limit : {n}
    %holds = graph.and_ %positive, %room : {flag}
    %holds5 = graph.broadcast %holds, dims = [] : {flag} -> {flags}
    %next = graph.scatter replace %list, %taken, %e, axis = 0 : ({grows}, {n}, {e}) -> {grows}
    %r = graph.reduce sum {old}, axes = [0] : {grows} -> {e}
    %s1 = graph.add %s, %r : {e}
    %t1 = graph.add %taken, %one : {n}
    %list2 = graph.select %holds5, %next, %list : {grows}
    %taken2 = graph.select %holds, %t1, %taken : {n}
    %s2 = graph.select %holds, %s1, %s : {e}
    graph.yield %list2, %taken2, %s2 : {grows}, {n}, {e}
  }}"""
        arguments = [("x", xs), ("start", grows), ("first", n), ("limit", n)]
        for count, limit in ((0, 5), (1, 5), (30, 5), (30, 3), (30, 0)):
            x, start = values(np.float32, count), values(np.float32, 5)
            got = run(function(arguments, [("all", grows), ("count", n), ("sum", e)], body),
                      {"x": x, "start": start, "first": np.int64(0), "limit": np.int64(limit)}, ["all", "count", "sum"])
            kept, taken, total = start.copy(), 0, np.float32(0)
            for element in x:
                if element > 0 and taken < limit:
                    before = kept.sum()
                    kept[taken] = element
                    total += kept.sum() if old == "%next" else before
                    taken += 1
            for actual, expected in zip(got, (kept, np.int64(taken), total)):
                expect(f"condition {old} {count} {limit}", actual, np.asarray(expected))


def scatter():
    combine = {"replace": lambda old, new: new, "add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
    for dtype, shape, indices, axis in [(np.float32, (6,), (9,), 0), (np.float32, (2, 5, 3), (4,), 1),
                                        (np.int32, (3, 4), (2, 3), 1), (np.uint8, (4, 2), (5,), 0)]:
        x, index = values(dtype, *shape), rng.integers(-shape[axis] - 1, shape[axis] + 1, indices).astype(np.int64)
        updates = values(dtype, *shape[:axis], *indices, *shape[axis + 1:])
        types = (tensor(x), tensor(index), tensor(updates))
        body = "\n".join(f"  %{kind} = graph.scatter {kind} %x, %i, %u, axis = {axis} : ({', '.join(types)}) -> {types[0]}"
                         for kind in combine)
        got = run(function(list(zip("xiu", types)), [(kind, types[0]) for kind in combine], body),
                  {"x": x, "i": index, "u": updates}, list(combine))
        for (kind, f), actual in zip(combine.items(), got):
            expected = np.moveaxis(x.copy(), axis, 0)
            moved = np.moveaxis(updates, range(axis, axis + len(indices)), range(len(indices)))
            for place in np.ndindex(*indices):
                at = index[place] + (shape[axis] if index[place] < 0 else 0)
                if 0 <= at < shape[axis]:
                    expected[at] = f(expected[at], moved[place])
            expect(f"scatter {kind} {dtype.__name__} {shape}", actual, np.moveaxis(expected, 0, axis))


def sort():
    for dtype, shape, axis in [(np.float32, (3, 37), 1), (np.int8, (301,), 0), (np.uint64, (5, 2), 0),
                               (np.float64, (2, 6, 3), 1), (np.bool_, (9,), 0), (np.float32, (1,), 0),
                               (np.float32, (2, 6000), 1), (np.float32, (2, 0), 1),
                               (np.float32, (600, 64), 1)]:  # rows in several tasks
        x = values(dtype, *shape)
        if dtype is np.float32 and x.size > 4:
            x.flat[3] = np.nan
            x.flat[1] = -0.0
            x.flat[2] = 0.0
        if x.size > 300:  # what comes last of all, among the rest
            lasts = [-np.inf, np.inf, np.nan] if x.dtype.kind == "f" else [np.iinfo(dtype).min, np.iinfo(dtype).max]
            x.flat[4::3] = rng.choice(np.array(lasts, dtype), x.flat[4::3].size)
        given = tensor(x, "AB"[:len(shape)] if shape[-1] > 100 else None)
        places = given.replace(ELEMENTS[dtype], "si64")
        for direction in ("", " descending"):
            body = f"  %v, %i = graph.sort %x, axis = {axis}{direction} : {given} -> {given}, {places}"
            v, i = run(function([("x", given)], [("v", given), ("i", places)], body), {"x": x}, ["v", "i"])
            key = x.astype(np.int64) if dtype in (np.bool_, np.int8, np.uint64) else x
            order = np.argsort(-key if direction else key, axis=axis, kind="stable")
            if direction and x.dtype.kind == "f":  # NaN is the largest: first
                order = np.lexsort((-key, ~np.isnan(key)), axis=axis)
            expect(f"sort{direction} {dtype.__name__} {shape} places", i, order.astype(np.int64))
            expect(f"sort{direction} {dtype.__name__} {shape}", v, np.take_along_axis(x, order, axis))


def first():
    """The first k elements in order: of what ascends or descends already, of few values, k of all, none, an extent."""
    up = np.arange(999, dtype=np.float32)
    cases = [(values(np.float32, 3, 400), 1, 5), (values(np.int8, 2, 300), 1, 1), (values(np.float64, 7, 2, 3), 0, 7),
             (values(np.float16, 90), 0, 33), (values(np.uint64, 6, 2), 0, 2), (up[None], 1, 10), (up[::-1].copy(), 0, 64),
             (values(np.float32, 70, 700), 1, 3), (np.repeat(np.float32([2, np.nan, 1, -0.0, 0.0]), 30), 0, 40), (values(np.float32, 4, 1), 1, 1),
             (values(np.float32, 3, 50), 1, 0), (values(np.float32, 0, 9), 1, 2), (values(np.bool_, 70), 0, 9)]
    for x, axis, k in cases:
        for symbol in (None, "K"):
            dims = list("AB"[:x.ndim]) if symbol and x.ndim < 3 else list(x.shape)
            given, wanted = tensor(x, dims), tensor(x, dims[:axis] + [symbol or k] + dims[axis + 1:])
            places = wanted.replace(ELEMENTS[x.dtype.type], "si64")
            arguments, inputs = [("x", given)], {"x": x}
            if symbol:  # An extent that only another input tells.
                arguments, inputs = arguments + [("n", "!graph.tensor<[K], i1>")], {"x": x, "n": np.zeros(k, bool)}
            for direction in ("", " descending"):
                body = f"  %v, %i = graph.sort %x, axis = {axis}{direction}, first = {symbol or k} : {given} -> {wanted}, {places}"
                v, i = run(function(arguments, [("v", wanted), ("i", places)], body), inputs, ["v", "i"])
                key = x.astype(np.float64)
                key = np.where(np.isnan(key), -np.inf, -key) if direction else key
                order = np.argsort(key, axis=axis, kind="stable").take(np.arange(k), axis).astype(np.int64)
                expect(f"first {k}{direction} {x.dtype} {x.shape} places", i, order)
                expect(f"first {k}{direction} {x.dtype} {x.shape}", v, np.take_along_axis(x, order, axis))


def philox(key, blocks):
    """Philox-4x32-10 in NumPy."""
    counter = [np.arange(blocks, dtype=np.uint64), *(np.zeros(blocks, np.uint64) for _ in range(3))]
    key, mask = [np.uint64(k) for k in key], np.uint64(0xFFFFFFFF)
    for step in range(10):
        if step:
            key = [(key[0] + np.uint64(0x9E3779B9)) & mask, (key[1] + np.uint64(0xBB67AE85)) & mask]
        a, b = counter[0] * np.uint64(0xD2511F53), counter[2] * np.uint64(0xCD9E8D57)
        high, low = (lambda v: v >> np.uint64(32)), (lambda v: v & mask)
        counter = [high(b) ^ counter[1] ^ key[0], low(b), high(a) ^ counter[3] ^ key[1], low(a)]
    return np.stack(counter, 1).astype(np.uint32)


def random():
    # Known answers of the authors' test vectors: counter 0, key 0.
    assert philox((0, 0), 1)[0].tolist() == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    key = np.array([2026, 4000000000], np.uint32)
    bits, f = "!graph.tensor<[3, 7], ui32>", "!graph.tensor<[100, 100], f32>"
    body = f"""  %b = graph.random_bits %k : {tensor(key)} -> {bits}
  %u = graph.random_uniform %k {{low = -1.0 : f64, high = 3.0 : f64}} : {tensor(key)} -> {f}
  %n = graph.random_normal %k {{mean = 2.0 : f64, scale = 0.5 : f64}} : {tensor(key)} -> {f}"""
    b, u, n = run(function([("k", tensor(key))], [("b", bits), ("u", f), ("n", f)], body), {"k": key}, ["b", "u", "n"])
    expect("random_bits", b, philox(key, 6).ravel()[:21].reshape(3, 7))
    good_range = -1 <= u.min() < -0.99 and 2.99 < u.max() < 3 and abs(u.mean() - 1) < 0.05
    good_normal = abs(n.mean() - 2) < 0.02 and abs(n.std() - 0.5) < 0.02 and np.isfinite(n).all()
    if not (good_range and good_normal):
        expect("random distributions", np.array([u.min(), u.max(), n.mean(), n.std()]), np.zeros(4))


cumulative()
scan()
condition()
scatter()
sort()
first()
random()
print("passed" if good else "failed")
