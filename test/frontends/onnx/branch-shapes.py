# Branches of an If whose results have extents that depend on data inside of them, against onnxruntime: one compilation, all sizes.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import subprocess
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from compare import Compiled, build

F, I, BOOL = np.float32, np.int64, np.bool_
SAMPLES = [np.array(x, F) for x in ([1, 0, -2, 3], [0, 0], [-1, 0, -2, 5, -7], [4])]
node = helper.make_node


def branch(nodes, outputs, constants=()):
    """outputs: (name, element type)."""
    return helper.make_graph(nodes, "branch", [], [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs],
                             [numpy_helper.from_array(np.asarray(value), name) for name, value in constants])


def places(x, out, sign=False):
    """Where x is not 0, or where it is negative."""
    if not sign:
        return [node("NonZero", [x], [out])]
    return [node("Neg", [x], [f"{out}_n"]), node("Relu", [f"{out}_n"], [f"{out}_r"]), node("NonZero", [f"{out}_r"], [out])]


def choice(name, nodes, outputs, conditions=("c",), more=()):
    """Compared with every condition and every sample."""
    inputs = [*((c, BOOL, []) for c in conditions), ("x", F, ["L"])]
    compiled = Compiled(FOLDER, name, build(nodes, inputs, [(n, k, None) for n, k in outputs], more))
    for x in SAMPLES:
        for bits in range(2 ** len(conditions)):
            compiled.check(x=x, **{c: np.array(bool(bits >> i & 1)) for i, c in enumerate(conditions)})


def plain():
    table = numpy_helper.from_array(np.array([[1, 2, 3]]))
    fixed = branch([node("Constant", [], ["e"], value=table)], [("e", 7)])
    choice("fixed", [node("If", ["c"], ["y"], then_branch=branch(places("x", "t"), [("t", 7)]), else_branch=fixed)], [("y", I)])
    both = {"then_branch": branch(places("x", "t"), [("t", 7)]), "else_branch": branch(places("x", "e", True), [("e", 7)])}
    choice("both", [node("If", ["c"], ["y"], **both)], [("y", I)])
    # What is chosen is read on, and its extent is one for all.
    choice("read", [node("If", ["c"], ["p"], **both), node("Squeeze", ["p", "zero"], ["q"]), node("Gather", ["x", "q"], ["g"]),
                    node("Mul", ["g", "g"], ["s"]), node("Shape", ["s"], ["n"])], [("s", F), ("n", I)], more=[("zero", np.array([0]))])


def several():
    """Two results, one of them of two open axes, the other of the same extent in both."""
    then = branch([*places("x", "t"), node("Transpose", ["t"], ["tt"], perm=[1, 0]), node("Cast", ["tt"], ["tc"], to=1),
                   node("Transpose", ["tc"], ["ts"], perm=[1, 0]), node("Mul", ["tc", "ts"], ["tm"]), node("Add", ["x", "x"], ["tx"])],
                  [("tm", 1), ("tx", 1)])
    other = branch([node("Reshape", ["x", "column"], ["e"]), node("Neg", ["x"], ["ex"])], [("e", 1), ("ex", 1)])
    choice("several", [node("If", ["c"], ["y", "z"], then_branch=then, else_branch=other)], [("y", F), ("z", F)], more=[("column", np.array([-1, 1]))])


def nested():
    inner = {"then_branch": branch(places("x", "t1"), [("t1", 7)]), "else_branch": branch(places("x", "e1", True), [("e1", 7)])}
    then = branch([node("If", ["d"], ["t"], **inner)], [("t", 7)])
    other = branch([node("Abs", ["x"], ["a"]), node("Shape", ["a"], ["s"]), node("Reshape", ["s", "row"], ["e"])], [("e", 7)])
    choice("nested", [node("If", ["c"], ["y"], then_branch=then, else_branch=other)], [("y", I)], ("c", "d"), more=[("row", np.array([1, -1]))])


def in_loop():
    """The extent is another one in each iteration."""
    then = branch([*places("v", "t"), node("Cast", ["t"], ["tc"], to=1)], [("tc", 1)])
    other = branch([node("Reshape", ["v", "row"], ["e"])], [("e", 1)])
    body = helper.make_graph(
        [node("If", ["c"], ["p"], then_branch=then, else_branch=other), node("ReduceSum", ["p"], ["s"], keepdims=0),
         node("Sub", ["v", "one"], ["next"]), node("Identity", ["go"], ["more"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("go", TensorProto.BOOL, []),
         helper.make_tensor_value_info("v", TensorProto.FLOAT, ["L"])],
        [helper.make_tensor_value_info("more", TensorProto.BOOL, []), helper.make_tensor_value_info("next", TensorProto.FLOAT, ["L"]),
         helper.make_tensor_value_info("s", TensorProto.FLOAT, [])])
    choice("loop", [node("Loop", ["trips", "", "x"], ["last", "sums"], body=body)], [("last", F), ("sums", F)],
           more=[("row", np.array([1, -1])), ("one", np.array(1, F)), ("trips", np.array(4))])


def parts():
    """A sequence of as many elements as there are places, or of all."""
    def split(graph, x, name):
        inner = branch([*graph, node("SplitToSequence", [x], [name], axis=0, keepdims=0)], [])
        inner.output.append(helper.make_tensor_sequence_value_info(name, 7, None))
        return inner
    then = split([*places("x", "t"), node("Squeeze", ["t", "zero"], ["tq"])], "tq", "ts")
    other = split([node("Cast", ["x"], ["e"], to=7)], "e", "es")
    choice("parts", [node("If", ["c"], ["s"], then_branch=then, else_branch=other), node("SequenceLength", ["s"], ["n"])], [("n", I)],
           more=[("zero", np.array([0]))])


def refused():
    """Numbers that are drawn would be drawn twice."""
    then = branch([node("RandomNormalLike", ["x"], ["r"]), node("NonZero", ["r"], ["t"])], [("t", 7)])
    other = branch(places("x", "e"), [("e", 7)])
    path = f"{FOLDER}/refused.onnx"
    onnx.save(build([node("If", ["c"], ["y"], name="q", then_branch=then, else_branch=other)], [("c", BOOL, []), ("x", F, ["L"])], [("y", I, None)]), path)
    done = subprocess.run(["tessera-compile", path, "-o", path + ".tsm"], capture_output=True, text=True)
    says = "node 'q' (If): draws random numbers in a branch, of which output 0 has an extent that depends on data: it would draw twice"
    assert done.returncode and says in done.stderr, done.stderr


FOLDER = sys.argv[1]
for test in (plain, several, nested, in_loop, parts, refused):
    test()
print("passed")
