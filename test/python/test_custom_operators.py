"""Operators that the user defines in the textual IR: a file of functions, given with --ops or ops=."""
import json
import subprocess

import numpy as np
import pytest
from conftest import BUILD
from onnx import TensorProto, helper

import tessera

F32, I64 = TensorProto.FLOAT, TensorProto.INT64

GATE = """
graph.func @"org.example.Gate"(%x: !graph.tensor<[B, C], f32>, %g: !graph.tensor<[B, C], f32>,
    %alpha: !graph.tensor<[], f32> {graph.name = "alpha"}) -> (!graph.tensor<[B, C], f32>, !graph.tensor<[B], f32>) {
  %0 = graph.broadcast %alpha, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[B, C], f32>
  %1 = graph.mul %g, %0 : !graph.tensor<[B, C], f32>
  %2 = graph.call @sigmoid(%1) : (!graph.tensor<[B, C], f32>) -> !graph.tensor<[B, C], f32>
  %3 = graph.mul %x, %2 : !graph.tensor<[B, C], f32>
  %4 = graph.reduce sum %3, axes = [1] : !graph.tensor<[B, C], f32> -> !graph.tensor<[B], f32>
  graph.return %3, %4 : !graph.tensor<[B, C], f32>, !graph.tensor<[B], f32>
}
graph.func @sigmoid(%x: !graph.tensor<[M, N], f32>) -> !graph.tensor<[M, N], f32> {
  %0 = graph.sigmoid %x : !graph.tensor<[M, N], f32>
  graph.return %0 : !graph.tensor<[M, N], f32>
}
graph.func @"org.example.Scale"(%x: !graph.tensor<[M, 3], f32>, %by: !graph.tensor<[3], f32> {graph.name = "by"})
    -> !graph.tensor<[M, 3], f32> {
  %0 = graph.broadcast %by, dims = [1] : !graph.tensor<[3], f32> -> !graph.tensor<[M, 3], f32>
  %1 = graph.mul %x, %0 : !graph.tensor<[M, 3], f32>
  graph.return %1 : !graph.tensor<[M, 3], f32>
}
"""


@pytest.fixture
def ops(tmp_path):
    path = tmp_path / "my.mlir"
    path.write_text(GATE)
    return path


def node(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs, outputs, name=f"my {kind}", domain="org.example", **attributes)


def model(*nodes, outputs=("y",), inputs=(("x", F32, ["N", 3]), ("g", F32, ["N", 3]))):
    graph = helper.make_graph(list(nodes), "g", [helper.make_tensor_value_info(*row) for row in inputs],
                              [helper.make_tensor_value_info(name, F32, None) for name in outputs])
    return helper.make_model(graph, ir_version=9, opset_imports=[
        helper.make_opsetid("", 18), helper.make_opsetid("org.example", 1)]).SerializeToString()


GATED = model(helper.make_node("Neg", ["x"], ["n"]), node("Gate", ["n", "g"], ["h", "s"], alpha=2.0),
              helper.make_node("Relu", ["h"], ["y"]), outputs=("y", "s"))


def test_called_with_attributes_at_any_size(ops):
    module, rng = tessera.compile(GATED, ops=ops), np.random.default_rng(0)
    for size in (1, 5):
        x, g = rng.standard_normal((2, size, 3)).astype(np.float32)
        h = -x.astype(np.float64) / (1 + np.exp(-2 * g.astype(np.float64)))
        outputs = module.run({"x": x, "g": g})
        np.testing.assert_allclose(outputs["y"], np.maximum(h, 0), rtol=1e-5)
        np.testing.assert_allclose(outputs["s"], h.sum(1), rtol=1e-5, atol=1e-6)
    assert tessera.check(GATED, ops=ops) == []


