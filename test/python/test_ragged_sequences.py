"""Sequences of open length whose elements have different shapes, or are strings, beside onnxruntime."""
import itertools

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from test_open_sequences import GOES_ON, X, graph, loop
from test_sequences import BOOL, F32, I64, compiled, info, model, node, refused, sequence_info

import tessera.onnxruntime
from tessera import sequences

STRING = TensorProto.STRING
N, P = info("n", I64, []), info("p", I64, [])
WORDS = np.array(["a", "", "ünï", "four", "the fifth one"], object)


def peers(nodes, inputs, outputs, constants=None):
    made = model(nodes, inputs, outputs, constants)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return tessera.onnxruntime.InferenceSession(made), onnxruntime.InferenceSession(made, options)


def same(ours, theirs):
    assert isinstance(ours, list) == isinstance(theirs, list)
    if isinstance(ours, list):
        assert len(ours) == len(theirs), (ours, theirs)
        for one, other in zip(ours, theirs):
            same(one, other)
        return
    one, other = np.asarray(ours), np.asarray(theirs)
    assert one.shape == other.shape and one.tolist() == other.tolist(), (one, other)


def agree(sessions, feed):
    results = [session.run(None, feed) for session in sessions]
    for one, other in zip(*results, strict=True):
        same(one, other)
    return results[0]


READS = [node("SequenceAt", ["s", "p"], ["at"]), node("SequenceLength", ["s"], ["length"]), node("SequenceErase", ["s", "p"], ["less"]),
         node("SequenceInsert", ["s", "v", "p"], ["more"]), node("SequenceInsert", ["s", "v"], ["longer"]), node("SequenceErase", ["s"], ["shorter"])]


def reads(kind):
    return [info("at", kind, None), info("length", I64, []), *[sequence_info(name, kind) for name in ("less", "more", "longer", "shorter")],
            sequence_info("s", kind)]


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("kind", [np.float32, np.int32, np.float64, np.int64])
def test_lengths_that_data_gives(axis, kind):
    number = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    nodes = [node("SplitToSequence", ["x", "lengths"], ["s"], axis=axis), *READS, node("ConcatFromSequence", ["longer"], ["joined"], axis=axis)]
    sessions = peers(nodes, [info("x", number, ["A", "B", "C"]), info("lengths", I64, ["M"]), info("v", number, ["D", "E", "F"]), P],
                     [*reads(number), info("joined", number, None)])
    for lengths, place in (([1, 2, 0, 1], 1), ([4], 0), ([0, 0, 4, 0, 0], -2), ([3, 1], -1), ([1, 1, 1, 1], 3)):
        shape = [2, 3, 2]
        shape[axis] = 4
        x = (np.arange(np.prod(shape)) % 7).reshape(shape).astype(kind)
        v = np.flip(x, axis)
        agree(sessions, {"x": x, "lengths": np.array(lengths), "v": v, "p": np.array(place)})
    for lengths, text in (([1, 2], "elements|extent"), ([5, -1], "sum of the lengths"), ([], "extent|elements|position")):
        with pytest.raises(Exception, match=text):
            sessions[0].run(None, {"x": x, "lengths": np.array(lengths, np.int64), "v": v, "p": np.array(0)})


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_parts_of_one_length_of_an_open_axis(axis, length):
    for constants in ({"l": np.int64(length)}, {}):
        nodes = [node("SplitToSequence", ["x", "l"], ["s"], axis=axis), *READS, node("ConcatFromSequence", ["s"], ["joined"], axis=axis)]
        inputs = [info("x", F32, ["A", "B"]), info("v", F32, ["C", "D"]), P, *([] if constants else [info("l", I64, [])])]
        sessions = peers(nodes, inputs, [*reads(F32), info("joined", F32, None)], constants)
        for extent, place in itertools.product((1, 4, 6, 7), (0, -1)):
            x = np.arange(2 * extent, dtype=np.float32).reshape((extent, 2) if axis == 0 else (2, extent))
            agree(sessions, {"x": x, "v": X, "p": np.array(place), **({} if constants else {"l": np.array(length)})})
    with pytest.raises(Exception, match="the length of parts"):
        sessions[0].run(None, {"x": x, "v": X, "p": np.array(0), "l": np.array(0)})


