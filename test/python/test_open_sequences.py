"""Sequences whose length is known only when a model runs: one tensor, the elements along its first axis."""
import numpy as np
import pytest
from onnx import helper
from test_sequences import BOOL, F32, I64, compiled, info, model, node, refused, sequence_info

import tessera.onnxruntime

N = info("n", I64, [])


def graph(nodes, inputs, outputs):
    return helper.make_graph(nodes, "body", inputs, outputs)


def loop(body_nodes, inputs, outputs, scans=(), kind=F32):
    """A body that reads `i` and `s_in`, and gives `s_out` and `goes`, then scan outputs."""
    body = graph(body_nodes, [info("i", I64, []), info("going", BOOL, []), sequence_info("s_in", kind)],
                 [info("goes", BOOL, []), sequence_info("s_out", kind), *[info(name, F32, None) for name in scans]])
    return node("Loop", inputs, outputs, body=body)


GOES_ON = node("Identity", ["going"], ["goes"])
SCALED = [node("Cast", ["i"], ["f"], to=F32), node("Mul", ["x", "f"], ["y"])]
APPEND = node("SequenceInsert", ["s_in", "y"], ["s_out"])
EMPTY = node("SequenceEmpty", [], ["s"], dtype=F32)
X = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_a_loop_with_a_trip_count_from_data_collects():
    collect = [EMPTY, loop([GOES_ON, *SCALED, APPEND], ["n", "", "s"], ["t"])]
    reads = [node("SequenceLength", ["t"], ["length"]), node("SequenceAt", ["t", "last"], ["end"]),
             node("ConcatFromSequence", ["t"], ["new"], axis=-1, new_axis=1), node("ConcatFromSequence", ["t"], ["wide"], axis=1)]
    outputs = [sequence_info("t"), info("length", I64, []), info("end", F32, None), info("new", F32, None), info("wide", F32, None)]
    module = compiled(collect + reads, [info("x", F32, ["A", "B"]), N], outputs, {"last": -1})
    context = module.context(1)
    for x in (X, X.T, X[:1]):
        for n in (1, 2, 7):
            result, parts = context.run({"x": x, "n": np.array(n)}), [x * i for i in range(n)]
            assert result["length"] == n and np.array_equal(result["t"], parts) and np.array_equal(result["end"], parts[-1])
            assert np.array_equal(result["new"], np.stack(parts, axis=2)) and np.array_equal(result["wide"], np.concatenate(parts, axis=1))
    with pytest.raises(tessera.Error, match="the position"):
        context.run({"x": X, "n": np.array(0)})  # There is no last element.
    empty = compiled(collect, [info("x", F32, [2, 3]), N], [sequence_info("t")]).run({"x": X, "n": np.array(0)})
    assert empty["t"].shape == (0, 2, 3)


def test_the_trip_count_may_be_an_extent_and_the_condition_end_the_loop():
    short = [node("Less", ["i", "n"], ["goes"]), *SCALED, APPEND]
    nodes = [EMPTY, node("Shape", ["x"], ["shape"]), node("Gather", ["shape", "zero"], ["rows"]),
             loop([GOES_ON, *SCALED, APPEND], ["rows", "", "s"], ["t"]), loop(short, ["ten", "", "t"], ["u"])]
    module = compiled(nodes, [info("x", F32, ["A", "B"]), N], [sequence_info("u")], {"zero": 0, "ten": 10})
    for x in (X, X.T):
        for n in (-1, 0, 3, 8, 9, 100):
            ran = min(max(n + 1, 1), 10)  # The iteration whose condition is false is the last one.
            expected = [x * i for i in (*range(len(x)), *range(ran))]
            assert np.array_equal(module.run({"x": x, "n": np.array(n)})["u"], expected)


def test_several_elements_in_each_iteration_beside_a_scan_output_and_within_a_loop():
    twice = [GOES_ON, *SCALED, node("SequenceInsert", ["s_in", "y"], ["one"]), node("SequenceInsert", ["one", "x"], ["s_out"]),
             node("ReduceSum", ["y"], ["sum"], keepdims=0)]
    nodes = [node("SequenceConstruct", ["x"], ["s"]), loop(twice, ["n", "", "s"], ["t", "sums"], ["sum"])]
    inputs = [info("x", F32, ["A", "B"]), N]
    result = compiled(nodes, inputs, [sequence_info("t"), info("sums", F32, None)]).run({"x": X, "n": np.array(3)})
    assert np.array_equal(result["t"], [X, X * 0, X, X, X, X * 2, X]) and np.array_equal(result["sums"], [0, 15, 30])

    inner = helper.make_node("Loop", ["n", "", "s_in"], ["s_out"], body=graph(
        [node("Identity", ["inner_going"], ["inner_goes"]), node("SequenceInsert", ["inner_in", "y"], ["inner_out"])],
        [info("inner_i", I64, []), info("inner_going", BOOL, []), sequence_info("inner_in")],
        [info("inner_goes", BOOL, []), sequence_info("inner_out")]))
    nested = compiled([EMPTY, loop([GOES_ON, *SCALED, inner], ["n", "", "s"], ["t"])], inputs, [sequence_info("t")])
    for n in (1, 3):
        assert np.array_equal(nested.run({"x": X, "n": np.array(n)})["t"], [X * i for i in range(n) for _ in range(n)])


