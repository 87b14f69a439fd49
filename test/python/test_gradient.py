"""Gradients, compiled: a step of training in text against NumPy in f64, and ONNX's Gradient in its several forms against differences of
the same model."""

import numpy as np
import pytest
from onnx import TensorProto, helper

import tessera

TRAINING = """graph.variable @w1 : !graph.tensor<[6, 8], f64> = dense<0.0> : !graph.tensor<[6, 8], f64>
graph.variable @w2 : !graph.tensor<[8, 3], f64> = dense<0.0> : !graph.tensor<[8, 3], f64>
graph.func @main(%x: !graph.tensor<[B, 6], f64> {graph.name = "x"}, %labels: !graph.tensor<[B, 3], f64> {graph.name = "labels"})
    -> (!graph.tensor<[], f64> {graph.name = "loss"}) {
  %w1 = graph.read_variable @w1 : !graph.tensor<[6, 8], f64>
  %w2 = graph.read_variable @w2 : !graph.tensor<[8, 3], f64>
  %loss, %d1, %d2 = graph.gradient (%a = %w1, %b = %w2) : !graph.tensor<[6, 8], f64>, !graph.tensor<[8, 3], f64> -> !graph.tensor<[], f64> {
    %h = graph.contract "mk,kn->mn" %x, %a : (!graph.tensor<[B, 6], f64>, !graph.tensor<[6, 8], f64>) -> !graph.tensor<[B, 8], f64>
    %r = graph.silu %h : !graph.tensor<[B, 8], f64>
    %o = graph.contract "mk,kn->mn" %r, %b : (!graph.tensor<[B, 8], f64>, !graph.tensor<[8, 3], f64>) -> !graph.tensor<[B, 3], f64>
    %l = graph.log_softmax %o, axes = [1] : !graph.tensor<[B, 3], f64>
    %p = graph.mul %l, %labels : !graph.tensor<[B, 3], f64>
    %s = graph.reduce sum %p, axes = [0, 1] : !graph.tensor<[B, 3], f64> -> !graph.tensor<[], f64>
    %n = graph.neg %s : !graph.tensor<[], f64>
    graph.yield %n : !graph.tensor<[], f64>
  }
  %rate1 = graph.constant dense<0.01> : !graph.tensor<[6, 8], f64>
  %rate2 = graph.constant dense<0.01> : !graph.tensor<[8, 3], f64>
  %s1 = graph.mul %d1, %rate1 : !graph.tensor<[6, 8], f64>
  %s2 = graph.mul %d2, %rate2 : !graph.tensor<[8, 3], f64>
  %n1 = graph.sub %w1, %s1 : !graph.tensor<[6, 8], f64>
  %n2 = graph.sub %w2, %s2 : !graph.tensor<[8, 3], f64>
  graph.write_variable @w1, %n1 : !graph.tensor<[6, 8], f64>
  graph.write_variable @w2, %n2 : !graph.tensor<[8, 3], f64>
  graph.return %loss : !graph.tensor<[], f64>
}
"""


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_step(x, labels, w1, w2):
    h = x @ w1
    r = h * sigmoid(h)
    o = r @ w2
    e = np.exp(o - o.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    loss = -(np.log(p) * labels).sum()
    do = p * labels.sum(1, keepdims=True) - labels
    dh = (do @ w2.T) * (sigmoid(h) * (1 + h * (1 - sigmoid(h))))
    return loss, w1 - 0.01 * (x.T @ dh), w2 - 0.01 * (r.T @ do)


def test_training():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((13, 6))
    labels = np.eye(3)[(x[:, 0] > 0) + (x[:, 1] > 0.5).astype(int)]
    w1, w2 = rng.standard_normal((6, 8)) * 0.5, rng.standard_normal((8, 3)) * 0.5
    context = tessera.compile(TRAINING.encode()).context()
    context.write("w1", w1)
    context.write("w2", w2)
    losses = []
    for _ in range(200):
        wanted, w1, w2 = numpy_step(x, labels, w1, w2)
        losses.append(float(context.run({"x": x, "labels": labels})["loss"]))
        assert abs(losses[-1] - wanted) <= 1e-10 * abs(wanted)
    assert np.allclose(context.read("w1"), w1, rtol=1e-9, atol=1e-12)
    assert losses[-1] < losses[0] / 4


def info(name, shape, kind=TensorProto.DOUBLE):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs, outputs):
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.preview.training", 1)])
    return made.SerializeToString()


def gradient(xs, y, outputs, inputs=None, zs=()):
    more = {"zs": list(zs)} if zs else {}
    return helper.make_node("Gradient", inputs or [*xs, *zs], outputs, name="grad", domain="ai.onnx.preview.training", xs=xs, y=y, **more)


def differences(run, inputs, name, output):
    """Of the sum of an output, by the elements of an input."""
    result = np.zeros_like(inputs[name])
    for index in np.ndindex(result.shape):
        sums = []
        for step in (1e-5, -1e-5):
            moved = {**inputs, name: inputs[name].copy()}
            moved[name][index] += step
            sums.append(run(moved)[output].sum())
        result[index] = (sums[0] - sums[1]) / 2e-5
    return result


CONV = [helper.make_node("Conv", ["x", "w"], ["h"], strides=[2, 1], pads=[1, 0, 1, 1], group=2),
        helper.make_node("Tanh", ["h"], ["t"]),
        helper.make_node("AveragePool", ["t"], ["p"], kernel_shape=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "z"], ["y"], transB=1)]
