# Runs every elementary function over a sweep of bit patterns and compares with f64.
# RUN: python3 %s %t | FileCheck %s
# CHECK: all functions are within their bounds
"""Prints the largest error in ulp of each function and type; exits with 1 above a bound.

Arguments: a folder for files; --table prints Markdown instead.
"""
import math
import os
import subprocess
import sys

import numpy as np

# Largest error in ulp that is allowed: f32, f64 (None: there is no expansion).
BOUNDS = {
    "exp": (1.1, 2), "exp2": (1.1, 2), "expm1": (2.5, 4), "log": (1.1, 2), "log1p": (3, 4),
    "sin": (0.6, 2.5), "cos": (0.6, 2.5), "tan": (2, 4), "asin": (3.5, 4), "acos": (3.5, 4),
    "atan": (3, 3), "sinh": (4, 5), "cosh": (3, 5), "tanh": (3, 4), "asinh": (5, 6), "acosh": (5, 6),
    "atanh": (5, 6), "erf": (2.5, None), "sqrt": (0.5, 0.5), "rsqrt": (1.6, 1.6),
}
REFERENCE = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh",
             "acosh": "arccosh", "atanh": "arctanh"}
# Where argument reduction is exact (the README of the pass says so).
LIMIT = {"sin": 2.0**20, "cos": 2.0**20, "tan": 2.0**20}


def reference(name, x):
    wide = x.astype(np.longdouble)
    if name == "erf":
        return np.array([math.erf(v) for v in x.astype(np.float64)], dtype=np.longdouble)
    if name == "rsqrt":
        return 1 / np.sqrt(wide)
    return getattr(np, REFERENCE.get(name, name))(wide)


def samples(dtype):
    rng = np.random.default_rng(1)
    bits = np.uint32 if dtype == np.float32 else np.uint64
    dense = rng.integers(0, np.iinfo(bits).max, 120000, dtype=bits, endpoint=True).view(dtype)
    usual = np.concatenate([rng.uniform(-s, s, 30000) for s in (1, 4, 20, 100)]).astype(dtype)
    tiny = np.finfo(dtype).smallest_subnormal
    special = np.array([0.0, -0.0, 1, -1, 0.5, -0.5, 2, np.inf, -np.inf, np.nan, tiny, -tiny,
                        np.finfo(dtype).max, -np.finfo(dtype).max, np.finfo(dtype).tiny], dtype)
    return np.concatenate([special, dense, usual])


def check(name, dtype, folder):
    x = samples(dtype)
    if name in LIMIT:
        x = x[~(np.abs(x) > LIMIT[name]) | np.isinf(x)]
    element = "f32" if dtype == np.float32 else "f64"
    model, module = os.path.join(folder, "m.mlir"), os.path.join(folder, "m.tsm")
    tensor = f"!graph.tensor<[N], {element}>"
    with open(model, "w") as file:
        file.write(f'graph.func @main(%x: {tensor} {{graph.name = "x"}}) -> ({tensor} '
                   f'{{graph.name = "y"}}) {{\n  %0 = graph.{name} %x : {tensor}\n'
                   f'  graph.return %0 : {tensor}\n}}\n')
    np.save(os.path.join(folder, "x.npy"), x)
    subprocess.run(["tessera-compile", model, "-o", module], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["tessera-run", module, "--input", f"x=@{folder}/x.npy", "--output",
                    f"y=@{folder}/y.npy"], check=True, stdout=subprocess.DEVNULL)
    y = np.load(os.path.join(folder, "y.npy"))
    with np.errstate(all="ignore"):
        expected = reference(name, x)
        rounded = expected.astype(dtype)
        same = (y == rounded) | (np.isnan(y) & np.isnan(rounded))
        ulp = np.spacing(np.abs(rounded).clip(np.finfo(dtype).tiny))
        finite = np.isfinite(rounded) & np.isfinite(y)
        error = np.where(finite, np.abs(y.astype(np.longdouble) - expected) / ulp, np.inf)
    # At the edge of overflow one side may round to infinity.
    edge = np.isinf(y) != np.isinf(rounded)
    edge &= np.maximum(np.abs(y), np.abs(rounded)) >= np.finfo(dtype).max
    edge &= np.minimum(np.abs(y), np.abs(rounded)) >= np.finfo(dtype).max * 0.99999
    error[same & ~finite] = 0
    error[edge] = 0
    signs = np.signbit(y) == np.signbit(rounded)
    error[(rounded == 0) & (y == 0) & ~signs & (x == 0)] = np.inf
    worst = int(np.argmax(error))
    return float(error[worst]), x[worst], y[worst], rounded[worst]


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    table = "--table" in sys.argv
    if table:
        print("| function | f32 (ulp) | f64 (ulp) |\n|---|---|---|")
    failed = False
    for name, bounds in BOUNDS.items():
        cells = []
        for dtype, bound in zip((np.float32, np.float64), bounds):
            if bound is None:
                cells.append("none")
                continue
            error, x, y, expected = check(name, dtype, folder)
            cells.append(f"{error:.2f}")
            if not error <= bound:
                failed = True
                print(f"{name} {dtype.__name__}: {error:.2f} ulp at {x!r}: {y!r}, expected "
                      f"{expected!r}; bound {bound}")
        print(f"| {name} | {' | '.join(cells)} |" if table else f"{name}: {', '.join(cells)} ulp")
    if not failed:
        print("" if table else "all functions are within their bounds")
    return failed


if __name__ == "__main__":
    sys.exit(main())