def test_elements_are_put_in_taken_out_and_read_where_data_says():
    split = node("SplitToSequence", ["x"], ["s"], axis=1, keepdims=0)
    nodes = [split, node("SequenceInsert", ["s", "v", "p"], ["t"]), node("SequenceErase", ["s", "p"], ["u"]), node("SequenceAt", ["s", "p"], ["y"]),
             node("SequenceInsert", ["s", "v"], ["w"]), node("SequenceErase", ["s"], ["z"])]
    inputs = [info("x", F32, ["A", "B"]), info("v", F32, ["A"]), info("p", I64, [])]
    context = compiled(nodes, inputs, [sequence_info(name) for name in "tuwz"] + [info("y", F32, None)]).context(1)
    v = np.array([-1, -2], np.float32)
    for place in (0, 1, 2, -1, -3):
        result, parts = context.run({"x": X, "v": v, "p": np.array(place)}), list(X.T)
        assert np.array_equal(result["t"], [*parts[:place % 3], v, *parts[place % 3:]])
        assert np.array_equal(result["u"], [*parts[:place % 3], *parts[place % 3 + 1:]])
        assert np.array_equal(result["y"], parts[place]) and np.array_equal(result["w"], [*parts, v]) and np.array_equal(result["z"], parts[:-1])
    for place in (3, -4):
        with pytest.raises(tessera.Error, match="the position"):
            context.run({"x": X, "v": v, "p": np.array(place)})
    for operator, inserts in (("SequenceAt", False), ("SequenceErase", False), ("SequenceInsert", True)):
        one = node(operator, ["s", "v", "p"] if inserts else ["s", "p"], ["y"])
        context = compiled([split, one], inputs, [sequence_info("y") if operator != "SequenceAt" else info("y", F32, None)]).context(1)
        for place in (4, 9, -4) if inserts else (3, 9, -4):
            with pytest.raises(tessera.Error, match="the position"):
                context.run({"x": X, "v": v, "p": np.array(place)})
    assert len(compiled([split, node("SequenceInsert", ["s", "v", "p"], ["y"])], inputs, [sequence_info("y")]).run(
        {"x": X, "v": v, "p": np.array(3)})["y"]) == 4


def test_a_loop_reads_and_a_map_changes_the_elements():
    split = node("SplitToSequence", ["x", "one"], ["s"], axis=0)
    sums = graph([GOES_ON, node("SequenceAt", ["s", "i"], ["e"]), node("Add", ["a_in", "e"], ["a_out"])],
                 [info("i", I64, []), info("going", BOOL, []), info("a_in", F32, None)], [info("goes", BOOL, []), info("a_out", F32, None)])
    doubled = graph([node("Mul", ["e", "by"], ["m"]), node("ReduceMax", ["e"], ["top"], keepdims=0)],
                    [info("e", F32, None), info("by", F32, None)], [info("m", F32, None), info("top", F32, None)])
    nodes = [split, node("SequenceLength", ["s"], ["length"]), node("Loop", ["length", "", "zero"], ["sum"], body=sums),
             node("SequenceMap", ["s", "f"], ["t", "tops"], body=doubled), node("ConcatFromSequence", ["t"], ["back"], axis=0)]
    module = compiled(nodes, [info("x", F32, ["A", 3]), info("f", F32, [])], [info("sum", F32, None), info("back", F32, None), sequence_info("tops")],
                      {"one": 1, "zero": np.zeros((1, 3), np.float32)})
    for x in (X, X[:1], X[:0]):
        result = module.run({"x": x, "f": np.float32(2)})
        assert np.array_equal(result["sum"], x.sum(0, keepdims=True)) and np.array_equal(result["back"], 2 * x)
        assert np.array_equal(result["tops"], x.max(1))


def test_branches_of_different_lengths():
    def branch(name, elements):
        made = node("SequenceConstruct", elements, [name]) if elements else node("SequenceEmpty", [], [name], dtype=F32)
        return graph([made], [], [sequence_info(name)])

    nodes = [node("If", ["c"], ["s"], then_branch=branch("s1", ["x", "x"]), else_branch=branch("s2", [])), node("SequenceLength", ["s"], ["length"])]
    module = compiled(nodes, [info("x", F32, ["A"]), info("c", BOOL, [])], [sequence_info("s"), info("length", I64, [])])
    x = np.arange(5, dtype=np.float32)
    for condition in (True, False):
        result = module.run({"x": x, "c": np.array(condition)})
        assert result["length"] == 2 * condition and len(result["s"]) == 2 * condition
        assert not condition or np.array_equal(result["s"], [x, x])


