"""What a loop carries, and its body replaces some elements of, is updated where it is: whoever reads it as it was has to read that."""
import numpy as np
import pytest
from onnx import helper
from test_ragged_sequences import agree, peers
from test_sequences import BOOL, F32, I64, info, node

N = info("n", I64, [])
A = info("a", F32, ["K", 3])
AT = [node("Mod", ["i", "k"], ["place"]), node("Cast", ["i"], ["f"], to=F32), node("Mul", ["row", "f"], ["new_row"]), node("Reshape", ["place", "ones"], ["at"])]
ONES = {"ones": np.array([1, 1]), "k": np.int64(4), "row": np.arange(3, dtype=np.float32).reshape(1, 3) + 1, "two": np.float32(2), "half": np.int64(2),
        "threes": np.array([[3]]), "shape": np.array([1, 3])}
FEEDS = [{"a": np.arange(12, dtype=np.float32).reshape(4, 3), "n": np.array(n)} for n in (0, 1, 2, 9)]


def update(old, new):
    return node("ScatterND", [old, "at", "new_row"], [new])


def loop(body, states, scans=(), inputs=("a",)):
    """A body that reads `NAME_in` and gives `NAME_out`."""
    made = helper.make_graph([node("Identity", ["going"], ["goes"]), *AT, *body], "body", [info("i", I64, []), info("going", BOOL, []), *[info(f"{s}_in", F32, [4, 3]) for s in states]],
                             [info("goes", BOOL, []), *[info(f"{s}_out", F32, [4, 3]) for s in states], *[info(s, F32, None) for s in scans]])
    return node("Loop", ["n", "", *inputs], [*states, *[f"all_{s}" for s in scans]], body=made)


def check(body, states="s", scans=(), inputs=("a",)):
    nodes = [loop(body, states, scans, inputs)]
    sessions = peers(nodes, [info("a", F32, [4, 3]), N], [info(name, F32, None) for name in (*states, *[f"all_{s}" for s in scans])], ONES)
    for feed in FEEDS:
        agree(sessions, feed)


def test_one_update():
    check([update("s_in", "s_out")])


def test_several_updates():
    check([update("s_in", "more"), node("Sub", ["threes", "at"], ["there"]), node("ScatterND", ["more", "there", "row"], ["s_out"])])


@pytest.mark.parametrize("read", ["before", "behind", "both"])
def test_what_was_there_is_read(read):
    old = node("ReduceSum", ["s_in"], ["sum"], keepdims=0)
    difference = node("Sub", ["s_out", "s_in"], ["sum"])
    body = {"before": [old, update("s_in", "s_out")], "behind": [update("s_in", "s_out"), old], "both": [update("s_in", "s_out"), difference]}[read]
    check(body, scans=("sum",))


def test_what_is_written_depends_on_what_was_there():
    body = [node("Gather", ["s_in", "place"], ["line"]), node("ReduceMax", ["s_in"], ["most"], keepdims=0), node("Add", ["line", "most"], ["new_line"]),
            node("Reshape", ["new_line", "shape"], ["lines"]), node("ScatterND", ["s_in", "at", "lines"], ["s_out"])]
    check(body)


def test_places_are_exchanged():
    check([update("t_in", "s_out"), node("Identity", ["s_in"], ["t_out"])], "st", inputs=("a", "a"))
    check([update("s_in", "s_out"), node("Identity", ["s_in"], ["t_out"])], "st", inputs=("a", "a"))
    check([update("s_in", "s_out"), node("Add", ["t_in", "s_in"], ["t_out"])], "st", inputs=("a", "a"))
    check([update("s_in", "s_out"), node("Identity", ["s_out"], ["t_out"])], "st", inputs=("a", "a"))


@pytest.mark.parametrize("reads", [False, True])
def test_a_branch_updates(reads):
    def branch(*nodes, **kwargs):
        return helper.make_graph(list(nodes), "branch", [], [info(nodes[-1].output[0], F32, None)])

    other = branch(node("Identity", ["s_in"], ["same"]))
    inside = branch(update("s_in", "first"), node("Add", ["first", "s_in"], ["both"])) if reads else branch(update("s_in", "first"))
    choose = [node("Mod", ["i", "half"], ["odd"]), node("Cast", ["odd"], ["flag"], to=BOOL), node("If", ["flag"], ["s_out"], then_branch=inside, else_branch=other)]
    check(choose)
    check([*choose, node("Sub", ["s_out", "s_in"], ["d"])], scans=("d",))
    check([node("Mul", ["s_in", "two"], ["d"]), *choose], scans=("d",))
    # Behind the branch once more.
    check([*choose[:2], node("If", ["flag"], ["mid"], then_branch=inside, else_branch=other), node("ScatterND", ["mid", "at", "row"], ["s_out"])])


def test_a_loop_in_a_loop_updates():
    inner = helper.make_graph([node("Identity", ["going2"], ["goes2"]), node("ScatterND", ["u_in", "at", "new_row"], ["u_out"])], "inner",
                              [info("i2", I64, []), info("going2", BOOL, []), info("u_in", F32, [4, 3])], [info("goes2", BOOL, []), info("u_out", F32, [4, 3])])
    check([node("Loop", ["i", "", "s_in"], ["s_out"], body=inner)])
    check([node("Loop", ["i", "", "s_in"], ["s_out"], body=inner), node("Sub", ["s_out", "s_in"], ["d"])], scans=("d",))
