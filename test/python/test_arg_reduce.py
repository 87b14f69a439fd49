"""Places of the best elements: ties, NaN, infinities and signed zeros, along rows and across them, every kind of element."""
import ml_dtypes
import numpy as np
import pytest

import tessera

TYPES = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "si8": np.int8, "ui8": np.uint8,
         "si32": np.int32, "si64": np.int64, "ui32": np.uint32}


def expected(x, axis, kind, last):
    """NaN is better than every number; NumPy's places are the first ones."""
    flipped = np.flip(x, axis) if last else x
    values = flipped.astype(np.float64)
    place = (np.argmax if kind == "max" else np.argmin)(values, axis)
    return x.shape[axis] - 1 - place if last else place


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("kind", ["max", "min"])
@pytest.mark.parametrize("element", TYPES)
def test_places(element, kind, last):
    rng = np.random.default_rng(0)
    for axis in (0, 1):
        result = "M" if axis else "N"
        text = f"""graph.func @main(%x: !graph.tensor<[M, N], {element}> {{graph.name = "x"}})
            -> (!graph.tensor<[{result}], si64> {{graph.name = "y"}}) {{
          %y = graph.arg_reduce {kind} %x, axis = {axis}{' select_last' if last else ''} : !graph.tensor<[M, N], {element}> -> !graph.tensor<[{result}], si64>
          graph.return %y : !graph.tensor<[{result}], si64>
        }}"""
        context = tessera.compile(text.encode()).context(1)
        for shape in [(1, 1), (3, 70), (5, 16), (2, 300), (130, 7), (0, 9)]:
            if shape[axis] == 0:
                continue
            x = rng.integers(0, 6, shape).astype(TYPES[element])  # many ties
            if element[0] in "fb":
                flat = x.reshape(-1)
                for special in (np.nan, np.inf, -np.inf, -0.0):
                    flat[rng.integers(0, max(1, x.size), x.size // 60)] = special
                if shape[0] > 1:
                    x[1] = -np.inf
            given = x.view(np.uint16) if element == "bf16" else x
            np.testing.assert_array_equal(context.run({"x": given})["y"], expected(x, axis, kind, last))
