# Functions of a model are inlined: names, attributes, defaults, operator sets, overloads, calls within calls.
# RUN: rm -rf %t && mkdir -p %t && python3 %s %t
"""Argument: a folder to write to."""
import os
import subprocess
import sys

import numpy as np
from onnx import AttributeProto, TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
n = helper.make_node


def reference(node, name, attribute, kind):
    made = AttributeProto(name=name, ref_attr_name=attribute, type=kind)
    node.attribute.append(made)
    return node


def function(name, inputs, outputs, nodes, attributes=(), defaults=(), opset=18, overload=""):
    made = helper.make_function("own", name, inputs, outputs, nodes,
                                [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)] if opset
                                else [helper.make_opsetid("own", 1)],
                                attributes=list(attributes), attribute_protos=list(defaults))
    made.overload = overload
    return made


def call(name, inputs, outputs, overload="", **attributes):
    made = n(name, inputs, outputs, name="call-" + name, domain="own", **attributes)
    made.overload = overload
    return made


def model(nodes, functions, outputs=("y",), constants=()):
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", FLOAT, [2, 4])],
                              [helper.make_tensor_value_info(o, FLOAT, None) for o in outputs],
                              [numpy_helper.from_array(v, k) for k, v in constants])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("own", 1)],
                             functions=functions, ir_version=10)


leaky = function("Leaky", ["a"], ["b"], [reference(n("LeakyRelu", ["a"], ["b"], name="l"), "alpha", "slope",
                                                  AttributeProto.FLOAT)], attributes=["slope"])
default = function("Default", ["a"], ["b"], [reference(n("LeakyRelu", ["a"], ["b"]), "alpha", "slope",
                                                      AttributeProto.FLOAT)],
                   defaults=[helper.make_attribute("slope", 0.5)])
absent = function("Absent", ["a"], ["b"], [reference(n("LeakyRelu", ["a"], ["b"]), "alpha", "slope",
                                                    AttributeProto.FLOAT)])
twice = function("Twice", ["a"], ["b"], [n("Add", ["a", "a"], ["t"]), call("Leaky", ["t"], ["b"], slope=0.25)])
through = function("Through", ["a"], ["a", "b"], [n("Neg", ["a"], ["b"])])
older = function("Older", ["a"], ["b"], [n("ReduceSum", ["a"], ["b"], axes=[1], keepdims=1)], opset=11)
branch = lambda op: helper.make_graph([n(op, ["a"], ["r"])], "branch", [], [helper.make_tensor_value_info("r", FLOAT, None)])
chooses = function("Chooses", ["a"], ["b"], [
    n("ReduceSum", ["a"], ["s"], keepdims=0), n("Constant", [], ["z"], value=numpy_helper.from_array(np.float32(0))),
    n("Greater", ["s", "z"], ["c"]), n("If", ["c"], ["b"], then_branch=branch("Relu"), else_branch=branch("Neg"))])
first = function("Same", ["a"], ["b"], [n("Neg", ["a"], ["b"])], overload="first")
second = function("Same", ["a"], ["b"], [n("Abs", ["a"], ["b"])], overload="second")
loop = function("Loop1", ["a"], ["b"], [call("Loop2", ["a"], ["b"])])
loop2 = function("Loop2", ["a"], ["b"], [call("Loop1", ["a"], ["b"])])

x = np.array([[-1, 2, -3, 4], [5, -6, 7, 8]], np.float32)
leaky_of = lambda v, slope: np.where(v < 0, v * np.float32(slope), v)

GOOD = {
    "attribute": (model([call("Leaky", ["x"], ["y"], slope=0.125)], [leaky]), leaky_of(x, 0.125)),
    "default": (model([call("Default", ["x"], ["y"])], [default]), leaky_of(x, 0.5)),
    "override": (model([call("Default", ["x"], ["y"], slope=0.75)], [default]), leaky_of(x, 0.75)),
    "absent": (model([call("Absent", ["x"], ["y"])], [absent]), leaky_of(x, 0.01)),
    "nested": (model([call("Twice", ["x"], ["t"]), call("Twice", ["t"], ["y"])], [twice, leaky]),
               leaky_of(leaky_of(x * 2, 0.25) * 2, 0.25)),
    "through": (model([call("Through", ["x"], ["p", "q"]), n("Sub", ["p", "q"], ["y"])], [through]), 2 * x),
    "unused-output": (model([call("Through", ["x"], ["", "y"])], [through]), -x),
    "older-opset": (model([call("Older", ["x"], ["y"])], [older]), x.sum(1, keepdims=True)),
    "branches": (model([call("Chooses", ["x"], ["y"])], [chooses]), np.maximum(x, 0)),
    "overload": (model([call("Same", ["x"], ["t"], "first"), call("Same", ["t"], ["y"], "second")], [first, second]), np.abs(x)),
    "unused": (model([n("Neg", ["x"], ["y"])], [loop, loop2]), -x),
}