def test_a_loop_that_only_its_condition_ends():
    halved = [node("Mul", ["z_in", "half"], ["z_out"]), node("ReduceMax", ["z_out"], ["top"], keepdims=0), node("Greater", ["top", "low"], ["goes"]),
              node("SequenceInsert", ["s_in", "z_out"], ["s_out"])]
    body = graph(halved, [info("i", I64, []), info("going", BOOL, []), sequence_info("s_in"), info("z_in", F32, None)],
                 [info("goes", BOOL, []), sequence_info("s_out"), info("z_out", F32, None), info("top", F32, [])])
    nodes = [EMPTY, node("Loop", ["", "", "s", "x"], ["t", "z", "tops"], body=body)]
    for count in ("", "most"):
        nodes[1].input[0] = count
        module = compiled(nodes, [info("x", F32, ["A", "B"]), info("low", F32, [])], [sequence_info("t"), info("z", F32, None), info("tops", F32, None)],
                          {"half": np.float32(0.5), "most": np.int64(2**63 - 1)})
        for low in (10, 1, 0.01):
            expected = [X / 2]
            while expected[-1].max() > low:
                expected.append(expected[-1] / 2)
            result = module.run({"x": X, "low": np.float32(low)})
            assert np.array_equal(result["t"], expected) and np.array_equal(result["z"], expected[-1])
            assert np.array_equal(result["tops"], [part.max() for part in expected])


def test_what_is_refused():
    inputs = [info("x", F32, ["A", "B"]), N]
    reads = [GOES_ON, node("SequenceAt", ["s_in", "n"], ["y"]), APPEND]
    refused("asks for a position in an empty sequence", [EMPTY, loop(reads, ["n", "", "s"], ["t"])], inputs, [])
    noise = graph([node("RandomUniformLike", ["e"], ["r"])], [info("e", F32, None)], [info("r", F32, None)])
    refused("draws random numbers for each of A elements", [node("SplitToSequence", ["x"], ["s"]), node("SequenceMap", ["s"], ["t"], body=noise)],
            inputs, [])
    drawn = [node("Less", ["i", "n"], ["goes"]), node("RandomUniformLike", ["x"], ["y"]), APPEND]
    refused("draws random numbers", [EMPTY, loop(drawn, ["", "", "s"], ["t"])], inputs, [])
    refused("elements of different ranks or types", [node("SequenceConstruct", ["n"], ["s"]), loop([GOES_ON, *SCALED, APPEND], ["n", "", "s"], ["t"])],
            inputs, [])


def test_a_sequence_as_an_input():
    given = helper.make_tensor_sequence_value_info("s", F32, ["A", 3])
    nodes = [node("SequenceAt", ["s", "p"], ["y"]), node("SequenceLength", ["s"], ["length"]), node("ConcatFromSequence", ["s"], ["joined"], axis=0)]
    outputs = [info("y", F32, None), info("length", I64, []), info("joined", F32, None)]
    module = compiled(nodes, [given, info("p", I64, [])], outputs)
    assert [tuple(value.shape) for value in module.inputs] == [("s_length", "A", 3), ()]
    session = tessera.onnxruntime.InferenceSession(model(nodes, [given, info("p", I64, [])], outputs))
    assert [argument.type for argument in session.get_inputs()] == ["seq(tensor(float))", "tensor(int64)"]
    for count in (1, 4):
        parts = [X + i for i in range(count)]
        result = module.run({"s": np.stack(parts), "p": np.array(-1)})
        assert np.array_equal(result["y"], parts[-1]) and result["length"] == count and np.array_equal(result["joined"], np.concatenate(parts))
        assert all(np.array_equal(a, b) for a, b in zip(session.run(None, {"s": parts, "p": np.array(-1)}), result.values()))
    with pytest.raises(tessera.onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument, match="elements of one shape"):
        session.run(None, {"s": [X, X[:1]], "p": np.array(0)})
    refused("no shape of elements is said", nodes, [sequence_info("s"), info("p", I64, [])], outputs)


def test_sessions_give_lists():
    nodes = [EMPTY, loop([GOES_ON, *SCALED, APPEND], ["n", "", "s"], ["t"])]
    bytes_of_model = model(nodes, [info("x", F32, ["A", "B"]), N], [sequence_info("t")])
    session = tessera.onnxruntime.InferenceSession(bytes_of_model)
    assert [(output.name, output.type) for output in session.get_outputs()] == [("t", "seq(tensor(float))")]
    listed = model([node("SequenceConstruct", ["x", "n"], ["t"]), node("SequenceConstruct", ["x", "x"], ["u"]), node("SequenceErase", ["u"], ["v"]),
                    node("SequenceErase", ["v"], ["w"])], [info("x", F32, ["A", "B"]), info("n", F32, [])], [sequence_info(name) for name in "twu"])
    lists = tessera.onnxruntime.InferenceSession(listed).run(None, {"x": X, "n": np.float32(1)})
    assert [len(found) for found in lists] == [2, 0, 2] and np.array_equal(lists[0][1], 1) and np.array_equal(lists[2][0], X)
    for n in (0, 3):
        (found,) = session.run(["t"], {"x": X, "n": np.array(n)})
        assert isinstance(found, list) and len(found) == n and all(np.array_equal(part, X * i) for i, part in enumerate(found))
