"""One model for each category of ops and element type, with every op of the category that allows the type."""
import numpy as np

from cases import FLOATS, INTEGERS, Model, numbers

UNARY = ["sqrt", "rsqrt", "exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh",
         "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "floor", "ceil", "round", "trunc"]


def elementwise(rng, element, extent=13):
    """Arithmetic, logic, comparisons, conversions."""
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
    m.output("select", m.op("select", [c, x, y], x.dims, element, "same").__class__ and select(m, c, x, y))
    for other in FLOATS + INTEGERS + ["i1"]:
        if other != element:
            m.output(f"convert_{other}", m.op("convert", [x], x.dims, other, "one"))
    return m


def select(m, c, x, y):
    return m.raw(f"graph.select {c.name}, {x.name}, {y.name} : {x.type}", x.dims, x.element)
