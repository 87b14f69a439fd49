"""Concatenations along the last axis, with pieces that a vector fits and such that it does not, give NumPy's numbers."""

import numpy as np
import pytest

import tessera

TYPES = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "ui8": np.uint8, "si64": np.int64}


@pytest.mark.parametrize("element", TYPES)
@pytest.mark.parametrize("pieces", [(24, 24, 24, 24), (8, 16), (40, 8, 8), (33, 33), (16, 1), (5, 3), (128, 384)], ids=str)
def test_concat(pieces, element):
    types = [f"!graph.tensor<[N, {piece}], {element}>" for piece in pieces]
    result = f"!graph.tensor<[N, {sum(pieces)}], {element}>"
    inputs = ", ".join(f'%x{i}: {kind} {{graph.name = "x{i}"}}' for i, kind in enumerate(types))
    names = ", ".join(f"%x{i}" for i in range(len(pieces)))
    text = (f'graph.func @main({inputs}) -> ({result} {{graph.name = "y"}}, {result} {{graph.name = "z"}}) {{\n'
            f"  %0 = graph.concat {names} axis = 1 : ({', '.join(types)}) -> {result}\n"
            f"  %1 = graph.add %0, %0 : {result}\n  graph.return %0, %1 : {result}, {result}\n}}\n")
    module = tessera.compile(text.encode())
    rng = np.random.default_rng(1)
    for rows in (0, 1, 7):
        values = [(rng.standard_normal((rows, piece)) * 50).astype(np.float64).astype(np.int64).astype(TYPES[element]) for piece in pieces]
        got = module.run({f"x{i}": value for i, value in enumerate(values)})
        wanted = np.concatenate(values, axis=1)
        np.testing.assert_array_equal(got["y"], wanted)
        np.testing.assert_array_equal(got["z"], wanted + wanted)
