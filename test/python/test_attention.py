"""Attention in many spellings (attention_models.py) is one kernel and gives NumPy's numbers (computed in f64): odd sizes, nothing
at all, rows without any key, infinities and NaN; equal bits with one and two threads; memory that follows the sequence."""

import json
import subprocess

import numpy as np
import pytest
from attention_models import INF, VARIANTS, Text, arrays, biased, causal, compare, from_here_on, grouped, heads_last, masked, plain
from attention_models import inputs_of, products, softmax, window
from conftest import BUILD

import tessera

SIZES = [{"H": 2, "M": 19, "K": 37}, {"H": 1, "M": 73, "K": 257}, {"H": 3, "M": 1, "K": 1}, {"H": 1, "M": 0, "K": 4},
         {"H": 2, "M": 5, "K": 600}, {"H": 1, "M": 600, "K": 600}, {"H": 3, "M": 1, "K": 1300}, {"H": 1, "M": 3, "K": 2311}]


def tool(name, model, *options):
    return subprocess.run([str(BUILD / "bin" / name), str(model), *options], check=True, capture_output=True, text=True).stdout


def check(name, text, reference, sizes, change=None):
    values = arrays(inputs_of(text), sizes, seed=sum(sizes.values()))
    if change:
        change(values)
    module = compiled(text)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        wanted = reference({key: value.astype(bool if value.dtype == bool else np.float64) for key, value in values.items()})
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    results = [module.context(threads=threads).run(values) for threads in (1, 2)]
    tolerance = 1e-12 if "f64" in text else 1e-5
    for number, expected in enumerate(wanted):
        got = results[0][f"o{number}"]
        assert got.shape == expected.shape, (name, sizes, got.shape, expected.shape)
        assert got.tobytes() == results[1][f"o{number}"].tobytes(), f"{name}: 1 and 2 threads differ"
        assert np.allclose(got, expected, rtol=20 * tolerance, atol=tolerance, equal_nan=True), \
            (name, sizes, float(np.nanmax(np.abs(got - expected))))


MODULES = {}


def compiled(text):
    if text not in MODULES:
        MODULES[text] = tessera.compile(text.encode())
    return MODULES[text]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.__name__)
def test_spelling(variant, tmp_path):
    text, reference = variant(16)
    (tmp_path / "model.mlir").write_text(text)
    kernels = [line for line in tool("tessera-compile", tmp_path / "model.mlir", "--emit", "kernel").splitlines()
               if "kernel.func" in line]
    # One stream; where extents are not known, in up to three forms: for one row, in parts, and else.
    # The share of a sink is known behind the stream: a division by it is all that may follow.
    rest = [kernel for kernel in kernels if "_stream" not in kernel]
    assert 1 <= len(kernels) - len(rest) <= 3, kernels
    assert len(rest) <= variant.__name__.startswith("sink") and not any("reduce" in k or "contract" in k for k in rest), rest
    for sizes in SIZES:
        check(variant.__name__, text, reference, sizes)


@pytest.mark.parametrize("width", [1, 5, 40, 64, 128])
def test_columns(width):
    text, reference = plain(width)
    check("columns", text, reference, {"H": 2, "M": 30, "K": 290})


@pytest.mark.parametrize("variant, fixed", [
    (plain, {"M": 33}), (plain, {"M": 130, "K": 1025}), (masked, {"M": 64}), (causal, {"M": 33, "K": 65}),
    (window, {"K": 513}), (window, {"H": 1, "M": 600, "K": 600}), (grouped, {"M": 64, "K": 200}), (heads_last, {"M": 130}),
], ids=lambda value: "-".join(f"{k}{v}" for k, v in value.items()) if isinstance(value, dict) else value.__name__)
def test_fixed_extents(variant, fixed):
    """What is known of an extent changes the blocks, and what is proved about them."""
    text, reference = variant(16)
    for name, extent in fixed.items():
        text = text.replace(f"[{name},", f"[{extent},").replace(f" {name},", f" {extent},").replace(f" {name}]", f" {extent}]")
    check("fixed", text, reference, {"H": 2, "M": 90, "K": 300} | fixed)


def test_no_keys():
    """The sum of nothing is 0."""
    text, _ = plain(16)
    check("no keys", text, lambda a: np.zeros(a["q"].shape), {"H": 1, "M": 3, "K": 0})


