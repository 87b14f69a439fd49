"""Steps of a recurrence that threads share: the same bits for every number of them, and the numbers of NumPy in f64."""
import subprocess

import numpy as np
import pytest
from conftest import BUILD
from onnx import helper, numpy_helper

import tessera


def lstm(hidden, rng, element=np.float32):
    weights = {"W": (1, 4 * hidden, hidden), "R": (1, 4 * hidden, hidden), "B": (1, 8 * hidden)}
    weights = {name: rng.uniform(-1, 1, shape).astype(element) / np.sqrt(hidden, dtype=element) for name, shape in weights.items()}
    node = helper.make_node("LSTM", ["x", *weights], ["y", "h", "c"], hidden_size=hidden)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(element))
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", kind, ["T", "N", hidden])],
                              [helper.make_tensor_value_info(name, kind, None) for name in "yhc"],
                              [numpy_helper.from_array(value, name) for name, value in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return model.SerializeToString(), weights


def steps(x, weights):
    w, r, b = (weights[name][0].astype(np.float64) for name in "WRB")
    hidden = r.shape[1]
    h = c = np.zeros((x.shape[1], hidden))

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))
    out = []
    for row in x.astype(np.float64):
        i, o, f, g = np.split(row @ w.T + h @ r.T + b[:4 * hidden] + b[4 * hidden:], 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return {"y": np.stack(out)[:, None], "h": h[None], "c": c[None]}


# Whole tiles and odd sizes, rows for every height of a tile; large enough to be shared.
@pytest.mark.parametrize("hidden, element, tolerance", [(256, np.float32, 1e-6), (203, np.float32, 1e-6), (203, np.float64, 1e-14)])
def test_threads_share_steps(hidden, element, tolerance):
    rng = np.random.default_rng(hidden)
    model, weights = lstm(hidden, rng, element)
    module = tessera.compile(model)
    for batch in (1, 23):
        x = rng.standard_normal((5, batch, hidden)).astype(element)
        results = [module.context(threads=threads).run({"x": x}) for threads in (1, 2, 3)]
        for name, value in steps(x, weights).items():
            assert np.abs(results[0][name] - value).max() <= tolerance
            assert all(result[name].tobytes() == results[0][name].tobytes() for result in results)


def test_processors_without_fused_multiply_adds():
    model, weights = lstm(64, np.random.default_rng(1))
    module = tessera.compile(model, target="x86-64-v2")
    x = np.random.default_rng(2).standard_normal((7, 3, 64)).astype(np.float32)
    found = module.run({"x": x})
    for name, value in steps(x, weights).items():
        assert np.abs(found[name] - value).max() <= 2e-6


def test_weights_in_fewer_bits_reach_the_steps(tmp_path):
    """All of them, also those that every step multiplies the state by."""
    model, weights = lstm(64, np.random.default_rng(3))
    (tmp_path / "model.onnx").write_bytes(model)
    done = subprocess.run([BUILD / "bin/tessera-compile", tmp_path / "model.onnx", "--quantize", "int8-weights", "-o", tmp_path / "m.tsm"],
                          capture_output=True, text=True, check=True)
    assert "2 of 2 weights of products" in done.stdout + done.stderr
    x = np.random.default_rng(4).standard_normal((7, 3, 64)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    subprocess.run([BUILD / "bin/tessera-run", tmp_path / "model.onnx", "--reference", "--quantize", "int8-weights", "--input",
                    f"x=@{tmp_path}/x.npy", "--output", f"y=@{tmp_path}/y.npy"], check=True, capture_output=True)
    found = tessera.load(tmp_path / "m.tsm").run({"x": x})["y"]
    assert np.abs(found - np.load(tmp_path / "y.npy")).max() <= 2e-6
    assert 1e-5 < np.abs(found - steps(x, weights)["y"]).max() < 2e-2


def test_no_steps_leave_the_states_as_they_were():
    model, _ = lstm(64, np.random.default_rng(0))
    result = tessera.compile(model).run({"x": np.ones((0, 3, 64), np.float32)})
    assert result["y"].shape == (0, 1, 3, 64)
    assert result["h"].shape == (1, 3, 64) and not result["h"].any() and not result["c"].any()


# Weights that are inputs are copied before the loop, in the order of the instructions that this processor has.
@pytest.mark.parametrize("left, right", [(np.uint8, np.int8), (np.int8, np.int8), (np.int8, np.uint8), (np.uint8, np.uint8)])
@pytest.mark.parametrize("batch, depth, columns", [(1, 64, 65), (5, 12, 130), (7, 6, 3), (3, 7, 64), (2, 0, 8)])
def test_products_of_bytes(left, right, batch, depth, columns):
    def name(kind):
        return ("ui8" if kind is np.uint8 else "si8")

    sums = f"!graph.tensor<[N, {columns}], si32>"
    x, w = f"!graph.tensor<[T, N, {depth}], {name(left)}>", f"!graph.tensor<[{columns}, {depth}], {name(right)}>"
    row = f"!graph.tensor<[N, {depth}], {name(left)}>"
    module = tessera.compile(f"""
      graph.func @main(%x: {x} {{graph.name = "x"}}, %w: {w} {{graph.name = "w"}}, %h: {sums} {{graph.name = "h"}})
          -> ({sums} {{graph.name = "y"}}) {{
        %last = graph.scan (%c = %h) over (%e = %x), axis = 0 : ({sums}), ({x}) -> ({sums}) {{
          %p = graph.contract "mk,nk->mn" %e, %w : ({row}, {w}) -> {sums}
          %n = graph.add %c, %p : {sums}
          graph.yield %n : {sums}
        }}
        graph.return %last : {sums}
      }}""".encode())
    rng = np.random.default_rng(depth)
    limits = [np.iinfo(kind) for kind in (left, right)]
    x = rng.integers(limits[0].min, limits[0].max + 1, (3, batch, depth)).astype(left)
    w = rng.integers(limits[1].min, limits[1].max + 1, (columns, depth)).astype(right)
    h = rng.integers(-1000, 1000, (batch, columns)).astype(np.int32)
    expected = h + (x.astype(np.int64) @ w.T.astype(np.int64)).sum(axis=0)
    assert np.array_equal(module.run({"x": x, "w": w, "h": h})["y"], expected)


# Along contiguous elements extremes are vectors of running values, and NaN stays.
@pytest.mark.parametrize("name, kind", [("f32", np.float32), ("f64", np.float64), ("f16", np.float16), ("si32", np.int32), ("si8", np.int8), ("ui8", np.uint8)])
@pytest.mark.parametrize("width", [1, 7, 16, 33, 100, "W"])
def test_extremes_of_rows_in_steps(name, kind, width):
    x, row, column = (f"!graph.tensor<[{dims}], {name}>" for dims in (f"T, N, {width}", f"N, {width}", "N"))
    module = tessera.compile(f"""
      graph.func @main(%x: {x} {{graph.name = "x"}}, %a: {column} {{graph.name = "a"}}, %b: {column} {{graph.name = "b"}})
          -> ({column} {{graph.name = "high"}}, {column} {{graph.name = "low"}}) {{
        %last:2 = graph.scan (%h = %a, %l = %b) over (%e = %x), axis = 0 : ({column}, {column}), ({x}) -> ({column}, {column}) {{
          %m = graph.reduce max %e, axes = [1] : {row} -> {column}
          %n = graph.reduce min %e, axes = [1] : {row} -> {column}
          %p = graph.max %h, %m : {column}
          %q = graph.min %l, %n : {column}
          graph.yield %p, %q : {column}, {column}
        }}
        graph.return %last#0, %last#1 : {column}, {column}
      }}""".encode())
    rng = np.random.default_rng(1)
    for size in ([width] if width != "W" else [1, 15, 64, 131]):
        data = (rng.standard_normal((3, 5, size)) * 50).astype(kind)
        first, last = data[0, :, 0].copy(), data[0, :, 0].copy()
        if kind in (np.float32, np.float64, np.float16):
            data[1, 0, -1] = np.nan
            data[2, 1, 0] = np.inf
            data[:, 2] = -np.inf
        found = module.run({"x": data, "a": first, "b": last})
        assert np.array_equal(found["high"], np.maximum(first, data.max(axis=(0, 2))), equal_nan=True)
        assert np.array_equal(found["low"], np.minimum(last, data.min(axis=(0, 2))), equal_nan=True)


@pytest.mark.parametrize("reverse", ["", "reverse "])
@pytest.mark.parametrize("kind", ["si32", "si64", "ui32", "ui8"])
def test_steps_behind_all_sequences_are_left_out(reverse, kind):
    """Sums over the first of 300 steps that a length lets, 7 behind it. Threads share sequences, and the bits stay the same.
    A counter of 8 bits begins anew after 256 steps, which then do something again."""
    x, row, numbers = (f"!graph.tensor<[{dims}], {element}>" for dims, element in
                       (("T, N, 40", "f32"), ("N, 40", "f32"), ("N, 40", kind)))
    lengths, places, place = f"!graph.tensor<[N], {kind}>", f"!graph.tensor<[T], {kind}>", f"!graph.tensor<[], {kind}>"
    module = tessera.compile(f"""
      graph.func @main(%x: {x} {{graph.name = "x"}}, %l: {lengths} {{graph.name = "l"}})
          -> ({row} {{graph.name = "sum"}}, {x} {{graph.name = "all"}}) {{
        %c = graph.constant dense<7.0> : !graph.tensor<[], f32>
        %h = graph.broadcast %c, dims = [] : <[], f32> -> <[N, 40], f32>
        %i = graph.iota axis = 0 : <[T], {kind}>
        %last, %all = graph.scan (%s = %h) over (%e = %x, %at = %i), axis = 0 {reverse}
            : ({row}), ({x}, {places}) -> ({row}, {x}) {{
          %n = graph.add %s, %e : {row[13:]}
          %p = graph.broadcast %at, dims = [] : <[], {kind}> -> {numbers[13:]}
          %q = graph.broadcast %l, dims = [0] : <[N], {kind}> -> {numbers[13:]}
          %m = graph.compare lt %p, %q : {numbers[13:]}
          %k = graph.select %m, %n, %s : {row[13:]}
          %o = graph.select %m, %n, %h : {row[13:]}
          graph.yield %k, %o : {row}, {row}
        }}
        graph.return %last, %all : {row}, {x}
      }}""".encode())
    rng = np.random.default_rng(3)
    for steps, batch, longest in ((300, 11, 0), (300, 11, 9), (200, 3, 255), (5, 1, 5), (0, 2, 4), (4, 0, 3)):
        data = rng.standard_normal((steps, batch, 40)).astype(np.float32)
        lens = rng.integers(0, longest + 1, batch).astype({"si32": np.int32, "si64": np.int64, "ui32": np.uint32, "ui8": np.uint8}[kind])
        inside = (np.arange(steps).astype(lens.dtype)[:, None] < lens)[:, :, None]
        order = slice(None, None, -1) if reverse else slice(None)
        sums = np.cumsum(np.where(inside, data, 0)[order].astype(np.float64), axis=0)[order] + 7
        results = [module.context(threads=threads).run({"x": data, "l": lens}) for threads in (1, 2, 3)]
        assert np.allclose(results[0]["all"], np.where(inside, sums, 7), rtol=1e-4, atol=1e-4)
        assert np.allclose(results[0]["sum"], 7 + np.where(inside, data, 0).sum(axis=0), rtol=1e-4, atol=1e-4)
        assert all(result[name].tobytes() == results[0][name].tobytes() for result in results for name in ("sum", "all"))


@pytest.mark.parametrize("hidden", [64, 100])
def test_ranges_of_states_are_found_in_each_step(hidden):
    model, weights = lstm(hidden, np.random.default_rng(6))
    module = tessera.compile(model, quantize="int8-dynamic")
    for batch in (1, 5):
        x = np.random.default_rng(7).standard_normal((9, batch, hidden)).astype(np.float32)
        results = [module.context(threads=threads).run({"x": x}) for threads in (1, 3)]
        for name, value in steps(x, weights).items():
            error = np.abs(results[0][name] - value).max()
            assert 1e-6 < error <= 0.05 * np.abs(value).max()
            assert results[0][name].tobytes() == results[1][name].tobytes()


def test_counters_of_columns_count_no_steps():
    """What is less than a number along another axis says nothing of the steps behind it."""
    x, row = "!graph.tensor<[T, 6], f32>", "!graph.tensor<[6], f32>"
    module = tessera.compile(f"""
      graph.func @main(%x: {x} {{graph.name = "x"}}, %l: !graph.tensor<[], si32> {{graph.name = "l"}}) -> ({row} {{graph.name = "y"}}) {{
        %c = graph.constant dense<0.0> : !graph.tensor<[], f32>
        %h = graph.broadcast %c, dims = [] : <[], f32> -> <[6], f32>
        %i = graph.iota axis = 1 : <[T, 6], si32>
        %last = graph.scan (%s = %h) over (%e = %x, %at = %i), axis = 0 : ({row}), ({x}, !graph.tensor<[T, 6], si32>) -> ({row}) {{
          %n = graph.add %s, %e : <[6], f32>
          %q = graph.broadcast %l, dims = [] : <[], si32> -> <[6], si32>
          %m = graph.compare lt %at, %q : <[6], si32>
          %k = graph.select %m, %n, %s : <[6], f32>
          graph.yield %k : {row}
        }}
        graph.return %last : {row}
      }}""".encode())
    x = np.random.default_rng(8).integers(0, 9, (11, 6)).astype(np.float32)
    for columns in (0, 2, 6):
        assert np.array_equal(module.run({"x": x, "l": np.array(columns, np.int32)})["y"], np.where(np.arange(6) < columns, x.sum(axis=0), 0))