def test_parts_that_come_out_even_are_side_by_side():
    nodes = [node("Concat", ["x", "x", "x"], ["xxx"], axis=0), node("SplitToSequence", ["xxx", "three"], ["s"], axis=0)]
    result = compiled(nodes, [info("x", F32, ["A", 2])], [sequence_info("s")], {"three": np.int64(3)}).run({"x": np.ones((5, 2), np.float32)})
    assert set(result) == {"s"} and result["s"].shape == (5, 3, 2)


SLICES = [node("Unsqueeze", ["i", "zero"], ["end"]), node("Slice", ["x", "none", "end"], ["y"]), node("SequenceInsert", ["s_in", "y"], ["s_out"])]
LOOPED = {"zero": np.array([0]), "none": np.array([0])}
EMPTY = node("SequenceEmpty", [], ["e"], dtype=F32)


def test_a_loop_that_collects_elements_of_other_shapes():
    nodes = [EMPTY, loop([GOES_ON, *SLICES], ["n", "", "e"], ["s"]), *READS, node("ConcatFromSequence", ["s"], ["joined"], axis=0)]
    sessions = peers(nodes, [info("x", F32, ["A", "B"]), info("v", F32, ["C", "D"]), N, P], [*reads(F32), info("joined", F32, None)], LOOPED)
    for n, place in ((1, 0), (2, -1), (3, 1), (5, 3)):
        agree(sessions, {"x": X, "v": X.T, "n": np.array(n), "p": np.array(place)})
    only = peers(nodes[:2], [info("x", F32, ["A", "B"]), N], [sequence_info("s")], LOOPED)
    assert agree(only, {"x": X, "n": np.array(0)}) == [[]]
    with pytest.raises(Exception, match="which all elements have to have in common"):
        joined = node("ConcatFromSequence", ["s"], ["joined"], axis=1)  # Nothing says how many rows there are.
        compiled([*nodes[:2], joined], [info("x", F32, ["A", "B"]), N], [info("joined", F32, None)], LOOPED).run({"x": X, "n": np.array(0)})


def test_a_loop_with_a_condition_and_a_scan_output_collects():
    ends = [node("ReduceSum", ["y"], ["sum"], keepdims=0), node("Less", ["i", "n"], ["goes"])]
    for count in ("", "most"):
        nodes = [node("SequenceConstruct", ["x"], ["e"]), loop([*SLICES, *ends], [count, "", "e"], ["s", "sums"], ["sum"])]
        sessions = peers(nodes, [info("x", F32, ["A", "B"]), N], [sequence_info("s"), info("sums", F32, None)], {**LOOPED, "most": np.int64(4)})
        for n in (-1, 0, 2, 6):
            agree(sessions, {"x": X, "n": np.array(n)})


def test_a_loop_that_collects_what_data_selects():
    body = [GOES_ON, node("Cast", ["i"], ["f"], to=F32), node("Greater", ["x", "f"], ["above"]), node("Compress", ["x", "above"], ["y"]),
            node("NonZero", ["above"], ["places"]), node("SequenceInsert", ["s_in", "y"], ["s_out"])]
    nodes = [EMPTY, loop(body, ["n", "", "e"], ["s"]), node("ConcatFromSequence", ["s"], ["joined"], axis=0)]
    sessions = peers(nodes, [info("x", F32, ["A"]), N], [sequence_info("s"), info("joined", F32, None)])
    for n in (1, 4):
        agree(sessions, {"x": np.array([3, 1, 2, 0, 1.5, 9], np.float32), "n": np.array(n)})


