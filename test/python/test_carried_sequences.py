"""Loops of open trip count that read, or take elements out of, the sequence they change, beside onnxruntime."""
import numpy as np
import pytest
from onnx import TensorProto, helper
from test_open_sequences import GOES_ON, X, graph, loop
from test_ragged_sequences import agree, peers
from test_sequences import BOOL, F32, I64, info, model, node, refused, sequence_info

import tessera.onnxruntime

STRING = TensorProto.STRING
N, P = info("n", I64, []), info("p", I64, [])
LAST = {"last": np.int64(-1), "zero": np.int64(0), "one": np.int64(1), "axis": np.array([0]), "half": np.float32(0.5)}
START = node("SequenceConstruct", ["x"], ["e"])
EMPTY = node("SequenceEmpty", [], ["e"], dtype=F32)
APPEND = node("SequenceInsert", ["s_in", "y"], ["s_out"])
READ = [node("SequenceLength", ["s"], ["length"])]
OUT = [sequence_info("s"), info("length", I64, [])]
INPUTS = [info("x", F32, ["A", "B"]), N]


def check(start, body, feeds, inputs=INPUTS, outputs=OUT, kind=F32, trips="n", **constants):
    nodes = [*start, loop(body, [trips, "", "e"], ["s"], kind=kind), *READ]
    sessions = peers(nodes, inputs, outputs, {**LAST, **constants})
    return [agree(sessions, feed) for feed in feeds]


COUNTS = [{"x": X, "n": np.array(n)} for n in (0, 1, 2, 7)]


def test_the_last_element_leads_to_the_next():
    body = [GOES_ON, node("SequenceAt", ["s_in", "last"], ["before"]), node("Mul", ["before", "half"], ["y"]), APPEND]
    check([START], body, COUNTS)


def test_more_often_than_bodies_are_repeated():
    body = [GOES_ON, node("SequenceAt", ["s_in", "last"], ["before"]), node("Sub", ["half", "before"], ["y"]), APPEND]
    check([START], body, [{"x": X}], inputs=INPUTS[:1], trips="many", many=np.int64(5000))


@pytest.mark.parametrize("position", ["i", "middle"])
def test_elements_at_computed_positions(position):
    middle = [node("SequenceLength", ["s_in"], ["count"]), node("Add", ["one", "one"], ["two"]), node("Div", ["count", "two"], ["middle"])]
    body = [GOES_ON, *middle, node("SequenceAt", ["s_in", position], ["before"]), node("Cast", ["count"], ["f"], to=F32), node("Add", ["before", "f"], ["y"]), APPEND]
    check([START], body, COUNTS)


def test_a_queue():
    body = [GOES_ON, node("SequenceAt", ["s_in", "zero"], ["first"]), node("Mul", ["first", "half"], ["y"]), node("SequenceErase", ["s_in", "zero"], ["rest"]),
            node("SequenceInsert", ["rest", "y"], ["s_out"])]
    check([node("SequenceConstruct", ["x", "z", "x"], ["e"])], body, [{**feed, "z": X + 1} for feed in COUNTS], inputs=[*INPUTS, info("z", F32, ["A", "B"])])
    grows = [*body, node("SequenceInsert", ["s_out", "x"], ["t_out"])]
    grows[-2] = node("SequenceInsert", ["rest", "y"], ["s_more"])
    grows[-1] = node("SequenceInsert", ["s_more", "x"], ["s_out"])
    check([START], grows, COUNTS)


def test_insertion_at_a_position():
    body = [GOES_ON, node("Cast", ["i"], ["f"], to=F32), node("Mul", ["x", "f"], ["y"]), node("Div", ["i", "two"], ["place"]),
            node("SequenceInsert", ["s_in", "y", "place"], ["s_out"])]
    check([START], body, COUNTS, two=np.int64(2))
    check([EMPTY], body, COUNTS[1:], two=np.int64(2))


def branch(nodes, *outputs):
    return graph(nodes, [], list(outputs))


PUSH = branch([node("SequenceInsert", ["s_in", "y"], ["pushed"])], sequence_info("pushed"))
POP = branch([node("SequenceErase", ["s_in"], ["popped"])], sequence_info("popped"))
KEEP = branch([node("Identity", ["s_in"], ["kept"])], sequence_info("kept"))


@pytest.mark.parametrize("other", [POP, KEEP])
def test_a_stack(other):
    body = [GOES_ON, node("Gather", ["flags", "i"], ["flag"]), node("SequenceAt", ["s_in", "last"], ["top"]), node("Mul", ["top", "half"], ["y"]),
            node("If", ["flag"], ["s_out"], then_branch=PUSH, else_branch=other)]
    feeds = [{"x": X, "n": np.array(len(flags)), "flags": np.array(flags, bool)} for flags in ([], [1], [1, 0], [1, 1, 0, 1, 0, 0, 1, 1])]
    check([START], body, feeds, inputs=[*INPUTS, info("flags", BOOL, ["K"])])


