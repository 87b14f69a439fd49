# Nodes in any order, also before what their subgraphs read from outside (as onnxruntime's quantizer writes them), against onnxruntime.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import itertools
import sys

import numpy as np
from onnx import TensorProto, helper

from compare import Compiled, build

F, BOOL = np.float32, np.bool_
X = np.array([[1, -2, 3], [0, 5, -7]], F)
node = helper.make_node
value = helper.make_tensor_value_info


def branch(nodes, output, inputs=()):
    return helper.make_graph(nodes, "branch", [*inputs], [value(output, TensorProto.FLOAT, None)])


def chain():
    """Every order of four nodes."""
    nodes = [node("Relu", ["x"], ["a"]), node("Neg", ["a"], ["b"]), node("Add", ["a", "b"], ["c"]), node("Sub", ["c", "x"], ["y"])]
    for i, order in enumerate(itertools.permutations(nodes)):
        Compiled(FOLDER, f"chain{i}", build(list(order), [("x", F, ["N", 3])], [("y", F, None)])).check(x=X)


def captured():
    """An If, an If within it, and a Loop, each before what it reads from outside. Inside nodes may stand in no order, too, which
    onnxruntime does not take: it runs them sorted."""
    def made(order, nodes):
        inner = node("If", ["c"], ["i"], then_branch=branch([node("Neg", ["late"], ["p"])], "p"), else_branch=branch([node("Abs", ["later"], ["q"])], "q"))
        choice = node("If", ["c"], ["chosen"], then_branch=branch([inner, node("Add", ["i", "late"], ["t"])][::order], "t"),
                      else_branch=branch([node("Identity", ["later"], ["e"])], "e"))
        steps = [node("Mul", ["later", "late"], ["scaled"]), node("Add", ["v", "scaled"], ["w"]), node("Identity", ["go"], ["on"])]
        body = branch(steps[::order], "w",
                      [value("k", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("v", TensorProto.FLOAT, ["N", 3])])
        body.output.insert(0, value("on", TensorProto.BOOL, []))
        loop = node("Loop", ["count", "", "chosen"], ["y"], body=body)
        every = [node("Relu", ["x"], ["late"]), node("Exp", ["late"], ["later"]), choice, loop]
        return build([every[i] for i in nodes], [("x", F, ["N", 3]), ("c", BOOL, [])], [("y", F, None)], [("count", np.array(3))])

    for i, nodes in enumerate(itertools.permutations(range(4))):
        for order in (1, -1):
            compiled = Compiled(FOLDER, f"captured{i}", made(1, (0, 1, 2, 3)))
            compiled.compile(made(order, nodes))
            for c in (False, True):
                compiled.check(x=X, c=np.array(c))


FOLDER = sys.argv[1]
chain()
captured()
print("passed")