def test_scan_outputs_whose_shape_depends_on_data():
    """It is the same in each iteration."""
    body = [node("Greater", ["x", "zero"], ["above"]), node("Compress", ["x", "above"], ["kept"]), node("Cast", ["i"], ["f"], to=F32), node("Mul", ["kept", "f"], ["y"]),
            node("Gather", ["words", "places"], ["chosen"])]
    select = [node("NonZero", ["above"], ["found"]), node("Squeeze", ["found"], ["places"])]
    made = graph([GOES_ON, body[0], *select, *body[1:]], [info("i", I64, []), info("going", BOOL, [])],
                 [info("goes", BOOL, []), info("y", F32, ["K"]), info("chosen", STRING, ["K"])])
    inputs = [info("x", F32, ["A"]), info("words", STRING, ["A"]), N]
    sessions = peers([node("Loop", ["n", ""], ["ys", "all"], body=made)], inputs, [info("ys", F32, None), info("all", STRING, None)], {"zero": np.float32(0)})
    for n in (1, 4):
        for x in (np.array([1, -1, 2, 0, 3], np.float32), np.zeros(5, np.float32) - 1):
            agree(sessions, {"x": x, "words": WORDS, "n": np.array(n)})
    assert sessions[0].run(None, {"x": x, "words": WORDS, "n": np.array(0)})[0].shape == (0, 0)
    other = graph([GOES_ON, node("Cast", ["i"], ["f"], to=F32), node("Greater", ["x", "f"], ["above"]), node("Compress", ["x", "above"], ["y"])],
                  [info("i", I64, []), info("going", BOOL, [])], [info("goes", BOOL, []), info("y", F32, ["K"])])
    changing = compiled([node("Loop", ["n", ""], ["ys"], body=other)], [inputs[0], N], [info("ys", F32, None)])
    with pytest.raises(tessera.Error, match="extent 0, which all elements have to have in common"):
        changing.run({"x": np.array([1, 2, 3], np.float32), "n": np.array(3)})


def test_a_loop_that_adds_or_not():
    """Of each iteration one element, two, or none."""
    def branch(name, elements):
        steps = [node("SequenceInsert", [before, element], [after]) for before, after, element in
                 zip(["s_in", *[f"{name}{i}" for i in range(9)]], [f"{name}{i}" for i in range(len(elements))], elements)]
        steps = steps or [node("Identity", ["s_in"], [f"{name}0"])]
        return graph(steps, [], [sequence_info(steps[-1].output[0])])

    cases = ((["y"], []), ([], ["x", "x"]), (["x", "y"], ["y"]), (["x"], ["y"]))
    for left, right in cases:
        body = [GOES_ON, SLICES[0], SLICES[1], node("Gather", ["flags", "i"], ["flag"]),
                node("If", ["flag"], ["s_out"], then_branch=branch("l", left), else_branch=branch("r", right))]
        nodes = [EMPTY, loop(body, ["n", "", "e"], ["s"]), node("SequenceLength", ["s"], ["length"])]
        sessions = peers(nodes, [info("x", F32, ["A", "B"]), N, info("flags", BOOL, ["K"])], [sequence_info("s"), info("length", I64, [])], LOOPED)
        for flags in ([True], [False, True, True], [False, False], [True, False, True, True]):
            agree(sessions, {"x": X, "n": np.array(len(flags)), "flags": np.array(flags)})
    # Of one shape they are side by side.
    body[1:3] = []
    body[-1] = node("If", ["flag"], ["s_out"], then_branch=branch("l", ["x"]), else_branch=branch("r", []))
    nodes = [EMPTY, loop(body, ["n", "", "e"], ["s"])]
    module = compiled(nodes, [info("x", F32, ["A", "B"]), N, info("flags", BOOL, ["K"])], [sequence_info("s")], LOOPED)
    assert module.run({"x": X, "n": np.array(3), "flags": np.array([True, False, True])})["s"].shape == (2, 2, 3)


