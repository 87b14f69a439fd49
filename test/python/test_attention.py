"""Attention in many spellings is one kernel and gives NumPy's numbers (computed in f64): odd sizes, nothing at all, rows without
any key, infinities and NaN; equal bits with one and two threads; memory that follows the sequence."""

import json
import subprocess

import numpy as np
import pytest
from conftest import BUILD

import tessera

INF = float("inf")


class Text:
    """Writes a graph.func op by op. Values are (name, dims, element)."""

    def __init__(self):
        self.inputs, self.lines = [], []

    @staticmethod
    def type(dims, element="f32"):
        return f"!graph.tensor<[{', '.join(map(str, dims))}], {element}>"

    def input(self, name, *dims, element="f32"):
        self.inputs.append((name, dims, element))
        return f"%{name}", list(dims), element

    def add(self, text, dims, element="f32"):
        name = f"%v{len(self.lines)}"
        self.lines.append(f"  {name} = {text}")
        return name, list(dims), element

    def map(self, op, *values, element=None):
        dims, kind = values[-1][1], values[-1][2]
        return self.add(f"graph.{op} {', '.join(v[0] for v in values)} : {self.type(dims, kind)}", dims, element or kind)

    def number(self, value, like):
        element = like[2]
        literal = "0xFF800000" if value == -INF else f"{value:.6e}"  # of f32
        scalar = self.add(f"graph.constant dense<{literal}> : {self.type([], element)}", [], element)
        return self.broadcast(scalar, [], like[1])

    def broadcast(self, value, places, dims):
        return self.add(f"graph.broadcast {value[0]}, dims = {places} : {self.type(value[1], value[2])} -> "
                        f"{self.type(dims, value[2])}", dims, value[2])

    def contract(self, letters, x, y):
        sizes = dict(zip("".join(letters.split("->")[0].split(",")), x[1] + y[1]))
        dims = [sizes[letter] for letter in letters.split("->")[1]]
        return self.add(f'graph.contract "{letters}" {x[0]}, {y[0]} : ({self.type(x[1], x[2])}, {self.type(y[1], y[2])}) -> '
                        f"{self.type(dims, x[2])}", dims, x[2])

    def reduce(self, kind, x, axis):
        dims = x[1][:axis] + x[1][axis + 1:]
        return self.add(f"graph.reduce {kind} {x[0]}, axes = [{axis}] : {self.type(x[1], x[2])} -> {self.type(dims, x[2])}",
                        dims, x[2])

    def softmax(self, x):
        axis = len(x[1]) - 1
        return self.add(f"graph.softmax {x[0]}, axes = [{axis}] : {self.type(x[1], x[2])}", x[1], x[2])

    def position(self, like, axis):
        return self.add(f"graph.iota axis = {axis} : {self.type(like[1], 'si32')}", like[1], "si32")

    def weights(self, s):
        """Softmax along the last axis, spelled out, not normalised: e^(s - max), its sum."""
        places = list(range(len(s[1]) - 1))
        m = self.reduce("max", s, len(s[1]) - 1)
        p = self.map("exp", self.map("sub", s, self.broadcast(m, places, s[1])))
        return p, self.reduce("sum", p, len(s[1]) - 1)

    def text(self, *outputs):
        inputs = ", ".join(f'%{n}: {self.type(d, e)} {{graph.name = "{n}"}}' for n, d, e in self.inputs)
        results = ", ".join(f'{self.type(d, e)} {{graph.name = "o{i}"}}' for i, (_, d, e) in enumerate(outputs))
        kinds = ", ".join(self.type(d, e) for _, d, e in outputs)
        return "\n".join([f"graph.func @main({inputs}) -> ({results}) {{", *self.lines,
                          f"  graph.return {', '.join(o[0] for o in outputs)} : {kinds}", "}", ""])


def softmax(s):
    m = s.max(-1, keepdims=True, initial=-INF)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        p = np.exp(s - np.where(m == -INF, 0, m))
        return p / p.sum(-1, keepdims=True)


