# Products of bf16 at odd sizes, with infinities and NaNs, against NumPy in f64: both factors given, one of them a
# constant of the model, and what follows in the same kernel. Code that sums pairs of products, where the machine has
# the instruction, and code that does not; one and three threads give the same bits.
# RUN: python3 %s | FileCheck %s
# CHECK: passed
import ml_dtypes
import numpy as np

import tessera

LEVELS = ["x86-64-v3", "x86-64-v4", "x86-64-v4+bf16"]
SIZES = [(1, 1, 1), (1, 301, 70), (7, 300, 130), (65, 129, 200), (130, 521, 33), (33, 64, 48), (0, 5, 3), (3, 0, 5)]
CONSTANT = (37, 24)  # extents of the constant factor


def model(weight):
    """y = x w, summed in f32; z = relu(-a c), rounded to bf16."""
    x, w, y = "!graph.tensor<[M, K], bf16>", "!graph.tensor<[K, N], bf16>", "!graph.tensor<[M, N], bf16>"
    k, n = CONSTANT
    a, c, z = f"!graph.tensor<[M, {k}], bf16>", f"!graph.tensor<[{k}, {n}], bf16>", f"!graph.tensor<[M, {n}], bf16>"
    return f"""
graph.func @main(%x: {x} {{graph.name = "x"}}, %w: {w} {{graph.name = "w"}}, %a: {a} {{graph.name = "a"}})
    -> ({y} {{graph.name = "y"}}, {z} {{graph.name = "z"}})
    attributes {{dims = {{K = #graph.range<0, ?>, M = #graph.range<0, ?>, N = #graph.range<0, ?>}}}} {{
  %c = graph.constant dense<"0x{weight.tobytes().hex()}"> : {c}
  %0 = graph.contract "mk,kn->mn" %x, %w : ({x}, {w}) -> {y}
  %1 = graph.contract "mk,kn->mn" %a, %c : ({a}, {c}) -> {z}
  %2 = graph.neg %1 : {z}
  %3 = graph.relu %2 : {z}
  graph.return %0, %3 : {y}, {z}
}}
""".encode()


def check(name, found, expected, scale, where):
    """One rounding to bf16, and rounding in a sum of f32."""
    found = found.view(ml_dtypes.bfloat16).astype(np.float64)
    assert found.shape == expected.shape, (name, where, found.shape)
    finite = np.isfinite(expected)
    assert (np.isnan(found) == np.isnan(expected)).all(), (name, where, "NaN")
    assert (found[~finite & ~np.isnan(expected)] == expected[~finite & ~np.isnan(expected)]).all(), (name, where, "infinity")
    error = np.abs(found - expected, where=finite, out=np.zeros_like(expected))
    allowed = np.where(finite, 2**-8 * np.abs(expected) + 1e-6 * scale, 0)
    assert (error <= allowed).all(), (name, where, (error - allowed).max())


def main():
    rng = np.random.default_rng(0)

    def numbers(*shape):
        return rng.standard_normal(shape).astype(ml_dtypes.bfloat16)

    weight = numbers(*CONSTANT)
    for level in LEVELS:
        module = tessera.compile(model(weight), target=level)
        for m, k, n in SIZES:
            for special in (False, True):
                x, w, a = numbers(m, k), numbers(k, n), numbers(m, CONSTANT[0])
                if special and m > 5 and k > 5:
                    x[2, 3], x[4, 1], a[1, 0], a[3, 36] = np.nan, np.inf, -np.inf, np.nan
                inputs = {"x": x, "w": w, "a": a}
                try:
                    one, three = (module.context(threads=threads).run(inputs) for threads in (1, 3))
                except tessera.Error as problem:
                    assert "UNSUPPORTED_CPU" in str(problem), problem
                    break
                wide = {name: value.astype(np.float64) for name, value in {**inputs, "c": weight}.items()}
                with np.errstate(invalid="ignore"):
                    y, z = wide["x"] @ wide["w"], -(wide["a"] @ wide["c"])
                    z = np.where(np.isnan(z), z, np.maximum(z, 0))
                    scales = np.abs(wide["x"]) @ np.abs(wide["w"]), np.abs(wide["a"]) @ np.abs(wide["c"])
                where = (level, m, k, n, special)
                check("y", one["y"], y, scales[0], where)
                check("z", one["z"], z, scales[1], where)
                assert all(one[name].tobytes() == three[name].tobytes() for name in one), (where, "threads")
    print("passed")


if __name__ == "__main__":
    main()
