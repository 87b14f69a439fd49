# Loops as exporters of TensorFlow and Paddle write them, against onnxruntime: every value that a body reads is carried, under the
# name that it has outside; what the body sets begins as a placeholder; numbers gain axes on the way.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import subprocess
import sys

import numpy as np
from onnx import TensorProto, helper

from compare import Compiled, build

F, I, B = np.float32, np.int64, np.bool_
rng = np.random.default_rng(0)
n = helper.make_node


def body(nodes, inputs, outputs):
    """inputs: (name, type); names of the outputs, the next values of inputs behind the first. Shapes are left open."""
    types = [kind for _, kind in inputs[1:]]
    shapes = [[], []] + [None] * len(outputs)
    return helper.make_graph(nodes, "body", [helper.make_tensor_value_info(*x, shape) for x, shape in zip(inputs, shapes)],
                             [helper.make_tensor_value_info(*x) for x in zip(outputs, types, shapes[1:])])


def shadowed():
    """A recurrence whose weights are carried, and whose body names them as the graph around does."""
    inner = body([n("MatMul", ["h", "w"], ["hw"]), n("Add", ["hw", "bias"], ["hwb"]), n("Tanh", ["hwb"], ["next"]), n("Identity", ["go"], ["on"])],
                 [("i", TensorProto.INT64), ("go", TensorProto.BOOL), ("h", TensorProto.FLOAT), ("w", TensorProto.FLOAT),
                  ("bias", TensorProto.FLOAT)], ["on", "next", "w", "bias"])
    return build([n("Mul", ["x", "two"], ["h"]), n("Loop", ["n", "", "h", "w", "bias"], ["last", "w_last", "b_last"], body=inner),
                  n("Add", ["last", "h"], ["y"])],
                 [("x", F, ["N", 8]), ("n", I, [])], [("y", F, None), ("w_last", F, None)],
                 [("w", (rng.standard_normal((8, 8)) / 3).astype(F)), ("bias", rng.standard_normal(8).astype(F)), ("two", F(2))])


def unread():
    """What the body sets begins as a placeholder of another shape and rank, and need not be one of the results."""
    inner = body([n("Add", ["s", "x"], ["s1"]), n("Concat", ["s1", "s"], ["pair"], axis=0), n("Cast", ["s1"], ["whole"], to=TensorProto.INT64),
                  n("ReduceSum", ["s1"], ["sum"], keepdims=0), n("Less", ["sum", "limit"], ["on"])],
                 [("i", TensorProto.INT64), ("go", TensorProto.BOOL), ("s", TensorProto.FLOAT), ("unset", TensorProto.FLOAT),
                  ("unseen", TensorProto.INT64)], ["on", "s1", "pair", "whole"])
    return build([n("Loop", ["n", "go", "x", "nothing", "none"], ["s", "pair", "whole"], body=inner)],
                 [("x", F, ["N", 3]), ("n", I, []), ("go", B, []), ("limit", F, [])], [("s", F, None), ("pair", F, None)],
                 [("nothing", F(0)), ("none", np.zeros((2, 5), I))])


def gains_axes():
    """A number that the body makes a list of one."""
    inner = body([n("Unsqueeze", ["i", "zero"], ["step"]), n("Add", ["count", "step"], ["more"]), n("Slice", ["x", "step_0", "end", "zero"], ["row"]),
                  n("Add", ["total", "row"], ["sum"]), n("Less", ["more", "limit"], ["on_1"]), n("Squeeze", ["on_1"], ["on"])],
                 [("i", TensorProto.INT64), ("go", TensorProto.BOOL), ("count", TensorProto.INT64), ("total", TensorProto.FLOAT)],
                 ["on", "more", "sum"])
    inner.node.insert(2, n("Reshape", ["i", "one"], ["step_0"]))
    inner.node.insert(3, n("Add", ["step_0", "one"], ["end"]))
    return build([n("Loop", ["", "go", "start", "first"], ["count", "total"], body=inner)],
                 [("x", F, ["N", 3]), ("limit", I, []), ("go", B, [])], [("total", F, None), ("count", I, None)],
                 [("zero", np.array([0], I)), ("one", np.array([1], I)), ("start", I(0)), ("first", np.zeros((1, 3), F))])


