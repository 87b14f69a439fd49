# Weights in fewer bits are decoded on the way to the tiles of a product, whose operands are multiplied by tensor cores where they have
# 16 bits, and give what CPUs compute with the same weights.
# RUN: python3 %s %builddir/bin/test/tessera-run-ptx %t
"""Arguments: tessera-run with the device "ptx", a folder."""
import subprocess
import sys
from pathlib import Path

import numpy as np

run, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
DEPTH, COLUMNS = 128, 24
rng = np.random.default_rng(0)
weights = ", ".join("[" + ", ".join(f"{v:.3f}" for v in row) + "]" for row in rng.standard_normal((DEPTH, COLUMNS)))
for element in ("f16", "f32"):
    x, y, w = (f"!graph.tensor<[{dims}], {element}>" for dims in (f"B, {DEPTH}", f"B, {COLUMNS}", f"{DEPTH}, {COLUMNS}"))
    path = folder / f"{element}.mlir"
    path.write_text(f"""graph.func @main(%x: {x} {{graph.name = "x"}}) -> ({y} {{graph.name = "y"}}) {{
  %w = graph.constant dense<[{weights}]> : {w}
  %0 = graph.contract "mk,kn->mn" %x, %w : ({x}, {w}) -> {y}
  graph.return %0 : {y}
}}
""")
    for mode in ("int4", "int8-weights", "nf4", "mxfp4", "fp8-e4m3", "fp8-e5m2") + (("f16-weights",) if element == "f32" else ()):
        command = ["tessera-compile", path, "--quantize", mode, "-q"]
        gpu, host = folder / "gpu.tsm", folder / "host.tsm"
        newer = folder / "sm_90a.tsm"
        for processor, module in (("sm_80", gpu), ("sm_90a", newer)):
            subprocess.run([*command, "--target", f"cuda:{processor}", "-o", module], check=True)
        subprocess.run([*command, "-o", host], check=True)
        text = subprocess.run([*command, "--target", "cuda:sm_80", "--emit", "asm"], check=True, capture_output=True, text=True).stdout
        assert ("mma.sync" in text) == (element == "f16"), (mode, element)
        for batch in (1, 19):
            np.save(folder / "x.npy", rng.standard_normal((batch, DEPTH)).astype(np.float16 if element == "f16" else np.float32))
            results = []
            for start in ([run, gpu, "--device", "ptx"], [run, newer, "--device", "ptx"], ["tessera-run", host]):
                subprocess.run([*start, "--input", f"x=@{folder}/x.npy", "--output", f"y=@{folder}/y.npy"], check=True,
                               stdout=subprocess.DEVNULL)
                results.append(np.load(folder / "y.npy").astype(np.float64))
            tolerance = 2e-2 if element == "f16" else 1e-4
            for found in results[:2]:
                np.testing.assert_allclose(found, results[2], rtol=tolerance, atol=tolerance, err_msg=f"{mode} {element} {batch}")
