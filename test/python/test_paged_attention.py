"""Keys and values in pages that a table names: the stream reads them where they lie, whatever the layout of the pool."""

import numpy as np
import pytest
from attention_models import Text, softmax
from paged_models import PAGES, USED, WIDTH, change, paged
from test_attention import check, tool

def kernels_of(text, tmp_path):
    (tmp_path / "model.mlir").write_text(text)
    return [line for line in tool("tessera-compile", tmp_path / "model.mlir", "--emit", "kernel").splitlines() if "kernel.func" in line]


@pytest.mark.parametrize("heads_first", [False, True], ids=["keys-first", "heads-first"])
@pytest.mark.parametrize("size", [16, 31, "S"])
def test_pages(size, heads_first, tmp_path):
    text, reference = paged(size, heads_first)
    kernels = kernels_of(text, tmp_path)
    assert 1 <= len(kernels) <= 3 and all("_stream" in kernel for kernel in kernels), kernels
    for rows in (1, 9, 130):
        check("paged", text, reference, {"H": 2, "M": rows, "P": PAGES, "N": USED, "S": 17}, change)


def test_one_query(tmp_path):
    text, reference = paged(32, True, rows=1)
    assert all("_stream" in kernel for kernel in kernels_of(text, tmp_path))
    check("one query", text, reference, {"H": 3, "P": PAGES, "N": USED}, change)


def test_latent_pages(tmp_path):
    """Values that are columns of the keys come from the same pages."""
    text, reference = paged(32, False, latent=True)
    assert all("_stream" in kernel for kernel in kernels_of(text, tmp_path))
    for rows in (1, 40):
        check("latent", text, reference, {"H": 2, "M": rows, "P": PAGES, "N": USED}, change)


def test_no_pages(tmp_path):
    text, _ = paged(16, False)
    check("no pages", text, lambda a: np.zeros(a["q"].shape), {"H": 2, "M": 3, "P": PAGES, "N": 0})


def test_keys_that_others_read_are_gathered_once(tmp_path):
    text, reference = paged(16, False, seen_twice=True)
    kernels = kernels_of(text, tmp_path)
    assert sum("_gather" in kernel for kernel in kernels) == 1, kernels
    check("seen twice", text, reference, {"H": 2, "M": 9, "P": PAGES, "N": USED}, change)


def test_a_gather_of_single_elements_stays_apart(tmp_path):
    """A bias that a table of distances picks element by element: one scalar after the other, for every block anew."""
    t = Text()
    q, k, v = (t.input(name, "H", rows, WIDTH) for name, rows in (("q", "M"), ("k", "K"), ("v", "K")))
    table, places = t.input("table", "H", 9), t.input("places", "M", "K", element="si32")
    bias = t.add(f"graph.gather {table[0]}, {places[0]}, axis = 1 : ({t.type(['H', 9])}, {t.type(['M', 'K'], 'si32')}) -> "
                 f"{t.type(['H', 'M', 'K'])}", ["H", "M", "K"])
    s = t.map("add", t.contract("hmd,hkd->hmk", q, k), bias)
    text = t.text(t.contract("hmk,hkd->hmd", t.softmax(s), v))
    assert sum("_gather" in kernel for kernel in kernels_of(text, tmp_path)) == 1

    def reference(a):
        s = np.einsum("hmd,hkd->hmk", a["q"], a["k"]) + a["table"][:, a["places"].astype(int)]
        return np.einsum("hmk,hkd->hmd", softmax(s), a["v"])
    check("bias", text, reference, {"H": 2, "M": 9, "K": 300})
