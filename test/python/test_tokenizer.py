"""Tokenizer and MurmurHash3 of com.microsoft beside onnxruntime."""
import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from test_strings import STRING, array, info, node, same, words

import tessera

MICROSOFT = "com.microsoft"
TEXTS = ["ab abc", "x", "", "a bc,d  e", "世界 é ab, \n x_y-1.5", "aab abc", "AB ab", "abcabc abc", " lead trail ", "😀a 😀😀"]


def model(nodes, inputs, outputs):
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid(MICROSOFT, 1)],
                             ir_version=9).SerializeToString()


def tokenizers(rows, rank=1):
    """One node for each row of attributes."""
    nodes = [node("Tokenizer", ["x"], [f"y{i}"], domain=MICROSOFT, **{"pad_value": "#", "mark": 0, "mincharnum": 1, **own})
             for i, own in enumerate(rows)]
    return model(nodes, [info("x", STRING, ["N", "M"][:rank])], [info(f"y{i}", STRING, None) for i in range(len(rows))])


def beside_onnxruntime(made, *feeds):
    module, peer = tessera.compile(made), onnxruntime.InferenceSession(made)
    for feed in feeds:
        found = module.run(feed)
        for output, expected in zip(module.outputs, peer.run(None, feed)):
            assert found[output.name].dtype == expected.dtype
            same(found[output.name], expected)


def test_expressions():
    patterns = ["[a-z]+", "a|ab", "a*", ".", r"\b\w\w+\b", "^ab", "ab$", "..", "(?:ab c|a|c)+", r"[^\n]", "[a-zA-Z0-9_]+", "(?i)ab?",
                "zzz", "[é世]+|b", r"\w+|\B-\B|-", r"(?m)^.", "[^ ]+ [^ ]+", "😀+", r"\pL+", r"[\p{Lu}\p{Nd}]|\P{L}"]
    rows = [{"tokenexp": pattern} for pattern in patterns]
    rows += [{"tokenexp": r"\w+", "mincharnum": 2, "mark": 1}, {"tokenexp": "[^ ]+", "mincharnum": 3, "pad_value": ""},
             {"tokenexp": "zzz", "mark": 1}, {"tokenexp": ".", "mark": 1, "pad_value": "nothing"}]
    beside_onnxruntime(tokenizers(rows), {"x": array(TEXTS)}, {"x": array(["ab"])}, {"x": array(words(30, 4, 9))})


def test_separators():
    lists = [[" "], [" ", ","], [""], ["b", "bc"], ["bc|b", r"\n"], ["^a", " "], [" ", "^a", "b$"], [r"\s+", "-"], [r"[^\w]"], ["x?y"]]
    rows = [{"separators": separators, "mark": i % 2} for i, separators in enumerate(lists)]
    rows += [{"separators": [" "], "mark": 1, "mincharnum": 2}, {"separators": [",", " "], "mincharnum": 4, "pad_value": "<pad>"}]
    beside_onnxruntime(tokenizers(rows), {"x": array(TEXTS)}, {"x": array(["ab"])}, {"x": array(["", ""])}, {"x": array(words(30, 4, 9))})
    beside_onnxruntime(tokenizers(rows, 2), {"x": array(TEXTS, (2, 5))}, {"x": array(TEXTS, (5, 2))})


def test_what_is_refused():
    for own, text in (({"separators": ["b*"]}, "matches an empty text"), ({}, "neither separators nor a tokenexp"),
                      ({"tokenexp": "("}, "tokenexp that cannot be used"), ({"tokenexp": ".", "mincharnum": 2}, "expected 1 for tokens")):
        with pytest.raises(tessera.Error, match=text):
            tessera.compile(tokenizers([own]))


@pytest.mark.parametrize("positive", [0, 1])
def test_hashes(positive):
    kinds = {"s": STRING, "i": TensorProto.INT32, "u": TensorProto.UINT32, "l": TensorProto.INT64, "m": TensorProto.UINT64,
             "f": TensorProto.FLOAT, "d": TensorProto.DOUBLE}
    nodes = [node("MurmurHash3", [name], [f"{name}{seed}"], domain=MICROSOFT, positive=positive, seed=seed)
             for name in kinds for seed in (0, 42)]
    out = TensorProto.UINT32 if positive else TensorProto.INT32
    made = model(nodes, [info(name, kind, ["N", "M"]) for name, kind in kinds.items()], [info(n.output[0], out, None) for n in nodes])
    numbers = np.random.default_rng(3).integers(0, 2**31, (3, 5))
    feed = {name: numbers.astype(helper.tensor_dtype_to_np_dtype(kind)) for name, kind in kinds.items() if name != "s"}
    beside_onnxruntime(made, {**feed, "s": array([*words(9, 7), "", "abc", "abcd", "abcde", "x" * 33, "é"], (3, 5))})
