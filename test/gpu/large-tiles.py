# Tiles of mma.sync that ask the launch for more memory than every device gives: products so large that blocks of one fill a device take them,
# here a small one with the schedule of a large one, on a device "cuda" that has 99 KB (sm_86), as all that run code for sm_80 do. The same
# schedule with more stages than these have memory for is refused when compiling.
# RUN: env FAKE_CUDA_CAPABILITY=86 TESSERA_CUDA_DRIVER=%builddir/lib/test/libfake_cuda_driver.so python3 %s %t
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import tessera

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)


def contraction(element, *dims):
    x, w, y = (f"!graph.tensor<[{', '.join(letters)}], {element}>" for letters in dims)
    return (f'graph.func @main(%x: {x} {{graph.name = "x"}}, %w: {w} {{graph.name = "w"}}) -> ({y} {{graph.name = "y"}}) {{\n'
            f'  %y = graph.contract "mk,kn->mn" %x, %w : ({x}, {w}) -> {y}\n  graph.return %y : {y}\n}}\n')


def schedule(text, processor, *options):
    (folder / "model.mlir").write_text(text)
    return subprocess.run(["tessera-compile", folder / "model.mlir", "--target", f"cuda:{processor}", "--emit", "schedule", *options], check=True,
                          capture_output=True, text=True).stdout


def directives(text, processor, *options):
    text = schedule(text, processor, *options)
    return tuple(int(re.search(rf'"{loop}" by (\d+)', text).group(1)) for loop in ("row", "column")) + \
        tuple(map(int, re.search(r"gpu_tile .* warps (\d+), (\d+) stages (\d+)", text).groups()))


LARGE = (["16384", "512"], ["512", "8192"], ["16384", "8192"])
MIDDLE = (["1024", "512"], ["512", "1024"], ["1024", "1024"])
for element, options in (("f16", ()), ("f32", ("--precision", "tf32"))):
    wide, tall = directives(contraction(element, *LARGE), "sm_80", *options), directives(contraction(element, *MIDDLE), "sm_80", *options)
    assert sorted(wide[:2]) == [128, 256] and wide[2] * wide[3] == 8 and wide[4] == 4, wide
    assert tall[0] * tall[1] <= 128 * 128 and tall[4] == 3, tall
    # What the rules give where nothing is known, with the tile of the large one.
    text = contraction(element, "MK", "KN", "MN")
    own, known = schedule(text, "sm_80", *options), directives(text, "sm_80", *options)
    rows, columns, rowWarps, columnWarps, stages = wide
    changed = re.sub(r'("row_tile", "row" by )\d+', rf"\g<1>{rows}", own)
    changed = re.sub(r'("column_tile", "column" by )\d+', rf"\g<1>{columns}", changed)

    def compiled(stages):
        text = re.sub(r"warps \d+, \d+ stages \d+", f"warps {rowWarps}, {columnWarps} stages {stages}", changed)
        (folder / "model.schedule").write_text(text)
        return subprocess.run(["tessera-compile", folder / "model.mlir", "--target", "cuda:sm_80", *options, "-q", "--schedule",
                               folder / "model.schedule", "-o", folder / "model.tsm"], capture_output=True, text=True)

    assert known != wide and compiled(stages).returncode == 0
    module = tessera.load(folder / "model.tsm", device="cuda")
    for m, k, n in ((130, 96, 300), (259, 70, 37), (3, 8, 8), (1, 0, 4)):
        x, w = (rng.integers(-4, 5, shape).astype(np.float16 if element == "f16" else np.float32) for shape in ((m, k), (k, n)))
        y = module.run({"x": x, "w": w})["y"]
        np.testing.assert_array_equal(y, (x.astype(np.float64) @ w).astype(y.dtype), err_msg=f"{element} {m} {k} {n}")
    refused = compiled(5)
    assert refused.returncode and re.search(r"has blocks of 122880 bytes of shared memory; devices that run code for sm_80 have 101376", refused.stderr), refused
