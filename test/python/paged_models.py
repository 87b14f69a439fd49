"""Attention over keys and values in pages that a table names, as text in the graph dialect, each with a reference in NumPy."""

import numpy as np
from attention_models import INF, Text, compare, softmax

PAGES, USED, WIDTH = 24, 20, 16


class Pages:
    """A pool as the model has it, what makes [H, K, width] of it, and the same in NumPy (pool and table to [H, K, width])."""

    def __init__(self, t, name, table, size, heads_first):
        self.size, self.heads_first = size, heads_first
        pool = t.input(name, "P", *(["H", size] if heads_first else [size, "H"]), WIDTH)
        dims = ["N", *pool[1][1:]]
        value = t.add(f"graph.gather {pool[0]}, {table[0]}, axis = 0 : ({t.type(pool[1])}, {t.type(table[1], 'si32')}) -> {t.type(dims)}",
                      dims)
        keys = f"{size} * N" if isinstance(size, int) else f"N * {size}"
        if heads_first:
            value = t.add(f"graph.transpose {value[0]}, perm = [1, 0, 2, 3] : {t.type(dims)} -> {t.type(['H', 'N', size, WIDTH])}",
                          ["H", "N", size, WIDTH])
            dims = ["H", keys, WIDTH]
        else:
            dims = [keys, "H", WIDTH]
        self.keys = t.add(f"graph.reshape {value[0]} : {t.type(value[1])} -> {t.type(dims)}", dims)
        self.letters = "hkd" if heads_first else "khd"

    def gathered(self, pool, table):
        pages = pool[table.astype(int)]  # N x size x H x width
        if self.heads_first:
            pages = pages.swapaxes(1, 2)
        return pages.reshape(-1, *pages.shape[2:]).swapaxes(0, 1)


def paged(size, heads_first, rows="M", latent=False, seen_twice=False):
    """Attention over pages, of which the last one is not full (`length`); latent: values are the first half of the keys' columns."""
    t = Text()
    q, length, table = t.input("q", "H", rows, WIDTH), t.input("length", element="si32"), t.input("table", "N", element="si32")
    k = Pages(t, "kpool", table, size, heads_first)
    if latent:
        dims = [*k.keys[1][:2], 8]
        v = t.add(f"graph.slice {k.keys[0]}, starts = [0, 0, 0], steps = [1, 1, 1] : {t.type(k.keys[1])} -> {t.type(dims)}", dims)
    else:
        v = Pages(t, "vpool", table, size, heads_first).keys
    s = t.contract(f"hmd,{k.letters}->hmk", q, k.keys)
    held = compare(t, "lt", t.position(s, 2), t.broadcast(length, [], s[1]))
    low = t.number(-INF, s)
    s = t.add(f"graph.select {held[0]}, {s[0]}, {low[0]} : {t.type(s[1])}", s[1])
    outputs = [t.contract(f"hmk,{k.letters}->hmd", t.softmax(s), v)] + ([k.keys] if seen_twice else [])

    def reference(a):
        table = a["table"].astype(int)
        keys = k.gathered(a["kpool"], table)
        values = keys[..., :8] if latent else k.gathered(a["vpool"], table)
        s = np.einsum("hmd,hkd->hmk", a["q"], keys)
        o = np.einsum("hmk,hkd->hmd", softmax(np.where(np.arange(keys.shape[1]) < a["length"], s, -INF)), values)
        return (o, keys if heads_first else keys.swapaxes(0, 1)) if seen_twice else o
    return t.text(*outputs), reference


def change(a):
    size = a["kpool"].shape[2 if a["kpool"].shape[1] == a["q"].shape[0] else 1]
    table = np.random.default_rng(1).permutation(PAGES)[:USED].astype(np.int32)
    table[3] -= PAGES  # counted from the end
    a["table"], a["length"] = table, np.array(USED * size - 13, np.int32)