def heads(t, width, element="f32"):
    return [t.input(name, "H", rows, width, element=element) for name, rows in (("q", "M"), ("k", "K"), ("v", "K"))]


def products(a, scale=0.3):
    return np.einsum("hmd,hkd->hmk", a["q"], a["k"]) * scale


def output(s, a):
    with np.errstate(invalid="ignore"):
        return np.einsum("hmk,hkd->hmd", softmax(s), a["v"])


def scaled(t, q, k, scale=0.3):
    s = t.contract("hmd,hkd->hmk", q, k)
    return t.map("mul", s, t.number(scale, s))


# Each variant: (text, reference from f64 arrays). Inputs of the names below have the dims H, M, K and the width.

def plain(width):
    t = Text()
    q, k, v = heads(t, width)
    return t.text(t.contract("hmk,hkd->hmd", t.softmax(scaled(t, q, k)), v)), lambda a: output(products(a), a)


def plain64(width):
    t = Text()
    q, k, v = heads(t, width, "f64")
    return t.text(t.contract("hmk,hkd->hmd", t.softmax(scaled(t, q, k)), v)), lambda a: output(products(a), a)


def scaled_before(width):
    t = Text()
    q, k, v = heads(t, width)
    s = t.contract("hmd,hkd->hmk", t.map("mul", q, t.number(0.3, q)), k)
    return t.text(t.contract("hmk,hkd->hmd", t.softmax(s), v)), lambda a: output(products(a), a)


def normalised_after(width):
    t = Text()
    q, k, v = heads(t, width)
    p, total = t.weights(scaled(t, q, k))
    o = t.contract("hmk,hkd->hmd", p, v)
    return t.text(t.map("div", o, t.broadcast(total, [0, 1], o[1]))), lambda a: output(products(a), a)


def masked(width):
    t = Text()
    q, k, v = heads(t, width)
    s = scaled(t, q, k)
    mask = t.input("mask", "M", "K", element="i1")
    wide = t.broadcast(mask, [1, 2], s[1])
    low = t.number(-1e30, s)
    s = t.add(f"graph.select {wide[0]}, {s[0]}, {low[0]} : {t.type(s[1])}", s[1])
    return (t.text(t.contract("hmk,hkd->hmd", t.softmax(s), v)),
            lambda a: output(np.where(a["mask"], products(a), -1e30), a))


def biased(width):
    t = Text()
    q, k, v = heads(t, width)
    s = scaled(t, q, k)
    bias = t.input("bias", "H", "M", "K")
    return (t.text(t.contract("hmk,hkd->hmd", t.softmax(t.map("add", s, bias)), v)),
            lambda a: output(products(a) + a["bias"], a))


def alibi(width):
    t = Text()
    q, k, v = heads(t, width)
    s = scaled(t, q, k)
    apart = t.map("sub", t.position(s, 2), t.position(s, 1))
    apart = t.add(f"graph.convert {apart[0]} : {t.type(s[1], 'si32')} -> {t.type(s[1])}", s[1])
    slope = t.broadcast(t.input("slope", "H"), [0], s[1])
    bias = t.map("mul", apart, slope)
    s = t.map("add", s, t.map("mul", bias, t.number(0.05, bias)))

    def reference(a):
        m, k = a["q"].shape[1], a["k"].shape[1]
        return output(products(a) + 0.05 * a["slope"][:, None, None] * (np.arange(k) - np.arange(m)[:, None]), a)
    return t.text(t.contract("hmk,hkd->hmd", t.softmax(s), v)), reference


def capped(width):
    t = Text()
    q, k, v = heads(t, width)
    s = scaled(t, q, k)
    s = t.map("mul", t.map("tanh", t.map("mul", s, t.number(0.5, s))), t.number(2.0, s))
    return (t.text(t.contract("hmk,hkd->hmd", t.softmax(s), v)),
            lambda a: output(np.tanh(products(a) * 0.5) * 2, a))