def test_interpreted(ops, tmp_path):
    (tmp_path / "model.onnx").write_bytes(GATED)
    x, g = np.float32([[1, -2, 3]]), np.float32([[0.5, 1, -1]])
    for name, value in (("x", x), ("g", g)):
        np.save(tmp_path / f"{name}.npy", value)
    subprocess.run([BUILD / "bin/tessera-run", tmp_path / "model.onnx", "--reference", "--ops", ops, "--input", f"x=@{tmp_path}/x.npy",
                    "--input", f"g=@{tmp_path}/g.npy", "--output", f"s=@{tmp_path}/s.npy"], check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "s.npy"), (-x / (1 + np.exp(-2.0 * g))).sum(1), rtol=1e-5)


def test_fused_like_any_other_op(ops, tmp_path):
    (tmp_path / "model.onnx").write_bytes(model(helper.make_node("Neg", ["x"], ["n"]),
                                                node("Gate", ["n", "g"], ["h"], alpha=2.0),
                                                helper.make_node("Relu", ["h"], ["y"])))
    done = subprocess.run([BUILD / "bin/tessera-compile", tmp_path / "model.onnx", "--ops", ops, "--json", "-o",
                           tmp_path / "model.tsm"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["kernels"] == 1
    done = subprocess.run([BUILD / "bin/tessera-run", tmp_path / "model.onnx", "--ops", ops, "--input", "x=2x3xf32=-1",
                           "--input", "g=2x3xf32=0", "--print", "6"], capture_output=True, text=True, check=True)
    assert "0.5" in done.stdout


def test_lists_are_parameters(ops):
    module = tessera.compile(model(node("Scale", ["x"], ["y"], by=[1.0, 2.0, 4.0])), ops=ops)
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(module.run({"x": x, "g": x})["y"], [[1, 2, 4]] * 2)


@pytest.mark.parametrize("made, says", [
    (node("Gate", ["x"], ["y"], alpha=1.0), "takes 3 operands, the node has 1"),
    (node("Gate", ["x", "g"], ["y"]), "and no attribute 'alpha'"),
    (node("Gate", ["x", "g", "x", "g"], ["y"]), "takes 3 operands, the node has 4"),
    (node("Gate", ["x", ""], ["y"], alpha=1.0), "its input 1 is absent"),
    (node("Gate", ["x", "g"], ["y"], alpha="much"), "attribute 'alpha' does not fit: .* takes !graph.tensor<\\[\\], f32>"),
    (node("Gate", ["x", "g"], ["y"], alpha=1.0, beta=2), "has no parameter 'beta'"),
    (node("Gate", ["x", "g"], ["y", "s", "t"], alpha=1.0), "gives 2 results, the node has 3"),
    (node("Scale", ["x"], ["y"], by=[1.0, 2.0]), "attribute 'by' does not fit"),
    (node("Missing", ["x"], ["y"]), "the file of --ops has no function @\"org.example.Missing\"")])
def test_what_does_not_fit_is_named(ops, made, says):
    with pytest.raises(tessera.Error, match=f"node 'my {made.op_type}' .*{says}"):
        tessera.compile(model(made), ops=ops)


def test_operands_of_another_type(ops):
    inputs = (("x", F32, ["N", 3]), ("g", I64, ["N", 3]))
    with pytest.raises(tessera.Error, match=r"its input 1 is !graph.tensor<\[N, 3\], si64>, function .* takes .*f32"):
        tessera.compile(model(node("Gate", ["x", "g"], ["y"], alpha=1.0), inputs=inputs), ops=ops)


def test_files_that_are_no_operators(tmp_path, ops):
    with pytest.raises(tessera.Error, match="--ops: cannot read '.*none.mlir'"):
        tessera.compile(GATED, ops=tmp_path / "none.mlir")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(tessera.Error, match="expected functions in the textual IR"):
        tessera.compile(GATED, ops=tmp_path / "text")
    (tmp_path / "wrong.mlir").write_text(GATE.replace("graph.sigmoid", "graph.sigmo"))
    with pytest.raises(tessera.Error, match="wrong.mlir:12:"):
        tessera.compile(GATED, ops=tmp_path / "wrong.mlir")
    with pytest.raises(tessera.Error, match="--ops is for ONNX models"):
        tessera.compile(ops, ops=ops)
    with pytest.raises(tessera.Error, match="operators of domain 'org.example' are not supported"):
        tessera.compile(GATED)
