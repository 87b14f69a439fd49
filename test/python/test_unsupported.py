"""Everything that is not supported in a whole model is said at once, by `check` and by compiling."""
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import tessera

F32 = TensorProto.FLOAT
node, value = helper.make_node, helper.make_tensor_value_info


def branch(operator):
    return helper.make_graph([node(operator, ["x"], [f"in {operator}"], name=f"inner {operator}", domain="org.example")], "b",
                             [], [value(f"in {operator}", F32, [2])])


def beyond(name, given, made):
    """A known operator that asks for what cannot be."""
    return node("Hardmax", [given], [made], name=name, axis=7)


def model():
    nodes = [node("If", ["c"], ["i"], name="choice", then_branch=branch("Deep"), else_branch=branch("Deeper")),
             beyond("first", "x", "d0"), beyond("second", "x", "d1"),
             node("Outer", ["x"], ["f"], name="call", domain="local"),
             node("Add", ["i", "f"], ["y"], name="sum")]
    function = helper.make_function("local", "Outer", ["p"], ["q"], [
        node("Unheard", ["p"], ["q"], name="body", domain="org.example")],
        [helper.make_opsetid("", 18), helper.make_opsetid("org.example", 1)])
    graph = helper.make_graph(nodes, "g", [value("x", F32, [2]), value("c", TensorProto.BOOL, [])],
                              [value(name, F32, [2]) for name in ("y", "d0", "d1")],
                              [numpy_helper.from_array(np.array(True), "t")])
    return helper.make_model(graph, functions=[function], ir_version=9, opset_imports=[
        helper.make_opsetid("", 18), helper.make_opsetid("org.example", 1), helper.make_opsetid("local", 1)]).SerializeToString()


def test_a_row_for_each_with_count_and_node():
    rows = {row["operator"]: row for row in tessera.check(model())}
    assert set(rows) == {"org.example.Deep", "org.example.Deeper", "org.example.Unheard", "Hardmax"}
    assert rows["Hardmax"]["count"] == 2 and rows["Hardmax"]["first_node"] == "first" and rows["Hardmax"]["opset"] == 18
    assert rows["org.example.Deep"]["first_node"] == "inner Deep"
    assert "body" in rows["org.example.Unheard"]["first_node"]


def test_compiling_says_the_same():
    with pytest.raises(tessera.Error) as caught:
        tessera.compile(model())
    lines = str(caught.value).splitlines()
    assert caught.value.code == "INVALID_MODEL" and len(lines) == 4
    for operator in ("org.example.Deep", "org.example.Deeper", "org.example.Unheard"):
        assert sum(f"({operator}): operators of domain 'org.example' are not supported" in line for line in lines) == 1
    (hardmax,) = (line for line in lines if "node 'first' (Hardmax)" in line)
    assert hardmax.endswith("1 more such nodes")


def test_known_operators_alone():
    graph = helper.make_graph([beyond("one", "x", "y"), node("Softmax", ["x"], ["z"], name="two", axis=1.5)], "g",
                              [value("x", F32, [2])], [value("y", F32, [2]), value("z", F32, [2])],
                              [numpy_helper.from_array(np.array(True), "t")])
    made = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString()
    with pytest.raises(tessera.Error) as caught:
        tessera.compile(made)
    first, second = str(caught.value).splitlines()
    assert "node 'one' (Hardmax): axis 7 is not below the rank" in first and "node 'two' (Softmax): attribute 'axis'" in second
