# Products of 8-bit floats on the device "cuda" give NumPy's sums of exact products in f64: without being asked for fewer bits of sums (and on
# sm_80 always) factors become f16, which holds them, and are multiplied as such; with --precision f8-sums instructions multiply them as they are,
# on sm_89 by mma.sync, on sm_90a also by wgmma. A schedule with such instructions is refused for a processor without.
# RUN: env FAKE_CUDA_CAPABILITY=90 TESSERA_CUDA_DRIVER=%builddir/lib/test/libfake_cuda_driver.so python3 %s %t
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import tessera

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)
NAMES = {"f8E4M3FN": "e4m3", "f8E5M2": "e5m2"}


def decoded(codes, kind):
    """By the definition: sign, exponent, fraction. No NaN or infinity among the codes of these tests."""
    fraction, bias = {"f8E4M3FN": (3, 7), "f8E5M2": (2, 15), "f8E4M3FNUZ": (3, 8)}[kind]
    code = codes.astype(np.int64)
    exponent, digits = code >> fraction & (1 << 7 - fraction) - 1, code & (1 << fraction) - 1
    value = np.where(exponent > 0, (digits + (1 << fraction)) * 2.0 ** (exponent - bias - fraction), digits * 2.0 ** (1 - bias - fraction))
    return np.where(code >> 7, -value, value)


def numbers(kind, shape):
    if kind in ("f16", "bf16"):
        return rng.standard_normal(shape).astype(np.float16)
    # Exponents in the middle, and all that are below the normal ones.
    codes = rng.integers(0, 128, shape)
    wide = codes % 16 if kind == "f8E5M2" else codes % 24
    codes = np.where(rng.random(shape) < 0.2, wide % 8, (0x30 if kind != "f8E5M2" else 0x38) + wide)
    # Where there is no -0 its code is NaN.
    return (codes | (codes > 0) * rng.integers(0, 2, shape) << 7).astype(np.uint8)


def contraction(spec, kinds, dims):
    x, w = (f"!graph.tensor<[{', '.join(letters)}], {kind}>" for letters, kind in zip(dims, kinds))
    y = f"!graph.tensor<[{', '.join(dims[2])}], f32>"
    return (f'graph.func @main(%x: {x} {{graph.name = "x"}}, %w: {w} {{graph.name = "w"}}) -> ({y} {{graph.name = "y"}}) {{\n'
            f'  %y = graph.contract "{spec}" %x, %w acc f32 : ({x}, {w}) -> {y}\n  graph.return %y : {y}\n}}\n')


def emitted(text, target, kind, *options):
    (folder / "model.mlir").write_text(text)
    return subprocess.run(["tessera-compile", folder / "model.mlir", "--target", target, "--emit", kind, *options], check=True,
                          capture_output=True, text=True).stdout


def check(spec, kinds, dims, target, options, instruction, sizes, without="fma.rn.f32"):
    text = contraction(spec, kinds, dims)
    code = emitted(text, target, "asm", *options)
    assert instruction in code and (not without or without not in code), (target, options, instruction, code)
    subprocess.run(["tessera-compile", folder / "model.mlir", "--target", target, *options, "-q", "-o", folder / "model.tsm"], check=True)
    module = tessera.load(folder / "model.tsm", device="cuda")
    for extents in sizes:
        x, w = (numbers(kind, [extents[d] for d in letters]) for kind, letters in zip(kinds, dims))
        y = module.run({"x": x, "w": w})["y"]
        exact = [values.astype(np.float64) if kind == "f16" else decoded(values, kind) for values, kind in zip((x, w), kinds)]
        np.testing.assert_allclose(y, np.einsum(spec, *exact), rtol=1e-5, atol=1e-4, err_msg=f"{spec} {kinds} {target} {extents}")


SIZES = ({"M": 67, "N": 52, "K": 96}, {"M": 5, "N": 139, "K": 77}, {"M": 130, "N": 33, "K": 128}, {"M": 1, "N": 1, "K": 1}, {"M": 3, "N": 4, "K": 0})
FAST = ("--precision", "f8-sums")
SPECS = (("mk,nk->mn", ("MK", "NK", "MN")), ("mk,kn->mn", ("MK", "KN", "MN")), ("km,kn->mn", ("KM", "KN", "MN")))
for spec, dims in SPECS:
    for x in NAMES:
        for w in NAMES:
            kinds = (x, w)
            names = f"{NAMES[x]}.{NAMES[w]}"
            check(spec, kinds, dims, "cuda:sm_89", FAST, f"mma.sync.aligned.m16n8k32.row.col.f32.{names}.f32", SIZES[:3])
            check(spec, kinds, dims, "cuda:sm_90a", FAST, f"k32.f32.{names}", SIZES)
        check(spec, (x, "f8E4M3FN"), dims, "cuda:sm_80", FAST, "m16n8k16.row.col.f32.f16.f16.f32", SIZES[:2])
# Nobody asked for fewer bits; types that no instruction has; factors of two types.
for kinds in (("f8E4M3FN", "f8E4M3FN"), ("f8E4M3FNUZ", "f8E5M2"), ("f8E5M2", "f16")):
    spec, dims = SPECS[1]
    check(spec, kinds, dims, "cuda:sm_89", () if kinds[0] != "f8E4M3FNUZ" else FAST, "m16n8k16.row.col.f32.f16.f16.f32", SIZES[:2])
    check(spec, kinds, dims, "cuda:sm_90a", (), "k16.f32.f16.f16", SIZES[:2])
# Few rows, whose instructions are those of a warp on sm_90a, too; tiles in parts of the sum.
for text, target in ((contraction("mk,nk->mn", ("f8E4M3FN", "f8E5M2"), (["7", "2048"], ["64", "2048"], ["7", "64"])), "cuda:sm_90a"),):
    code = emitted(text, target, "asm", *FAST)
    assert "mma.sync.aligned.m16n8k32.row.col.f32.e" in code and re.search(r"\.version 8\.[4-9]", code), code
# Younger processors have no PTX as old as that.
for target, version in (("cuda:sm_90", "8.4"), ("cuda:sm_100a", "8.6"), ("cuda:sm_100f", "8.8"), ("cuda:sm_120a", "8.7")):
    code = emitted(contraction(SPECS[0][0], ("f8E4M3FN", "f8E5M2"), (["64", "64"], ["64", "64"], ["64", "64"])), target, "asm", *FAST)
    assert "mma.sync.aligned.m16n8k32.row.col.f32.e" in code and f".version {version}\n" in code, code
# A schedule of another processor.
text = contraction(SPECS[0][0], ("f8E4M3FN", "f8E4M3FN"), SPECS[0][1])
(folder / "model.schedule").write_text(emitted(text, "cuda:sm_89", "schedule", *FAST))
assert "byte_floats" in (folder / "model.schedule").read_text()
for target, options, problem in (("cuda:sm_80", FAST, "multiplies 8-bit floats as they are, which sm_89 is the first to do, and the target is sm_80"),
                                 ("cuda:sm_89", (), "its stage does not let it sum so")):
    done = subprocess.run(["tessera-compile", folder / "model.mlir", "--target", target, *options, "--schedule", folder / "model.schedule", "-o",
                           folder / "model.tsm"], capture_output=True, text=True)
    assert done.returncode and problem in done.stderr, done.stderr