def grouped(width):
    """Three query heads for each head of keys."""
    t = Text()
    q, k, v = t.input("qg", "H", 3, "M", width), t.input("k", "H", "K", width), t.input("v", "H", "K", width)
    s = t.contract("hgmd,hkd->hgmk", q, k)
    s = t.map("mul", s, t.number(0.3, s))

    def reference(a):
        s = np.einsum("hgmd,hkd->hgmk", a["qg"], a["k"]) * 0.3
        return np.einsum("hgmk,hkd->hgmd", softmax(s), a["v"])
    return t.text(t.contract("hgmk,hkd->hgmd", t.softmax(s), v)), reference


def heads_last(width):
    """Sequence before heads, as projections give it, and as the next one takes it."""
    t = Text()
    q, k, v = (t.input(n + "t", r, "H", width) for n, r in (("q", "M"), ("k", "K"), ("v", "K")))
    s = t.contract("mhd,khd->hmk", q, k)

    def reference(a):
        s = np.einsum("mhd,khd->hmk", a["qt"], a["kt"])
        return np.einsum("hmk,khd->mhd", softmax(s), a["vt"])
    return t.text(t.contract("hmk,khd->mhd", t.softmax(s), v)), reference


def one_query(width):
    t = Text()
    q, k, v = t.input("q1", "H", width), t.input("k", "H", "K", width), t.input("v", "H", "K", width)
    s = t.contract("hd,hkd->hk", q, k)

    def reference(a):
        return np.einsum("hk,hkd->hd", softmax(np.einsum("hd,hkd->hk", a["q1"], a["k"])), a["v"])
    return t.text(t.contract("hk,hkd->hd", t.softmax(s), v)), reference


def keys_first(width):
    """Scores with the keys along another axis than the last one."""
    t = Text()
    q, k, v = heads(t, width)
    s = t.contract("hkd,hmd->hkm", k, q)
    m = t.reduce("max", s, 1)
    p = t.map("exp", t.map("sub", s, t.broadcast(m, [0, 2], s[1])))
    total = t.reduce("sum", p, 1)
    o = t.contract("hkm,hkd->hmd", p, v)
    return (t.text(t.map("div", o, t.broadcast(total, [0, 1], o[1]))), lambda a: output(products(a, 1), a))


def with_statistics(width):
    """Maximum and sum are results as well."""
    t = Text()
    q, k, v = heads(t, width)
    s = scaled(t, q, k)
    m = t.reduce("max", s, 2)
    p = t.map("exp", t.map("sub", s, t.broadcast(m, [0, 1], s[1])))
    total = t.reduce("sum", p, 2)
    o = t.contract("hmk,hkd->hmd", p, v)

    def reference(a):
        s = products(a)
        m = s.max(-1, initial=-INF)
        p = np.exp(s - m[..., None])
        return np.einsum("hmk,hkd->hmd", p, a["v"]), m, p.sum(-1)
    return t.text(o, m, total), reference


def log_sum_exp(width):
    """The loss of logits that nobody stores."""
    t = Text()
    q, k = t.input("q", "H", "M", width), t.input("k", "H", "K", width)
    s = t.contract("hmd,hkd->hmk", q, k)
    m = t.reduce("max", s, 2)
    p = t.map("exp", t.map("sub", s, t.broadcast(m, [0, 1], s[1])))
    r = t.map("add", m, t.map("log", t.reduce("sum", p, 2)))

    def reference(a):
        s = products(a, 1)
        m = s.max(-1, initial=-INF)
        return m + np.log(np.exp(s - m[..., None]).sum(-1))
    return t.text(r), reference


def positions(width, mask, reference_mask):
    """A mask that is computed from the places of query and key."""
    t = Text()
    q, k, v = heads(t, width)
    s = scaled(t, q, k)
    low = t.number(-INF, s)
    allowed = mask(t, t.position(s, 1), t.position(s, 2))
    s = t.add(f"graph.select {allowed[0]}, {s[0]}, {low[0]} : {t.type(s[1])}", s[1])

    def reference(a):
        m, k = a["q"].shape[1], a["k"].shape[1]
        return output(np.where(reference_mask(np.arange(m)[:, None], np.arange(k)), products(a), -INF), a)
    return t.text(t.contract("hmk,hkd->hmd", t.softmax(s), v)), reference