# Each of 20 functions calls the one before it twice: a million nodes, and more.
doubling = [function("F0", ["a"], ["b"], [n("Neg", ["a"], ["b"])])] + [
    function(f"F{i}", ["a"], ["b"], [call(f"F{i - 1}", ["a"], ["t"]), call(f"F{i - 1}", ["t"], ["b"])])
    for i in range(1, 22)]
chain = [function("C0", ["a"], ["b"], [n("Neg", ["a"], ["b"])])] + [
    function(f"C{i}", ["a"], ["b"], [call(f"C{i - 1}", ["a"], ["b"])]) for i in range(1, 50)]
BAD = {
    "recursion": (model([call("Loop1", ["x"], ["y"])], [loop, loop2]), "function 'own.Loop1' calls itself"),
    "missing-attribute": (model([call("Leaky", ["x"], ["y"])], [leaky]),
                          "node 'call-Leaky' (own.Leaky): function 'own.Leaky' needs attribute 'slope'"),
    "wrong-attribute": (model([call("Leaky", ["x"], ["y"], slope=3)], [leaky]),
                        "attribute 'slope' is INT, function 'own.Leaky' needs FLOAT"),
    "inputs": (model([call("Default", ["x", "x"], ["y"])], [default]), "has 1 inputs and 1 outputs, the call 2 and 1"),
    "two": (model([call("Default", ["x"], ["y"])], [default, default]), "defines function 'own.Default' twice"),
    "no-opset": (model([call("N", ["x"], ["y"])], [function("N", ["a"], ["b"], [n("Neg", ["a"], ["b"])], opset=0)]),
                 "function 'own.N' uses operator 'Neg' but imports no operator set for it"),
    "explosion": (model([call("F21", ["x"], ["y"])], doubling), "(kMaxInlinedNodes, kMaxInlinedBytes)"),
    "depth": (model([call("C49", ["x"], ["y"])], chain), "functions call each other more than 32 deep (kMaxNesting)"),
    "unknown-inside": (model([call("U", ["x"], ["y"])], [function("U", ["a"], ["b"], [n("Nope", ["a"], ["b"], name="deep")])]),
                       "node 'call-U/0/deep' (Nope): operator 'Nope' of version 18 is not supported"),
    "undefined-inside": (model([call("U", ["x"], ["y"])], [function("U", ["a"], ["b"], [n("Neg", ["z"], ["b"], name="deep")])]),
                         "node 'call-U/0/deep' (Neg): its input 'call-U/0/z' is defined nowhere"),
    "overload-missing": (model([call("Same", ["x"], ["y"], "third")], [first, second]),
                         "operators of domain 'own' are not supported"),
}


def write(name, made):
    path = os.path.join(sys.argv[1], name + ".onnx")
    with open(path, "wb") as file:
        file.write(made.SerializeToString())
    return path


def main():
    np.save(os.path.join(sys.argv[1], "x.npy"), x)
    wrong = []
    for name, (made, expected) in GOOD.items():
        out = os.path.join(sys.argv[1], name + ".npy")
        done = subprocess.run(["tessera-run", write(name, made), "--input", f"x=@{sys.argv[1]}/x.npy", "--output",
                               f"y=@{out}"], capture_output=True, text=True)
        if done.returncode or not np.allclose(np.load(out), expected, 1e-6):
            wrong.append(f"{name}: status {done.returncode} {done.stderr[:500]}")
    for name, (made, expected) in BAD.items():
        done = subprocess.run(["tessera-compile", write(name, made), "--emit", "graph"], capture_output=True, text=True)
        if done.returncode != 1 or expected not in done.stderr:
            wrong.append(f"{name}: status {done.returncode}, expected '{expected}', got:\n{done.stderr[:500]}")
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
