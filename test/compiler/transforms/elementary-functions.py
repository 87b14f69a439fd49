# Runs every elementary function of every float type over a sweep of bit patterns and compares with wider arithmetic.
# RUN: python3 %s %t | FileCheck %s
# CHECK: all functions are within their bounds
"""Prints the largest error in ulp of each function and type; exits with 1 above a bound.

All bit patterns of f16 and bf16; of f32 every 4099th and dense ranges; of f64 random ones and dense ranges. The
reference is long double. Arguments: a folder for files; --table FILE writes Markdown.
"""
import math
import os
import subprocess
import sys

import numpy as np

# Largest error in ulp that is allowed for f32 and f64. f16 and bf16 compute in f32 and round once: 0.51.
BOUNDS = {
    "exp": (1.1, 2), "exp2": (1.1, 2), "expm1": (2.5, 4), "log": (1.1, 2), "log1p": (3, 4),
    "sin": (0.6, 2.5), "cos": (0.6, 2.5), "tan": (2, 4), "asin": (3.5, 4), "acos": (3.5, 4),
    "atan": (3, 3), "sinh": (4, 5), "cosh": (3, 5), "tanh": (1.5, 4), "asinh": (5, 6), "acosh": (5, 6),
    "atanh": (5, 6), "erf": (1.7, 3), "sqrt": (0.5, 0.5), "rsqrt": (1.6, 1.6), "pow": (0.6, 2),
    "atan2": (4, 4),
}
NARROW_BOUND = 0.51
BINARY = {"pow", "atan2"}
NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh",
         "atanh": "arctanh", "atan2": "arctan2", "pow": "power"}
# Where argument reduction is exact (the README of the pass says so).
LIMIT = {"sin": 2.0**20, "cos": 2.0**20, "tan": 2.0**20}


class Float:
    """A float type: how it is made of bits, and how far its neighbours are."""

    def __init__(self, name, carrier, digits, lowest_exponent, largest):
        self.name, self.carrier = name, carrier  # the carrier holds all its values exactly
        self.digits, self.lowest_exponent, self.largest = digits, lowest_exponent, largest

    def ulp(self, x):
        exponent = np.frexp(np.abs(x))[1] - 1
        return np.ldexp(np.longdouble(1), np.maximum(exponent, self.lowest_exponent) - self.digits)


FLOATS = [Float("f16", np.float32, 10, -14, 65504.0),
          Float("bf16", np.float32, 7, -126, float.fromhex("0x1.fep127")),
          Float("f32", np.float32, 23, -126, float(np.finfo(np.float32).max)),
          Float("f64", np.float64, 52, -1022, float(np.finfo(np.float64).max))]


def samples(kind):
    rng = np.random.default_rng(1)
    if kind.name == "f16":
        return np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
    if kind.name == "bf16":
        return (np.arange(2**16, dtype=np.uint32) << 16).view(np.float32)
    if kind.name == "f32":
        dense = np.arange(0, 2**32, 4099, dtype=np.uint32).view(np.float32)
    else:
        dense = rng.integers(0, 2**64 - 1, 120000, dtype=np.uint64, endpoint=True).view(np.float64)
    usual = np.concatenate([rng.uniform(-s, s, 30000) for s in (1, 4, 20, 100)]).astype(kind.carrier)
    tiny = np.finfo(kind.carrier).smallest_subnormal
    special = np.array([0.0, -0.0, 1, -1, 0.5, -0.5, 2, np.inf, -np.inf, np.nan, tiny, -tiny, kind.largest,
                        -kind.largest, np.finfo(kind.carrier).tiny], kind.carrier)
    return np.concatenate([special, dense, usual])


def pairs(kind):
    """Arguments of binary functions: special values with each other, and what is likely to be finite."""
    rng = np.random.default_rng(2)
    special = np.array([0.0, -0.0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, np.inf, -np.inf, np.nan, 1e4, -1e4], kind.carrier)
    x, y = [grid.ravel() for grid in np.meshgrid(special, special)]
    more = [np.exp(rng.uniform(-8, 8, 60000)) * rng.choice([1, -1], 60000, p=[0.8, 0.2]) for _ in range(2)]
    more[1][::3] = rng.integers(-9, 9, len(more[1][::3]))
    x, y = np.concatenate([x, more[0]]).astype(kind.carrier), np.concatenate([y, more[1]]).astype(kind.carrier)
    return narrow(x, kind), narrow(y, kind)


def narrow(x, kind):
    """Values of the carrier rounded to the type."""
    if kind.name == "f16":
        with np.errstate(over="ignore"):
            return x.astype(np.float16).astype(np.float32)
    if kind.name == "bf16":
        bits = x.view(np.uint32).astype(np.uint64)
        rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
        return np.where(np.isnan(x), x, rounded)
    return x


def reference(name, *arguments):
    wide = [x.astype(np.longdouble) for x in arguments]
    if name == "erf":
        return np.array([math.erf(v) for v in arguments[0].astype(np.float64)], dtype=np.longdouble)
    if name == "rsqrt":
        return 1 / np.sqrt(wide[0])
    return getattr(np, NAMES.get(name, name))(*wide)


