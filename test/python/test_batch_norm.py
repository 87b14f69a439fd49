"""BatchNormalization in training: statistics of the batch, in all versions that had them."""
import numpy as np
import pytest
from onnx import TensorProto, helper

import tessera


def compiled(opset, outputs, kind=TensorProto.FLOAT, **attributes):
    names = ["y", "mean", "variance", "own_mean", "own_variance"][:outputs]
    node = helper.make_node("BatchNormalization", ["x", "scale", "bias", "m", "v"], names, name="norm", epsilon=1e-3, momentum=0.8,
                            **attributes)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", kind, ["N", 3, "W"])] +
                              [helper.make_tensor_value_info(name, kind, [3]) for name in ("scale", "bias", "m", "v")],
                              [helper.make_tensor_value_info(name, kind, None) for name in names])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return tessera.compile(model.SerializeToString())


@pytest.mark.parametrize("opset,outputs,attributes", [(15, 3, {"training_mode": 1}), (9, 5, {}), (6, 5, {"is_test": 0})])
@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_statistics_of_the_batch(opset, outputs, attributes, kind):
    module = compiled(opset, outputs, kind, **attributes)
    rng = np.random.default_rng(1)
    element, tolerance = (np.float32, 1e-5) if kind == TensorProto.FLOAT else (np.float16, 4e-3)
    for n, w in ((1, 5), (4, 33)):
        x = rng.normal(3, 2, (n, 3, w)).astype(element)
        scale, bias, m, v = (rng.uniform(0.5, 2, 3).astype(element) for _ in range(4))
        result = module.run({"x": x, "scale": scale, "bias": bias, "m": m, "v": v})
        wide = x.astype(np.float64)
        mean, variance = wide.mean((0, 2)), wide.var((0, 2))
        y = (wide - mean[:, None]) / np.sqrt(variance + 1e-3)[:, None] * scale[:, None] + bias[:, None]
        expected = {"y": y, "mean": 0.8 * m + 0.2 * mean, "variance": 0.8 * v + 0.2 * variance}
        if outputs == 5:
            expected |= {"own_mean": mean, "own_variance": variance}
        for name, array in expected.items():
            assert result[name].dtype == element
            np.testing.assert_allclose(result[name], array, rtol=tolerance, atol=tolerance)


def test_statistics_without_training_are_refused():
    with pytest.raises(tessera.Error, match="gives statistics without training"):
        compiled(15, 3)