def test_a_loop_reads_elements_of_different_shapes():
    sums = graph([GOES_ON, node("SequenceAt", ["s", "i"], ["each"]), node("ReduceSum", ["each"], ["part"], keepdims=0),
                  node("Add", ["a_in", "part"], ["a_out"]), node("Mul", ["each", "a_out"], ["y"]), node("SequenceInsert", ["t_in", "y"], ["t_out"])],
                 [info("i", I64, []), info("going", BOOL, []), info("a_in", F32, []), sequence_info("t_in")],
                 [info("goes", BOOL, []), info("a_out", F32, []), sequence_info("t_out")])
    nodes = [node("SplitToSequence", ["x", "lengths"], ["s"], axis=1), node("SequenceLength", ["s"], ["length"]), EMPTY,
             node("Loop", ["length", "", "start", "e"], ["sum", "t"], body=sums)]
    sessions = peers(nodes, [info("x", F32, ["A", "B"]), info("lengths", I64, ["M"])], [info("sum", F32, []), sequence_info("t")], {"start": np.float32(0)})
    for lengths in ([1, 2], [0, 3, 0], [3]):
        agree(sessions, {"x": X, "lengths": np.array(lengths)})


def test_a_loop_that_runs_more_often_than_bodies_are_repeated():
    """Its trip count is known, but no reason to repeat its body 5000 times when compiling."""
    nodes = [EMPTY, loop([GOES_ON, *SLICES], ["many", "", "e"], ["s"]), node("SequenceLength", ["s"], ["length"])]
    sessions = peers(nodes, [info("x", F32, ["A", "B"])], [sequence_info("s"), info("length", I64, [])], {**LOOPED, "many": np.int64(5000)})
    assert agree(sessions, {"x": X})[1] == 5000


def test_loops_within_loops():
    inner = loop([GOES_ON, node("Slice", ["x", "none", "end"], ["y"]), node("SequenceInsert", ["s_in", "y"], ["s_out"])], ["i", "", "o_in"], ["o_out"])
    inner.attribute[0].g.CopyFrom(graph([node("Identity", ["going2"], ["goes2"]), node("Unsqueeze", ["i2", "zero"], ["end"]),
                                         node("Slice", ["x", "none", "end"], ["y"]), node("SequenceInsert", ["s2", "y"], ["t2"])],
                                        [info("i2", I64, []), info("going2", BOOL, []), sequence_info("s2")],
                                        [info("goes2", BOOL, []), sequence_info("t2")]))
    body = graph([GOES_ON, inner], [info("i", I64, []), info("going", BOOL, []), sequence_info("o_in")], [info("goes", BOOL, []), sequence_info("o_out")])
    nodes = [EMPTY, node("Loop", ["n", "", "e"], ["s"], body=body)]
    sessions = peers(nodes, [info("x", F32, ["A", "B"]), N], [sequence_info("s")], LOOPED)
    for n in (1, 2, 4):
        agree(sessions, {"x": X, "n": np.array(n)})


def test_a_map_of_elements_of_different_shapes():
    body = graph([node("Mul", ["e", "by"], ["m"]), node("ReduceSum", ["e"], ["sum"], keepdims=0), node("Greater", ["e", "by"], ["above"]),
                  node("NonZero", ["above"], ["places"])], [info("e", F32, None), info("by", F32, None)],
                 [info("m", F32, None), info("sum", F32, None), info("places", I64, None)])
    for split, inputs in ((node("SplitToSequence", ["x", "lengths"], ["s"], axis=1), [info("lengths", I64, ["M"])]),
                          (node("SplitToSequence", ["x"], ["s"], axis=0), [])):
        nodes = [split, node("SequenceMap", ["s", "f"], ["t", "sums", "places"], body=body)]
        sessions = peers(nodes, [info("x", F32, ["A", "B"]), info("f", F32, []), *inputs],
                         [sequence_info("t"), sequence_info("sums"), sequence_info("places", I64)])
        for lengths in ([2, 0, 1], [3], [1, 1, 1]):
            agree(sessions, {"x": X, "f": np.array(2, np.float32), **({"lengths": np.array(lengths)} if inputs else {})})
    both = graph([node("Add", ["a", "b"], ["c"])], [info("a", F32, None), info("b", F32, None)], [info("c", F32, None)])
    nodes = [node("SplitToSequence", ["x", "lengths"], ["s"], axis=1), node("SequenceMap", ["s", "s"], ["t"], body=both)]
    agree(peers(nodes, [info("x", F32, ["A", "B"]), info("lengths", I64, ["M"])], [sequence_info("t")]), {"x": X, "lengths": np.array([1, 2])})