def evaluate(kind, folder, unary, binary):
    """Every function of a type, from one module."""
    carrier = "f64" if kind.carrier == np.float64 else "f32"
    lines, types, results = [], [], []
    for name in "x", "p", "q":
        extent = "N" if name == "x" else "M"
        outer, inner = f"!graph.tensor<[{extent}], {carrier}>", f"!graph.tensor<[{extent}], {kind.name}>"
        types.append(f'%{name}: {outer} {{graph.name = "{name}"}}')
        lines.append(f"  %{name}_in = graph.convert %{name} : {outer} -> {inner}" if carrier != kind.name else "")
    for name in BOUNDS:
        extent, operands = ("M", ["p", "q"]) if name in BINARY else ("N", ["x"])
        outer, inner = f"!graph.tensor<[{extent}], {carrier}>", f"!graph.tensor<[{extent}], {kind.name}>"
        inside = ", ".join(f"%{o}_in" if carrier != kind.name else f"%{o}" for o in operands)
        lines.append(f"  %{name} = graph.{name} {inside} : {inner}")
        if carrier != kind.name:
            lines.append(f"  %{name}_out = graph.convert %{name} : {inner} -> {outer}")
        results.append((f"%{name}" + ("_out" if carrier != kind.name else ""), outer, name))
    model, module = os.path.join(folder, "m.mlir"), os.path.join(folder, "m.tsm")
    with open(model, "w") as file:
        outputs = ", ".join(f'{outer} {{graph.name = "{name}"}}' for _, outer, name in results)
        file.write(f"graph.func @main({', '.join(types)}) -> ({outputs}) {{\n" + "\n".join(filter(None, lines)) +
                   f"\n  graph.return {', '.join(v for v, _, _ in results)} : "
                   f"{', '.join(outer for _, outer, _ in results)}\n}}\n")
    for name, array in zip("xpq", (unary,) + binary):
        np.save(os.path.join(folder, f"{name}.npy"), array)
    subprocess.run(["tessera-compile", model, "-o", module], check=True, stderr=subprocess.DEVNULL)
    command = ["tessera-run", module] + [f"--input={n}=@{folder}/{n}.npy" for n in "xpq"]
    command += [f"--output={name}=@{folder}/{name}.npy" for name in BOUNDS]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return {name: np.load(os.path.join(folder, f"{name}.npy")) for name in BOUNDS}


def worst(kind, name, arguments, y):
    """The largest error in ulp and where it is; infinite where NaN, infinities or signs of zeros differ."""
    with np.errstate(all="ignore"):
        expected = reference(name, *arguments)
        finite = np.isfinite(expected) & (np.abs(expected) <= kind.largest) & np.isfinite(y)
        error = np.where(finite, np.abs(y.astype(np.longdouble) - expected) / kind.ulp(expected), np.inf)
        error[np.isnan(y) & np.isnan(expected)] = 0
        # Beyond the largest number the result is infinite; within an ulp of that edge either is right.
        overflow = np.abs(expected) > kind.largest
        error[overflow & (y == np.copysign(np.inf, expected))] = 0
        edge = np.abs(np.abs(expected) - kind.largest) <= 4 * kind.ulp(np.longdouble(kind.largest))
        error[edge & (np.isinf(y) | (np.abs(y) >= kind.largest * 0.99)) & (np.sign(y) == np.sign(expected))] = 0
        zero = (expected == 0) & (y == 0) & (arguments[0] == 0)
        error[zero & (np.signbit(y) != np.signbit(expected))] = np.inf
    if name in LIMIT:
        error[np.abs(arguments[0]) > LIMIT[name]] = 0
        error[np.isinf(arguments[0]) & ~np.isnan(y)] = np.inf
    at = int(np.argmax(error))
    return float(error[at]), at, float(expected[at])


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    failed, rows = False, {name: [] for name in BOUNDS}
    for kind in FLOATS:
        unary, binary = samples(kind), pairs(kind)
        for name, y in evaluate(kind, folder, unary, binary).items():
            arguments = binary if name in BINARY else (unary,)
            error, at, expected = worst(kind, name, arguments, y)
            bound = {"f32": BOUNDS[name][0], "f64": BOUNDS[name][1]}.get(kind.name, NARROW_BOUND)
            rows[name].append(f"{error:.2f}")
            if not error <= bound:
                failed = True
                print(f"{name} of {kind.name}: {error:.2f} ulp at {[a[at] for a in arguments]}: {y[at]!r}, "
                      f"expected {expected!r}; bound {bound}")
    for name, cells in rows.items():
        print(f"{name}: {', '.join(cells)} ulp ({', '.join(kind.name for kind in FLOATS)})")
    if "--table" in sys.argv:
        with open(sys.argv[sys.argv.index("--table") + 1], "w") as file:
            file.write("# Errors of elementary functions\n\nLargest error in ulp. All values of f16 and bf16, every 4099th "
                       "of f32 and dense ranges, 240,000 of f64, against\nlong double; NaN, infinities, signed zeros and "
                       "subnormals agree. `sin`, `cos`, `tan`: for |x| <= 2^20.\n\n| function | " +
                       " | ".join(kind.name for kind in FLOATS) + " |\n|---" * 1 + "|---" * len(FLOATS) + "|\n" +
                       "".join(f"| {name} | {' | '.join(cells)} |\n" for name, cells in rows.items()))
    if not failed:
        print("all functions are within their bounds")
    return failed


if __name__ == "__main__":
    sys.exit(main())