def compare(t, kind, x, y):
    return t.add(f"graph.compare {kind} {x[0]}, {y[0]} : {t.type(x[1], x[2])}", x[1], "i1")


def number(t, value, like):
    scalar = t.add(f"graph.constant dense<{value}> : {t.type([], like[2])}", [], like[2])
    return t.broadcast(scalar, [], like[1])


def causal(width):
    return positions(width, lambda t, i, j: compare(t, "ge", i, j), lambda i, j: i >= j)


def from_here_on(width):
    """Keys before the query are left out: the first blocks, not the last ones. Late rows may have none."""
    return positions(width, lambda t, i, j: compare(t, "le", i, j), lambda i, j: i <= j)


def window(width):
    def mask(t, i, j):
        near = compare(t, "lt", t.map("sub", i, j), number(t, 40, i))
        return t.map("and_", compare(t, "ge", i, j), near)
    return positions(width, mask, lambda i, j: (i >= j) & (i - j < 40))


def prefix(width):
    """The first keys are seen by all."""
    def mask(t, i, j):
        return t.map("or_", compare(t, "ge", i, j), compare(t, "lt", j, number(t, 30, j)))
    return positions(width, mask, lambda i, j: (i >= j) | (j < 30))


def shifted(width):
    """Queries at the end of the keys, as with a cache."""
    def mask(t, i, j):
        return compare(t, "ge", t.map("add", i, number(t, 300, i)), j)
    return positions(width, mask, lambda i, j: i + 300 >= j)


VARIANTS = [plain, plain64, scaled_before, normalised_after, masked, biased, alibi, capped, grouped, heads_last, one_query,
            keys_first, with_statistics, log_sum_exp, causal, from_here_on, window, prefix, shifted]
SIZES = [{"H": 2, "M": 19, "K": 37}, {"H": 1, "M": 73, "K": 257}, {"H": 3, "M": 1, "K": 1}, {"H": 1, "M": 0, "K": 4},
         {"H": 2, "M": 5, "K": 600}, {"H": 1, "M": 600, "K": 600}, {"H": 3, "M": 1, "K": 1300}, {"H": 1, "M": 3, "K": 2311}]


def arrays(text_inputs, sizes, seed):
    rng = np.random.default_rng(seed)
    result = {}
    for name, dims, element in text_inputs:
        shape = [sizes.get(dim, dim) for dim in dims]
        if element == "i1":
            result[name] = rng.random(shape) < 0.7
        else:
            result[name] = rng.standard_normal(shape).astype({"f32": np.float32, "f64": np.float64}[element])
    return result


def inputs_of(text):
    found = []
    for part in text.split("graph.func @main(")[1].split(") -> (")[0].split("%")[1:]:
        name, rest = part.split(":", 1)
        dims, element = rest.split("tensor<[")[1].split(">")[0].split("], ")
        found.append((name, [int(d) if d.isdigit() else d for d in dims.split(", ")], element))
    return found


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
    assert 1 <= len(kernels) <= 3 and all("_stream" in kernel for kernel in kernels), kernels
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


def test_memory_follows_the_sequence(tmp_path):
    (tmp_path / "model.mlir").write_text(plain(64)[0])
    for length in (1024, 4096, 16384):
        shapes = [f"-i{name}=1x{rows}x64xf32" for name, rows in (("q", 64), ("k", length), ("v", length))]
        printed = tool("tessera-bench", tmp_path / "model.mlir", "--json", "--time", "0.001", "--threads", "1", *shapes)
        # Keys and values in tiles, and a state of every row for each part of 512 keys.
        assert json.loads(printed)["memory_bytes"] <= 3 * length * 64 * 4 + 65536