def test_branches_and_lists_of_different_shapes():
    def branch(name, elements):
        made = node("SequenceConstruct", elements, [name]) if elements else node("SequenceEmpty", [], [name], dtype=F32)
        return graph([made], [], [sequence_info(name)])

    inputs = [info("x", F32, ["A"]), info("y", F32, ["B"]), info("c", BOOL, []), P]
    x, y = np.arange(5, dtype=np.float32), np.arange(3, dtype=np.float32)
    for left, right in ((["x", "y"], ["y"]), ([], ["x", "y"]), (["x", "y", "x"], ["x", "x"])):
        nodes = [node("If", ["c"], ["s"], then_branch=branch("s1", left), else_branch=branch("s2", right)), node("SequenceLength", ["s"], ["length"])]
        sessions = peers(nodes, inputs[:3], [sequence_info("s"), info("length", I64, [])])
        for condition in (True, False):
            agree(sessions, {"x": x, "y": y, "c": np.array(condition)})
    # Of a list: elements of other shapes at a place that data gives.
    nodes = [node("SequenceConstruct", ["x", "y"], ["s"]), node("SequenceAt", ["s", "p"], ["at"]), node("SequenceErase", ["s", "p"], ["t"]),
             node("SequenceInsert", ["s", "y", "p"], ["u"])]
    sessions = peers(nodes, [inputs[0], inputs[1], P], [info("at", F32, None), sequence_info("t"), sequence_info("u")])
    for place in (0, 1, -1, -2):
        agree(sessions, {"x": x, "y": y, "p": np.array(place)})
    for place in (3, -4):
        with pytest.raises(Exception, match="position"):
            sessions[0].run(None, {"x": x, "y": y, "p": np.array(place)})


def test_joined_along_a_new_axis_elements_have_one_shape():
    nodes = [node("SplitToSequence", ["x", "lengths"], ["s"], axis=0), node("ConcatFromSequence", ["s"], ["y"], axis=1, new_axis=1)]
    sessions = peers(nodes, [info("x", F32, ["A", 2]), info("lengths", I64, ["M"])], [info("y", F32, None)])
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    for lengths in ([2, 2, 2], [6], [3, 3]):
        agree(sessions, {"x": x, "lengths": np.array(lengths)})
    with pytest.raises(Exception, match="extent 0, which all elements have to have in common"):
        sessions[0].run(None, {"x": x, "lengths": np.array([2, 4])})


def test_strings():
    nodes = [node("SplitToSequence", ["x"], ["s"], axis=0), *READS, node("ConcatFromSequence", ["longer"], ["joined"], axis=0)]
    sessions = peers(nodes, [info("x", STRING, ["A", "B"]), info("v", STRING, [1, "B"]), P], [*reads(STRING), info("joined", STRING, None)])
    x = np.stack([WORDS, WORDS[::-1]], 1)
    for count, place in ((5, 1), (1, 0), (3, -1)):
        agree(sessions, {"x": x[:count], "v": np.array([["much longer than others", "é"]], object), "p": np.array(place)})


