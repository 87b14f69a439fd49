"""One model for each category of ops and element type, with every op of the category that allows the type."""
import numpy as np

from cases import FLOATS, INTEGERS, Model, numbers

UNARY = ["sqrt", "rsqrt", "exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
         "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "floor", "ceil", "round", "trunc"]
ALL = FLOATS + INTEGERS + ["i1"]


def elementwise(rng, element, extent=13):
    """Arithmetic, logic, comparisons, choices."""
    m = Model()
    is_float, is_bool = element in FLOATS, element == "i1"
    x = m.input("x", numbers(rng, (extent,), element, special=True), element, ["N"])
    y = m.input("y", numbers(rng, (extent,), element, special=True), element, ["N"])
    c = m.input("c", numbers(rng, (extent,), "i1"), "i1", ["N"])
    if is_float:
        for name in UNARY:
            m.output(name, m.same(name, x))
        for name in ("is_nan", "is_inf"):
            m.output(name, m.same(name, x, element="i1"))
        m.output("atan2", m.same("atan2", x, y))
    if not is_bool:
        for name in ("add", "sub", "mul", "div", "rem", "mod", "min", "max", "pow"):
            m.output(name, m.same(name, x, y))
        for name in ("neg", "abs", "sign"):
            m.output(name, m.same(name, x))
    if not is_float:
        for name in ("and_", "or_", "xor"):
            m.output(name, m.same(name, x, y))
        m.output("not_", m.same("not_", x))
    if not is_float and not is_bool:
        m.output("shl", m.same("shl", x, y))
        m.output("shr", m.same("shr", x, y))
    for kind in ("eq", "ne") if is_bool else ("eq", "ne", "lt", "le", "gt", "ge"):
        m.output(f"compare_{kind}", m.same(f"compare {kind}", x, y, element="i1"))
    m.output("select", m.raw(f"graph.select {c.name}, {x.name}, {y.name} : {x.type}", [(x.dims, element)])[0])
    return m


def conversion(rng, element, extent=13):
    """To every other type."""
    m = Model()
    x = m.input("x", numbers(rng, (extent,), element, special=True), element, ["N"])
    for other in ALL:
        if other != element:
            m.output(f"to_{other}", m.op("convert", [x], x.dims, other, "one"))
    return m


def movement(rng, element, extent=5):
    """Everything that moves elements; the first extent is a symbol."""
    m = Model()
    x = m.input("x", numbers(rng, (extent, 3), element), element, ["N", 3])
    y = m.input("y", numbers(rng, (extent, 2), element), element, ["N", 2])
    s = m.input("s", numbers(rng, (), element), element)
    i = m.input("i", rng.integers(-9, 9, (2, 2)), "si64")
    m.output("broadcast", m.op("broadcast", [x], [2, "N", 3], element, "one", ", dims = [1, 2]"))
    m.output("repeat", m.op("broadcast", [s], ["N", 2], element, "one", ", dims = []"))
    m.output("reshape", m.op("reshape", [x], [3, "N"], element, "one"))
    m.output("transpose", m.op("transpose", [x], [3, "N"], element, "one", ", perm = [1, 0]"))
    m.output("slice", m.op("slice", [x], ["floordiv(N + 1, 2)", 2], element, "one", ", starts = [0, 1], steps = [2, 1]"))
    m.output("concat", m.op("concat", [x, y, x], ["N", 8], element, tail=" axis = 1"))
    m.output("pad_constant", m.op("pad constant", [x, s], ["N + 3", 4], element, tail=", lo = [1, 0], hi = [2, 1]"))
    for mode in ("reflect", "edge", "wrap"):
        m.output(f"pad_{mode}", m.op(f"pad {mode}", [x], ["N", 6], element, tail=", lo = [0, 2], hi = [0, 1]"))
    m.output("reverse", m.op("reverse", [x], ["N", 3], element, "one", ", axes = [0, 1]"))
    m.output("gather", m.op("gather", [x, i], ["N", 2, 2], element, tail=", axis = 1"))
    if element != "i1":
        m.output("iota", m.op("iota axis = 0", [], ["N", 2], element, "result"))
    return m


def reduction(rng, element, extent=7):
    m = Model()
    special = element in FLOATS
    x = m.input("x", numbers(rng, (3, extent, 2), element), element, [3, "N", 2])
    z = m.input("z", numbers(rng, (4, 5), element, special=special), element, [4, 5])
    kinds = [] if element == "i1" else ["sum", "prod", "max", "min"]
    kinds += [] if special else ["and", "or"]
    for kind in kinds:
        m.output(f"reduce_{kind}", m.op(f"reduce {kind}", [x], [3, 2], element, "one", ", axes = [1]"))
        m.output(f"reduce_{kind}_all", m.op(f"reduce {kind}", [x], [], element, "one", ", axes = [0, 1, 2]"))
        m.output(f"reduce_{kind}_special", m.op(f"reduce {kind}", [z], [4], element, "one", ", axes = [1]"))
    if extent:
        for kind in ("max", "min"):
            for last in ("", " select_last"):
                m.output(f"arg_{kind}{last.strip()}",
                         m.op(f"arg_reduce {kind}", [z], [4], "si64", "one", f", axis = 1{last}"))
                m.output(f"arg_{kind}{last.strip()}_32",
                         m.op(f"arg_reduce {kind}", [x], [3, 2], "si32", "one", f", axis = 1{last}"))
    return m


def contraction(rng, element, extent=5):
    m = Model()
    x = m.input("x", numbers(rng, (extent, 7), element), element, ["N", 7])
    w = m.input("w", numbers(rng, (7, 9), element), element)
    b = m.input("b", numbers(rng, (3, extent, 7), element), element, [3, "N", 7])
    acc = element if element in FLOATS or element.endswith(("32", "64")) else "si32"
    m.output("matmul", m.op('contract "mk,kn->mn"', [x, w], ["N", 9], acc))
    m.output("batched", m.op('contract "bmk,mk->bm"', [b, x], [3, "N"], acc))
    m.output("outer", m.op('contract "mk,nk->knm"', [x, x], [7, "N", "N"], acc))
    m.output("sum", m.op('contract "mk,mk->"', [x, x], [], acc))
    m.output("scaled", m.op('contract "bmk,mk->bmk"', [b, x], [3, "N", 7], acc))
    if acc != element:
        m.output("saturated", m.op('contract "mk,kn->mn"', [x, w], ["N", 9], element))
    return m


def window(rng, element, extent=6):
    """Convolutions, pooling, resizing."""
    m = Model()
    acc = element if element in FLOATS or element.endswith(("32", "64")) else "si32"
    x = m.input("x", numbers(rng, (1, 4, extent, 5), element), element, [1, 4, "H", 5])
    w = m.input("w", numbers(rng, (6, 4, 3, 3), element), element)
    g = m.input("g", numbers(rng, (4, 2, 2, 3), element), element)
    d = m.input("d", numbers(rng, (4, 1, 3, 3), element), element)
    u = m.input("u", numbers(rng, (4, 3, 2, 2), element), element)
    l = m.input("l", numbers(rng, (2, 7, 3), element), element)
    k = m.input("k", numbers(rng, (3, 3, 4), element), element)
    one = "strides = [1, 1], dilations = [1, 1]"
    m.output("conv", m.op("conv", [x, w], [1, 6, "H", 5], acc, tail=f", {one}, lo = [1, 1], hi = [1, 1]"))
    m.output("conv_strided", m.op("conv", [x, w], [1, 6, "floordiv(H - 1, 2) + 1", 1], acc,
                                  tail=", strides = [2, 2], dilations = [1, 2], lo = [1, 0], hi = [1, 1]"))
    m.output("conv_groups", m.op("conv", [x, g], [1, 4, "H - 1", 3], acc, tail=f", {one}, lo = [0, 0], hi = [0, 0], groups = 2"))
    m.output("conv_depthwise", m.op("conv", [x, d], [1, 4, "H", 3], acc, tail=f", {one}, lo = [1, 0], hi = [1, 0], groups = 4"))
    m.output("conv_1d", m.op("conv", [l, k], [2, 6, 4], acc, tail=", strides = [1], dilations = [1], lo = [1], hi = [0], groups = 1, "
                             'layout = "NWC,IWO->NWC"'))
    m.output("conv_transpose", m.op("conv_transpose", [x, u], [1, 3, "2 * H", 10], acc,
                                    tail=", strides = [2, 2], dilations = [1, 1], lo = [0, 0], hi = [0, 0], output_padding = [0, 0]"))
    m.output("conv_transpose_overlap", m.op(
        "conv_transpose", [x, g], [1, 4, "2 * H", 7], acc,
        tail=", strides = [2, 1], dilations = [1, 2], lo = [1, 1], hi = [0, 1], output_padding = [1, 0], groups = 2"))
    for kind in ("sum", "prod", "max", "min"):
        m.output(f"window_{kind}", m.op(f"window_reduce {kind}", [x], [1, 4, "floordiv(H, 2)", 3], element, "one",
                                        ", axes = [2, 3], window = [2, 3], strides = [2, 2], dilations = [1, 1], lo = [0, 1], hi = [0, 1]"))
    modes = [("nearest", "asymmetric", "floor", ""), ("nearest", "half_pixel", "round_prefer_floor", ""),
             ("nearest", "half_pixel", "ceil", "")]
    if element in FLOATS or element.endswith("i8"):
        modes += [("linear", "half_pixel", "floor", ""), ("linear", "align_corners", "floor", ""),
                  ("cubic", "half_pixel", "floor", ""), ("cubic", "pytorch_half_pixel", "floor", " {exclude_outside}")]
    for mode, coordinates, rounding, extra in modes:
        m.output(f"resize_{mode}_{coordinates}_{rounding}", m.op(
            f"resize {mode}", [x], [1, 4, "2 * H", 7], element, "one",
            f", axes = [2, 3], coordinates = {coordinates}, rounding = {rounding}{extra}"),
            # A contracted multiply-add may end on the other side of a whole number.
            slack=mode != "nearest")
    return m


def scan(m, state, x, axis, direction):
    """The running product (or parity) of slices; the outputs are the states before each step."""
    op = "xor" if x.element == "i1" else "mul"
    both = f"{state.type}, {x.type}"
    return m.raw(f"graph.scan (%h = {state.name}) over (%e = {x.name}), axis = {axis}{direction} : ({state.type}), ({x.type}) -> ({both}) {{\n"
                 f"    %n = graph.{op} %h, %e : {state.type}\n    graph.yield %n, %h : {state.type}, {state.type}\n  }}",
                 [(state.dims, x.element), (x.dims, x.element)])


def ranked(m, text, x, count, tail):
    """sort or top_k along axis 1: values and places."""
    values, places = ([x.dims[0], count], x.element), ([x.dims[0], count], "si64")
    types = ", ".join(type(x)("", *v).type for v in (values, places))
    return m.raw(f"graph.{text} {x.name}, {tail} : {x.type} -> {types}", [values, places])


def sequential(rng, element, extent=5):
    """What is computed one element after another: running values, recurrences, scatters, sorts."""
    m = Model()
    x = m.input("x", numbers(rng, (extent, 7), element), element, ["N", 7])
    z = m.input("z", numbers(rng, (3, 9), element, special=True), element, [3, 9])
    s = m.input("s", numbers(rng, (7,), element), element)
    t = m.input("t", numbers(rng, (extent,), element), element, ["N"])
    u = m.input("u", numbers(rng, (extent, 2, 2), element), element, ["N", 2, 2])
    i = m.input("i", rng.integers(-9, 9, (2, 2)), "si64")
    if element != "i1":
        for kind in ("sum", "prod", "max", "min"):
            m.output(f"cumulative_{kind}", m.same(f"cumulative {kind}", x, tail=", axis = 1"))
            m.output(f"cumulative_{kind}_special", m.same(f"cumulative {kind}", z, tail=", axis = 0 exclusive"))
        m.output("cumulative_reverse", m.same("cumulative sum", x, tail=", axis = 0 reverse"))
    for axis, state in ((0, s), (1, t)):
        for direction in ("", " reverse"):
            last, before = scan(m, state, x, axis, direction)
            m.output(f"scan_{axis}{direction.strip()}_last", last)
            m.output(f"scan_{axis}{direction.strip()}", before)
    for kind in ("replace",) if element == "i1" else ("replace", "add", "mul", "max", "min"):
        m.output(f"scatter_{kind}", m.op(f"scatter {kind}", [x, i, u], ["N", 7], element, tail=", axis = 1"))
    for text, count, tail in (("sort", 9, "axis = 1"), ("sort", 9, "axis = 1 descending"), ("top_k", 4, "k = 4, axis = 1"),
                              ("top_k", 4, "k = 4, axis = 1 smallest")):
        name = text + tail.rpartition("axis = 1")[2].replace(" ", "_")
        values, places = ranked(m, text, z, count, tail)
        m.output(name, values)
        m.output(f"{name}_places", places)
    return m


def quantization(rng, element, extent=5):
    """From floats to 8 bits and back: one scale, one for each column, one for each block of columns."""
    m = Model()
    x = m.input("x", numbers(rng, (extent, 6), element, special=True), element, ["N", 6])
    for quantized in ("si8", "ui8", "si32"):
        for form, dims, shape, tail in (("tensor", [], (), ""), ("axis", [6], (6,), " axis = 1"),
                                        ("block", ["N", 2], (extent, 2), " axis = 1 block = 4")):
            label = f"{quantized}_{form}"
            scale = m.input(f"s_{label}", np.exp2(rng.integers(-4, 0, shape)), element, dims)
            zero = m.input(f"z_{label}", rng.integers(0, 9, shape), quantized, dims)
            q = m.op("quantize", [x, scale, zero], x.dims, quantized, tail=tail)
            m.output(f"quantize_{label}", q)
            m.output(f"dequantize_{label}", m.op("dequantize", [q, scale, zero], x.dims, element, tail=tail))
    return m


def control(rng, element, extent=3):
    """A branch, a loop, a variable that counts calls."""
    m = Model()
    x = m.input("x", numbers(rng, (extent,), element), element, ["N"])
    n = m.input("n", rng.integers(3, 4, ()), "si64")
    c = m.input("c", rng.integers(0, 2, ()), "i1")
    t, s = x.type, "!graph.tensor<[], si64>"
    op = "xor" if element == "i1" else "add"
    m.prologue = f"graph.variable @calls : {s} = dense<0> : {s}\n"
    m.output("if", m.raw(f"graph.if {c.name} : {c.type} -> {t} {{\n    %a = graph.{op} {x.name}, {x.name} : {t}\n"
                         f"    graph.yield %a : {t}\n  }} else {{\n    graph.yield {x.name} : {t}\n  }}", [(x.dims, element)])[0])
    m.lines += [f"  %zero = graph.constant dense<0> : {s}", f"  %one = graph.constant dense<1> : {s}",
                f"  %w:2 = graph.while (%i = %zero, %acc = {x.name}) : {s}, {t} {{",
                f"    %go = graph.compare lt %i, {n.name} : {s}", "    graph.condition %go : !graph.tensor<[], i1>",
                "  } do (%j, %b) {", f"    %next = graph.add %j, %one : {s}", f"    %d = graph.{op} %b, {x.name} : {t}",
                f"    graph.yield %next, %d : {s}, {t}", "  }",
                f"  %calls = graph.read_variable @calls : {s}", f"  %more = graph.add %calls, %w#0 : {s}",
                f"  graph.write_variable @calls, %more : {s}"]
    m.output("while", type(x)("%w#1", x.dims, element))
    m.output("calls", type(x)("%more", [], "si64"))
    return m


def composite(rng, element, extent=5):
    """Composites of floats."""
    m = Model()
    x = m.input("x", numbers(rng, (extent, 7), element), element, ["N", 7])
    s = m.input("s", numbers(rng, (7,), element), element)
    b = m.input("b", numbers(rng, (7,), element), element)
    y = m.input("y", numbers(rng, (extent, 7), element), element, ["N", 7])
    i = m.input("i", numbers(rng, (1, 3, 5), element), element)
    p = m.input("p", numbers(rng, (3,), element), element)
    for name in ("relu", "sigmoid", "silu", "softplus", "softsign", "mish", "hard_swish", "reciprocal", "gelu"):
        m.output(name, m.same(name, x))
    for name, tail in (("leaky_relu", " {alpha = 0.1 : f64}"), ("elu", " {alpha = 0.5 : f64}"), ("gelu", " {tanh}"),
                       ("selu", " {alpha = 1.5 : f64, gamma = 1.1 : f64}"),
                       ("hard_sigmoid", " {alpha = 0.2 : f64, beta = 0.5 : f64}"),
                       ("softmax", ", axes = [1]"), ("log_softmax", ", axes = [1]"),
                       ("l2_normalize", ", axes = [1] {epsilon = 1.0e-5 : f64}")):
        m.output(f"{name}_", m.same(name, x, tail=tail))
    m.output("prelu", m.same("prelu", x, y))
    m.output("swiglu", m.same("swiglu", x, y))
    for name in ("mean", "variance", "logsumexp"):
        m.output(name, m.op(name, [x], ["N"], element, "one", ", axes = [1]"))
    m.output("layer_norm", m.op("layer_norm", [x, s, b], x.dims, element, tail=", axis = 1 {epsilon = 1.0e-2 : f64}"))
    m.output("rms_norm", m.op("rms_norm", [x, s], x.dims, element, tail=", axis = 1 {epsilon = 1.0e-2 : f64}"))
    v = m.same("mul", s, s)
    m.output("batch_norm", m.op("batch_norm", [x, s, b, b, v], x.dims, element, tail=", axis = 1 {epsilon = 1.0e-1 : f64}"))
    m.output("instance_norm", m.op("instance_norm", [i, p, p], [1, 3, 5], element, tail=" {epsilon = 1.0e-1 : f64}"))
    return m


CATEGORIES = {"elementwise": (elementwise, ALL), "conversion": (conversion, ALL), "movement": (movement, ALL),
              "reduction": (reduction, ALL), "contraction": (contraction, FLOATS + INTEGERS),
              "sequential": (sequential, ALL), "quantization": (quantization, FLOATS),
              "window": (window, FLOATS + INTEGERS), "control": (control, ALL), "composite": (composite, FLOATS)}
