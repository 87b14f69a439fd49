# Models that are only large take time of their size: compiled, refused or stopped in time.
# RUN: rm -rf %t && mkdir -p %t && python3 %s %t
"""Argument: a folder to write to. Seconds are of processors, and several times what a machine takes that has nothing else to do."""
import os
import resource
import subprocess
import sys
import time

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import tessera
from malformed import nested

node, value = helper.make_node, helper.make_tensor_value_info
F32, I64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def write(name, content):
    path = os.path.join(sys.argv[1], name)
    with open(path, "wb") as file:
        file.write(content)
    return path


def model(nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(c, name) for name, c in constants])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()


def used():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def compile_within(seconds, path, *options):
    start = used()
    done = subprocess.run(["tessera-compile", path, "-q", "--no-cache", *options], capture_output=True, text=True, check=False)
    took = used() - start
    print(f"{os.path.basename(path)}: {took:.1f} s")
    assert took < seconds, (path, took)
    return done


def run(seconds, name, content, inputs, expected, rtol=1e-6):
    out = os.path.join(sys.argv[1], "m.tsm")
    done = compile_within(seconds, write(name, content), "-o", out)
    assert done.returncode == 0, done.stderr
    (result,) = tessera.load(out).run(inputs).values()
    np.testing.assert_allclose(result, expected, rtol=rtol)


def chain(length):
    """Elementwise nodes in a row: whoever looks back at everything for each takes a square of it."""
    nodes = [node(("Abs", "Sqrt")[i % 2], [f"v{i}"], [f"v{i + 1}"], name=f"n{i}") for i in range(length)]
    return model(nodes, [value("v0", F32, ["N", 4])], [value(f"v{length}", F32, None)])


def layers(count):
    """Products, sums and maps in turns, each with weights of its own."""
    rng, nodes, constants, last, x = np.random.default_rng(0), [], [], "x", np.ones((3, 16))
    for i in range(count):
        w = np.linalg.qr(rng.standard_normal((16, 16)))[0].astype(np.float32)
        b = (rng.standard_normal(16) / 8).astype(np.float32)
        nodes += [node("MatMul", [last, f"w{i}"], [f"p{i}"]), node("Add", [f"p{i}", f"b{i}"], [f"s{i}"]), node("Tanh", [f"s{i}"], [f"v{i}"])]
        constants += [(f"w{i}", w), (f"b{i}", b)]
        last, x = f"v{i}", np.tanh(x @ w.astype(np.float64) + b)
    return model(nodes, [value("x", F32, ["N", 16])], [value(last, F32, None)], constants), x


def users(count):
    """One value that every node reads."""
    nodes = [node("Add", [f"v{i}", "v0"], [f"v{i + 1}"]) for i in range(count)]
    return model(nodes, [value("v0", F32, ["N", 4])], [value(f"v{count}", F32, None)])


def pieces(count):
    nodes = [node("Concat", [f"x{i}" for i in range(count)], ["y"], axis=1)]
    return model(nodes, [value(f"x{i}", F32, ["N", 1 + i % 3]) for i in range(count)], [value("y", F32, None)])


def main():
    out = os.path.join(sys.argv[1], "m.tsm")
    # The goal for 100,000 nodes is 30 seconds on two processors.
    run(60, "chain.onnx", chain(100000), {"v0": np.array([[-1, 0, 2, -3]], np.float32)}, [[1, 0, 1, 1]])
    x = np.array([[-1, 0, 2, -3]], np.float32)
    run(30, "users.onnx", users(20000), {"v0": x}, 20001 * x, 1e-4)
    content, expected = layers(1000)
    run(30, "layers.onnx", content, {"x": np.ones((3, 16), np.float32)}, expected, 1e-3)
    given = {f"x{i}": np.full((2, 1 + i % 3), i, np.float32) for i in range(2000)}
    run(30, "pieces.onnx", pieces(2000), given, np.concatenate(list(given.values()), 1))

    # Extents that are products of themselves again and again.
    squares = [node("Shape", ["x"], ["v0"])] + [node("Mul", [f"v{i}"] * 2, [f"v{i + 1}"]) for i in range(40)]
    expand = node("Expand", ["one", "v40"], ["y"])
    made = model([*squares, expand], [value("x", F32, ["N"])], [value("y", F32, None)], [("one", np.ones(1, np.float32))])
    assert compile_within(5, write("squares.onnx", made), "-o", out).returncode == 0

    # What a module cannot hold is refused when compiling, not when the module is loaded.
    extents = [value(f"x{i}", F32, [f"N{i}"]) for i in range(1100)]
    made = model([node("Neg", [f"x{i}"], [f"y{i}"]) for i in range(1100)], extents, [value(f"y{i}", F32, None) for i in range(1100)])
    done = compile_within(20, write("extents.onnx", made), "-o", out)
    assert done.returncode == 1 and "symbols of extents, the limit is 1024 (kMaxSymbols)" in done.stderr, done.stderr
    for rank, expected in ((16, ""), (17, "a tensor has rank 17, the limit is 16 (kMaxRank)")):
        made = model([node("Neg", ["x"], ["y"])], [value("x", F32, [1] * rank)], [value("y", F32, None)])
        done = compile_within(5, write("rank.onnx", made), "-o", out)
        assert expected in done.stderr and bool(done.returncode) == bool(expected), done.stderr

    for depth in (1000, 100000):
        done = compile_within(1, write("deep.onnx", nested(depth)), "-o", out)
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
