"""Tessera as a backend of the onnx package."""
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import tessera
import tessera.onnx.backend as backend

F32, I64 = TensorProto.FLOAT, TensorProto.INT64


def model(nodes, inputs, outputs, opset=18):
    graph = helper.make_graph(nodes, "test", [helper.make_tensor_value_info(*row) for row in inputs],
                              [helper.make_tensor_value_info(*row) for row in outputs])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def test_prepared_once_for_all_sizes():
    rep = backend.prepare(model([helper.make_node("Relu", ["x"], ["y"])], [("x", F32, ["N"])], [("y", F32, ["N"])]))
    for size in (1, 5):
        x = np.arange(size, dtype=np.float32) - 2
        np.testing.assert_array_equal(rep.run([x])[0], np.maximum(x, 0))
        np.testing.assert_array_equal(rep.run({"x": x})[0], np.maximum(x, 0))
    with pytest.raises(ValueError, match="has 1 inputs, got 2"):
        rep.run([x, x])


def test_parameters_given_as_inputs():
    rep = backend.prepare(model([helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)],
                                [("x", F32, [2, 3]), ("axes", I64, [1])], [("y", F32, [None])]))
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    for axis in (0, 1, 0):
        np.testing.assert_array_equal(rep.run([x, np.array([axis])])[0], x.sum(axis))


def test_one_node():
    node = helper.make_node("Add", ["x", "y"], ["z"])
    x = np.array([1, 2], np.float32)
    np.testing.assert_array_equal(backend.run_node(node, [x, x])[0], x + x)


def test_elements_that_numpy_does_not_have():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    rep = backend.prepare(model([helper.make_node("Neg", ["x"], ["y"])], [("x", TensorProto.BFLOAT16, [2])],
                                [("y", TensorProto.BFLOAT16, [2])]))
    x = np.array([1, -3], ml_dtypes.bfloat16)
    y = rep.run([x])[0]
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y.astype(np.float32), [-1, 3])


def test_what_is_refused():
    relu = model([helper.make_node("Relu", ["x"], ["y"])], [("x", F32, ["N"])], [("y", F32, ["N"])])
    with pytest.raises(ValueError, match="device 'CUDA' is not supported"):
        backend.prepare(relu, "CUDA")
    with pytest.raises(tessera.Error, match="RegexFullMatch"):
        backend.prepare(model([helper.make_node("RegexFullMatch", ["x"], ["y"], pattern="(a)\\1")], [("x", TensorProto.STRING, [2])],
                              [("y", TensorProto.BOOL, [2])], opset=20))
    with pytest.raises(onnx.checker.ValidationError):
        backend.prepare(model([helper.make_node("Relu", ["nothing"], ["y"])], [("x", F32, ["N"])], [("y", F32, ["N"])]))
