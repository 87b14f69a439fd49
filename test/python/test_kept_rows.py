"""Rows of costly values are computed once for all that reads them: softmax, and norms behind a costly map, in one
kernel where rows are known to be short, or turn out to be."""
import json
import subprocess
from math import erf

import numpy as np
import pytest
from conftest import BUILD

import tessera

TYPES = {"f32": (np.float32, 3e-6), "f64": (np.float64, 1e-12), "f16": (np.float16, 2e-3)}


def softmax(x):
    with np.errstate(invalid="ignore"):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)


def softmax_text(row, element):
    t = f"!graph.tensor<[A, {row}], {element}>"
    return f"""graph.func @main(%x: {t} {{graph.name = "x"}}) -> ({t} {{graph.name = "y"}}) {{
      %y = graph.softmax %x, axes = [1] : {t}
      graph.return %y : {t}
    }}"""


def norm_text(row, element):
    """(v - mean v) / sqrt(mean v^2 - (mean v)^2 + 1), v = x erf x."""
    t, r = f"!graph.tensor<[A, B, {row}], {element}>", f"!graph.tensor<[A, B], {element}>"
    return f"""graph.func @main(%x: {t} {{graph.name = "x"}}) -> ({t} {{graph.name = "y"}}) {{
      %e = graph.erf %x : {t}
      %v = graph.mul %x, %e : {t}
      %s = graph.reduce sum %v, axes = [2] : {t} -> {r}
      %n = graph.constant dense<{row}.0> : !graph.tensor<[], {element}>
      %nb = graph.broadcast %n, dims = [] : !graph.tensor<[], {element}> -> {r}
      %m = graph.div %s, %nb : {r}
      %mb = graph.broadcast %m, dims = [0, 1] : {r} -> {t}
      %c = graph.sub %v, %mb : {t}
      %q = graph.mul %c, %c : {t}
      %qs = graph.reduce sum %q, axes = [2] : {t} -> {r}
      %qm = graph.div %qs, %nb : {r}
      %o = graph.constant dense<1.0> : !graph.tensor<[], {element}>
      %ob = graph.broadcast %o, dims = [] : !graph.tensor<[], {element}> -> {r}
      %d = graph.add %qm, %ob : {r}
      %k = graph.sqrt %d : {r}
      %kb = graph.broadcast %k, dims = [0, 1] : {r} -> {t}
      %y = graph.div %c, %kb : {t}
      graph.return %y : {t}
    }}"""


def norm(x):
    v = x * np.vectorize(erf)(x)
    return (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1)


def kernels_of(text, folder):
    (folder / "m.mlir").write_text(text)
    subprocess.run([BUILD / "bin/tessera-compile", folder / "m.mlir", "-o", folder / "m.tsm", "-q"], check=True)
    done = subprocess.run([BUILD / "bin/tessera-dump", folder / "m.tsm", "--json"], check=True, capture_output=True, text=True)
    return len(json.loads(done.stdout)["variants"][0]["kernels"])


@pytest.mark.parametrize("row", [1, 3, 9, 15, 17, 70, 1000, 8192, 8193])
@pytest.mark.parametrize("element", TYPES)
def test_softmax(element, row, tmp_path):
    kind, tolerance = TYPES[element]
    text = softmax_text(row, element)
    assert kernels_of(text, tmp_path) == (1 if row <= 8192 else 2)
    module = tessera.compile(text.encode())
    for threads in (1, 2):
        context = module.context(threads=threads)
        for rows in (0, 1, 5, 300 if row < 100 else 7):
            x = (np.random.default_rng(rows).standard_normal((rows, row)) * 4).astype(kind)
            if rows > 3:
                x[1, 0], x[2, -1] = np.nan, -np.inf
            y = context.run({"x": x})["y"]
            np.testing.assert_allclose(y, softmax(x.astype(np.float64)), rtol=tolerance * 4, atol=tolerance)


@pytest.mark.parametrize("row", [1, 11, 16, 333])
@pytest.mark.parametrize("element", ["f32", "f64"])
def test_norm_behind_a_costly_map(element, row, tmp_path):
    kind, tolerance = TYPES[element]
    text = norm_text(row, element)
    assert kernels_of(text, tmp_path) == 1
    module = tessera.compile(text.encode())
    results = []
    for threads in (1, 2):
        x = np.random.default_rng(1).standard_normal((3, 50, row)).astype(kind)
        results.append(module.context(threads=threads).run({"x": x})["y"])
        np.testing.assert_allclose(results[-1], norm(x.astype(np.float64)), rtol=0, atol=tolerance * 10)
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("target", ["x86-64-v3", None])
@pytest.mark.parametrize("element", TYPES)
def test_unknown_length(element, target, tmp_path):
    kind, tolerance = TYPES[element]
    text = softmax_text("N", element)
    assert kernels_of(text, tmp_path) == 3  # for short rows, and two for long ones
    module = tessera.compile(text.encode(), **({"target": target} if target else {}))
    contexts = [module.context(threads=threads) for threads in (1, 2)]
    for rows, row in ((0, 5), (4, 0), (5, 1), (70, 15), (33, 100), (9, 1000), (5, 8191), (5, 8192), (5, 8193)):
        x = (np.random.default_rng(row).standard_normal((rows, row)) * 4).astype(kind)
        if rows > 3 and row:
            x[1, 0], x[2, -1], x[3] = np.nan, np.inf, -np.inf
        results = [context.run({"x": x})["y"] for context in contexts]
        np.testing.assert_array_equal(*results)
        if x.size:
            np.testing.assert_allclose(results[0], softmax(x.astype(np.float64)), rtol=tolerance * 4, atol=tolerance)
