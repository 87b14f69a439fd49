# Small graphs at random (elementwise ops, broadcasts, selects, reductions over any axes, concatenations, transposes, views, products,
# gathers; extents known and not) against NumPy in f64. The same numbers of seeds every time; `random-graphs.py FOLDER --seed 1000 --count
# 5000` goes on elsewhere and leaves what fails in FOLDER, cut down.
# RUN: python3 %s %t --count 30 | FileCheck %s
# CHECK: 0 of 30 failed
# Streams whose rows are the last axis of the result:
# RUN: python3 %s %t --seed 4100 --count 1 | FileCheck %s --check-prefix=ONE
# RUN: python3 %s %t --seed 4139 --count 1 | FileCheck %s --check-prefix=ONE
# ONE: 0 of 1 failed
import argparse
import os
import random
from pathlib import Path

import numpy as np

SIZES = [{"B": 2, "S": 5, "N": 33}, {"B": 1, "S": 1, "N": 7}, {"B": 3, "S": 40, "N": 16}]
EPSILON, LARGEST = 1.2e-7, 1e4
RUN_DIMS = ["B", "S", "N", 1, 2, 3, 4, 7, 8, 16, 33]


class Dim(tuple):
    """An extent: sorted pairs of a symbol ("": the number) and how often it counts."""
    def __new__(cls, *parts):
        total = {}
        for name, count in parts:
            total[name] = total.get(name, 0) + count
        return super().__new__(cls, sorted((n, c) for n, c in total.items() if c))

    @staticmethod
    def of(x):
        return Dim((x, 1)) if isinstance(x, str) else Dim(("", x))

    def __add__(self, other):
        return Dim(*self, *other)

    def __str__(self):
        return " + ".join(str(c) if not n else n if c == 1 else f"{c} * {n}" for n, c in reversed(self)) or "0"

    def value(self, sizes):
        return sum(c * (sizes[n] if n else 1) for n, c in self)

    @property
    def number(self):
        return self.value({}) if all(not n for n, _ in self) else None


class Value:
    def __init__(self, graph, dims, element, text, compute, operands=(), exact=False):
        self.dims, self.element, self.text, self.compute, self.operands = tuple(dims), element, text, compute, operands
        self.name, self.exact = f"%v{len(graph.values)}", exact

    @property
    def type(self):
        return f"!graph.tensor<[{', '.join(map(str, self.dims))}], {self.element}>"


