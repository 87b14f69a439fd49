"""Attention in many spellings, as text in the graph dialect, each with a reference in NumPy. Inputs of the names q, k, v have the
dims H, M, K and a width; a variant is (text, reference from f64 arrays)."""

import numpy as np

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


def arrays(text_inputs, sizes, seed):
    rng = np.random.default_rng(seed)
    result = {}
    for name, dims, element in text_inputs:
        shape = [sizes.get(dim, dim) for dim in dims]
        if element == "i1":
            result[name] = rng.random(shape) < 0.7
        elif element == "si32":
            result[name] = np.asarray(rng.integers(1, 4, shape), np.int32)
        else:
            result[name] = rng.standard_normal(shape).astype({"f32": np.float32, "f64": np.float64}[element])
    return result


def inputs_of(text):
    found = []
    for part in text.split("graph.func @main(")[1].split(") -> (")[0].split("%")[1:]:
        name, rest = part.split(":", 1)
        dims, element = rest.split("tensor<[")[1].split(">")[0].split("], ")
        found.append((name, [int(d) if d.isdigit() else d for d in dims.split(", ") if d], element))
    return found


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


def documents(width):
    """Queries see the keys of their own document: numbers that are given for both."""
    t = Text()
    q, k, v = heads(t, width)
    s = scaled(t, q, k)
    of_query, of_key = t.input("dq", "M", element="si32"), t.input("dk", "K", element="si32")
    same = compare(t, "eq", t.broadcast(of_query, [1], s[1]), t.broadcast(of_key, [2], s[1]))
    low = t.number(-1e30, s)
    s = t.add(f"graph.select {same[0]}, {s[0]}, {low[0]} : {t.type(s[1])}", s[1])
    return (t.text(t.contract("hmk,hkd->hmd", t.softmax(s), v)),
            lambda a: output(np.where(a["dq"][:, None] == a["dk"], products(a), -1e30), a))


def cache(width):
    """Keys in a buffer that is larger than what it holds."""
    t = Text()
    q, k, v = heads(t, width)
    s = scaled(t, q, k)
    length = t.broadcast(t.input("length", element="si32"), [], s[1])
    held = compare(t, "lt", t.position(s, 2), length)
    low = t.number(-INF, s)
    s = t.add(f"graph.select {held[0]}, {s[0]}, {low[0]} : {t.type(s[1])}", s[1])
    return (t.text(t.contract("hmk,hkd->hmd", t.softmax(s), v)),
            lambda a: output(np.where(np.arange(a["k"].shape[1]) < a["length"], products(a), -INF), a))


def one_head_of_keys(width):
    t = Text()
    q, k, v = t.input("q", "H", "M", width), t.input("ks", "K", width), t.input("vs", "K", width)
    s = t.contract("hmd,kd->hmk", q, k)

    def reference(a):
        return np.einsum("hmk,kd->hmd", softmax(np.einsum("hmd,kd->hmk", a["q"], a["ks"])), a["vs"])
    return t.text(t.contract("hmk,kd->hmd", t.softmax(s), v)), reference


def latent(width):
    """Scores of two parts, the second with keys that all heads share (RoPE), and values of another width."""
    t = Text()
    q, qr = t.input("q", "H", "M", width), t.input("qr", "H", "M", 8)
    k, kr, v = t.input("k", "H", "K", width), t.input("kr", "K", 8), t.input("vl", "H", "K", 24)
    s = t.map("add", t.contract("hmd,hkd->hmk", q, k), t.contract("hmd,kd->hmk", qr, kr))
    s = t.map("mul", s, t.number(0.3, s))

    def reference(a):
        s = products(a) + 0.3 * np.einsum("hmd,kd->hmk", a["qr"], a["kr"])
        return np.einsum("hmk,hkd->hmd", softmax(s), a["vl"])
    return t.text(t.contract("hmk,hkd->hmd", t.softmax(s), v)), reference


def absorbed(width):
    """As latent, with the projections in the queries: the values are the keys."""
    t = Text()
    q, qr, c, kr = t.input("q", "H", "M", width), t.input("qr", "H", "M", 8), t.input("c", "K", width), t.input("kr", "K", 8)
    s = t.map("add", t.contract("hmd,kd->hmk", q, c), t.contract("hmd,kd->hmk", qr, kr))

    def reference(a):
        s = np.einsum("hmd,kd->hmk", a["q"], a["c"]) + np.einsum("hmd,kd->hmk", a["qr"], a["kr"])
        return np.einsum("hmk,kd->hmd", softmax(s), a["c"])
    return t.text(t.contract("hmk,kd->hmd", t.softmax(s), c)), reference


def with_sink(width, before):
    """A logit of each head that takes part in the maximum and in the sum only."""
    t = Text()
    q, k, v = heads(t, width)
    s = scaled(t, q, k)
    largest = t.reduce("max", s, 2)
    sink = t.broadcast(t.input("sink", "H"), [0], largest[1])
    m = t.map("max", largest, sink)
    p = t.map("exp", t.map("sub", s, t.broadcast(m, [0, 1], s[1])))
    total = t.map("add", t.reduce("sum", p, 2), t.map("exp", t.map("sub", sink, m)))
    if before:
        p = t.map("div", p, t.broadcast(total, [0, 1], p[1]))
    o = t.contract("hmk,hkd->hmd", p, v)
    if not before:
        o = t.map("div", o, t.broadcast(total, [0, 1], o[1]))

    def reference(a):
        s = products(a)
        p = softmax(np.concatenate([s, np.broadcast_to(a["sink"][:, None, None], (*s.shape[:2], 1))], -1))
        return np.einsum("hmk,hkd->hmd", p[..., :-1], a["v"])
    return t.text(o), reference


