# The first node that differs is found, with its error, and the pass that made it so.
# RUN: rm -rf %t && mkdir -p %t && python3 %s %t %tessera_lib/libwrong-pass.so
"""Arguments: a folder to write to, and the library of wrong passes."""
import json
import os
import subprocess
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FOLDER, PLUGIN = sys.argv[1:]


def model(name, factor):
    """y = (relu(x) - x * w) / c, and z = exp(-y)."""
    node = helper.make_node
    nodes = [node("Relu", ["x"], ["a"], name="first"), node("MatMul", ["x", "w"], ["b"], name="product"),
             node("Sub", ["a", "b"], ["d"], name="difference"), node("Mul", ["d", "c"], ["y"], name="scaled"),
             node("Neg", ["y"], ["n"], name="negated"), node("Exp", ["n"], ["z"], name="last")]
    rng = np.random.default_rng(1)
    weights = [numpy_helper.from_array(rng.random((4, 4), np.float32), "w"),
               numpy_helper.from_array(np.array(factor, np.float32), "c")]
    info = lambda value: helper.make_tensor_value_info(value, TensorProto.FLOAT, ["N", 4])
    graph = helper.make_graph(nodes, "g", [info("x")], [info("y"), info("z")], weights)
    path = os.path.join(FOLDER, name)
    with open(path, "wb") as file:
        file.write(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString())
    return path


def diff(*arguments, environment=None):
    return subprocess.run(["tessera-diff", *arguments], capture_output=True, text=True, check=False,
                          env={**os.environ, **(environment or {})})


def check(done, status, *says):
    for text in says:
        assert text in done.stdout + done.stderr, (text, done)
    assert done.returncode == status, done


def main():
    good, other = model("good.onnx", 0.5), model("other.onnx", 0.25)
    for against in ("onnxruntime", "reference"):
        check(diff(good, "--against", against), 0, f"6 of 6 values compared with {against}", "no value differs by more than")
    np.save(os.path.join(FOLDER, "x.npy"), np.ones((3, 4), np.float32))
    done = diff(good, "--against", "reference", "--all", "--input", f"x=@{FOLDER}/x.npy")
    check(done, 0, "difference")
    assert len(done.stdout.splitlines()) == 9, done.stdout

    # An operator of the user hides ours: the interpreter reads the same, onnxruntime has the specification's.
    path = os.path.join(FOLDER, "neg.mlir")
    with open(path, "w") as file:
        file.write("graph.func @Neg(%x: !graph.tensor<[B, C], f32>) -> !graph.tensor<[B, C], f32> {\n"
                   "  %0 = graph.abs %x : !graph.tensor<[B, C], f32>\n  graph.return %0 : !graph.tensor<[B, C], f32>\n}\n")
    check(diff(good, "--against", "reference", "--ops", path), 0, "no value differs by more than")
    check(diff(good, "--ops", path), 1, "first difference beyond 0.001: 'n'", "the node is read wrongly")

    # A node that computes something else: everything from it on differs, nothing before.
    done = diff(good, "--against", other, "--json", "--shape", "x=5x4")
    check(done, 1)
    said = json.loads(done.stdout)
    errors = {row["node"]: row["error"] for row in said["values"]}
    assert said["first"] == "y" and errors["scaled"] > 0.9 and errors["difference"] < 1e-6 < errors["negated"], said
    assert "read wrongly" in said["explanation"] and said["pass"] is None, said
    check(diff(good, "--against", other), 1, "scaled", "<- first", "first difference beyond 0.001: 'y'")

    # A wrong pass is named, wherever it stands in the pipeline.
    for passes in ("canonicalize,test-swap-operands{op=graph.sub},canonicalize", "test-swap-operands{op=graph.sub}"):
        done = diff(good, "--passes", f"builtin.module({passes})", "--load-pass-plugin", PLUGIN, "--json")
        check(done, 1)
        said = json.loads(done.stdout)
        assert said["first"] == "d" and said["pass"] == "test-swap-operands", said

    # What is wrong with a call.
    check(diff(good, "--input", "q=@x.npy"), 1, "the model has no input 'q'; it has x")
    check(diff(good, "--input", "x=@none.npy"), 1, "--input x: cannot read 'none.npy'")
    check(diff(good, "--shape", "x=2y3"), 1, "--shape x=2y3: expected numbers")
    check(diff(good, "--against", "nobody"), 1, "--against nobody: expected onnxruntime, reference, or an ONNX file")
    check(diff(os.path.join(FOLDER, "none.onnx")), 1, "is no ONNX model that can be read")
    check(diff(), 2, "MODEL")
    # Packages that are missing are named: one that cannot be imported stands before the real one.
    os.makedirs(os.path.join(FOLDER, "path"))
    with open(os.path.join(FOLDER, "path", "onnxruntime.py"), "w") as file:
        file.write("raise ImportError\n")
    path = os.pathsep.join([os.path.join(FOLDER, "path"), os.environ["PYTHONPATH"]])
    check(diff(good, environment={"PYTHONPATH": path}), 1, "needs the Python package onnxruntime", "--against reference")
    check(diff("--help"), 0, "examples:", "--against")


if __name__ == "__main__":
    main()
