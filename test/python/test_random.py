"""Random operators of ONNX: how their numbers are distributed, and what they follow from."""
import numpy as np
import pytest
from onnx import TensorProto, helper

import tessera

F32, F64, BOOL, I32 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.BOOL, TensorProto.INT32


def compiled(nodes, inputs, outputs, opset=22):
    graph = helper.make_graph(nodes, "random", [helper.make_tensor_value_info(*row) for row in inputs],
                              [helper.make_tensor_value_info(*row) for row in outputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return tessera.compile(model.SerializeToString())


def node(operator, inputs, outputs, name, **attributes):
    return helper.make_node(operator, inputs, outputs, name=name, **attributes)


def test_numbers_follow_from_seed_and_call_alone():
    nodes = [node("RandomUniform", [], ["a"], "a", shape=[64, 64], seed=3.0, low=-1.0, high=3.0),
             node("RandomUniform", [], ["b"], "b", shape=[64, 64], seed=4.0, low=-1.0, high=3.0),
             node("RandomNormalLike", ["x"], ["c"], "c", mean=2.0, scale=0.5, dtype=F64)]
    module = compiled(nodes, [("x", F32, ["N", "M"])], [("a", F32, None), ("b", F32, None), ("c", F64, None)])
    x = np.zeros((200, 100), np.float32)
    first, second = module.context(1), module.context(1)
    runs = [first.run({"x": x}) for _ in range(2)]
    again = [second.run({"x": x}) for _ in range(2)]
    for one, other in zip(runs, again):
        for name in "abc":
            assert np.array_equal(one[name], other[name])
    for name in "abc":
        assert not np.array_equal(runs[0][name], runs[1][name])
    assert not np.array_equal(runs[0]["a"], runs[0]["b"])
    a, c = np.stack([run["a"] for run in runs]), runs[0]["c"]
    assert a.min() >= -1 and a.max() < 3 and abs(a.mean() - 1) < 0.05 and abs(a.var() - 16 / 12) < 0.05
    assert c.dtype == np.float64 and abs(c.mean() - 2) < 0.02 and abs(c.std() - 0.5) < 0.02


def test_draws_in_a_loop_differ():
    body = helper.make_graph(
        [node("RandomUniform", [], ["r"], "r", shape=[16]), node("Identity", ["going"], ["goes"], "i")], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("going", BOOL, [])],
        [helper.make_tensor_value_info("goes", BOOL, []), helper.make_tensor_value_info("r", F32, [16])])
    module = compiled([node("Loop", ["n", ""], ["y"], "loop", body=body)], [("n", TensorProto.INT64, [])], [("y", F32, None)])
    y = module.run({"n": np.array(5)})["y"]
    assert y.shape == (5, 16) and len(np.unique(y)) > 70


@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_dropout_keeps_a_share_and_scales_it(ratio):
    nodes = [node("Dropout", ["x", "ratio", "trains"], ["y", "mask"], "drop", seed=1)]
    module = compiled(nodes, [("x", F32, ["N"]), ("ratio", F32, []), ("trains", BOOL, [])], [("y", F32, None), ("mask", BOOL, None)])
    x = np.random.default_rng(0).standard_normal(20000).astype(np.float32)
    context = module.context(1)
    results = [context.run({"x": x, "ratio": np.float32(ratio), "trains": np.array(True)}) for _ in range(2)]
    for result in results:
        mask = result["mask"]
        assert abs(mask.mean() - (1 - ratio)) < 0.02
        expected = np.where(mask, x / max(1 - ratio, 1e-30), 0)
        np.testing.assert_allclose(result["y"], expected, rtol=1e-6)
    assert (ratio in (0, 1)) == np.array_equal(results[0]["mask"], results[1]["mask"])
    idle = context.run({"x": x, "ratio": np.float32(ratio), "trains": np.array(False)})
    assert np.array_equal(idle["y"], x) and idle["mask"].all()


def test_dropout_before_version_7_trains_unless_told_otherwise():
    module = compiled([node("Dropout", ["x"], ["y"], "drop", ratio=0.25)], [("x", F32, [4000])], [("y", F32, None)], opset=6)
    y = module.run({"x": np.ones(4000, np.float32)})["y"]
    assert abs((y == 0).mean() - 0.25) < 0.05 and np.allclose(y[y != 0], 4 / 3)


def test_bernoulli_and_multinomial_follow_their_probabilities():
    nodes = [node("Bernoulli", ["p"], ["b"], "b", dtype=I32), node("Multinomial", ["logits"], ["m"], "m", sample_size=4000)]
    module = compiled(nodes, [("p", F32, ["N"]), ("logits", F32, ["B", "C"])], [("b", I32, None), ("m", I32, None)])
    p = np.repeat(np.array([0, 0.2, 0.9, 1], np.float32), 4000)
    logits = np.log(np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 1e-30]], np.float32)) + np.float32(3)
    result = module.run({"p": p, "logits": logits})
    shares = result["b"].reshape(4, 4000).mean(1)
    np.testing.assert_allclose(shares, [0, 0.2, 0.9, 1], atol=0.03)
    assert shares[0] == 0 and shares[3] == 1
    for row, expected in zip(result["m"], ([0.1, 0.2, 0.7], [0.5, 0.5, 0])):
        np.testing.assert_allclose(np.bincount(row, minlength=3) / 4000, expected, atol=0.03)


def test_what_cannot_be_drawn_is_refused():
    for attributes, text in (({"shape": [2, -1]}, "without negative extents"), ({"shape": [2], "dtype": I32}, "no floats")):
        with pytest.raises(tessera.Error, match=text):
            compiled([node("RandomUniform", [], ["y"], "r", **attributes)], [], [("y", attributes.get("dtype", F32), None)])
