"""Losses and choices over logits that are products (loss_models.py) are one kernel that stores no logits, and give NumPy's numbers
(computed in f64): odd sizes, no rows, labels that are none, ties, NaN and infinities; equal bits with one and two threads."""

import numpy as np
import pytest
from attention_models import INF
from loss_models import BOTH_SIDES, CHOICES, LOSSES, cross_entropy, largest, last_of_the_largest, nearest, soft_labels
from test_attention import arrays, compiled, inputs_of, tool
import json

SIZES = [{"N": 19, "V": 37}, {"N": 73, "V": 257}, {"N": 1, "V": 1}, {"N": 0, "V": 4}, {"N": 5, "V": 600}, {"N": 1, "V": 2311},
         {"N": 300, "V": 1031}]


def values_of(text, sizes, seed=None):
    values = arrays(inputs_of(text), sizes, seed if seed is not None else sum(sizes.values()))
    if "labels" in values:
        values["labels"] = np.asarray(np.arange(sizes["N"]) * 7 % (sizes["V"] + 1) - 1, np.int32)  # -1: none
    return values


def check(name, text, reference, values):
    module = compiled(text)
    with np.errstate(all="ignore"):
        wanted = reference({key: value if value.dtype == np.int32 else value.astype(np.float64) for key, value in values.items()})
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    results = [module.context(threads=threads).run(values) for threads in (1, 2)]
    tolerance = 1e-11 if "f64" in text else 1e-4
    for number, expected in enumerate(wanted):
        got = results[0][f"o{number}"]
        assert got.shape == expected.shape, (name, got.shape, expected.shape)
        assert got.tobytes() == results[1][f"o{number}"].tobytes(), f"{name}: 1 and 2 threads differ"
        if got.dtype.kind == "i":
            assert (got == expected).all(), (name, got, expected)
        else:
            scale = max(1, np.abs(expected, where=np.isfinite(expected), out=np.zeros_like(expected)).max(initial=0))
            assert np.allclose(got, expected, rtol=tolerance, atol=tolerance * scale, equal_nan=True), \
                (name, float(np.nanmax(np.abs(got - expected))))


@pytest.mark.parametrize("variant", LOSSES + CHOICES, ids=lambda variant: variant.__name__)
def test_one_kernel(variant, tmp_path):
    text, reference = variant(16)
    (tmp_path / "model.mlir").write_text(text)
    kernels = [line for line in tool("tessera-compile", tmp_path / "model.mlir", "--emit", "kernel").splitlines()
               if "kernel.func" in line]
    # In up to three forms: for one row, in parts, and else.
    assert kernels and len(kernels) <= 3 and all("_stream" in kernel for kernel in kernels), kernels
    for sizes in SIZES:
        check(variant.__name__, text, reference, values_of(text, sizes))


@pytest.mark.parametrize("variant", BOTH_SIDES, ids=lambda variant: variant.__name__)
def test_both_sides(variant, tmp_path):
    """The product is computed by two streams, one along either axis: neither stores it."""
    text, reference = variant(16)
    (tmp_path / "model.mlir").write_text(text)
    kernels = [line for line in tool("tessera-compile", tmp_path / "model.mlir", "--emit", "kernel").splitlines()
               if "kernel.func" in line]
    assert kernels and all("_stream" in kernel for kernel in kernels), kernels
    for sizes in SIZES:
        check(variant.__name__, text, reference, values_of(text, sizes))
    used = memory(tmp_path / "model.mlir", 3000, 3000, 16)
    assert used <= 3 * 6000 * 16 * 4, used


@pytest.mark.parametrize("width", [1, 5, 64, 100])
def test_widths(width):
    for variant in (cross_entropy, largest):
        text, reference = variant(width)
        check("widths", text, reference, values_of(text, {"N": 30, "V": 290}))


def test_ties():
    """Of equal elements the first one, or the last one where that is asked for."""
    for variant in (largest, last_of_the_largest, nearest):
        text, reference = variant(2)
        values = values_of(text, {"N": 40, "V": 700})
        for name in ("x", "w", "b"):
            if name in values:
                values[name] = np.round(values[name])
        check("ties", text, reference, values)


def test_not_finite():
    """NaN is the largest element, wherever it is; a score of -inf at a label is a loss of inf."""
    text, reference = largest(4)
    values = values_of(text, {"N": 6, "V": 600})
    values["w"][[300, 411]] = np.nan
    check("NaN", text, lambda a: (np.full(6, 300), np.full(6, np.nan)), values)
    values = values_of(text, {"N": 6, "V": 600})
    values["b"][:] = -INF
    check("-inf", text, lambda a: (np.zeros(6, int), np.full(6, -INF)), values)
    text, reference = cross_entropy(4)
    values = values_of(text, {"N": 8, "V": 600})
    values["b"][2] = -INF
    check("loss", text, reference, values)
    values["b"][2] = np.nan
    check("loss", text, lambda a: np.where(a["labels"] < 0, 0, np.nan), values)


def memory(model, rows, columns, width, *more):
    shapes = [f"-ix={rows}x{width}xf32", f"-iw={columns}x{width}xf32", *more]
    return json.loads(tool("tessera-bench", model, "--json", "--time", "0.001", "--threads", "1", *shapes))["memory_bytes"]


def test_memory_follows_the_inputs(tmp_path):
    """32,000 classes for 2,048 rows: their logits alone would take 262 MB."""
    (tmp_path / "model.mlir").write_text(cross_entropy(16)[0])
    used = memory(tmp_path / "model.mlir", 2048, 32000, 16, "-ib=32000xf32", "-ilabels=2048xi32=1")
    assert used <= 3 * (2048 + 32000) * 16 * 4, used
