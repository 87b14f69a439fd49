"""Strings made of floats, told apart (Unique), and carried by loops, against onnxruntime and Python."""
import re

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from test_strings import BOOL, F32, I64, STRING, array, compiled, info, model, node, refused, same, words

import tessera

onnxruntime.set_default_logger_severity(3)
UP = {"case_change_action": "UPPER", "is_case_sensitive": 1}


def beside_onnxruntime(made, feed):
    made = made.SerializeToString()
    module = tessera.compile(made)
    found = module.run(feed)
    peer = onnxruntime.InferenceSession(made)
    for name, expected in zip([output.name for output in peer.get_outputs()], peer.run(None, feed)):
        same(found[name], expected)


def test_floats_as_strings():
    rng = np.random.default_rng(2)
    values = np.array([0, -0.0, 1, 3.14159265358979, 0.1, 1e-5, 1e-4, 123456, 12345678, 99999999, 99999999.6, 123456789, 1e16, 1.5e-7,
                       np.nan, np.inf, -np.inf, 16777216, 9.99999995, 0.099999999, 1e-45, 3.4028235e38, -1.2345678e-30,
                       *rng.normal(size=300) * 10.0 ** rng.integers(-38, 38, 300)])
    kinds = {"f": (F32, np.float32), "d": (TensorProto.DOUBLE, np.float64), "h": (TensorProto.FLOAT16, np.float16)}
    made = model([node("Cast", [name], [f"{name}_text"], to=STRING) for name in kinds],
                 [info(name, kind, ["N", "M"]) for name, (kind, _) in kinds.items()],
                 [info(f"{name}_text", STRING, None) for name in kinds])
    with np.errstate(over="ignore"):
        feed = {name: values.astype(kind).reshape(17, 19) for name, (_, kind) in kinds.items()}
    feed["d"][0, :3] = [1e308, -1.2345678e-300, 5e-324]
    beside_onnxruntime(made, feed)
    # Narrower floats are printed as the f32 that they are.
    narrow = {"b": TensorProto.BFLOAT16, "e": TensorProto.FLOAT8E4M3FN, "g": TensorProto.FLOAT8E5M2}
    module = compiled([node("Cast", ["x"], [name], to=kind) for name, kind in narrow.items()] +
                      [node("Cast", [name], [f"{name}_text"], to=STRING) for name in narrow], [info("x", F32, ["N"])],
                      [info(f"{name}_text", STRING, None) for name in narrow])
    found = module.run({"x": np.array([1.1, -448, 1e-3, np.nan], np.float32)})
    same(found["b_text"], ["1.1015625", "-448", "0.00099945068", "NaN"])
    same(found["e_text"], ["1.125", "-448", "0.001953125", "NaN"])
    same(found["g_text"], ["1", "-448", "0.0009765625", "NaN"])
    # They can be read again, and rows of no elements are none.
    module = compiled([node("Cast", ["x"], ["text"], to=STRING), node("Cast", ["text"], ["y"], to=F32)], [info("x", F32, ["N"])],
                      [info("y", F32, None)])
    np.testing.assert_allclose(module.run({"x": feed["f"].ravel()})["y"], feed["f"].ravel(), rtol=1e-7, atol=1e-45)
    assert module.run({"x": np.zeros(0, np.float32)})["y"].shape == (0,)


def test_unique():
    texts = array(["b", "a", "äö", "", "b", "abcdefghijk", "abcdefghij", "abcdefgh", "a", "世界", "世", "abcdefgi", *words(36, 3, 2)], (6, 8))
    texts[4] = texts[1]
    for options in ({}, {"sorted": 0}, {"axis": 0}, {"axis": 1, "sorted": 0}):
        made = model([node("Unique", ["x"], ["y", "first", "inverse", "counts"], **options)], [info("x", STRING, ["N", "M"])],
                     [info("y", STRING, None), *[info(name, I64, None) for name in ("first", "inverse", "counts")]])
        beside_onnxruntime(made, {"x": texts})
        beside_onnxruntime(made, {"x": texts[:1, :1]})