def sink(width):
    return with_sink(width, before=False)


def sink_before(width):
    return with_sink(width, before=True)


def appended_sink(width, shifted):
    """The logit of a sink beside the scores, its share cut off again; scores may be shifted before the softmax, too."""
    t = Text()
    q, k, v = heads(t, width)
    s = scaled(t, q, k)
    sink = t.broadcast(t.input("sink", "H"), [0], ["H", "M", 1])
    wide = ["H", "M", "K + 1"]
    c = t.add(f"graph.concat {s[0]}, {sink[0]} axis = 2 : ({t.type(s[1])}, {t.type(sink[1])}) -> {t.type(wide)}", wide)
    if shifted:
        c = t.map("sub", c, t.broadcast(t.reduce("max", c, 2), [0, 1], wide))
    p = t.softmax(c)
    p = t.add(f"graph.slice {p[0]}, starts = [0, 0, 0], steps = [1, 1, 1] : {t.type(wide)} -> {t.type(s[1])}", s[1])

    def reference(a):
        s = products(a)
        p = softmax(np.concatenate([s, np.broadcast_to(a["sink"][:, None, None], (*s.shape[:2], 1))], -1))
        return np.einsum("hmk,hkd->hmd", p[..., :-1], a["v"])
    return t.text(t.contract("hmk,hkd->hmd", p, v)), reference


def sink_appended(width):
    return appended_sink(width, shifted=False)


def sink_appended_shifted(width):
    return appended_sink(width, shifted=True)


def shifted_twice(width):
    t = Text()
    q, k, v = heads(t, width)
    s = scaled(t, q, k)
    s = t.map("sub", s, t.broadcast(t.reduce("max", s, 2), [0, 1], s[1]))
    return t.text(t.contract("hmk,hkd->hmd", t.softmax(s), v)), lambda a: output(products(a), a)


def empty_rows_zero(width):
    """Rows without any key are 0, where their softmax is NaN; a mask may leave out all."""
    t = Text()
    q, k, v = heads(t, width)
    s = scaled(t, q, k)
    low = t.number(-INF, s)
    seen = compare(t, "ge", t.map("sub", t.position(s, 1), number(t, 7, t.position(s, 1))), t.position(s, 2))
    s = t.add(f"graph.select {seen[0]}, {s[0]}, {low[0]} : {t.type(s[1])}", s[1])
    p = t.softmax(s)
    none = t.map("is_nan", p, element="i1")
    p = t.add(f"graph.select {none[0]}, {t.number(0, p)[0]}, {p[0]} : {t.type(p[1])}", p[1])

    def reference(a):
        m, k = a["q"].shape[1], a["k"].shape[1]
        seen = np.arange(m)[:, None] - 7 >= np.arange(k)
        return np.einsum("hmk,hkd->hmd", np.nan_to_num(softmax(np.where(seen, products(a), -INF))), a["v"])
    return t.text(t.contract("hmk,hkd->hmd", p, v)), reference


def rows_left_out(width):
    """Rows that are given as padding get 0, whatever their scores are."""
    t = Text()
    q, k, v = heads(t, width)
    p = t.softmax(scaled(t, q, k))
    row = t.broadcast(t.input("real", "H", "M", element="i1"), [0, 1], p[1])
    p = t.add(f"graph.select {row[0]}, {p[0]}, {t.number(0, p)[0]} : {t.type(p[1])}", p[1])

    def reference(a):
        return np.einsum("hmk,hkd->hmd", np.where(a["real"][..., None], softmax(products(a)), 0), a["v"])
    return t.text(t.contract("hmk,hkd->hmd", p, v)), reference


def zeroed(width, low=-3e38):
    """Masked scores, and masked weights 0 (as DeBERTa spells it): rows without a key become 0."""
    t = Text()
    q, k, v = heads(t, width)
    s = scaled(t, q, k)
    mask = t.broadcast(t.input("mask", "M", "K", element="i1"), [1, 2], s[1])
    s = t.add(f"graph.select {mask[0]}, {s[0]}, {t.number(low, s)[0]} : {t.type(s[1])}", s[1])
    p = t.softmax(s)
    p = t.add(f"graph.select {mask[0]}, {p[0]}, {t.number(0, p)[0]} : {t.type(p[1])}", p[1])

    def reference(a):
        weights = softmax(np.where(a["mask"], products(a), -1e38))
        return np.einsum("hmk,hkd->hmd", np.where(a["mask"], weights, 0), a["v"])
    return t.text(t.contract("hmk,hkd->hmd", p, v)), reference


def zeroed_from_inf(width):
    return zeroed(width, low=-INF)


VARIANTS = [plain, plain64, scaled_before, normalised_after, masked, biased, alibi, capped, grouped, heads_last, one_query,
            keys_first, with_statistics, log_sum_exp, causal, from_here_on, window, prefix, shifted,
            documents, cache, one_head_of_keys, latent, absorbed, sink, sink_before, sink_appended, sink_appended_shifted,
            shifted_twice, empty_rows_zero, rows_left_out, zeroed, zeroed_from_inf]
