"""Resize where neighbours are summed (antialias, crops), with one module for all extents, and Einsum's diagonals, against
sums over all elements in NumPy."""
import numpy as np
import pytest
from onnx import helper

import tessera

rng = np.random.default_rng(7)


def compiled(node, inputs, output, initializers=()):
    def info(name, kind, dims):
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), dims)

    graph = helper.make_graph([node], "sampled", [info(*row) for row in inputs], [info("y", output, None)], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return tessera.compile(model.SerializeToString())


def expect(module, expected, **feeds):
    y = module.run(feeds)["y"]
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def weight(d, mode, a=-0.75):
    d = np.abs(d)
    if mode == "linear":
        return np.maximum(1 - d, 0)
    near, far = ((a + 2) * d - (a + 3)) * d * d + 1, a * (((d - 5) * d + 8) * d - 4)
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def sample(x, axis, at, mode, step=1.0, outside=False):
    """Weighted sums along an axis: neighbours outside are the border, or count nothing."""
    n = x.shape[axis]
    taps = np.arange(-4 * n - 8, 5 * n + 8)
    w = weight((taps[None, :] - at[:, None]) * min(step, 1.0), mode)
    if outside:
        w = np.where((taps >= 0) & (taps < n), w, 0)
    w /= w.sum(1, keepdims=True)
    matrix = np.zeros((len(at), n))
    for k, tap in enumerate(np.clip(taps, 0, n - 1)):
        matrix[:, tap] += w[:, k]
    return np.moveaxis(np.tensordot(matrix, np.moveaxis(x, axis, 0), 1), 0, axis)


@pytest.mark.parametrize("mode,outside", [("linear", 0), ("cubic", 0), ("cubic", 1)])
def test_antialias(mode, outside):
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode=mode, antialias=1, axes=[2, 3], exclude_outside=outside)
    module = compiled(node, [("x", np.float32, [1, "C", "H", "W"]), ("sizes", np.int64, [2])], np.float32)
    for shape, sizes in (((1, 2, 17, 9), (5, 4)), ((1, 1, 8, 8), (3, 11)), ((1, 3, 1, 30), (1, 7))):
        x = rng.uniform(-1, 1, shape).astype(np.float32)
        y = x.astype(np.float64)
        for axis, size in zip((2, 3), sizes):
            step = size / shape[axis]
            y = sample(y, axis, (np.arange(size) + 0.5) / step - 0.5, mode, step, outside)
        expect(module, y, x=x, sizes=np.array(sizes))


def test_bytes_are_rounded_and_saturated():
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="cubic", antialias=1)
    module = compiled(node, [("x", np.uint8, [20, 3])], np.uint8, [helper.make_tensor("scales", 1, [2], [0.4, 1.0])])
    x = rng.integers(0, 2, (20, 3)).astype(np.uint8) * 255
    step = float(np.float32(0.4))
    y = sample(x.astype(np.float64), 0, (np.arange(8) + 0.5) / step - 0.5, "cubic", step)
    assert y.min() < 0 and y.max() > 255
    result = module.run({"x": x})["y"]
    assert result.dtype == np.uint8
    assert np.array_equal(result, np.clip(np.rint(y), 0, 255))


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_crops(mode):
    node = helper.make_node("Resize", ["x", "roi", "", "sizes"], ["y"], mode=mode, axes=[1, 0], extrapolation_value=-5.0,
                            coordinate_transformation_mode="tf_crop_and_resize")
    module = compiled(node, [("x", np.float32, ["H", "W"]), ("roi", np.float32, [4]), ("sizes", np.int64, [2])], np.float32)
    for shape, sizes, roi in (((6, 9), (4, 5), (0.125, 0.2, 0.875, 0.8)), ((5, 5), (3, 1), (0.25, -0.5, 1.5, 1.0))):
        x = rng.uniform(-1, 1, shape).astype(np.float32)
        y, is_outside = x.astype(np.float64), np.zeros(sizes[::-1], bool)
        for i, axis in enumerate((1, 0)):
            n, size, start, end = shape[axis], sizes[i], roi[i], roi[2 + i]
            share = np.arange(size) / (size - 1) if size > 1 else np.array([0.5])
            at = (start + share * (end - start)) * (n - 1)
            away = (at < 0) | (at > n - 1)
            is_outside |= away[:, None] if axis == 0 else away[None, :]
            y = sample(y, axis, np.ceil(at - 0.5) if mode == "nearest" else at, "linear")
        expect(module, np.where(is_outside, -5, y), x=x, roi=np.array(roi, np.float32), sizes=np.array(sizes))


@pytest.mark.parametrize("antialias", [0, 1])
@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_wide_integers_are_rounded_between_samples(kind, antialias):
    """To the nearest, halves to even."""
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear", antialias=antialias)
    module = compiled(node, [("x", kind, ["N"]), ("sizes", np.int64, [1])], kind)
    for n, m in ((4, 8), (5, 3), (7, 7), (1, 4)):
        x = rng.integers(0 if np.dtype(kind).kind == "u" else -30000, 30000, n).astype(kind)
        at = (np.arange(m) + 0.5) * n / m - 0.5
        between = sample(x.astype(np.float64), 0, at, "linear", m / n if antialias else 1.0)
        y = module.run({"x": x, "sizes": np.array([m])})["y"]
        assert y.dtype == kind
        # In f32 a number half-way may come to lie on either side.
        clear = np.abs(between - np.floor(between) - 0.5) > 0.01
        np.testing.assert_array_equal(y[clear], np.rint(between[clear]).astype(kind))
        assert np.all(np.abs(y.astype(np.float64) - between) <= 0.51)


@pytest.mark.parametrize("equation,dims", [("ii->i", "NN"), ("ii", "NN"), ("aibi->abi", "ANBN"), ("...iii->i...", "ANNN")])
def test_diagonals(equation, dims):
    node = helper.make_node("Einsum", ["x"], ["y"], equation=equation)
    module = compiled(node, [("x", np.float32, list(dims))], np.float32)
    for n in (1, 4, 7):
        x = rng.uniform(-1, 1, [{"A": 2, "B": 3, "N": n}[d] for d in dims]).astype(np.float32)
        expect(module, np.einsum(equation, x.astype(np.float64)), x=x)