def set_rows():
    """x[:, k:k+1] = v, as Paddle writes it: two ways of computing the same extent."""
    nodes = [n("Add", ["k", "one"], ["k1"]), n("Shape", ["x"], ["s"]), n("Gather", ["s", "one"], ["width"]), n("Min", ["width", "k1"], ["end"]),
             n("Slice", ["x", "k", "end", "one"], ["part"]), n("Shape", ["part"], ["ps"]), n("Expand", ["v", "ps"], ["values"]),
             n("Squeeze", ["k"], ["k0"]), n("Squeeze", ["end"], ["end0"]), n("Range", ["k0", "end0", "step"], ["places"]),
             n("Reshape", ["places", "middle"], ["places3"]), n("Slice", ["ps", "zero", "one", "zero"], ["ps0"]),
             n("Slice", ["ps", "two", "three", "zero"], ["ps2"]), n("Concat", ["ps0", "one", "ps2"], ["repeats"], axis=0),
             n("Tile", ["places3", "repeats"], ["indices"]), n("ScatterElements", ["x", "indices", "values"], ["y"], axis=1)]
    return build(nodes, [("x", F, ["N", 5, 4]), ("k", I, [1]), ("v", F, ["N", 1, 4])], [("y", F, None)],
                 [("zero", np.array([0], I)), ("one", np.array([1], I)), ("two", np.array([2], I)), ("three", np.array([3], I)),
                  ("step", I(1)), ("middle", np.array([1, -1, 1], I))])


def additive_attention():
    """Scores that are products with a constant vector, within a loop."""
    inner = body([n("MatMul", ["h", "w"], ["hw"]), n("Unsqueeze", ["hw", "one"], ["query"]), n("Add", ["keys", "query"], ["sum"]),
                  n("Tanh", ["sum"], ["hidden"]), n("MatMul", ["hidden", "vector"], ["scores"]), n("Softmax", ["scores"], ["p"], axis=1),
                  n("Transpose", ["p"], ["pt"], perm=[0, 2, 1]), n("MatMul", ["pt", "keys"], ["context"]),
                  n("Squeeze", ["context", "one"], ["next"]), n("Identity", ["go"], ["on"])],
                 [("i", TensorProto.INT64), ("go", TensorProto.BOOL), ("h", TensorProto.FLOAT)], ["on", "next"])
    return build([n("Loop", ["n", "", "x"], ["y"], body=inner)], [("x", F, ["N", 8]), ("keys", F, ["N", "K", 8]), ("n", I, [])],
                 [("y", F, None)], [("w", (rng.standard_normal((8, 8)) / 3).astype(F)), ("vector", rng.standard_normal((8, 1)).astype(F)),
                                    ("one", np.array([1], I))])


def appended():
    """torch.cat in a scripted loop (masks and keypoints of detectors): each iteration appends rows; two values, one of which begins with
    rows, and a third that is read as well and keeps its extents."""
    inner = body([n("Gather", ["x", "i"], ["row"], axis=0), n("Unsqueeze", ["row", "zero"], ["one"]), n("Add", ["one", "kept"], ["sum"]), n("Cast", ["all"], ["same"], to=TensorProto.FLOAT),
                  n("Concat", ["same", "sum"], ["longer"], axis=0), n("Mul", ["row", "row"], ["square"]), n("ReduceSum", ["square"], ["total"], keepdims=1),
                  n("Concat", ["total", "total"], ["twice"], axis=0), n("Concat", ["sums", "twice"], ["more"], axis=0), n("Neg", ["kept"], ["next"]),
                  n("ReduceSum", ["row"], ["size"], keepdims=0), n("Less", ["size", "limit"], ["on"])],
                 [("i", TensorProto.INT64), ("go", TensorProto.BOOL), ("all", TensorProto.FLOAT), ("kept", TensorProto.FLOAT), ("sums", TensorProto.FLOAT)],
                 ["on", "longer", "next", "more"])
    return build([n("Shape", ["x"], ["s"]), n("Gather", ["s", "zero0"], ["count"]), n("Loop", ["count", "", "none", "first", "begin"], ["all_rows", "last", "all_sums"], body=inner)],
                 [("x", F, ["N", 4]), ("begin", F, ["B"]), ("limit", F, [])], [("all_rows", F, None), ("last", F, None), ("all_sums", F, None)],
                 [("none", np.zeros((0, 4), F)), ("first", rng.standard_normal((1, 4)).astype(F)), ("zero", np.array([0], I)), ("zero0", I(0))])