@pytest.mark.parametrize("axis", [0, 1])
def test_strings_of_different_shapes(axis):
    nodes = [node("SplitToSequence", ["x", "lengths"], ["s"], axis=axis), *READS, node("ConcatFromSequence", ["s"], ["joined"], axis=axis)]
    sessions = peers(nodes, [info("x", STRING, ["A", "B"]), info("lengths", I64, ["M"]), info("v", STRING, ["C", "D"]), P],
                     [*reads(STRING), info("joined", STRING, None)])
    x = np.stack([WORDS, WORDS[::-1]], 1 - axis)
    for lengths, place in (([2, 0, 3], 0), ([5], -1), ([1, 4], 1)):
        agree(sessions, {"x": x, "lengths": np.array(lengths), "v": np.array([["long enough for another width"]], object), "p": np.array(place)})


def test_a_loop_collects_strings_and_a_map_changes_them():
    body = [GOES_ON, node("Gather", ["words", "i"], ["y"]), node("SequenceInsert", ["s_in", "y"], ["s_out"])]
    begin = node("SequenceEmpty", [], ["e"], dtype=STRING)
    upper = graph([node("StringConcat", ["w", "end"], ["longer"])], [info("w", STRING, None)], [info("longer", STRING, None)])
    nodes = [begin, loop(body, ["n", "", "e"], ["s"], kind=STRING), node("SequenceMap", ["s"], ["t"], body=upper), node("SequenceAt", ["t", "p"], ["y"]),
             node("ConcatFromSequence", ["t"], ["joined"], axis=0, new_axis=1)]
    sessions = peers(nodes, [info("words", STRING, ["K"]), N, P, info("end", STRING, [])],
                     [sequence_info("s", STRING), sequence_info("t", STRING), info("y", STRING, None), info("joined", STRING, None)])
    for n in (1, 3, 5):
        agree(sessions, {"words": WORDS, "n": np.array(n), "p": np.array(-1), "end": np.array("!", object)})
    first = [GOES_ON, node("Unsqueeze", ["i", "zero"], ["end"]), node("Slice", ["words", "none", "end"], ["y"]), node("SequenceInsert", ["s_in", "y"], ["s_out"])]
    sessions = peers([begin, loop(first, ["n", "", "e"], ["s"], kind=STRING)], [info("words", STRING, ["K"]), N], [sequence_info("s", STRING)], LOOPED)
    for n in (0, 4):
        agree(sessions, {"words": WORDS, "n": np.array(n)})


def test_branches_of_strings():
    """Of other lengths, widths and shapes; also of what a loop makes longer."""
    def branch(name, elements):
        made = node("SequenceConstruct", elements, [name]) if elements else node("SequenceEmpty", [], [name], dtype=STRING)
        return graph([made], [], [sequence_info(name, STRING)])

    inputs = [info("x", STRING, ["A"]), info("y", STRING, ["B"]), info("c", BOOL, []), P]
    for left, right in ((["x", "y"], ["y"]), ([], ["x", "y"]), (["x", "x"], ["x"]), ([], ["x"])):
        nodes = [node("If", ["c"], ["s"], then_branch=branch("s1", left), else_branch=branch("s2", right)), node("SequenceLength", ["s"], ["length"])]
        sessions = peers(nodes, inputs[:3], [sequence_info("s", STRING), info("length", I64, [])])
        for condition in (True, False):
            agree(sessions, {"x": WORDS, "y": WORDS[:2], "c": np.array(condition)})
    added, kept = (graph([node(*what)], [], [sequence_info(what[2][0], STRING)]) for what in
                   (("SequenceInsert", ["s_in", "w"], ["added"]), ("Identity", ["s_in"], ["kept"])))
    body = [GOES_ON, node("Gather", ["words", "i"], ["w"]), node("Equal", ["w", "empty"], ["isEmpty"]),
            node("If", ["isEmpty"], ["s_out"], then_branch=kept, else_branch=added)]
    nodes = [node("SequenceEmpty", [], ["e"], dtype=STRING), loop(body, ["n", "", "e"], ["s"], kind=STRING), node("SequenceAt", ["s", "p"], ["y"])]
    constants = {"empty": np.array("", object)}
    sessions = peers(nodes, [info("words", STRING, ["K"]), N, P], [sequence_info("s", STRING), info("y", STRING, None)], constants)
    for n in (1, 2, 5):
        agree(sessions, {"words": WORDS, "n": np.array(n), "p": np.array(-1)})