def test_nonzero():
    texts = array(["", "a", "", "\0b", "世", ""], (2, 3))
    module = compiled([node("NonZero", ["x"], ["y"])], [info("x", STRING, ["N", 3])], [info("y", I64, None)])
    same(module.run({"x": texts})["y"], np.nonzero(texts != ""))


def test_scan():
    texts = array(words(12, 5), (3, 4))
    body = helper.make_graph([node("StringConcat", ["v", "mark"], ["o"]), node("Equal", ["v", "o"], ["e"])], "body",
                             [info("v", STRING, None)], [info("o", STRING, None), info("e", BOOL, None)])
    for options in ({}, {"scan_input_axes": [1], "scan_output_axes": [-1, 0]}, {"scan_input_directions": [1], "scan_output_directions": [1, 0]}):
        made = model([node("Scan", ["x"], ["y", "e"], body=body, num_scan_inputs=1, **options)], [info("x", STRING, ["N", 4])],
                     [info("y", STRING, None), info("e", BOOL, None)], {"mark": np.array(["é!"], object)})
        beside_onnxruntime(made, {"x": texts})
    # A body whose strings get longer, and the state that it carries with them.
    body = helper.make_graph([node("StringNormalizer", ["v"], ["o"], stopwords=["ab"], **UP), node("StringConcat", ["s", "o"], ["t"])],
                             "body", [info("s", STRING, None), info("v", STRING, [1])], [info("t", STRING, None), info("o", STRING, None)])
    module = compiled([node("Scan", ["first", "x"], ["last", "y"], body=body, num_scan_inputs=1)],
                      [info("first", STRING, [1]), info("x", STRING, ["N", 1])], [info("last", STRING, None), info("y", STRING, None)])
    found = module.run({"first": ["ß"], "x": [["ab"], ["ß"], ["aBΐ"], [""], ["ab"]]})
    same(found["last"], ["ßSSAB" + "ΐ".upper()])
    same(found["y"], [[""], ["SS"], ["AB" + "ΐ".upper()], [""], [""]])


def test_batched_scan():
    body = helper.make_graph([node("Concat", ["s", "v"], ["both"], axis=0), node("Gather", ["both", "one"], ["t"], axis=0),
                              node("Identity", ["t"], ["o"])], "body", [info("s", STRING, [1]), info("v", STRING, [1])],
                             [info("t", STRING, [1]), info("o", STRING, [1])])
    module = compiled([node("Scan", ["", "first", "x"], ["last", "y"], body=body, num_scan_inputs=1)],
                      [info("first", STRING, ["B", 1]), info("x", STRING, ["B", "N", 1])], [info("last", STRING, None), info("y", STRING, None)],
                      {"one": [1]}, version=8)
    texts = array(words(6, 9), (2, 3, 1))
    found = module.run({"first": [["a"], ["b"]], "x": texts})
    same(found["last"], texts[:, -1])
    same(found["y"], texts)


def loop(nodes, constants, trips=None, scans=False):
    """Carries `s`, which the body makes `t`, for so many iterations (for `n` of them)."""
    body = helper.make_graph([node("Identity", ["c"], ["goes_on"]), *nodes, *([node("Identity", ["t"], ["o"])] if scans else [])], "body",
                             [info("i", I64, []), info("c", BOOL, []), info("s", STRING, None)],
                             [info("goes_on", BOOL, []), info("t", STRING, None), *([info("o", STRING, None)] if scans else [])])
    known = {} if trips is None else {"n": np.int64(trips)}
    inputs = [info("x", STRING, ["N"]), *([info("n", I64, [])] if trips is None else [])]
    return model([node("Loop", ["n", "", "x"], ["last", *(["all"] if scans else [])], body=body)], inputs,
                 [info("last", STRING, None), *([info("all", STRING, None)] if scans else [])],
                 {**{name: np.array([text], object) for name, text in constants.items()}, **known})