def test_a_sequence_that_begins_without_elements():
    previous = node("If", ["has"], ["before"], then_branch=branch([node("SequenceAt", ["s_in", "last"], ["read"])], info("read", F32, None)),
                    else_branch=branch([node("Identity", ["x"], ["same"])], info("same", F32, None)))
    body = [GOES_ON, node("SequenceLength", ["s_in"], ["count"]), node("Greater", ["count", "zero"], ["has"]), previous, node("Add", ["before", "half"], ["y"]), APPEND]
    check([EMPTY], body, COUNTS[1:])
    # What is first added, a later iteration adds.
    later = node("If", ["late"], ["s_out"], then_branch=PUSH, else_branch=KEEP)
    body = [GOES_ON, node("SequenceLength", ["s_in"], ["count"]), node("Cast", ["count"], ["f"], to=F32), node("Add", ["x", "f"], ["y"]), node("Greater", ["i", "one"], ["late"]), later]
    check([EMPTY], body, COUNTS[1:])
    check([EMPTY], [*body[:4], node("Greater", ["i", "five"], ["late"]), later], COUNTS[3:], five=np.int64(5))


def test_a_condition_ends_the_loop():
    body = [node("SequenceAt", ["s_in", "last"], ["before"]), node("Mul", ["before", "half"], ["y"]), node("ReduceMax", ["y"], ["top"], keepdims=0),
            node("Greater", ["top", "low"], ["goes"]), APPEND]
    feeds = [{"x": X, "low": np.array(low, np.float32)} for low in (9, 1, 1e-3, 1e-30)]
    for trips in ("", "most", "few"):
        check([START], body, feeds, inputs=[INPUTS[0], info("low", F32, [])], trips=trips, most=np.int64(2**63 - 1), few=np.int64(5))


def test_elements_of_other_shapes():
    rows = [node("SequenceAt", ["s_in", "last"], ["before"]), node("Slice", ["before", "starts", "ends"], ["part"])]
    body = [GOES_ON, *rows, node("Concat", ["before", "part"], ["y"], axis=0), APPEND]
    check([START], body, COUNTS, starts=np.array([0]), ends=np.array([1]))
    queue = [*body[:-1], node("SequenceErase", ["s_in", "zero"], ["rest"]), node("SequenceInsert", ["rest", "y"], ["more"]),
             node("SequenceInsert", ["more", "before", "zero"], ["s_out"])]
    check([START], queue, COUNTS, starts=np.array([0]), ends=np.array([1]))
    # Enough values that room has to be tried more than once.
    wide = {"x": np.arange(3000, dtype=np.float32).reshape(3, 1000), "n": np.array(40)}
    check([START], body, [wide], starts=np.array([0]), ends=np.array([1]))


def test_strings():
    words = [info("x", STRING, ["A"]), N]
    body = [GOES_ON, node("SequenceAt", ["s_in", "last"], ["before"]), node("StringConcat", ["before", "suffix"], ["y"]), APPEND]
    for n in (0, 1, 5):
        check([START], body, [{"x": np.array(["a", "", "ünï"], object), "n": np.array(n)}], inputs=words, outputs=[sequence_info("s", STRING), OUT[1]], kind=STRING,
              suffix=np.array("!", object))
    body = [GOES_ON, node("SequenceLength", ["s_in"], ["count"]), node("Mod", ["i", "count"], ["place"]), node("SequenceAt", ["s_in", "place"], ["before"]),
            node("Concat", ["before", "x"], ["y"], axis=0), APPEND]
    check([START], body, [{"x": np.array(["a", "", "ünï"], object), "n": np.array(n)} for n in (0, 1, 5)], inputs=words,
          outputs=[sequence_info("s", STRING), OUT[1]], kind=STRING)


def carried(nodes, states, inputs, outputs, kinds):
    """A loop over several sequences: bodies that read `NAME_in` and give `NAME_out`."""
    made = graph(nodes, [info("i", I64, []), info("going", BOOL, []), *[sequence_info(f"{name}_in", kind) for name, kind in zip(states, kinds)]],
                 [info("goes", BOOL, []), *[sequence_info(f"{name}_out", kind) for name, kind in zip(states, kinds)]])
    return node("Loop", inputs, outputs, body=made)


def test_two_sequences_of_one_loop():
    body = [GOES_ON, node("SequenceAt", ["s_in", "last"], ["a"]), node("SequenceAt", ["t_in", "zero"], ["b"]), node("Add", ["a", "b"], ["c"]),
            node("SequenceInsert", ["s_in", "c"], ["s_out"]), node("SequenceInsert", ["t_in", "a", "zero"], ["t_out"]), node("SequenceInsert", ["u_in", "b"], ["u_out"])]
    nodes = [START, EMPTY_U := node("SequenceEmpty", [], ["none"], dtype=F32), carried(body, "stu", ["n", "", "e", "e", "none"], ["s", "t", "u"], [F32] * 3)]
    sessions = peers(nodes, INPUTS, [sequence_info(name) for name in "stu"], LAST)
    for feed in COUNTS[1:]:
        agree(sessions, feed)
    assert EMPTY_U in nodes
    # They change places.
    nodes[2] = carried([*body[:4], node("SequenceInsert", ["s_in", "c"], ["t_out"]), node("SequenceInsert", ["t_in", "a", "zero"], ["s_out"])], "st", ["n", "", "e", "e"], ["s", "t"],
                       [F32] * 2)
    sessions = peers([nodes[0], nodes[2]], INPUTS, [sequence_info(name) for name in "st"], LAST)
    for feed in COUNTS:
        agree(sessions, feed)