@pytest.mark.parametrize("given", [[WORDS[:2], WORDS[2:]], [], [WORDS]])
def test_sequences_of_strings_as_inputs(given):
    for declared in ([None], ["K"]):
        if declared == ["K"] and len(given) != 1:
            continue
        nodes = [node("SequenceInsert", ["s", "v"], ["t"]), node("SequenceAt", ["t", "p"], ["y"]), node("SequenceLength", ["s"], ["length"])]
        sessions = peers(nodes, [helper.make_tensor_sequence_value_info("s", STRING, declared), info("v", STRING, ["B"]), P],
                         [sequence_info("t", STRING), info("y", STRING, None), info("length", I64, [])])
        agree(sessions, {"s": given, "v": WORDS[::-1], "p": np.array(0)})


def test_optional_values_hold_sequences_of_open_length():
    nodes = [node("SplitToSequence", ["x", "lengths"], ["s"]), node("Optional", ["s"], ["o"]), node("OptionalHasElement", ["o"], ["has"]),
             node("OptionalGetElement", ["o"], ["t"]), node("Identity", ["t"], ["u"]), node("SequenceAt", ["u", "p"], ["y"])]
    sessions = peers(nodes, [info("x", F32, ["A", "B"]), info("lengths", I64, ["M"]), P], [info("has", BOOL, []), info("y", F32, None)])
    agree(sessions, {"x": X, "lengths": np.array([2, 0]), "p": np.array(-1)})


def test_inputs():
    for kind, parts in ((F32, [X, X[:1], X[:, :0], X]), (F32, []), (I64, [np.arange(3).reshape(1, 3)]), (BOOL, [X > 2, X[:1] > 2])):
        nodes = [node("SequenceLength", ["s"], ["length"]), node("SequenceInsert", ["s", "v"], ["longer"]), node("SequenceAt", ["longer", "p"], ["at"])]
        given = helper.make_tensor_sequence_value_info("s", kind, [None, None])
        v = np.ones((1, 1), helper.tensor_dtype_to_np_dtype(kind))
        sessions = peers(nodes, [given, info("v", kind, ["C", "D"]), P], [info("length", I64, []), sequence_info("longer", kind), info("at", kind, None)])
        for mine, other in zip(sessions[0].get_inputs(), sessions[1].get_inputs(), strict=True):
            assert (mine.name, mine.type, mine.shape) == (other.name, other.type, other.shape)
        agree(sessions, {"s": parts, "v": v, "p": np.array(0)})
        wanted = ReferenceEvaluator(model(nodes, [given, info("v", kind, ["C", "D"]), P],
                                          [info("length", I64, []), sequence_info("longer", kind), info("at", kind, None)])).run(
            None, {"s": list(parts), "v": v, "p": np.array(0)})
        for one, other in zip(sessions[0].run(None, {"s": parts, "v": v, "p": np.array(0)}), wanted, strict=True):
            same(one, other)
    with pytest.raises(Exception, match="expected elements of rank 2"):
        sessions[0].run(None, {"s": [X[0] > 1], "v": v, "p": np.array(0)})


