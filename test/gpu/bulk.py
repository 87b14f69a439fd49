# Tiles of sm_90a come as boxes of tensors where the driver makes maps of them, on the device "cuda", and as single chunks where it does
# not, or strides do not fit: the same numbers, as NumPy has them in f64.
# RUN: env FAKE_CUDA_CAPABILITY=90 python3 %s %builddir/lib/test/libfake_cuda_driver.so %t
# RUN: env FAKE_CUDA_CAPABILITY=90 FAKE_CUDA_MAPS=0 python3 %s %builddir/lib/test/libfake_cuda_driver.so %t
"""Arguments: the driver, a folder."""
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

driver, folder = ctypes.CDLL(sys.argv[1]), Path(sys.argv[2])
os.environ["TESSERA_CUDA_DRIVER"] = sys.argv[1]
import tessera  # noqa: E402

folder.mkdir(parents=True, exist_ok=True)
HAS_MAPS = os.environ.get("FAKE_CUDA_MAPS") != "0"
rng = np.random.default_rng(0)


def load(spec, x, w, y):
    x, w, y = (f"!graph.tensor<[{', '.join(dims)}], f16>" for dims in (x, w, y))
    text = (f'graph.func @main(%x: {x} {{graph.name = "x"}}, %w: {w} {{graph.name = "w"}}) -> ({y} {{graph.name = "y"}}) {{\n'
            f'  %y = graph.contract "{spec}" %x, %w : ({x}, {w}) -> {y}\n  graph.return %y : {y}\n}}\n')
    (folder / "model.mlir").write_text(text)
    subprocess.run(["tessera-compile", folder / "model.mlir", "--target", "cuda:sm_90a", "-q", "-o", folder / "model.tsm"], check=True)
    return tessera.load(folder / "model.tsm", device="cuda")


def check(module, spec, *shapes):
    """How many boxes were copied when the numbers are right."""
    x, w = (rng.integers(-4, 5, shape).astype(np.float16) for shape in shapes)
    before = driver.fakeCudaCalls(b"cp.async.bulk.tensor")
    y = module.run({"x": x, "w": w})["y"]
    np.testing.assert_array_equal(y, np.einsum(spec, x.astype(np.float64), w.astype(np.float64)).astype(np.float16), err_msg=str(shapes))
    return driver.fakeCudaCalls(b"cp.async.bulk.tensor") - before


def expect(found, boxes):
    assert found == (boxes if HAS_MAPS else 0), (found, boxes)


# A tile of 128 x 128: one box of 128 rows and two of 64 columns a step, of 64.
module = load("mk,kn->mn", "MK", "KN", "MN")
expect(check(module, "mk,kn->mn", (100, 72), (72, 136)), 2 * 2 * 3)
expect(check(module, "mk,kn->mn", (130, 320), (320, 40)), 2 * 5 * 3)
expect(check(module, "mk,kn->mn", (100, 72), (72, 139)), 0)
expect(check(module, "mk,kn->mn", (5, 0), (0, 8)), 0)
# The same tensors at other places, as programs run again and again have them.
for _ in range(4):
    expect(check(module, "mk,kn->mn", (40, 64), (64, 24)), 3)
module = load("bkm,bnk->bmn", ["B", "K", "M"], ["B", "N", "K"], ["B", "M", "N"])
assert (check(module, "bkm,bnk->bmn", (3, 80, 136), (3, 72, 80)) > 0) == HAS_MAPS
