# Exponentials of f32 are powers of two on CUDA devices, with the error of the exponent made good: 2 ulp where powers are rounded exactly, as the
# interpreter of PTX has them, over the whole range, and right at infinities, NaN, and where results are 0, infinite or subnormal.
# RUN: python3 %s %t %builddir/bin/test/tessera-run-ptx
"""Arguments: a folder, tessera-run with the device "ptx"."""
import subprocess
import sys
from pathlib import Path

import numpy as np

folder, run = Path(sys.argv[1]), sys.argv[2]
folder.mkdir(parents=True, exist_ok=True)
kind = "!graph.tensor<[N], f32>"
(folder / "exp.mlir").write_text(f"""graph.func @main(%x: {kind} {{graph.name = "x"}}) -> ({kind} {{graph.name = "y"}}) {{
  %y = graph.exp %x : {kind}
  graph.return %y : {kind}
}}
""")
subprocess.run(["tessera-compile", folder / "exp.mlir", "--target", "cuda:sm_80", "-o", folder / "exp.tsm", "-q"], check=True)
rng = np.random.default_rng(0)
special = [0.0, -0.0, np.inf, -np.inf, np.nan, 88.72, 88.73, 129.0, 1e30, -87.3, -87.4, -103.0, -104.0, -1e30, 1e-30]
x = np.concatenate([special, rng.uniform(-110, 90, 12000), rng.uniform(-1, 1, 3000)]).astype(np.float32)
np.save(folder / "x.npy", x)
subprocess.run([run, folder / "exp.tsm", "--device", "ptx", "--input", f"x=@{folder}/x.npy", "--output", f"y=@{folder}/y.npy"], check=True,
               stdout=subprocess.DEVNULL)
y = np.load(folder / "y.npy")
with np.errstate(over="ignore", under="ignore", invalid="ignore"):
    exact = np.exp(x.astype(np.float64))
    wanted = exact.astype(np.float32)
    finite = np.isfinite(wanted)
    np.testing.assert_array_equal(y[~finite], wanted[~finite])
    ulps = np.abs(y[finite].astype(np.float64) - exact[finite]) / np.spacing(wanted[finite]).astype(np.float64)
assert ulps.max() <= 2, f"{ulps.max()} ulp at {x[finite][ulps.argmax()]}"
assert ulps.max() > 0.5, "the device computed exactly, so nothing was tested"
