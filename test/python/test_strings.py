"""Tensors of strings: every operator against Python, NumPy and the reference of the onnx package, on many scripts."""
import random
import re

import numpy as np
import onnx.reference
import pytest
from onnx import TensorProto, helper, numpy_helper

import tessera

STRING, F32, I64, BOOL = TensorProto.STRING, TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
ML = "ai.onnx.ml"
node = helper.make_node
ALPHABETS = ["abcXYZ 09_", "äßÇñøŁż", "αβγΔΩς", "жЯёЮ", "世界漢字", "😀👩‍🚀", "\u00a0\u3000\t"]


def words(count, seed, longest=6, alphabets=None):
    """Strings of several scripts, some of them empty, some in two scripts."""
    source, result = random.Random(seed), []
    for _ in range(count):
        letters = "".join(source.choice(alphabets or ALPHABETS) for _ in range(2))
        result.append("".join(source.choice(letters) for _ in range(source.randint(0, longest))))
    return result


def array(strings, shape=None):
    result = np.array([*strings, None], object)[:-1]
    return result if shape is None else result.reshape(shape)


def info(name, kind, dims):
    return helper.make_tensor_value_info(name, kind, dims)


def model(nodes, inputs, outputs, constants=None, version=21):
    graph = helper.make_graph(nodes, "g", inputs, outputs,
                              [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()])
    opsets = [helper.make_opsetid("", version), helper.make_opsetid(ML, 4)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def compiled(*args, **options):
    return tessera.compile(model(*args, **options).SerializeToString())


def refused(text, *args):
    with pytest.raises(tessera.Error, match=text):
        compiled(*args)


def same(found, expected):
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    assert found.tolist() == expected.tolist()


def against_reference(made, feeds, names=None):
    module, reference = tessera.compile(made.SerializeToString()), onnx.reference.ReferenceEvaluator(made)
    for feed in feeds:
        expected = reference.run(None, feed)
        found = module.run(feed)
        for name, value in zip([output.name for output in made.graph.output], expected):
            if names is None or name in names:
                same(found[name], value)


def test_signature_and_arrays():
    module = compiled([node("Identity", ["x"], ["y"])], [info("x", STRING, ["N", 2])], [info("y", STRING, ["N", 2])])
    assert module.inputs[0].type == "string" and module.inputs[0].shape == ("N", 2)
    assert repr(module.outputs[0]) == "y: string[N, 2]"
    strings = array(words(40, 1), (20, 2))
    for given in (strings, strings.astype(str), strings.tolist()):
        found = module.run({"x": given})["y"]
        assert found.dtype == object
        same(found, strings)
    same(module.run({"x": np.zeros((0, 2), object)})["y"], np.zeros((0, 2), object))
    same(module.run({"x": [["", ""]]})["y"], [["", ""]])
    same(module.run({"x": [[b"a", "b\0c"]]})["y"], [["a", "b\0c"]])
    with pytest.raises(tessera.Error, match="input 'x': a string ends with a zero"):
        module.run({"x": [["a", "b\0"]]})
    with pytest.raises(tessera.Error, match="input 'x': expected strings, found int"):
        module.run({"x": [["a", 1]]})
    with pytest.raises(tessera.Error, match="'x' is missing: expected string"):
        module.run({})


def test_moving():
    x, y = array(words(12, 2), (3, 4)), array(words(4, 3), (4,))
    constants = {"at": [2, 0, -1], "shape": [2, 6], "starts": [1], "ends": [4], "axes": [1], "axis0": [0], "repeats": [2, 1],
                 "deep": [[1, 0], [2, 3]], "parts": [1, 3], "which": [[True, False, True, True]], "pads": [0, 1, 0, 1],
                 "sizes": [2, 3, 4], "few": [True, False, True], "hot": [1, 0], "three": 3, "larger": np.array([2, 1.5], np.float32), "places": [[0, 1, 2, 0]],
                 "names": np.array(["off", "on"], object), "new": np.array([["é", "世", "", "z"]], object),
                 "filler": np.array(["pad"], object)}
    nodes = [node("Gather", ["x", "at"], ["gather"], axis=0), node("Reshape", ["x", "shape"], ["reshape"]),
             node("Slice", ["x", "starts", "ends", "axes"], ["slice"]), node("Transpose", ["x"], ["transpose"]),
             node("Concat", ["x", "x", "new"], ["concat"], axis=0), node("Unsqueeze", ["x", "axes"], ["unsqueeze"]),
             node("Squeeze", ["unsqueeze", "axes"], ["squeeze"]), node("Tile", ["x", "repeats"], ["tile"]),
             node("Expand", ["y", "sizes"], ["expand"]), node("GatherND", ["x", "deep"], ["gathernd"]),
             node("Split", ["x", "parts"], ["left", "right"], axis=1), node("Where", ["which", "x", "y"], ["where"]),
             node("Pad", ["x", "pads"], ["empty"]), node("Pad", ["x", "pads", "filler"], ["filled"]),
             node("Compress", ["x", "few"], ["compress"], axis=0), node("Flatten", ["x"], ["flatten"], axis=0),
             node("OneHot", ["hot", "three", "names"], ["onehot"]),
             node("ScatterElements", ["x", "places", "new"], ["scatter"], axis=0), node("Trilu", ["x"], ["trilu"]),
             node("Resize", ["x", "", "larger"], ["resize"], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
             node("GatherElements", ["x", "places"], ["elements"], axis=0)]
    names = [name for n in nodes for name in n.output]
    made = model(nodes, [info("x", STRING, [3, "N"]), info("y", STRING, ["N"])],
                 [info(name, STRING, None) for name in names], constants)
    found = tessera.compile(made.SerializeToString()).run({"x": x, "y": y})
    new = constants["new"]
    expected = {"gather": x[[2, 0, 2]], "reshape": x.reshape(2, 6), "slice": x[:, 1:4], "transpose": x.T,
                "concat": np.concatenate([x, x, new]), "unsqueeze": x[:, None], "squeeze": x, "tile": np.tile(x, (2, 1)),
                "expand": np.broadcast_to(y, (2, 3, 4)), "gathernd": x[[1, 2], [0, 3]], "left": x[:, :1], "right": x[:, 1:],
                "where": np.where(constants["which"], x, y), "empty": np.pad(x, ((0, 0), (1, 1)), constant_values=""),
                "filled": np.pad(x, ((0, 0), (1, 1)), constant_values="pad"), "compress": x[[0, 2]],
                "flatten": x.reshape(1, 12), "onehot": np.array([["off", "on", "off"], ["on", "off", "off"]], object),
                "trilu": np.where(np.triu(np.ones((3, 4), bool)), x, ""), "elements": x[[0, 1, 2, 0], range(4)][None],
                "resize": x[[0, 0, 1, 1, 2, 2]][:, [0, 0, 1, 2, 2, 3]]}
    scattered = x.copy()
    scattered[[0, 1, 2, 0], range(4)] = new[0]
    for name, value in {**expected, "scatter": scattered}.items():
        same(found[name], value)


def test_shapes():
    module = compiled([node("Shape", ["x"], ["extents"]), node("Size", ["x"], ["size"])], [info("x", STRING, [3, "N"])],
                      [info("extents", I64, None), info("size", I64, None)])
    found = module.run({"x": array(words(12, 2), (3, 4))})
    same(found["extents"], [3, 4])
    same(found["size"], 12)


def test_sequences_and_branches():
    nodes = [node("SplitToSequence", ["x"], ["parts"], axis=0), node("SequenceInsert", ["parts", "y"], ["more"]),
             node("ConcatFromSequence", ["more"], ["all"], axis=0), node("SequenceAt", ["parts", "at"], ["one"]),
             node("If", ["which"], ["branch"], then_branch=helper.make_graph(
                 [node("Identity", ["x"], ["t"])], "t", [], [info("t", STRING, None)]),
                  else_branch=helper.make_graph([node("Identity", ["y"], ["e"])], "e", [], [info("e", STRING, None)]))]
    module = compiled(nodes, [info("x", STRING, [3, 2]), info("y", STRING, [1, 2]), info("at", I64, []), info("which", BOOL, [])],
                      [info("all", STRING, None), info("one", STRING, None), info("branch", STRING, None)])
    x, y = array(words(6, 4), (3, 2)), array(["ä", "longer than all others"], (1, 2))
    for at, which in ((1, True), (-1, False)):
        found = module.run({"x": x, "y": y, "at": np.int64(at), "which": np.bool_(which)})
        same(found["all"], np.concatenate([x, y]))
        same(found["one"], x[at][None])
        same(found["branch"], x if which else y)


def test_equal_and_concat():
    made = model([node("Equal", ["x", "y"], ["equal"]), node("StringConcat", ["x", "y"], ["both"])],
                 [info("x", STRING, ["N", 3]), info("y", STRING, ["M"])], [info("equal", BOOL, None), info("both", STRING, None)])
    x, y = words(30, 5), ["", "ab", "世界"]
    x[:6] = ["", "ab", "世界", "a", "世", "abc"]
    against_reference(made, [{"x": array(x, (10, 3)), "y": array(y)}, {"x": array([], (0, 3)), "y": array(y)},
                             {"x": array([""] * 3, (1, 3)), "y": array([""] * 3)}])


def test_split():
    texts = [*words(60, 6, 12), "", " ", "  a  b ", "aXXbXXXc", "XX", "a,b,,c", ",", "äöäö", "a\u2003b\u0085c\x1cd"]
    nodes, outputs = [], []
    for i, (delimiter, limit) in enumerate([(None, None), ("", 1), ("", 0), (",", None), ("XX", 2), ("XX", None), ("ä", 1), ("世界", 3)]):
        attributes = {name: value for name, value in (("delimiter", delimiter), ("maxsplit", limit)) if value is not None}
        nodes.append(node("StringSplit", ["x"], [f"y{i}", f"n{i}"], **attributes))
        outputs += [info(f"y{i}", STRING, None), info(f"n{i}", I64, None)]
    made = model(nodes, [info("x", STRING, ["N"])], outputs)
    module = tessera.compile(made.SerializeToString())
    for given in (texts, ["one"], [""]):
        found = module.run({"x": given})
        for i, n in enumerate(nodes):
            own = {a.name: helper.get_attribute_value(a) for a in n.attribute}
            parts = [text.split(own.get("delimiter", b"").decode() or None, own.get("maxsplit", -1)) for text in given]
            most = max(map(len, parts))
            assert found[f"n{i}"].tolist() == [len(row) for row in parts]
            assert found[f"y{i}"].tolist() == [row + [""] * (most - len(row)) for row in parts]
    found = module.run({"x": array([])})
    assert found["y0"].shape == (0, 0) and found["n0"].shape == (0,)


def test_normalizer():
    letters = ["".join(map(chr, range(first, first + 256))) for first in range(0x20, 0x3000, 256)]
    texts = [*words(30, 7), *letters, "straße ŉ ΐ ﬃ", "ǅ Ა ꭰ", "\U00010400\U0001e921", "İ"]
    texts = [text.replace("Σ", "σ") for text in texts]  # A sigma is another one at the end of a word.
    nodes = [node("StringNormalizer", ["x"], ["upper"], case_change_action="UPPER", is_case_sensitive=1),
             node("StringNormalizer", ["x"], ["lower"], case_change_action="LOWER", is_case_sensitive=1),
             node("StringNormalizer", ["x"], ["none"], stopwords=["MonDay", "ÄRGER"], is_case_sensitive=1),
             node("StringNormalizer", ["x"], ["folded"], stopwords=["MonDay", "ÄRGER", ""], case_change_action="UPPER")]
    module = compiled(nodes, [info("x", STRING, ["N"])], [info(name, STRING, None) for name in ("upper", "lower", "none", "folded")])
    found = module.run({"x": texts})
    same(found["upper"], array(text.upper() for text in texts))
    same(found["lower"], array(text.lower() for text in texts))
    found = module.run({"x": ["monday", "MonDay", "ärger", "ÄRGER", "", "tag"]})
    same(found["none"], ["monday", "ärger", "", "tag"])
    same(found["folded"], ["TAG"])
    found = module.run({"x": ["MonDay", "MonDay"]})
    same(found["none"], [""])
    same(found["folded"], [""])


def test_tfidf():
    vocabulary = ["a", "ab", "世", "ж", "😀"]
    bigrams = [("a", "ab"), ("世", "世"), ("ж", "none")]
    trigram = ("a", "ab", "a")
    pool = [*vocabulary, *[word for pair in bigrams for word in pair], *trigram]
    weights = np.linspace(0.5, 2, 9).astype(np.float32).tolist()
    columns = [3, 0, 8, 1, 2, 7, 5, 4, 6]
    source = random.Random(8)
    rows = [[source.choice([*vocabulary, "none", ""]) for _ in range(9)] for _ in range(7)]
    numbers = {word: i * 10 for i, word in enumerate(["", *vocabulary, "none"])}
    for least, most, skips, mode in ((1, 1, 0, "TF"), (1, 3, 2, "TF"), (2, 2, 5, "IDF"), (2, 3, 0, "TFIDF"), (1, 2, 1, "TFIDF")):
        common = {"ngram_counts": [0, 5, 11], "ngram_indexes": columns, "min_gram_length": least, "max_gram_length": most,
                  "max_skip_count": skips, "mode": mode}
        made = model([node("TfIdfVectorizer", ["x"], ["y"], pool_strings=pool, **common),
                      node("TfIdfVectorizer", ["n"], ["z"], pool_int64s=[numbers[word] for word in pool], weights=weights, **common)],
                     [info("x", STRING, ["B", "C"]), info("n", I64, ["B", "C"])], [info("y", F32, None), info("z", F32, None)])
        module = tessera.compile(made.SerializeToString())
        plain = onnx.reference.ReferenceEvaluator(model([node("TfIdfVectorizer", ["x"], ["y"], pool_strings=pool,
                                                              **{**common, "mode": "TF"})], [info("x", STRING, ["B", "C"])],
                                                        [info("y", F32, None)]))
        x, n = array(sum(rows, []), (7, 9)), np.array([[numbers[word] for word in row] for row in rows], np.int64)
        for width in (9, 2, 1):
            counts = plain.run(None, {"x": x[:, :width]})[0]
            expected = np.minimum(counts, 1) if mode == "IDF" else counts
            found = module.run({"x": x[:, :width], "n": n[:, :width]})
            same(found["y"], expected)
            # The i-th weight is that of the i-th n-gram, wherever its column is.
            each = np.empty(9, np.float32)
            each[columns] = weights
            np.testing.assert_allclose(found["z"], expected * (1 if mode == "TF" else each), rtol=1e-6)


PIECES = ["a", "b", "é", "世", ".", "[ab]", "[^a]", "[é-世]", "\\d", "\\w", "\\W", "x", "0", "(?:a|bé)", "(b|)", "\\.", "[a-cx]", "\\x61"]
LOOKS = ["^", "$", "\\b", "\\B", "\\A"]


def pattern(source, depth=0):
    parts = []
    for _ in range(source.randint(1, 4)):
        piece = source.choice(PIECES)
        if depth < 3 and source.random() < 0.3:
            piece = f"({pattern(source, depth + 1)})"
        if source.random() < 0.5:
            piece += source.choice(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?"])
        parts.append((source.choice(LOOKS) if source.random() < 0.1 else "") + piece)
    text = "".join(parts)
    return f"{text}|{pattern(source, depth + 1)}" if depth < 2 and source.random() < 0.3 else text


def text_for(source):
    return "".join(source.choice("aabbé世x0c.") for _ in range(source.randint(0, 7)))


@pytest.mark.parametrize("flags", ["", "(?i)"])
def test_regex(flags):
    source = random.Random(9)
    patterns = [pattern(source) for _ in range(16)]
    nodes = [node("RegexFullMatch", ["x"], [f"y{i}"], pattern=flags + text) for i, text in enumerate(patterns)]
    module = compiled(nodes, [info("x", STRING, ["N"])], [info(n.output[0], BOOL, None) for n in nodes])
    texts = [text_for(source) for _ in range(400)] + ["", "aaa", "bé"]
    if flags:
        texts = [text.upper() if source.random() < 0.5 else text for text in texts]
    found = module.run({"x": texts})
    matching = 0
    for i, text in enumerate(patterns):
        # Classes of RE2 are ASCII, cases Unicode's: there are no letters here that differ.
        expected = [re.compile(text, re.ASCII | (re.IGNORECASE if flags else 0)).fullmatch(one.replace("É", "é")) is not None
                    for one in texts]
        matching += sum(expected)
        assert found[f"y{i}"].tolist() == expected, text
    assert matching > 200


def test_regex_is_refused():
    for text, what in (("(a)\\1", "a back reference"), ("a(?=b)", "looking around"), ("(a|b)*a(a|b){12}", "kMaxRegexStates")):
        refused(f"has a pattern that cannot be used: .*{what}", [node("RegexFullMatch", ["x"], ["y"], pattern=text)],
                [info("x", STRING, ["N"])], [info("y", BOOL, None)])


def test_labels():
    names = ["rot", "grün", "", "голубой", "世界", "rot"]
    numbers = [5, -7, 11, 2**40, 0, 6]
    nodes = [node("LabelEncoder", ["x"], ["ints"], domain=ML, keys_strings=names, values_int64s=numbers, default_int64=-3),
             node("LabelEncoder", ["x"], ["floats"], domain=ML, keys_strings=names, values_floats=[n / 2 for n in numbers]),
             node("LabelEncoder", ["x"], ["strings"], domain=ML, keys_strings=names[:3], values_strings=["R", "世", "leer"]),
             node("LabelEncoder", ["n"], ["names"], domain=ML, keys_int64s=numbers, values_strings=names, default_string="?"),
             node("LabelEncoder", ["f"], ["of_float"], domain=ML, keys_floats=[float("nan"), 1.5], values_strings=["none", "1.5"]),
             node("LabelEncoder", ["x"], ["of_tensors"], domain=ML,
                  keys_tensor=numpy_helper.from_array(np.array(names[:3], object)),
                  values_tensor=numpy_helper.from_array(np.array(["a", "b", "c"], object)),
                  default_tensor=numpy_helper.from_array(np.array(["d"], object))),
             node("CategoryMapper", ["x"], ["to_int"], domain=ML, cats_strings=names[:5], cats_int64s=numbers[:5], default_int64=9),
             node("CategoryMapper", ["n"], ["to_name"], domain=ML, cats_strings=names[:5], cats_int64s=numbers[:5], default_string="zz"),
             node("OneHotEncoder", ["x"], ["hot"], domain=ML, cats_strings=names[:5], zeros=1)]
    kinds = {"ints": I64, "to_int": I64, "floats": F32, "hot": F32}
    outputs = [n.output[0] for n in nodes]
    module = compiled(nodes, [info("x", STRING, ["N"]), info("n", I64, ["N"]), info("f", F32, ["N"])],
                      [info(name, kinds.get(name, STRING), None) for name in outputs])
    x = [*names, "ro", "rots", "grü", "blau"]
    n = np.array([5, -7, 11, 2**40, 0, 6, 7, 2**63 - 1, -2**63, 1], np.int64)
    f = np.array([1.5, np.nan, 2, 1, 1.5, -np.nan, 0, np.inf, -np.inf, 1.5], np.float32)
    found = module.run({"x": x, "n": n, "f": f})
    byName, first = dict(zip(names, numbers)), dict(zip(names[:5], numbers))
    same(found["ints"], [byName.get(text, -3) for text in x])
    same(found["floats"], np.array([byName[text] / 2 if text in byName else 0 for text in x], np.float32))
    same(found["strings"], [{"rot": "R", "grün": "世", "": "leer"}.get(text, "_Unused") for text in x])
    same(found["names"], [dict(zip(numbers, names)).get(number, "?") for number in n.tolist()])
    same(found["of_float"], ["1.5", "none", "_Unused", "_Unused", "1.5", "none", "_Unused", "_Unused", "_Unused", "1.5"])
    same(found["of_tensors"], [{"rot": "a", "grün": "b", "": "c"}.get(text, "d") for text in x])
    same(found["to_int"], [first.get(text, 9) for text in x])
    same(found["to_name"], [dict(zip(numbers[:5], names)).get(number, "zz") for number in n.tolist()])
    same(found["hot"], np.array([[float(text == name) for name in names[:5]] for text in x], np.float32))
    many = [f"{kind}{i}" for kind in ("w", "ü", "世") for i in range(1000)]
    encoder = compiled([node("LabelEncoder", ["x"], ["y"], domain=ML, keys_strings=many, values_int64s=list(range(3000)))],
                       [info("x", STRING, ["N"])], [info("y", I64, None)])
    same(encoder.run({"x": [*many, "w1000", "w"]})["y"], [*range(3000), -1, -1])


def test_class_labels():
    names = ["klein", "groß", "世界"]
    rng = np.random.default_rng(10)
    x = rng.normal(size=(20, 4)).astype(np.float32)
    weights = rng.normal(size=(3, 4)).astype(np.float32)
    tree = {"nodes_treeids": [0] * 5, "nodes_nodeids": list(range(5)), "nodes_featureids": [0, 0, 1, 0, 0],
            "nodes_values": [0.0, 0, 0.1, 0, 0], "nodes_modes": ["BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
            "nodes_truenodeids": [1, 0, 3, 0, 0], "nodes_falsenodeids": [2, 0, 4, 0, 0], "class_treeids": [0] * 3,
            "class_nodeids": [1, 3, 4], "class_ids": [0, 1, 2], "class_weights": [1.0] * 3, "classlabels_strings": names}
    nodes = [node("LinearClassifier", ["x"], ["linear", "scores"], domain=ML, coefficients=weights.ravel().tolist(),
                  intercepts=[0.0] * 3, classlabels_strings=names),
             node("LinearClassifier", ["x"], ["two", "both"], domain=ML, coefficients=weights[0].tolist(), intercepts=[0.0],
                  classlabels_strings=names[:2]),
             node("TreeEnsembleClassifier", ["x"], ["tree", "votes"], domain=ML, **tree),
             node("ZipMap", ["votes"], ["map"], domain=ML, classlabels_strings=names),
             node("SVMClassifier", ["x"], ["svm", "margins"], domain=ML, coefficients=weights.ravel().tolist(), rho=[0.0],
                  classlabels_strings=names, kernel_type="LINEAR")]
    module = compiled(nodes, [info("x", F32, ["N", 4])], [info("linear", STRING, None), info("two", STRING, None),
                                                         info("tree", STRING, None), info("svm", STRING, None), info("map", F32, None)])
    found = module.run({"x": x})
    best = array(names)[np.argmax(x @ weights.T, axis=1)]
    same(found["linear"], best)
    same(found["svm"], best)
    same(found["two"], array(names)[(x @ weights[0] > 0).astype(int)])
    same(found["tree"], array(names)[np.where(x[:, 0] <= 0, 0, np.where(x[:, 1] <= 0.1, 1, 2))])
    assert found["map"].shape == (20, 3)


def test_onnxruntime_session():
    ort = pytest.importorskip("onnxruntime")
    import tessera.onnxruntime

    made = model([node("StringSplit", ["x"], ["parts", "count"], delimiter=" "), node("StringConcat", ["x", "x"], ["both"]),
                  node("LabelEncoder", ["x"], ["label"], domain=ML, keys_strings=["ja", "nein"], values_int64s=[1, 0])],
                 [info("x", STRING, ["N"])], [info("parts", STRING, ["N", "M"]), info("count", I64, ["N"]),
                                              info("both", STRING, ["N"]), info("label", I64, ["N"])]).SerializeToString()
    ours, peer = tessera.onnxruntime.InferenceSession(made), ort.InferenceSession(made)
    for mine, other in zip([*ours.get_inputs(), *ours.get_outputs()], [*peer.get_inputs(), *peer.get_outputs()]):
        assert (mine.name, mine.type, mine.shape) == (other.name, other.type, other.shape)
    x = np.array(["ja", "nein", "a b  世界", "🙂 x"], object)
    for given in (x, x.astype(str)):
        for found, expected in zip(ours.run(None, {"x": given}), peer.run(None, {"x": x})):
            assert found.dtype == expected.dtype
            same(found, expected)


def test_casts():
    kinds = [TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64, TensorProto.UINT64, BOOL]
    numpy_kinds = [helper.tensor_dtype_to_np_dtype(kind) for kind in kinds]
    module = compiled([node("Cast", [f"x{i}"], [f"y{i}"], to=STRING) for i in range(len(kinds))],
                      [info(f"x{i}", kind, ["N"]) for i, kind in enumerate(kinds)],
                      [info(f"y{i}", STRING, None) for i in range(len(kinds))])
    values = [np.array([0, 1, limits.min, limits.max, 99, 100], kind) for kind in numpy_kinds[:-1] for limits in [np.iinfo(kind)]]
    values.append(np.array([True, False, True, True, False, True]))
    found = module.run({f"x{i}": value for i, value in enumerate(values)})
    for i, value in enumerate(values):
        same(found[f"y{i}"], [str(int(number)) for number in value.tolist()])
    made = [node("Cast", ["x"], [f"y{i}"], to=kind) for i, kind in enumerate([F32, TensorProto.DOUBLE, I64, BOOL])]
    module = compiled(made, [info("x", STRING, ["N"])], [info(f"y{i}", kind, None) for i, kind in
                                                        enumerate([F32, TensorProto.DOUBLE, I64, BOOL])])
    rng = np.random.default_rng(12)
    texts = ["0", "-0", "+7", " 42\t", "3.14", "-.5", "5.", "1e3", "-2.5E-3", "1E+08", "123456789012345", "-9000000000000000000",
             "0.1", "00012.50", "7.038531e-26", *[repr(float(x)) for x in rng.normal(size=50)]]
    found = module.run({"x": texts})
    exact = [float(text) for text in texts]
    np.testing.assert_allclose(found["y1"], exact, rtol=4e-16)
    np.testing.assert_allclose(found["y0"], np.array(exact, np.float32), rtol=1e-7)
    same(found["y2"], [int(x) if "9000" not in text else int(text) for x, text in zip(exact, texts)])
    same(found["y3"], np.array(exact) != 0)
    real = compiled(made[:2], [info("x", STRING, ["N"])], [info("y0", F32, None), info("y1", TensorProto.DOUBLE, None)])
    found = real.run({"x": ["inf", "-INF", "NaN", "+Infinity", "1e400", "1e-400", "123456789012345678901234567890"]})
    np.testing.assert_allclose(found["y1"], [np.inf, -np.inf, np.nan, np.inf, np.inf, 0, 1.2345678901234568e29], rtol=1e-15)
    for wrong in ("", "x", "1 2", "0x10", "1e", "nan1"):
        with pytest.raises(tessera.Error, match="the number of strings that are no numbers"):
            module.run({"x": ["1", wrong]})


def test_constants_are_checked():
    x, y = [info("x", STRING, ["N"])], [info("y", STRING, None)]
    refused("a string that ends with a zero", [node("StringConcat", ["x", "c"], ["y"])], x, y, {"c": np.array([b"a\0"], object)})
    refused("Relu.*: its input 'x' is a tensor of strings, which it does not take", [node("Relu", ["x"], ["y"])], x, y)
    refused("needs strings as input 1, found a tensor", [node("StringConcat", ["x", "c"], ["y"])], x, y, {"c": [1]})
    refused("combines strings", [node("ScatterElements", ["x", "c", "x"], ["y"], reduction="add")], x, y, {"c": [0]})