def test_shapes_of_an_input_that_are_wrong():
    given = helper.make_tensor_sequence_value_info("s", F32, [None, 3])
    module = compiled([node("SequenceAt", ["s", "p"], ["y"])], [given, P], [info("y", F32, None)])
    assert [(value.name, tuple(value.shape)) for value in module.inputs] == [("s", ("s_values",)), ("s/shapes", ("s_length", 2)), ("p", ())]
    context = module.context(1)
    values, shapes = sequences.from_list([X, X[:1]], 2)
    assert np.array_equal(context.run({"s": values, "s/shapes": shapes, "p": np.array(1)})["y"], X[:1])
    for wrong in ([[2, 3], [2, 3]], [[2, 2], [1, 5]], [[-1, 3], [4, 3]], [[1 << 62, 3], [3, 3]], [[3, 1 << 63 - 1]], [[1 << 61, 8], [3, 3]], [[0, 3]]):
        with pytest.raises(tessera.Error):
            context.run({"s": values, "s/shapes": np.array(wrong), "p": np.array(0)})
    loose = helper.make_tensor_sequence_value_info("s", F32, [None, None])
    context = compiled([node("SequenceAt", ["s", "p"], ["y"])], [loose, P], [info("y", F32, None)]).context(1)
    for wrong in ([[1 << 62, 4], [3, 3]], [[1 << 32, 1 << 32], [3, 3]], [[(1 << 63) - 1, (1 << 63) - 1], [8, 1]], [[0, 1 << 62], [3, 3]], [[9, 1], [0, -1]]):
        for place in (0, 1, -1):
            with pytest.raises(tessera.Error, match="the number of values that its shapes say"):
                context.run({"s": values, "s/shapes": np.array(wrong), "p": np.array(place)})
    cube = helper.make_tensor_sequence_value_info("s", F32, [None, None, None])
    context = compiled([node("SequenceAt", ["s", "p"], ["y"])], [cube, P], [info("y", F32, None)]).context(1)
    with pytest.raises(tessera.Error, match="computing a size overflows 64 bits"):  # The product wraps to 0.
        context.run({"s": values[:0], "s/shapes": np.array([[1 << 22, 1 << 21, 1 << 21]]), "p": np.array(0)})


def test_lists():
    parts = [X, X[:1], X[:0]]
    values, shapes = sequences.from_list(parts, 2)
    assert values.shape == (9,) and shapes.tolist() == [[2, 3], [1, 3], [0, 3]]
    assert all(np.array_equal(a, b) for a, b in zip(sequences.to_list(values, shapes), parts, strict=True))
    empty = sequences.from_list([], 3, np.int32)
    assert empty[0].dtype == np.int32 and empty[1].shape == (0, 3) and sequences.to_list(*empty) == []
    for wrong in ([X, X[0]], [X, X.astype(int)]):
        with pytest.raises(ValueError, match="expected elements of"):
            sequences.from_list(wrong, 2)


def test_what_is_refused():
    inputs = [info("x", F32, ["A", "B"]), info("l", I64, ["M"])]
    split = node("SplitToSequence", ["x", "l"], ["s"])
    refused("elements of different ranks or types", [split, node("ReduceSum", ["x"], ["sum"], keepdims=0), node("SequenceInsert", ["s", "sum"], ["t"])],
            inputs, [sequence_info("t")])
    refused("elements of different ranks or types", [split, node("SequenceInsert", ["s", "l"], ["t"])], inputs, [sequence_info("t")])
    refused("axis 2 is not below the rank, 2", [split, node("ConcatFromSequence", ["s"], ["t"], axis=2)], inputs, [info("t", F32, None)])
    drawn = [GOES_ON, node("Unsqueeze", ["i", "zero"], ["end"]), node("Slice", ["x", "none", "end"], ["part"]), node("RandomUniformLike", ["part"], ["y"]),
             node("SequenceInsert", ["s_in", "y"], ["s_out"])]
    refused("draws random numbers", [EMPTY, loop(drawn, ["n", "", "e"], ["t"])], [info("x", F32, ["A", "B"]), N], [sequence_info("t")], LOOPED)
    maps = helper.make_value_info("m", helper.make_sequence_type_proto(helper.make_map_type_proto(I64, helper.make_tensor_type_proto(F32, []))))
    refused("'m' is a sequence of maps, which is not supported", [node("SequenceAt", ["m", "p"], ["y"])], [maps, P], [info("y", F32, None)])
