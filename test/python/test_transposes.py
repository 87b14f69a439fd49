"""Transposes move elements of every size exactly, at extents that no tile divides."""
import numpy as np
import pytest

import tessera

TYPES = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "ui8": np.uint8}
# dims and their order
CASES = [("M, N", (1, 0)), ("B, M, N", (0, 2, 1)), ("B, 3, N, M", (3, 2, 1, 0)), ("M, 100", (1, 0)), ("48, 300", (1, 0))]
SIZES = [(2, 1, 1), (1, 5, 7), (3, 16, 16), (2, 17, 33), (1, 64, 257), (2, 0, 4), (1, 515, 129)]


@pytest.mark.parametrize("target", ["x86-64-v3", None])
@pytest.mark.parametrize("element", TYPES)
@pytest.mark.parametrize("dims,order", CASES)
def test_transpose(dims, order, element, target):
    names = dims.split(", ")
    to = ", ".join(names[axis] for axis in order)
    from_type, to_type = (f"!graph.tensor<[{shape}], {element}>" for shape in (dims, to))
    text = f"""graph.func @main(%x: {from_type} {{graph.name = "x"}}) -> ({to_type} {{graph.name = "y"}}) {{
      %y = graph.transpose %x, perm = [{", ".join(map(str, order))}] : {from_type} -> {to_type}
      graph.return %y : {to_type}
    }}"""
    module = tessera.compile(text.encode(), **({"target": target} if target else {}))
    contexts = [module.context(threads=threads) for threads in (1, 2)]
    for b, m, n in SIZES:
        shape = [{"B": b, "M": m, "N": n}.get(name) if name.isalpha() else int(name) for name in names]
        x = np.random.default_rng(m).integers(0, 256, shape).astype(TYPES[element])
        for context in contexts:
            np.testing.assert_array_equal(context.run({"x": x})["y"], x.transpose(order))