def split_by_extents():
    """Parts as long as the inputs are."""
    return build([n("Shape", ["b"], ["s"], end=1), n("Shape", ["a"], ["t"], end=1), n("Concat", ["s", "t"], ["sizes"], axis=0), n("Concat", ["b", "a"], ["ab"], axis=0),
                  n("Neg", ["ab"], ["minus"]), n("Split", ["minus", "sizes"], ["y", "z"], axis=0)],
                 [("a", F, ["A", 3]), ("b", F, ["B", 3])], [("y", F, None), ("z", F, None)])


def main():
    folder = sys.argv[1]
    m = Compiled(folder, "appended", appended())
    x = np.ones((5, 4), F)
    for rows, begin, limit in ((5, 2, 9), (5, 0, 9), (1, 1, 9), (5, 3, -1)):
        m.check(x=x[:rows] + rng.random((rows, 4)).astype(F), begin=rng.standard_normal(begin).astype(F), limit=np.array(limit, F))
    m = Compiled(folder, "split-by-extents", split_by_extents())
    for a, b in ((2, 3), (0, 4), (1, 0)):
        m.check(a=rng.standard_normal((a, 3)).astype(F), b=rng.standard_normal((b, 3)).astype(F))
    m = Compiled(folder, "shadowed", shadowed())
    for rows, steps in ((1, 3), (3, 1), (2, 0), (0, 2)):
        m.check(x=rng.standard_normal((rows, 8)).astype(F), n=np.array(steps, I))
    m = Compiled(folder, "unread", unread())
    x = np.ones((2, 3), F)
    for steps, limit in ((3, 1000), (5, 15), (1, 0)):
        m.check(x=x, n=np.array(steps, I), go=np.array(True), limit=np.array(limit, F))
    # Without an iteration the result would be the placeholder, of another rank.
    for steps, go in ((0, True), (3, False)):
        command = ["tessera-run", m.module]
        for name, value in {"x": x, "n": np.array(steps, I), "go": np.array(go), "limit": F(9)}.items():
            np.save(f"{folder}/{name}.npy", value)
            command += ["--input", f"{name}=@{folder}/{name}.npy"]
        failed = subprocess.run(command, capture_output=True, text=True)
        print(failed.stderr.strip())
        assert failed.returncode == 1 and "whether it runs once (carried value 1 begins as" in failed.stderr, failed
    m = Compiled(folder, "gains-axes", gains_axes())
    for limit in (1, 4, 6):
        m.check(x=rng.standard_normal((5, 3)).astype(F), limit=np.array(limit, I), go=np.array(True))
    m = Compiled(folder, "set-rows", set_rows())
    for rows, k in ((2, 0), (1, 3), (3, 4)):
        m.check(x=rng.standard_normal((rows, 5, 4)).astype(F), k=np.array([k], I), v=rng.standard_normal((rows, 1, 4)).astype(F))
    m = Compiled(folder, "additive-attention", additive_attention())
    for rows, keys, steps in ((1, 7, 2), (3, 33, 3), (2, 1, 1)):
        m.check(x=rng.standard_normal((rows, 8)).astype(F), keys=rng.standard_normal((rows, keys, 8)).astype(F), n=np.array(steps, I))
    print("passed")


if __name__ == "__main__":
    main()