@pytest.mark.parametrize("trips", [None, 3, 30])
def test_loops(trips):
    feed = {"x": array(["x", "", "äb"]), **({"n": np.array(5)} if trips is None else {})}
    longer = [node("StringConcat", ["s", "p"], ["t"])]
    chosen = [node("Equal", ["s", "p"], ["e"]), node("Where", ["e", "q", "p"], ["t"])]
    for scans in (False, True):
        beside_onnxruntime(loop(longer, {"p": "-é"}, trips, scans), feed)
        beside_onnxruntime(loop(chosen, {"p": "longer than x", "q": "a"}, trips, scans), feed)
    if trips is None:  # No iteration, and one.
        for count in (0, 1):
            beside_onnxruntime(loop(longer, {"p": "-é"}), {**feed, "n": np.array(count)})


def test_loops_whose_strings_get_longer_by_more_each_time():
    """A known number of iterations is followed: doubled, and of two values (Fibonacci's words), one of which waits for the other."""
    feed = {"x": array(["x", "", "äb"])}
    beside_onnxruntime(loop([node("StringConcat", ["s", "s"], ["t"])], {}, 17), feed)
    # Longer in some iterations only: there is room for more than is needed.
    some = [node("StringConcat", ["s", "s"], ["d"]), node("Mod", ["i", "two"], ["odd"]), node("Cast", ["odd"], ["is_odd"], to=BOOL),
            node("Where", ["is_odd", "d", "s"], ["t"])]
    made = loop(some, {}, 18)
    made.graph.initializer.append(numpy_helper.from_array(np.array(2), "two"))
    beside_onnxruntime(made, feed)
    body = helper.make_graph([node("Identity", ["c"], ["goes_on"]), node("Identity", ["b"], ["a2"]), node("StringConcat", ["b", "a"], ["b2"])],
                             "body", [info("i", I64, []), info("c", BOOL, []), info("a", STRING, None), info("b", STRING, None)],
                             [info("goes_on", BOOL, []), info("a2", STRING, None), info("b2", STRING, None)])
    made = model([node("Loop", ["n", "", "x", "y"], ["p", "q"], body=body)], [info("x", STRING, ["N"]), info("y", STRING, ["N"])],
                 [info("p", STRING, None), info("q", STRING, None)], {"n": np.int64(20)})
    beside_onnxruntime(made, {"x": array(["a", "", "ä"]), "y": array(["ab", "b", ""])})


def test_loops_are_refused():
    """What they would take is not known, or too much: the reason is the same for --check."""
    double = [node("StringConcat", ["s", "s"], ["t"])]
    for made, message in ((loop(double, {}), "strings may get longer by as many bytes in each iteration"),
                          (loop(double, {}, 40), r"after 27 of 40 iterations they are longer than 67108864 bytes")):
        with pytest.raises(tessera.Error, match=message):
            tessera.compile(made.SerializeToString())
        rows = tessera.check(made.SerializeToString())
        assert len(rows) == 1 and re.search(message, str(rows[0]))
    body = helper.make_graph([node("Equal", ["s", "end"], ["e"]), node("Not", ["e"], ["n"]), node("Squeeze", ["n"], ["goes_on"]),
                              node("StringConcat", ["s", "end"], ["t"])], "body",
                             [info("i", I64, []), info("c", BOOL, []), info("s", STRING, [1])],
                             [info("goes_on", BOOL, []), info("t", STRING, [1])])
    refused("strings that get longer need a trip count", [node("Loop", ["", "", "x"], ["y"], body=body)], [info("x", STRING, [1])],
            [info("y", STRING, None)], {"end": np.array(["."], object)})


def test_nested_loops_are_bounded():
    """Each level is imported several times for each time of the level around it."""
    body = [node("StringConcat", ["s0", "p"], ["t0"])]
    for depth in range(1, 12):
        inner = helper.make_graph(body, f"body{depth}", [info(f"i{depth}", I64, []), info(f"c{depth}", BOOL, []),
                                                         info(f"s{depth - 1}", STRING, None)],
                                  [info(f"c{depth}", BOOL, []), info(f"t{depth - 1}", STRING, None)])
        body = [node("Loop", ["n", "", f"s{depth}" if depth < 11 else "x"], [f"t{depth}"], body=inner)]
    refused("kMaxUnrolledNodes", body, [info("x", STRING, ["N"])], [info("t11", STRING, None)],
            {"p": np.array(["."], object), "n": np.int64(20)})