class Graph:
    """Values are made one by one; what would be too large, or no number, is dropped again. With each goes a bound of its error."""
    def __init__(self, seed):
        self.random, self.values, self.inputs = random.Random(seed), [], []
        rng = np.random.default_rng(seed)
        self.pool = self.random.sample(RUN_DIMS, self.random.randint(2, 4))
        for _ in range(self.random.randint(1, 4)):
            dims = [Dim.of(self.random.choice(self.pool)) for _ in range(self.random.choice([0, 1, 2, 2, 2, 3, 3, 4]))]
            value = Value(self, dims, "f32", None, None, exact=True)
            value.data = [rng.standard_normal([d.value(sizes) for d in dims]).astype(np.float32) for sizes in SIZES]
            value.results = [(x.astype(np.float64), 0.0) for x in value.data]
            self.values.append(value)
            self.inputs.append(value)
        wanted = self.random.randint(3, 22)
        for _ in range(10 * wanted):
            if len(self.values) >= wanted + len(self.inputs):
                break
            self.random.choice(MAKERS)(self)
        used = {id(v) for value in self.values for v in value.operands}
        ends = [v for v in self.values if id(v) not in used and v.operands]
        more = [v for v in self.values if id(v) in used and v.operands and self.random.random() < 0.12]
        self.outputs = (ends + more)[:6]

    def pick(self, accepts=lambda v: True):
        fit = [v for v in self.values if accepts(v)]
        if not fit:
            return None
        return fit[-1 - int(len(fit) * self.random.random() ** 2)]  # rather the later ones

    def add(self, dims, element, text, compute, operands, exact=None):
        """`compute(sizes, *(data, error))` gives data and the error that the operation adds or passes on."""
        if exact is None:
            exact = all(v.exact for v in operands)
        value = Value(self, dims, element, text, compute, operands, exact)
        value.results = []
        for i, sizes in enumerate(SIZES):
            data, error = compute(sizes, *(v.results[i] for v in operands))
            shape = tuple(d.value(sizes) for d in value.dims)
            assert data.shape == shape, (text, data.shape, shape)
            if data.size > 1 << 17 or not np.isfinite(data).all() or (data.size and np.abs(data).max() > LARGEST):
                return None
            value.results.append((data, 0.0 if exact else error + EPSILON * largest(data)))
        self.values.append(value)
        return value

    def constant(self, number):
        return self.add((), "f32", f"graph.constant dense<{number:e}> : !graph.tensor<[], f32>",
                        lambda sizes: (np.float64(np.float32(number)), 0.0), (), exact=True)

    def broadcast(self, x, dims):
        """At those dims, into which its own go in their order; null when they do not."""
        places, at = [], 0
        for dim in x.dims:
            while at < len(dims) and dims[at] != dim:
                at += 1
            if at == len(dims):
                return None
            places.append(at)
            at += 1
        if len(places) == len(dims):
            return x
        gaps = tuple(i for i in range(len(dims)) if i not in places)
        return self.add(dims, x.element, f"graph.broadcast {x.name}, dims = {places} : {x.type} -> {{type}}",
                        lambda sizes, a: (np.broadcast_to(np.expand_dims(a[0], gaps), [d.value(sizes) for d in dims]), a[1]), (x,))

    def text(self, outputs=None):
        outputs = outputs or self.outputs
        needed, todo = set(), list(outputs)
        while todo:
            value = todo.pop()
            if id(value) not in needed:
                needed.add(id(value))
                todo += value.operands
        arguments = ", ".join(f'{v.name}: {v.type} {{graph.name = "{v.name[1:]}"}}' for v in self.inputs)
        results = ", ".join(f'{v.type} {{graph.name = "{v.name[1:]}"}}' for v in outputs)
        lines = [f"  {v.name} = {v.text.replace('{type}', v.type)}\n" for v in self.values if v.text and id(v) in needed]
        names, types = ", ".join(v.name for v in outputs), ", ".join(v.type for v in outputs)
        return f"graph.func @main({arguments})\n    -> ({results}) {{\n{''.join(lines)}  graph.return {names} : {types}\n}}\n"


def largest(data):
    return float(np.abs(data).max()) if data.size else 0.0


def is_number(v):
    return v.element == "f32"


def unary(g):
    x = g.pick(is_number)
    name, function, slope = g.random.choice([
        ("neg", np.negative, 1), ("abs", np.abs, 1), ("relu", lambda a: np.maximum(a, 0), 1), ("tanh", np.tanh, 1),
        ("sigmoid", lambda a: 1 / (1 + np.exp(-a)), 0.25), ("exp", np.exp, None), ("floor", np.floor, 0)])
    if not x or (name == "floor" and not x.exact):
        return
    exact = x.exact and name in ("neg", "abs", "relu", "floor")
    g.add(x.dims, "f32", f"graph.{name} {x.name} : {x.type}",
          lambda sizes, a: (function(a[0]), a[1] * (slope if slope is not None else 2 * largest(np.exp(a[0])))), (x,), exact)


