"""Sequences and optional values of ONNX: taken apart and put together when compiling."""
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import tessera

F32, I64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
node = helper.make_node


def info(name, kind, dims):
    return helper.make_tensor_value_info(name, kind, dims)


def sequence_info(name, kind=F32):
    return helper.make_tensor_sequence_value_info(name, kind, None)


def model(nodes, inputs, outputs, constants=None):
    outputs = outputs or [info(nodes[-1].output[0], F32, None)]
    graph = helper.make_graph(nodes, "g", inputs, outputs,
                              [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def compiled(*args):
    return tessera.compile(model(*args))


def refused(text, *args):
    with pytest.raises(tessera.Error, match=text):
        compiled(*args)


A, B = np.arange(4, dtype=np.float32), np.arange(4, 8, dtype=np.float32)
TWO = [info("a", F32, [4]), info("b", F32, [4])]


def test_an_output_is_one_tensor_for_each_element():
    nodes = [node("SequenceConstruct", ["a", "b"], ["s"]), node("SequenceInsert", ["s", "a", "front"], ["t"]),
             node("SequenceErase", ["t", "last"], ["u"]), node("Optional", ["u"], ["v"]),
             node("OptionalGetElement", ["v"], ["w"]), node("SequenceLength", ["w"], ["n"])]
    module = compiled(nodes, TWO, [sequence_info("w"), info("n", I64, [])], {"front": [0], "last": -1})
    result = module.run({"a": A, "b": B})
    assert set(result) == {"w/0", "w/1", "n"} and result["n"] == 2
    assert np.array_equal(result["w/0"], A) and np.array_equal(result["w/1"], A)


def test_positions_outside_are_refused():
    two = node("SequenceConstruct", ["a", "b"], ["s"])
    for operator, inputs, place in (("SequenceAt", ["s", "p"], 2), ("SequenceErase", ["s", "p"], -3),
                                    ("SequenceInsert", ["s", "a", "p"], 3)):
        refused(f"asks for position {place} of 2 elements", [two, node(operator, inputs, ["y"])], TWO, [info("y", F32, None)], {"p": place})
    refused("an element of an empty sequence", [node("SequenceEmpty", [], ["s"]), node("SequenceErase", ["s"], ["y"])], TWO, [])
    refused("a position in an empty sequence", [node("SequenceEmpty", [], ["s"]), node("SequenceAt", ["s", "p"], ["y"])],
            [*TWO, info("p", I64, [])], [])


def test_a_place_that_depends_on_data_is_checked_when_it_runs():
    nodes = [node("SequenceConstruct", ["a", "b"], ["s"]), node("SequenceAt", ["s", "p"], ["y"])]
    context = compiled(nodes, [*TWO, info("p", I64, [])], [info("y", F32, None)]).context(1)
    for place, expected in ((0, A), (1, B), (-1, B), (-2, A)):
        assert np.array_equal(context.run({"a": A, "b": B, "p": np.array(place)})["y"], expected)
    for place in (2, -3):
        with pytest.raises(tessera.Error, match="the position is computed from data"):
            context.run({"a": A, "b": B, "p": np.array(place)})
    refused("of elements of different ranks or types", nodes, [info("a", F32, [4]), info("b", F32, [4, 1]), info("p", I64, [])], [])


def test_split_in_lengths_that_data_gives():
    nodes = [node("SplitToSequence", ["x", "lengths"], ["s"], axis=1), node("SequenceAt", ["s", "one"], ["y"]),
             node("ConcatFromSequence", ["s"], ["z"], axis=1)]
    context = compiled(nodes, [info("x", F32, [2, "N"]), info("lengths", I64, [3])], [info("y", F32, None), info("z", F32, None)],
                       {"one": 1}).context(1)
    x = np.arange(14, dtype=np.float32).reshape(2, 7)
    for lengths in ([1, 4, 2], [0, 7, 0], [7, 0, 0]):
        result = context.run({"x": x, "lengths": np.array(lengths)})
        assert np.array_equal(result["y"], x[:, lengths[0]:lengths[0] + lengths[1]]) and np.array_equal(result["z"], x)
    for lengths in ([1, 4, 3], [1, 4, 1]):
        with pytest.raises(tessera.Error):
            context.run({"x": x, "lengths": np.array(lengths)})
    split = [node("SplitToSequence", ["x"], ["s"], axis=0, keepdims=0), node("ConcatFromSequence", ["s"], ["y"], axis=1, new_axis=1)]
    assert np.array_equal(compiled(split, [info("x", F32, [2, 7])], [info("y", F32, None)]).run({"x": x})["y"], x.T)
    thirds = [node("SplitToSequence", ["x", "three"], ["s"], axis=0), node("ConcatFromSequence", ["s"], ["y"], axis=0)]
    assert np.array_equal(compiled(thirds, [info("x", F32, ["N", 7])], [info("y", F32, None)], {"three": 3}).run({"x": x})["y"], x)
    refused("kMaxSequence", split, [info("x", F32, [5000, 7])], [])


def branch(name, elements):
    return helper.make_graph([node("SequenceConstruct", elements, [name])], name, [], [sequence_info(name)])


def test_branches_choose_element_by_element():
    def choice(second):
        return [node("If", ["c"], ["s"], then_branch=branch("s1", ["a", "b"]), else_branch=branch("s2", second))]

    inputs = [*TWO, info("c", BOOL, [])]
    module = compiled(choice(["b", "a"]), inputs, [sequence_info("s")])
    for condition, expected in ((True, (A, B)), (False, (B, A))):
        result = module.run({"a": A, "b": B, "c": np.array(condition)})
        assert np.array_equal(result["s/0"], expected[0]) and np.array_equal(result["s/1"], expected[1])
    longer = compiled(choice(["a"]), inputs, [sequence_info("s")])
    for condition, expected in ((True, [A, B]), (False, [A])):
        assert np.array_equal(longer.run({"a": A, "b": B, "c": np.array(condition)})["s"], expected)
    refused("elements of different ranks or types", choice(["a", "d", "d"]), [*inputs, info("d", F32, [5, 1])], [sequence_info("s")])
    assert set(compiled(choice(["a"]), TWO, [sequence_info("s")], {"c": False}).run({"a": A, "b": B})) == {"s/0"}


def loop(body_nodes, count, outputs=("t",)):
    body = helper.make_graph([node("Identity", ["going"], ["goes"]), *body_nodes], "body",
                             [info("i", I64, []), info("going", BOOL, []), sequence_info("s_in")],
                             [info("goes", BOOL, []), sequence_info("s_out"), *[info("y", F32, None) for _ in outputs[1:]]])
    return [node("SequenceConstruct", ["a", "b"], ["s"]), node("Loop", [count, "", "s"], list(outputs), body=body)]


def test_a_loop_may_carry_a_sequence_that_keeps_its_length():
    exchange = [node("SequenceAt", ["s_in", "zero"], ["x"]), node("SequenceAt", ["s_in", "one"], ["y"]), node("Add", ["x", "y"], ["z"]),
                node("SequenceConstruct", ["y", "z"], ["s_out"])]
    module = compiled(loop(exchange, "n"), [*TWO, info("n", I64, [])], [sequence_info("t")], {"zero": 0, "one": 1})
    x, y = A, B
    for n in range(5):
        result = module.run({"a": A, "b": B, "n": np.array(n)})
        assert np.array_equal(result["t/0"], x) and np.array_equal(result["t/1"], y)
        x, y = y, x + y
    grow = [node("SequenceInsert", ["s_in", "a"], ["s_out"])]
    longer = compiled(loop(grow, "n"), [*TWO, info("n", I64, [])], [sequence_info("t")])
    for n in range(4):
        assert np.array_equal(longer.run({"a": A, "b": B, "n": np.array(n)})["t"], [A, B] + [A] * n)


def test_a_loop_of_known_length_may_let_it_grow():
    grow = [node("SequenceAt", ["s_in", "i"], ["x"]), node("Add", ["x", "b"], ["y"]), node("SequenceInsert", ["s_in", "y"], ["s_out"])]
    module = compiled(loop(grow, "n", ("t", "y_all")), TWO, [sequence_info("t"), info("y_all", F32, None)], {"n": 3})
    result = module.run({"a": A, "b": B})
    expected = [A, B]
    for i in range(3):
        expected.append(expected[i] + B)
    assert len(result) == 6 and np.array_equal(result["y_all"], np.stack(expected[2:]))
    for i, element in enumerate(expected):
        assert np.array_equal(result[f"t/{i}"], element)
    # More often than bodies are repeated when compiling: what keeps its structure is carried.
    turn = [node("SequenceInsert", ["s_in", "a"], ["more"]), node("SequenceErase", ["more", "zero"], ["s_out"])]
    result = compiled(loop(turn, "n"), TWO, [sequence_info("t")], {"n": 100000, "zero": 0}).run({"a": A, "b": B})
    assert set(result) == {"t/0", "t/1"} and np.array_equal(result["t/0"], A) and np.array_equal(result["t/1"], A)
    shrinks = [node("SequenceErase", ["s_in", "zero"], ["s_out"])]
    shrinking = compiled(loop(shrinks, "n"), TWO, [sequence_info("t")], {"n": 100000, "zero": 0})
    with pytest.raises(tessera.Error, match="the number of elements behind the position"):
        shrinking.run({"a": A, "b": B})


def test_map_of_elements_of_different_extents():
    body = helper.make_graph([node("Mul", ["x", "by"], ["y"]), node("Shape", ["x"], ["n"])], "body",
                             [info("x", F32, ["K"]), info("by", F32, [])], [info("y", F32, ["K"]), info("n", I64, [1])])
    nodes = [node("SequenceConstruct", ["a", "b"], ["s"]), node("SequenceMap", ["s", "f"], ["t", "m"], body=body)]
    module = compiled(nodes, [info("a", F32, ["N"]), info("b", F32, ["M"]), info("f", F32, [])], [sequence_info("t"), sequence_info("m", I64)])
    result = module.run({"a": A, "b": B[:2], "f": np.float32(3)})
    assert np.array_equal(result["t/0"], 3 * A) and np.array_equal(result["t/1"], 3 * B[:2])
    assert result["m/0"] == [4] and result["m/1"] == [2]


def test_what_takes_tensors_takes_no_sequence():
    two = node("SequenceConstruct", ["a", "b"], ["s"])
    refused("its input 's' is a sequence of 2, which it does not take", [two, node("Relu", ["s"], ["y"])], TWO, [info("y", F32, None)])
    refused("needs a sequence as input 0, found a tensor", [node("SequenceLength", ["a"], ["y"])], TWO, [info("y", I64, None)])
    refused("an optional value that is empty",
            [node("Optional", [], ["o"], type=helper.make_tensor_type_proto(F32, [4])), node("OptionalGetElement", ["o"], ["y"])], TWO, [])
    refused("no shape of elements is said", [node("SequenceLength", ["s"], ["y"])], [sequence_info("s")], [info("y", I64, None)])
