# Loops whose tensors get longer or shorter, and are read and reordered in between; sequences that begin without elements and are read in the first iteration,
# as scripts write it; beside onnxruntime, with numbers of iterations that only a run knows.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import subprocess
import sys

import numpy as np
import onnx
from compare import Compiled
from onnx import TensorProto, helper

F, I = np.float32, np.int64
rng = np.random.default_rng(3)
folder = sys.argv[1]
n = helper.make_node


def draw(*shape):
    return rng.standard_normal(shape).astype(F)


def ints(*values):
    return np.array(values, I)


def value(name, kind=TensorProto.FLOAT, dims=None):
    return helper.make_tensor_value_info(name, kind, dims)


CONSTANTS = {"zero": I(0), "one": I(1), "two": I(2), "last": I(-1), "a0": ints(0), "a1": ints(1), "minus": ints(-1), "least": ints(-2**62),
             "most": ints(2**62), "half": np.array(0.5, F), "limit": np.array(0.4, F), "double": np.array(2, F)}


def branch(node, name):
    """A node as the branch of an If."""
    return helper.make_graph([node], name, [], [value(node.output[0])])


def model(nodes, outputs, x):
    used = {i for node in nodes for i in node.input}
    for node in nodes:
        for attribute in node.attribute:
            stack = [attribute.g] if attribute.HasField("g") else []
            while stack:
                graph = stack.pop()
                used |= {i for inner in graph.node for i in inner.input}
                stack += [a.g for inner in graph.node for a in inner.attribute if a.HasField("g")]
    inputs = [value("x", dims=x), value("r", dims=["M", 3]), value("t", TensorProto.INT64, [])]
    graph = helper.make_graph(nodes, "g", [i for i in inputs if i.name in used], outputs,
                              [onnx.numpy_helper.from_array(np.array(v), k) for k, v in CONSTANTS.items() if k in used])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def check(name, nodes, calls, x=("N", 3), scans=()):
    """The body makes s2 of s."""
    body = helper.make_graph([n("Identity", ["c"], ["c2"]), *nodes], "b", [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, []), value("s")],
                             [value("c2", TensorProto.BOOL, []), value("s2"), *map(value, scans)])
    made = model([n("Loop", ["t", "", "x"], ["y", *("all_" + scan for scan in scans)], body=body)], [value("y"), *(value("all_" + scan) for scan in scans)], list(x))
    m = Compiled(folder, name, made)
    names = {i.name for i in made.graph.input}
    for call in calls:
        m.check(**{k: v for k, v in call.items() if k in names})
    return m


def call(shape, trips, rows=1):
    return {"x": draw(*shape), "r": draw(rows, 3), "t": np.array(trips, I)}


def grown():
    calls = [call((2, 3), trips) for trips in (0, 1, 2, 9)]
    more = [*calls, call((0, 3), 3, 4), call((2, 3), 3, 0)]
    check("front", [n("Concat", ["r", "s"], ["s2"], axis=0)], more)
    check("highest", [n("ReduceMax", ["s"], ["m"], axes=[0], keepdims=1), n("Concat", ["m", "s"], ["s2"], axis=0)], calls)
    check("read", [n("ReduceMax", ["s"], ["m"], axes=[0], keepdims=1), n("Add", ["m", "half"], ["q"]), n("Concat", ["s", "q"], ["s2"], axis=0)], calls)
    check("flip", [n("Concat", ["s", "r"], ["q"], axis=0), n("Slice", ["q", "minus", "least", "a0", "minus"], ["s2"])], more)
    check("sort", [n("Concat", ["s", "r"], ["q"], axis=0), n("Shape", ["q"], ["k"], start=0, end=1), n("TopK", ["q", "k"], ["s2", "places"], axis=0)], more)
    check("gather", [n("Concat", ["s", "r"], ["q"], axis=0), n("Shape", ["q"], ["k1"], start=0, end=1), n("Squeeze", ["k1"], ["k"]), n("Range", ["zero", "k", "one"], ["p"]),
                     n("Sub", ["k", "one"], ["j"]), n("Sub", ["j", "p"], ["o"]), n("Gather", ["q", "o"], ["s2"], axis=0)], more)
    check("double", [n("Concat", ["s", "s"], ["s2"], axis=0)], [call((1, 3), trips) for trips in (0, 1, 5, 11)])
    check("constant", [n("ReduceMax", ["s"], ["m"], axes=[0], keepdims=1), n("Concat", ["m", "s"], ["s2"], axis=0)], calls, (2, 3))
    check("columns", [n("ReduceSum", ["s", "a1"], ["m"], keepdims=1), n("Mul", ["m", "half"], ["q"]), n("Concat", ["q", "s"], ["s2"], axis=1)],
          [call((4, 2), trips) for trips in (0, 1, 6)], ("N", "K"))
    check("scan", [n("Concat", ["r", "s"], ["s2"], axis=0), n("ReduceMax", ["s2"], ["z"], keepdims=0)], calls[1:], scans=("z",))
    # Two of them, one of which only a branch makes longer.
    check("sometimes", [n("Mod", ["i", "two"], ["m"]), n("Equal", ["m", "zero"], ["b"]),
                        n("If", ["b"], ["s2"], then_branch=branch(n("Concat", ["r", "s"], ["yes"], axis=0), "yes"), else_branch=branch(n("Neg", ["s"], ["no"]), "no"))], more)
    check("by_data", [n("ReduceMax", ["s"], ["m"], keepdims=0), n("Greater", ["m", "limit"], ["b"]),
                      n("If", ["b"], ["s2"], then_branch=branch(n("Concat", ["r", "s"], ["yes"], axis=0), "yes"), else_branch=branch(n("Add", ["s", "half"], ["no"]), "no"))], calls)