MAX = helper.make_node("MaxPool", ["t"], ["p"], kernel_shape=[2, 3], strides=[1, 2], pads=[0, 1, 0, 1])


@pytest.mark.parametrize("pool", [CONV[2], MAX], ids=["average", "max"])
def test_onnx_network(pool):
    rng = np.random.default_rng(3)
    inputs = {"x": rng.standard_normal((2, 4, 5, 6)), "w": rng.standard_normal((4, 2, 3, 2)), "z": rng.standard_normal((3, 40 if pool is not MAX else 24))}
    nodes = [*CONV[:2], pool, *CONV[3:], gradient(["w", "z"], "y", ["dw", "dz"], zs=["x"]), gradient(["h"], "y", ["dh"])]
    module = tessera.compile(model(nodes, [info("x", ["N", 4, 5, 6]), info("w", [4, 2, 3, 2]), info("z", list(inputs["z"].shape))],
                                   [info(n, None) for n in ("y", "dw", "dz", "dh")]))
    got = module.run(inputs)
    for name in ("w", "z"):
        wanted = differences(module.run, inputs, name, "y")
        assert np.allclose(got["d" + name], wanted, rtol=1e-6, atol=1e-6), name
    assert got["dh"].shape == (2, 4, 3, 6)


@pytest.mark.parametrize("kind, gates", [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_onnx_recurrence(kind, gates):
    rng = np.random.default_rng(6)
    inputs = {"x": rng.standard_normal((5, 2, 3)), "w": rng.standard_normal((1, gates * 4, 3)) / 2, "r": rng.standard_normal((1, gates * 4, 4)) / 2}
    nodes = [helper.make_node(kind, ["x", "w", "r"], ["all", "last"], hidden_size=4),
             helper.make_node("ReduceMean", ["all"], ["m"], axes=[0, 1], keepdims=0), helper.make_node("Mul", ["m", "last"], ["y"]),
             gradient(["x", "w", "r"], "y", ["dx", "dw", "dr"])]
    module = tessera.compile(model(nodes, [info("x", ["T", 2, 3]), info("w", [1, gates * 4, 3]), info("r", [1, gates * 4, 4])],
                                   [info(n, None) for n in ("y", "dx", "dw", "dr")]))
    got = module.run(inputs)
    for name in inputs:
        assert np.allclose(got["d" + name], differences(module.run, inputs, name, "y"), rtol=1e-6, atol=1e-8), name


def test_at_another_place():
    """Inputs of the node say where: they need not be what xs and zs name."""
    nodes = [helper.make_node("Mul", ["a", "b"], ["m"]), helper.make_node("Sin", ["m"], ["y"]),
             gradient(["a", "b"], "y", ["da", ""], inputs=["p", "b"]), gradient(["a"], "y", ["dz"], inputs=["a", "q"], zs=["b"])]
    module = tessera.compile(model(nodes, [info(n, ["N"]) for n in "abpq"], [info(n, ["N"]) for n in ("da", "dz")]))
    rng = np.random.default_rng(4)
    v = {n: rng.standard_normal(5) for n in "abpq"}
    got = module.run(v)
    assert np.allclose(got["da"], v["b"] * np.cos(v["p"] * v["b"]), rtol=1e-12)
    assert np.allclose(got["dz"], v["q"] * np.cos(v["a"] * v["q"]), rtol=1e-12)


def test_second_derivative():
    nodes = [helper.make_node("Mul", ["a", "a"], ["s"]), helper.make_node("Mul", ["s", "a"], ["y"]),
             gradient(["a"], "y", ["d"]), gradient(["a"], "d", ["dd"])]
    module = tessera.compile(model(nodes, [info("a", ["N"])], [info("d", ["N"]), info("dd", ["N"])]))
    a = np.array([1.5, -2.0])
    got = module.run({"a": a})
    assert np.allclose(got["d"], 3 * a**2) and np.allclose(got["dd"], 6 * a)


@pytest.mark.parametrize("node, message", [
    (gradient(["a"], "y", ["d"], inputs=["a", "b"]), "has 2 inputs, its attributes name 1 tensors"),
    (gradient(["a"], "none", ["d"]), "names 'none', which is no tensor that is defined before it"),
    (gradient(["a", "a"], "y", ["d", "e"]), "names 'a' twice"),
    (gradient(["i"], "y", ["d"]), "differentiates by 'i', which is no tensor of floats"),
    (gradient(["a"], "y", ["d"], inputs=["i"]), "a tensor of another type than 'a' has"),
    (gradient(["a"], "c", ["d"]), "differentiates 'c', which is no tensor of floats"),
    (gradient(["a"], "l", ["d"]), "graph.resize has no rule for derivatives"),
], ids=range(7))
def test_errors(node, message):
    nodes = [helper.make_node("Mul", ["a", "b"], ["y"]), helper.make_node("Shape", ["a"], ["c"]),
             helper.make_node("Constant", [], ["scales"], value_floats=[2.0]),
             helper.make_node("Resize", ["y", "", "scales"], ["l"], mode="linear"), node]
    data = model(nodes, [info("a", [4]), info("b", [4]), info("i", [4], TensorProto.INT64)], [info("d", None), info("y", [4])])
    with pytest.raises(tessera.Error, match="grad") as error:
        tessera.compile(data)
    assert message in str(error.value), error.value
