# Models that are only large take time of their size: compiled, refused or stopped in time.
# RUN: rm -rf %t && mkdir -p %t && python3 %s %t
"""Argument: a folder to write to. Limits are several times what an idle machine takes."""
import os
import subprocess
import sys
import time

import numpy as np
from onnx import TensorProto, helper

import tessera
from malformed import nested

node, value = helper.make_node, helper.make_tensor_value_info
F32, I64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def write(name, content):
    path = os.path.join(sys.argv[1], name)
    with open(path, "wb") as file:
        file.write(content)
    return path


def model(nodes, inputs, outputs):
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()


def compile_within(seconds, path, *options):
    start = time.monotonic()
    done = subprocess.run(["tessera-compile", path, "-q", *options], capture_output=True, text=True, timeout=4 * seconds,
                          check=False)
    took = time.monotonic() - start
    assert took < seconds, (path, took)
    return done


def chain(length):
    """Elementwise nodes in a row: whoever looks back at everything for each takes a square of it."""
    nodes = [node(("Abs", "Sqrt")[i % 2], [f"v{i}"], [f"v{i + 1}"], name=f"n{i}") for i in range(length)]
    return model(nodes, [value("v0", F32, ["N", 4])], [value(f"v{length}", F32, None)])


def main():
    out = os.path.join(sys.argv[1], "m.tsm")
    length = 20000  # 100,000 take five times as long.
    done = compile_within(30, write("chain.onnx", chain(length)), "-o", out)
    assert done.returncode == 0, done.stderr
    x = np.array([[-1, 0, 2, -3]], np.float32)
    np.testing.assert_allclose(tessera.load(out).run({"v0": x})[f"v{length}"], [[1, 0, 1, 1]], rtol=1e-6)

    done = compile_within(5, write("deep.onnx", nested(5000)), "-o", out)
    assert done.returncode == 1 and "nested more than 32 deep (kMaxNesting)" in done.stderr, done.stderr

    # A cycle through every node of a long chain, which is found without recursion.
    count = 50000
    ring = [node("Relu", [f"v{i}"], [f"v{(i + 1) % count}"], name=f"n{i}") for i in range(count)]
    done = compile_within(10, write("ring.onnx", model(ring, [value("x", F32, [1])], [value("v0", F32, None)])), "-o", out)
    assert done.returncode == 1 and f"the graph has a cycle of {count} nodes: node 'n0' (Relu) <- " in done.stderr, done.stderr
    assert len(done.stderr) < 1000

    # A loop without an end: it stops at the deadline.
    body = helper.make_graph([node("Identity", ["c"], ["go"]), node("Neg", ["v"], ["w"])], "body",
                             [value("i", I64, []), value("c", BOOL, []), value("v", F32, [2])],
                             [value("go", BOOL, []), value("w", F32, [2])])
    path = write("endless.onnx", model([node("Loop", ["", "c0", "x"], ["y"], body=body)],
                                       [value("c0", BOOL, []), value("x", F32, [2])], [value("y", F32, [2])]))
    endless, start = tessera.compile(path), time.monotonic()
    try:
        endless.run({"c0": np.array(True), "x": np.ones(2, np.float32)}, timeout=0.2)
        raise AssertionError("a loop without an end came to one")
    except tessera.Error as error:
        assert error.code == "DEADLINE_EXCEEDED", error
    assert time.monotonic() - start < 10


if __name__ == "__main__":
    main()