def shrunk():
    check("shorter", [n("Slice", ["s", "a1", "most", "a0"], ["s2"])], [call((9, 3), trips) for trips in (0, 1, 5)])
    check("selected", [n("ReduceMax", ["s"], ["m"], axes=[1], keepdims=0), n("Greater", ["m", "limit"], ["b"]), n("Compress", ["s", "b"], ["q"], axis=0),
                       n("Sub", ["q", "limit"], ["s2"])], [call((9, 3), trips) for trips in (0, 1, 3)])


def sequences():
    """One that begins without elements; whether it has any is the number of the iteration, its length, or a flag."""
    def sequence(name):
        return helper.make_tensor_sequence_value_info(name, TensorProto.FLOAT, None)

    last = n("SequenceAt", ["s", "last"], ["no"])
    other = n("Identity", ["x"], ["yes"])
    joined = n("ConcatFromSequence", ["s"], ["no"], axis=0)
    cases = {"number": ([n("Equal", ["i", "zero"], ["b"])], last), "cast": ([n("Cast", ["i"], ["a"], to=TensorProto.BOOL), n("Not", ["a"], ["b"])], last),
             "length": ([n("SequenceLength", ["s"], ["l"]), n("Equal", ["l", "zero"], ["b"])], last),
             "rest": ([n("Mod", ["i", "two"], ["m"]), n("Equal", ["m", "zero"], ["b"])], last), "joined": ([n("Less", ["i", "one"], ["b"])], joined)}
    for name, (nodes, read) in cases.items():
        made = [n("If", ["b"], ["p"], then_branch=branch(other, "yes"), else_branch=branch(read, "no")), n("ReduceSum", ["p", "a0"], ["q"], keepdims=1),
                n("Mul", ["q", "half"], ["h"]), n("SequenceInsert", ["s", "h"], ["s2"])]
        body = helper.make_graph([n("Identity", ["c"], ["c2"]), *nodes, *made], "b", [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, []), sequence("s")],
                                 [value("c2", TensorProto.BOOL, []), sequence("s2")])
        m = Compiled(folder, name, model([n("SequenceEmpty", [], ["e"]), n("Loop", ["t", "", "e"], ["all"], body=body), n("ConcatFromSequence", ["all"], ["y"], axis=0)],
                                         [value("y")], ["N", 3]))
        for trips in (1, 2, 7):
            m.check(x=draw(2, 3), t=np.array(trips, I))


def refused():
    body = helper.make_graph([n("Identity", ["c"], ["c2"]), n("Concat", ["s", "s"], ["q"], axis=0), n("Concat", ["q", "q"], ["s2"], axis=1)], "b",
                             [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, []), value("s")], [value("c2", TensorProto.BOOL, []), value("s2")])
    onnx.save(model([n("Loop", ["t", "", "x"], ["y"], body=body, name="q")], [value("y")], ["N", 3]), f"{folder}/two.onnx")
    result = subprocess.run(["tessera-compile", f"{folder}/two.onnx", "-o", f"{folder}/two.tsm"], capture_output=True, text=True)
    assert result.returncode == 1 and "node 'q' (Loop): carried value 0 begins as" in result.stderr, result
    # Along the other axes the extents stay, which a run checks.
    m = check("other", [n("Concat", ["r", "s"], ["s2"], axis=0)], [call((2, 3), 2)], ("N", "K"))
    result = subprocess.run(["tessera-run", m.module, "--input", "x=2x4xf32", "--input", "r=1x3xf32", "--input", "t=i64=2"], capture_output=True, text=True)
    assert result.returncode == 1, result


grown()
shrunk()
sequences()
refused()
print("passed")
