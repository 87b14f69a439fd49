# Weights that the graph of one device family has no use for any more are the other one's: what was computed before families part,
# each rounds for itself.
# RUN: python3 %s %t
"""Argument: a folder."""
import subprocess
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
w = np.random.default_rng(0).standard_normal((48, 8, 3, 3)).astype(np.float32)
x, y, k = "!graph.tensor<[N, 8, 3, 3], f32>", "!graph.tensor<[N, 48, 1, 1], f32>", "!graph.tensor<[48, 8, 3, 3], f32>"
(folder / "m.mlir").write_text(f"""
graph.func @main(%x: {x} {{graph.name = "x"}}) -> ({y} {{graph.name = "y"}}) {{
  %w = graph.constant dense<"0x{w.tobytes().hex()}"> : {k}
  %n = graph.neg %w : {k}
  %0 = graph.conv %x, %n, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], groups = 1, layout = "NCHW,OIHW->NCHW" : ({x}, {k}) -> {y}
  graph.return %0 : {y}
}}
""")
subprocess.run(["tessera-compile", folder / "m.mlir", "--target", "host,cuda:sm_80", "--precision", "bf16", "-q", "-o", folder / "m.tsm"], check=True)
subprocess.run(["tessera-run", folder / "m.tsm", "--input", "x=2x8x3x3xf32=1", "--output", f"y=@{folder}/y.npy"], check=True,
               stdout=subprocess.DEVNULL)
expected = -w.reshape(48, 72).astype(np.float64).sum(axis=1)
np.testing.assert_allclose(np.load(folder / "y.npy"), np.broadcast_to(expected[None, :, None, None], (2, 48, 1, 1)), atol=0.2)