def test_a_loop_in_a_loop():
    inner = graph([node("Identity", ["going2"], ["goes2"]), node("SequenceAt", ["s2", "last"], ["before"]), node("Mul", ["before", "half"], ["y"]),
                   node("SequenceInsert", ["s2", "y"], ["t2"])], [info("i2", I64, []), info("going2", BOOL, []), sequence_info("s2")],
                  [info("goes2", BOOL, []), sequence_info("t2")])
    body = [GOES_ON, node("Loop", ["i", "", "s_in"], ["mid"], body=inner), node("SequenceErase", ["mid", "zero"], ["rest"]), node("SequenceInsert", ["rest", "x"], ["s_out"])]
    check([START], body, COUNTS[:3] + [{"x": X, "n": np.array(4)}])
    # The outer one only adds, the inner one reads.
    check([START], body[:1] + [node("Loop", ["i", "", "s_in"], ["s_out"], body=inner)], COUNTS[:3] + [{"x": X, "n": np.array(4)}])


def test_other_sequences_in_its_place():
    check([START], [GOES_ON, node("SequenceConstruct", ["x", "x"], ["s_out"])], COUNTS)
    body = [GOES_ON, node("Gather", ["flags", "i"], ["flag"]), node("SequenceLength", ["s_in"], ["count"]), node("Cast", ["count"], ["f"], to=F32), node("Add", ["x", "f"], ["y"]),
            node("If", ["flag"], ["s_out"], then_branch=PUSH, else_branch=branch([node("SequenceConstruct", ["x"], ["only"])], sequence_info("only")))]
    feeds = [{"x": X, "n": np.array(len(flags)), "flags": np.array(flags, bool)} for flags in ([], [1], [1, 0], [1, 1, 0, 1, 1, 1])]
    check([START], body, feeds, inputs=[*INPUTS, info("flags", BOOL, ["K"])])


def test_one_element_whose_extent_depends_on_data_in_its_place():
    part = [GOES_ON, node("Unsqueeze", ["i", "axis"], ["end"]), node("Slice", ["x", "axis", "end"], ["y"])]
    for start in (START, EMPTY):
        check([start], [*part, node("SequenceConstruct", ["y"], ["s_out"])], COUNTS)
        check([start, node("SequenceConstruct", ["x"], ["other"])], [*part, node("SequenceInsert", ["other", "y"], ["s_out"])], COUNTS)


@pytest.mark.parametrize("extent", ["A", 2])
def test_elements_of_a_list_that_get_longer(extent):
    body = [GOES_ON, node("SequenceAt", ["s_in", "last"], ["before"]), node("Concat", ["before", "x"], ["y"], axis=0), node("SequenceConstruct", ["y"], ["s_out"])]
    check([START], body, COUNTS, inputs=[info("x", F32, [extent, "B"]), N])


def test_what_is_not_there():
    """At a position that the sequence does not have a run ends with an error, as it does in onnxruntime."""
    body = [GOES_ON, node("SequenceAt", ["s_in", "two"], ["before"]), node("Mul", ["before", "half"], ["y"]), node("SequenceErase", ["s_in", "zero"], ["s_out"])]
    nodes = [node("SequenceConstruct", ["x", "x", "x", "x"], ["e"]), loop(body, ["n", "", "e"], ["s"])]
    ours, theirs = peers(nodes, INPUTS, [sequence_info("s")], {**LAST, "two": np.int64(2)})
    agree((ours, theirs), {"x": X, "n": np.array(2)})
    for session in (ours, theirs):
        with pytest.raises(Exception, match="the number of elements behind the position|[Ii]nvalid"):
            session.run(None, {"x": X, "n": np.array(3)})


def test_what_is_refused():
    other = [GOES_ON, node("SequenceAt", ["s_in", "last"], ["before"]), node("ReduceSum", ["before"], ["y"], keepdims=0), APPEND]
    refused("elements of different ranks or types", [START, loop(other, ["n", "", "e"], ["s"])], INPUTS, [], LAST)
    drawn = [node("SequenceAt", ["s_in", "last"], ["before"]), node("RandomUniformLike", ["before"], ["y"]), node("ReduceMax", ["y"], ["top"], keepdims=0),
             node("Less", ["top", "half"], ["goes"]), APPEND]
    refused("draws random numbers", [START, loop(drawn, ["", "", "e"], ["s"])], INPUTS, [], LAST)
    # With a trip count it is known how long the sequence becomes.
    tessera.onnxruntime.InferenceSession(model([START, loop(drawn, ["n", "", "e"], ["s"])], INPUTS, [sequence_info("s")], LAST)).run(None, {"x": X, "n": np.array(3)})