SPECIAL = {"H": 2, "M": 20, "K": 300}


def test_rows_without_keys():
    text, reference = biased(16)

    def change(a):  # no key for a row, for a block of another one, at the end of a third
        a["bias"][0, 3] = a["bias"][1, 5, :260] = a["bias"][1, 6, 200:] = -INF

    def expected(a):
        wanted = reference(a)
        wanted[0, 3] = np.nan  # 0 / 0
        return wanted
    check("no key", text, expected, SPECIAL, change)


def test_not_finite():
    text, _ = biased(16)

    def change(a):
        a["q"][0, 2, 1] = np.nan
        a["k"][1, 7] = INF
        a["v"][0, 9, 4] = np.nan
        a["bias"][0, 11, 290] = INF

    def expected(a):
        s = products(a) + a["bias"]
        p = np.exp(s - s.max(-1, keepdims=True))
        return np.einsum("hmk,hkd->hmd", p / p.sum(-1, keepdims=True), a["v"])
    check("not finite", text, expected, SPECIAL, change)


def test_masked_keys_may_be_anything():
    """A mask that selects takes no part of what it leaves out, whether its block is computed or not."""
    text, reference = causal(16)

    def change(a):  # queries before 560 do not see this key, and none of the first 512 its block
        a["k"][0, 560] = np.nan
        a["q"][0, 100, 3] = INF

    def expected(a):
        wanted = reference(a)
        assert np.isfinite(wanted[0, 99]).all() and np.isfinite(wanted[0, 559]).all() and np.isnan(wanted[0, 560:]).all()
        return wanted
    check("masked keys", text, expected, {"H": 1, "M": 600, "K": 600}, change)


def test_masked_values_do_not_spread():
    """NaN in a value that a mask leaves out: 0 * NaN where its block is computed, nothing where it is not; in its column only."""
    text, reference = causal(16)

    def change(a):
        a["v"][0, 560, 4] = np.nan

    values = arrays(inputs_of(text), {"H": 1, "M": 600, "K": 600}, seed=5)
    wanted = reference({key: value.astype(np.float64) for key, value in values.items()})
    change(values)
    got = compiled(text).context(threads=1).run(values)["o0"]
    assert np.isnan(got[0, 560:, 4]).all()
    other = np.arange(16) != 4
    assert np.allclose(got[..., other], wanted[..., other], rtol=2e-4, atol=1e-5)
    before = got[0, :560, 4]
    assert np.isfinite(before[:256]).all()
    assert np.allclose(before[np.isfinite(before)], wanted[0, :560, 4][np.isfinite(before)], rtol=2e-4, atol=1e-5)


def test_rows_whose_blocks_are_all_left_out():
    """Queries behind the last key: 0 / 0, as the model says, not what memory held."""
    text, reference = from_here_on(16)

    def expected(a):
        wanted = reference(a)
        assert np.isnan(wanted[0, 300:]).all() and np.isfinite(wanted[0, :300]).all()
        return wanted
    check("no blocks", text, expected, {"H": 1, "M": 600, "K": 300})


def test_large_scores():
    text, reference = plain(16)

    def change(a):
        a["q"] *= 1e4
    check("large", text, reference, SPECIAL, change)


def memory(model, rows, keys, width):
    shapes = [f"-i{name}=1x{length}x{width}xf32" for name, length in (("q", rows), ("k", keys), ("v", keys))]
    return json.loads(tool("tessera-bench", model, "--json", "--time", "0.001", "--threads", "1", *shapes))["memory_bytes"]


def test_memory_follows_the_sequence(tmp_path):
    (tmp_path / "model.mlir").write_text(plain(64)[0])
    (tmp_path / "causal.mlir").write_text(causal(16)[0])
    for length in (1024, 4096, 32768):
        # Keys and values in tiles, and a state of every row for each part of 512 keys.
        assert memory(tmp_path / "model.mlir", 64, length, 64) <= 3 * length * 64 * 4 + 65536
    for length in (1024, 8192):
        # As many queries: tiles, states and all that is given and made. The scores alone would take length^2 * 4.
        assert memory(tmp_path / "causal.mlir", length, length, 16) <= 12 * length * 16 * 4
