"""Means and variances of rows that do not stay in the cache are computed in one read: NumPy's numbers (in f64) at odd sizes, far from 0,
with NaN and infinities; equal bits with one and two threads."""

import numpy as np
import pytest
from test_attention import compiled, tool

import tessera


def variance(rows, element="f32"):
    dims, kept = (f"[{rows}, N]", f"[{rows}]") if rows else ("[N]", "[]")
    x, y, axis = f"!graph.tensor<{dims}, {element}>", f"!graph.tensor<{kept}, {element}>", 1 if rows else 0
    return f"""graph.func @main(%x: {x} {{graph.name = "x"}}) -> ({y} {{graph.name = "v"}}, {y} {{graph.name = "m"}}) {{
  %v = graph.variance %x, axes = [{axis}] : {x} -> {y}
  %m = graph.mean %x, axes = [{axis}] : {x} -> {y}
  graph.return %v, %m : {y}, {y}
}}
"""


NORM = """graph.func @main(%x: !graph.tensor<[B, 600001], f32> {graph.name = "x"}) -> (!graph.tensor<[B, 600001], f32> {graph.name = "y"}) {
  %s = graph.constant dense<1.0> : !graph.tensor<[600001], f32>
  %y = graph.layer_norm %x, %s, axis = 1 {epsilon = 1.0e-5 : f64}
    : (!graph.tensor<[B, 600001], f32>, !graph.tensor<[600001], f32>) -> !graph.tensor<[B, 600001], f32>
  graph.return %y : !graph.tensor<[B, 600001], f32>
}
"""


def both(module, x):
    results = [module.context(threads=threads).run({"x": x}) for threads in (1, 2)]
    assert all(results[0][name].tobytes() == results[1][name].tobytes() for name in results[0]), "1 and 2 threads differ"
    return results[0]


@pytest.mark.parametrize("rows", [None, 1])
@pytest.mark.parametrize("element", ["f32", "f64"])
def test_one_row(rows, element, tmp_path):
    text = variance(rows, element)
    (tmp_path / "model.mlir").write_text(text)
    kernels = [line for line in tool("tessera-compile", tmp_path / "model.mlir", "--emit", "kernel").splitlines()
               if "kernel.func" in line]
    assert all("_stream" in kernel for kernel in kernels), kernels
    rng = np.random.default_rng(4)
    for count in (1, 2, 31, 256, 2049, 4097, 100003):
        for far in (0, 1000):
            x = (rng.standard_normal(count) + far).astype({"f32": np.float32, "f64": np.float64}[element])
            got = both(compiled(text), x[None] if rows else x)
            exact, digits = x.astype(np.float64), 1e-5 if element == "f32" else 1e-12
            # What the mean is rounded by changes the variance by its square.
            assert abs(got["v"] - exact.var()) <= 4 * digits * exact.var() + (far * digits / 40) ** 2, (count, far)
            assert abs(got["m"] - exact.mean()) <= digits * (1 + far) / 4, (count, far)


def test_not_finite():
    module = compiled(variance(None))
    with np.errstate(invalid="ignore"):
        for value in (np.inf, -np.inf, np.nan):
            x = np.ones(5000, np.float32)
            x[3000] = value
            got = both(module, x)
            assert np.isnan(got["v"]) and np.array_equal(got["m"], np.float32(value), equal_nan=True)
    empty = both(module, np.zeros(0, np.float32))
    assert np.isnan(empty["v"]) and np.isnan(empty["m"])


def test_norm_of_long_rows():
    rng = np.random.default_rng(5)
    for rows in (0, 1, 3):
        x = (rng.standard_normal((rows, 600001)) * 3 + 7).astype(np.float32)
        exact = x.astype(np.float64)
        got = both(compiled(NORM), x)["y"]
        if rows:
            wanted = (exact - exact.mean(1, keepdims=True)) / np.sqrt(exact.var(1, keepdims=True) + 1e-5)
            assert np.abs(got - wanted).max() < 1e-5


@pytest.mark.parametrize("dims, groups", [((2, 4, 601, 701), 2), ((1, 3, 1024, 900), 3), ((2, 6, 70, 61), 2)], ids=str)
def test_group_norm(dims, groups, tmp_path):
    """ONNX's GroupNormalization and InstanceNormalization of large pictures (one read) and of a small one (rows in the cache)."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper
    rng = np.random.default_rng(6)
    x = (rng.standard_normal(dims) * 3 + 2).astype(np.float32)
    scale, shift = (rng.standard_normal(dims[1]).astype(np.float32) for _ in range(2))
    weights = [onnx.numpy_helper.from_array(scale, "s"), onnx.numpy_helper.from_array(shift, "b")]
    nodes = [helper.make_node("GroupNormalization", ["x", "s", "b"], ["g"], num_groups=groups, epsilon=1e-5),
             helper.make_node("InstanceNormalization", ["x", "s", "b"], ["i"], epsilon=1e-5)]
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name in ("x", "g", "i")]
    model = helper.make_model(helper.make_graph(nodes, "norms", ports[:1], ports[1:], weights),
                              opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    got = both(tessera.compile(model.SerializeToString()), x)
    affine = (scale.reshape(1, -1, 1, 1), shift.reshape(1, -1, 1, 1))
    for name, parts in (("g", groups), ("i", dims[1])):
        rows = x.astype(np.float64).reshape(dims[0], parts, -1)
        normal = (rows - rows.mean(-1, keepdims=True)) / np.sqrt(rows.var(-1, keepdims=True) + 1e-5)
        np.testing.assert_allclose(got[name], normal.reshape(dims) * affine[0] + affine[1], rtol=1e-4, atol=1e-4)
