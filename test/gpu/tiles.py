# Contractions by tiles give what the interpreter of graphs gives: odd, aligned and empty extents, every order of the factors'
# dimensions, batches, several loops a side, more steps than there is memory for, and what is fused before and behind.
# RUN: env PYTHONPATH=%S/../compiler/reference/Inputs TESSERA_RUN_PTX=%builddir/bin/test/tessera-run-ptx python3 %s %t | FileCheck %s
# CHECK-NOT: wrong:
# CHECK: {{[0-9]+}} outputs, 0 wrong
"""Arguments: a folder; elements to test (default: all)."""
import sys

import numpy as np

from cases import INTEGERS, Model, numbers, report, run

SUMS = {"si8": "si32", "ui8": "si32"}


def contractions(rng, element, n):
    """Extent n is not known when compiling; with 40 and 24 chunks of 16 bytes are aligned, with 19 they are not."""
    m = Model()
    acc = SUMS.get(element, element)

    def tensor(name, *dims):
        return m.input(name, numbers(rng, [n if d == "N" else d for d in dims], element), element, dims)

    def contract(name, spec, x, y, *dims):
        result = m.op(f'contract "{spec}"', [x, y], dims, acc)
        m.output(name, result)

    x, xt, w, wt = tensor("x", "N", 40), tensor("xt", 40, "N"), tensor("w", 40, 24), tensor("wt", 24, 40)
    contract("nn", "mk,kn->mn", x, w, "N", 24)
    contract("nt", "mk,nk->mn", x, wt, "N", 24)
    contract("tn", "km,kn->mn", xt, w, "N", 24)
    contract("tt", "km,nk->nm", xt, wt, 24, "N")
    odd, right = tensor("odd", 19, "N"), tensor("right", "N", 11)
    contract("unknown_depth", "mk,kn->mn", odd, right, 19, 11)
    contract("square", "km,kn->mn", odd, odd, "N", "N")
    b, c = tensor("b", 2, 3, "N", 16), tensor("c", 3, 16, 10)
    contract("batches", "abmk,bkn->abmn", b, c, 2, 3, "N", 10)
    contract("fused_rows", "abmk,ckn->cabmn", b, c, 3, 2, 3, "N", 10)
    contract("fused_columns", "xbmk,bkn->mnx", b, c, "N", 10, 2)
    long_x, long_w = tensor("long_x", 17, 150), tensor("long_w", 150, 9)
    contract("long", "mk,kn->mn", long_x, long_w, 17, 9)
    # Few tiles: the sum is cut into parts, for blocks side by side.
    deep_x, deep_w = tensor("deep_x", 7, 1024), tensor("deep_w", 1024, 20)
    contract("deep", "mk,kn->mn", deep_x, deep_w, 7, 20)
    deep_xt, one = tensor("deep_xt", 1024, 70), tensor("one", 1, 1024)
    contract("deep_row", "mk,kn->nm", one, deep_xt, 70, 1)
    return m


def large(rng, element, n):
    """Nothing is known: tiles are the largest. Rows of odd lengths, and chunks that may be copied, along the depth and across it."""
    m = Model()
    for name, spec, extents in (("odd", "mk,kn->mn", (n, n + 77, 2 * n + 3)), ("along", "mk,nk->mn", (n, n, 2 * n)),
                                ("across", "km,kn->mn", (n, 2 * n, n)), ("many", "bmk,bkn->bmn", (n, n + 16, n))):
        size = dict(zip("bmnk", (1, *(extent if name == "odd" else extent // 16 * 16 for extent in extents))))
        dims = [[f"{d}_{name}" for d in part] for part in spec.replace("->", ",").split(",")]
        factors = [m.input(f"{name}{i}", numbers(rng, [size[d[0]] for d in names], element), element, names) for i, names in enumerate(dims[:2])]
        m.output(f"out_{name}", m.op(f'contract "{spec}"', factors, dims[2], SUMS.get(element, element)))
    return m


def fused(rng, element, n):
    m = Model()
    dims = lambda *names: [n if d == "N" else d for d in names]
    acc = SUMS.get(element, element)
    x = m.input("x", numbers(rng, dims("N", 24), element), element, ["N", 24])
    s = m.input("s", numbers(rng, dims("N", 24), element), element, ["N", 24])
    w = m.input("w", numbers(rng, (24, 18), element), element)
    r = m.input("r", numbers(rng, dims("N", 18), acc), acc, ["N", 18])
    bias = m.input("bias", numbers(rng, (18,), acc), acc)
    both = m.same("mul", x, s) if element == acc else x
    y = m.op('contract "mk,kn->mn"', [both, w], ["N", 18], acc)
    y = m.same("add", y, m.op("broadcast", [bias], ["N", 18], acc, "one", ", dims = [1]"))
    m.output("epilogue", m.same("add", m.same("max", y, r), r))
    turned = m.op("transpose", [y], [18, "N"], acc, "one", ", perm = [1, 0]")
    m.output("turned", m.same("neg", turned))
    image = m.input("image", numbers(rng, (2, 5, 6, 8), element), element)
    filters = m.input("filters", numbers(rng, (3, 3, 8, 16), element), element)
    m.output("conv", m.op("conv", [image, filters], [2, 3, 4, 16], acc,
                          tail=', strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], groups = 1, layout = "NHWC,HWIO->NHWC"'))
    return m


def check(make, element, n, processor="sm_80"):
    model = make(np.random.default_rng(n), element, n)
    found, expected = (run(model, f"{folder}/{element}", how, processor) for how in ("ptx", "reference"))
    # Sums of up to 1024 products, in another order.
    return len(expected), report(f"{make.__name__} of {element}, {n}, {processor}", found, expected, model, ulps=32)


folder, *elements = sys.argv[1:]
results = []
for element in elements or ("f32", "f64", "f16", "bf16", "si8", "ui8", "si64"):
    for n in (37, 0) if element in INTEGERS else (37, 16, 1, 0):
        results.append(check(contractions, element, n))
    results.append(check(fused, element, 21))
    results.append(check(fused, element, 34, "sm_90a"))
    if element in ("f16", "bf16", "si8", "ui8"): # those of instructions for matrices
        results.append(check(large, element, 90))
        results += [check(contractions, element, 37, "sm_90a"), check(large, element, 150, "sm_90a")]
outputs, wrong = map(sum, zip(*results))
print(f"{outputs} outputs, {wrong} wrong")