def binary(g):
    x, y = g.pick(is_number), g.pick(is_number)
    if g.random.random() < 0.2:
        y = g.constant(g.random.choice([0.5, -1.25, 3.0, 0.0]))
    x, y = sorted((x, y), key=lambda v: -len(v.dims))
    y = g.broadcast(y, x.dims)
    if not y:
        return
    pair = (x, y) if g.random.random() < 0.5 else (y, x)
    name, function = g.random.choice([("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("mul", np.multiply), ("max", np.maximum),
                                      ("min", np.minimum)])

    def error(a, b):
        return (largest(a[0]) * b[1] + largest(b[0]) * a[1] if name == "mul" else a[1] + b[1])
    g.add(x.dims, "f32", f"graph.{name} {pair[0].name}, {pair[1].name} : {{type}}",
          lambda sizes, a, b: (function(a[0], b[0]), error(a, b)), pair, None if name in ("max", "min") else False)


def compare(g):
    """Of exact numbers, so that the answer is one."""
    x, y = g.pick(lambda v: is_number(v) and v.exact), g.pick(lambda v: is_number(v) and v.exact)
    x, y = sorted((x, y), key=lambda v: -len(v.dims))
    y = g.broadcast(y, x.dims)
    kind, function = g.random.choice([("lt", np.less), ("ge", np.greater_equal), ("ne", np.not_equal)])
    if y:
        g.add(x.dims, "i1", f"graph.compare {kind} {x.name}, {y.name} : {x.type}",
              lambda sizes, a, b: (function(a[0], b[0]), 0.0), (x, y))


def select(g):
    c = g.pick(lambda v: v.element == "i1")
    if not c:
        return compare(g)
    x = g.pick(lambda v: is_number(v) and len(v.dims) >= len(c.dims))
    if not x:
        return None
    y, c = g.broadcast(g.pick(is_number), x.dims), g.broadcast(c, x.dims)
    if y and c:
        g.add(x.dims, "f32", f"graph.select {c.name}, {x.name}, {y.name} : {{type}}",
              lambda sizes, k, a, b: (np.where(k[0], a[0], b[0]), max(a[1], b[1])), (c, x, y))
    return None


def axes_of(g, x):
    return tuple(sorted(g.random.sample(range(len(x.dims)), g.random.randint(1, min(len(x.dims), g.random.choice([1, 1, 2, 4]))))))


def reduce(g):
    x = g.pick(lambda v: is_number(v) and v.dims)
    if not x:
        return
    axes, kind = axes_of(g, x), g.random.choice(["sum", "sum", "sum", "max", "min"])
    function = {"sum": np.sum, "max": np.max, "min": np.min}[kind]
    dims = [d for i, d in enumerate(x.dims) if i not in axes]

    def compute(sizes, a):
        count = np.prod([a[0].shape[i] for i in axes])
        own = count * a[1] + EPSILON * np.sqrt(count) * largest(np.sum(np.abs(a[0]), axes)) if kind == "sum" else a[1]
        return np.asarray(function(a[0], axis=axes)), own
    g.add(dims, "f32", f"graph.reduce {kind} {x.name}, axes = {list(axes)} : {x.type} -> {{type}}", compute, (x,),
          x.exact if kind != "sum" else False)


def expand(g):
    """A value that was reduced, back at the dims that it came from: norms and their like."""
    x = g.pick(lambda v: is_number(v) and len(v.dims) >= 2)
    if not x:
        return
    y = g.pick(lambda v: is_number(v) and len(v.dims) < len(x.dims))
    y = y and g.broadcast(y, x.dims)
    if y:
        g.add(x.dims, "f32", f"graph.sub {x.name}, {y.name} : {x.type}", lambda sizes, a, b: (a[0] - b[0], a[1] + b[1]), (x, y), False)


def softmax(g):
    x = g.pick(lambda v: is_number(v) and v.dims)
    if not x:
        return
    axes = axes_of(g, x)[:1]

    def compute(sizes, a):
        power = np.exp(a[0] - a[0].max(axis=axes, keepdims=True))
        return power / power.sum(axis=axes, keepdims=True), 2 * a[1] + EPSILON * 4
    g.add(x.dims, "f32", f"graph.softmax {x.name}, axes = {list(axes)} : {x.type}", compute, (x,), False)


def cumulative(g):
    x = g.pick(lambda v: is_number(v) and v.dims)
    if not x:
        return
    axis = g.random.randrange(len(x.dims))
    g.add(x.dims, "f32", f"graph.cumulative sum {x.name}, axis = {axis} : {x.type}",
          lambda sizes, a: (np.cumsum(a[0], axis), a[0].shape[axis] * (a[1] + EPSILON * largest(a[0]) * 2)), (x,), False)


def transpose(g):
    x = g.pick(lambda v: len(v.dims) >= 2)
    if not x:
        return
    perm = g.random.sample(range(len(x.dims)), len(x.dims))
    g.add([x.dims[p] for p in perm], x.element, f"graph.transpose {x.name}, perm = {perm} : {x.type} -> {{type}}",
          lambda sizes, a: (np.transpose(a[0], perm), a[1]), (x,))


def view(g):
    """Two known dims as one, one as two, or a dim of 1 more or less."""
    x = g.pick()
    dims, at = list(x.dims), g.random.randint(0, len(x.dims))
    one = Dim.of(1)
    if at + 1 < len(dims) and dims[at].number and dims[at + 1].number:
        dims[at:at + 2] = [Dim.of(dims[at].number * dims[at + 1].number)]
    elif at < len(dims) and dims[at].number and dims[at].number % 2 == 0:
        dims[at:at + 1] = [Dim.of(2), Dim.of(dims[at].number // 2)]
    elif at < len(dims) and dims[at] == one:
        del dims[at]
    elif len(dims) < 5:
        dims.insert(at, one)
    else:
        return
    g.add(dims, x.element, f"graph.reshape {x.name} : {x.type} -> {{type}}",
          lambda sizes, a: (np.reshape(a[0], [d.value(sizes) for d in dims]), a[1]), (x,))


def cut(g):
    x = g.pick(lambda v: any(d.number and d.number > 1 for d in v.dims))
    if not x:
        return
    axis = g.random.choice([i for i, d in enumerate(x.dims) if d.number and d.number > 1])
    step = g.random.choice([1, 1, 1, 2])
    start = g.random.randrange(x.dims[axis].number)
    count = g.random.randint(1, (x.dims[axis].number - start + step - 1) // step)
    dims, starts, steps = list(x.dims), [0] * len(x.dims), [1] * len(x.dims)
    dims[axis], starts[axis], steps[axis] = Dim.of(count), start, step
    index = tuple(slice(start, start + step * (count - 1) + 1, step) if i == axis else slice(None) for i in range(len(dims)))
    g.add(dims, x.element, f"graph.slice {x.name}, starts = {starts}, steps = {steps} : {x.type} -> {{type}}",
          lambda sizes, a: (a[0][index], a[1]), (x,))


def pad(g):
    x = g.pick(lambda v: is_number(v) and v.dims)
    if not x:
        return
    lo = [g.random.choice([0, 0, 1, 2]) for _ in x.dims]
    hi = [g.random.choice([0, 0, 1, 3]) for _ in x.dims]
    filler = g.constant(g.random.choice([0.0, 1.5]))
    dims = [d + Dim.of(a + b) for d, a, b in zip(x.dims, lo, hi)]
    g.add(dims, "f32", f"graph.pad constant {x.name}, {filler.name}, lo = {lo}, hi = {hi} : ({x.type}, {filler.type}) -> {{type}}",
          lambda sizes, a, b: (np.pad(a[0], list(zip(lo, hi)), constant_values=float(b[0])), a[1]), (x, filler))


def concat(g):
    x = g.pick(lambda v: v.dims)
    if not x:
        return
    axis = g.random.randrange(len(x.dims))
    others = [v for v in g.values if v.element == x.element and len(v.dims) == len(x.dims)
              and all(i == axis or a == b for i, (a, b) in enumerate(zip(v.dims, x.dims)))]
    parts = [x, *(g.random.choice(others) for _ in range(g.random.choice([1, 1, 2])))]
    dims = list(x.dims)
    dims[axis] = Dim(*(part for v in parts for part in v.dims[axis]))
    g.add(dims, x.element, f"graph.concat {', '.join(v.name for v in parts)} axis = {axis} : ({', '.join(v.type for v in parts)}) -> {{type}}",
          lambda sizes, *all_: (np.concatenate([a[0] for a in all_], axis), max(a[1] for a in all_)), parts)


def iota(g):
    x = g.pick(lambda v: v.dims)
    if not x:
        return
    axis = g.random.randrange(len(x.dims))

    def compute(sizes):
        shape = [d.value(sizes) for d in x.dims]
        line = np.arange(shape[axis], dtype=np.float64).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        return np.broadcast_to(line, shape), 0.0
    g.add(x.dims, "f32", f"graph.iota axis = {axis} : {{type}}", compute, (), True)


def arg_reduce(g):
    x = g.pick(lambda v: is_number(v) and v.exact and v.dims)
    if not x:
        return
    axis = g.random.randrange(len(x.dims))
    kind, function = g.random.choice([("max", np.argmax), ("min", np.argmin)])
    dims = [d for i, d in enumerate(x.dims) if i != axis]
    places = g.add(dims, "si64", f"graph.arg_reduce {kind} {x.name}, axis = {axis} : {x.type} -> {{type}}",
                   lambda sizes, a: (np.asarray(function(a[0], axis)), 0.0), (x,))
    # They are places in anything that is as long there.
    table = g.pick(lambda v: is_number(v) and x.dims[axis] in v.dims)
    if not places or not table or len(table.dims) + len(places.dims) > 5:
        return
    at = table.dims.index(x.dims[axis])
    dims = [*table.dims[:at], *places.dims, *table.dims[at + 1:]]
    g.add(dims, "f32", f"graph.gather {table.name}, {places.name}, axis = {at} : ({table.type}, {places.type}) -> {{type}}",
          lambda sizes, a, b: (np.take(a[0], b[0], at), a[1]), (table, places))


def contract(g):
    x = g.pick(lambda v: is_number(v) and v.dims)
    y = x and g.pick(lambda v: is_number(v) and any(d in x.dims for d in v.dims))
    if not y or len(x.dims) + len(y.dims) > 7:
        return
    names = [chr(ord("a") + i) for i in range(len(x.dims))]
    extents = dict(zip(names, x.dims))
    other = []
    for i, dim in enumerate(y.dims):
        shared = [n for n in names if extents[n] == dim and n not in other]
        if shared and g.random.random() < 0.8:
            other.append(g.random.choice(shared))
        else:
            other.append(chr(ord("p") + i))
            extents[other[-1]] = dim
    both = [n for n in names if n in other]
    if not both:
        return
    summed = set(g.random.sample(both, g.random.randint(1, len(both))))
    result = [n for n in [*names, *(o for o in other if o not in names)] if n not in summed]
    if g.random.random() < 0.3:
        g.random.shuffle(result)
    equation = f"{''.join(names)},{''.join(other)}->{''.join(result)}"

    def compute(sizes, a, b):
        count = np.prod([extents[n].value(sizes) for n in summed])
        own = count * (largest(a[0]) * b[1] + largest(b[0]) * a[1])
        return np.einsum(equation, a[0], b[0]), own + EPSILON * np.sqrt(count) * largest(np.einsum(equation, np.abs(a[0]), np.abs(b[0])))
    g.add([extents[n] for n in result], "f32", f'graph.contract "{equation}" {x.name}, {y.name} : ({x.type}, {y.type}) -> {{type}}', compute,
          (x, y), False)


MAKERS = [unary, unary, binary, binary, binary, compare, select, select, reduce, reduce, reduce, expand, softmax, cumulative, transpose, view,
          cut, pad, concat, iota, arg_reduce, contract, contract]


def problem_of(graph, outputs=None):
    """What is wrong with a graph's module; "" when nothing is."""
    import tessera

    text = graph.text(outputs)
    try:
        module = tessera.compile(text.encode())
        for i, _ in enumerate(SIZES):
            found = module.run({v.name[1:]: v.data[i] for v in graph.inputs if v.name[1:] in {p.name for p in module.inputs}})
            for value in outputs or graph.outputs:
                data, error = value.results[i]
                got = np.asarray(found[value.name[1:]])
                if got.shape != data.shape:
                    return f"{value.name} has shape {got.shape}, expected {data.shape}"
                off = np.abs(got.astype(np.float64) - data.astype(np.float64))
                bound = 16 * error + 1e-6 if value.element == "f32" else 0
                if got.size and not (off <= bound).all():
                    return f"{value.name} is off by {np.nanmax(off):.3g} at {SIZES[i]}, {bound:.3g} are allowed"
    except tessera.Error as error:
        return str(error).strip()[:600]
    return ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=30)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TESSERA_CACHE_DIR", str(options.folder / "cache"))
    failed = 0
    for seed in range(options.seed, options.seed + options.count):
        graph = Graph(seed)
        if not graph.outputs or not (problem := problem_of(graph)):
            continue
        failed += 1
        # The first value that is wrong by itself says more.
        outputs = None
        for value in graph.values:
            if value.operands and (own := problem_of(graph, [value])):
                outputs, problem = [value], own
                break
        path = options.folder / f"{seed}.mlir"
        path.write_text(graph.text(outputs))
        print(f"seed {seed}, {path}: {problem}", flush=True)
    print(f"{failed} of {options.count} failed")


if __name__ == "__main__":
    main()
