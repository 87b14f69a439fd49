"""Maps: dicts as inputs, two lists in the module; ZipMap's lists of dicts from the session that stands in for onnxruntime's."""
import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from test_strings import F32, I64, ML, STRING, info, model, node, same

import tessera
import tessera.onnxruntime

F64 = TensorProto.DOUBLE
VALUES = {STRING: ["u", "世", ""], I64: [1, -2, 3], F32: [1.5, -2, 3.25], F64: [1.5, -2, 3.25]}
EMPTY = {STRING: "", I64: 0, F32: 0, F64: 0}


def map_info(name, key, value):
    return helper.make_value_info(name, helper.make_map_type_proto(key, helper.make_tensor_type_proto(value, [])))


def made_of(operator, key, value, result, **attributes):
    return model([node(operator, ["x"], ["y"], domain=ML, **attributes)], [map_info("x", key, value)],
                 [info("y", result, None)]).SerializeToString()


@pytest.mark.parametrize("key", [STRING, I64])
@pytest.mark.parametrize("value", [STRING, I64, F32, F64])
def test_vectorizer(key, value):
    words = ["a", "世界", "c", "a"] if key == STRING else [5, -4, 2**40, 5]
    keys = ["c", "a", "none"] if key == STRING else [2**40, 5, 77]
    made = made_of("DictVectorizer", key, value, value, **{"string_vocabulary" if key == STRING else "int64_vocabulary": words})
    module = tessera.compile(made)
    assert [port.name for port in module.inputs] == ["x/keys", "x/values"]
    for count in (3, 2, 0):
        given = dict(zip(keys[:count], VALUES[value]))
        expected = [[given.get(word, EMPTY[value]) for word in words]]
        same(module.run({"x": given})["y"], expected)
        # As a program in C gives it: two tensors.
        lists = [np.array([*items, None], object)[:-1] if kind == STRING else np.array(items, helper.tensor_dtype_to_np_dtype(kind))
                 for kind, items in ((key, list(given)), (value, list(given.values())))]
        same(module.run({"x/keys": lists[0], "x/values": lists[1]})["y"], expected)


def test_cast_map():
    for kind, to, expected in ((F32, "TO_FLOAT", [3.25, 1.5, -2]), (F32, "TO_INT64", [3, 1, -2]),
                               (F32, "TO_STRING", ["3.250000", "1.500000", "-2.000000"]), (STRING, "TO_FLOAT", [7, 2.5, -1e3]),
                               (STRING, "TO_STRING", ["7", "2.5", "-1e3"])):
        given = dict(zip([4, 9, 1], VALUES[F32] if kind == F32 else ["2.5", "-1e3", "7"]))
        result = {"TO_FLOAT": F32, "TO_INT64": I64, "TO_STRING": STRING}[to]
        by_key = dict(zip([1, 4, 9], expected))
        for form, size in (("DENSE", 1), ("SPARSE", 6), ("SPARSE", 12), ("SPARSE", 1)):
            made = made_of("CastMap", I64, kind, result, cast_to=to, map_form=form, max_map=size)
            found = tessera.onnxruntime.InferenceSession(made).run(None, {"x": given})[0]
            missing = "0.f" if to == "TO_STRING" else 0
            same(found, [expected if form == "DENSE" else [by_key.get(i, missing) for i in range(size)]])
            if kind == F32:  # onnxruntime's Python takes no others.
                same(found, onnxruntime.InferenceSession(made).run(None, {"x": given})[0])
    sparse = tessera.compile(made_of("CastMap", I64, F32, F32, cast_to="TO_FLOAT", map_form="SPARSE", max_map=3))
    with pytest.raises(tessera.Error, match="the number of keys that are negative"):
        sparse.run({"x": {1: 2.0, -1: 2.0}})


def test_session():
    made = made_of("DictVectorizer", STRING, F32, F32, string_vocabulary=["a", "b", "c"])
    ours, peer = tessera.onnxruntime.InferenceSession(made), onnxruntime.InferenceSession(made)
    for mine, other in zip(ours.get_inputs(), peer.get_inputs(), strict=True):
        assert (mine.name, mine.type, mine.shape) == (other.name, other.type, other.shape)
    for given in ({"c": 2.5, "x": 1}, {"a": np.float32(1), "b": 0}):
        same(ours.run(None, {"x": given})[0], peer.run(None, {"x": given})[0])


@pytest.mark.parametrize("labels", [{"classlabels_strings": ["rot", "grün"]}, {"classlabels_int64s": [7, -2]}])
def test_zip_map(labels):
    kind = STRING if "classlabels_strings" in labels else I64
    maps = helper.make_value_info("y", helper.make_sequence_type_proto(
        helper.make_map_type_proto(kind, helper.make_tensor_type_proto(F32, []))))
    made = model([node("ZipMap", ["x"], ["y"], domain=ML, **labels), node("Neg", ["x"], ["n"])], [info("x", F32, ["N", 2])],
                 [maps, info("n", F32, ["N", 2])]).SerializeToString()
    ours, peer = tessera.onnxruntime.InferenceSession(made), onnxruntime.InferenceSession(made)
    for mine, other in zip(ours.get_outputs(), peer.get_outputs(), strict=True):
        assert (mine.name, mine.type, mine.shape) == (other.name, other.type, other.shape)
    x = np.array([[0.25, 0.75], [1, -3]], np.float32)
    assert ours.run(["y"], {"x": x}) == peer.run(["y"], {"x": x})


def test_what_is_refused():
    module = tessera.compile(made_of("DictVectorizer", STRING, F32, F32, string_vocabulary=["a", "b"]))
    for given, text in (({"x": {"a": "b"}}, "input 'x': values: expected f32, found 'b'"),
                        ({"x": {1: 1.0}}, "input 'x': keys: expected string, found 1"),
                        ({"y": {"a": 1.0}}, "input 'y': found a dict, but it is no map"),
                        ({"x/keys": ["a"], "x/values": np.ones(2, np.float32)}, "x_entries")):
        with pytest.raises(tessera.Error, match=text):
            module.run(given)
    with pytest.raises(tessera.Error, match="needs a map, found a tensor"):
        tessera.compile(model([node("DictVectorizer", ["x"], ["y"], domain=ML, string_vocabulary=["a"])], [info("x", F32, [1])],
                              [info("y", F32, None)]).SerializeToString())
    with pytest.raises(tessera.Error, match="'x' is a map of keys or values that are not supported"):
        tessera.compile(made_of("CastMap", F32, F32, F32, cast_to="TO_FLOAT"))
    with pytest.raises(tessera.Error, match="which it does not take"):
        tessera.compile(model([node("Neg", ["x"], ["y"])], [map_info("x", STRING, F32)], [info("y", F32, None)]).SerializeToString())
