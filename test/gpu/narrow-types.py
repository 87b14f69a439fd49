# 8-bit floats and elements of 6, 4 and 2 bits on a GPU: every code decoded, numbers around ties encoded, bytes moved, as on CPUs.
# RUN: python3 %s %builddir/bin/test/tessera-run-ptx %t
"""Arguments: tessera-run with the device "ptx", a folder."""
import subprocess
import sys
from pathlib import Path

import numpy as np

run, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
TYPES = ("f8E4M3FN", "f8E5M2", "f8E4M3FNUZ", "f8E5M2FNUZ", "f8E8M0FNU", "f4E2M1FN", "f6E2M3FN", "f6E3M2FN", "si4", "ui4", "si2", "ui2")
rng = np.random.default_rng(0)
x = np.concatenate([rng.standard_normal(150) * 2.0**rng.integers(-12, 17, 150), [0.0, -0.0, np.nan, np.inf, -np.inf, 464, 448, 57344, 61440],
                    np.arange(-9, 10) / 2]).astype(np.float32)
np.save(folder / "x.npy", x)
np.save(folder / "c.npy", np.arange(256, dtype=np.uint8))
for name in TYPES:
    model = folder / f"{name}.mlir"
    model.write_text(f"""graph.func @main(%x: !graph.tensor<[N], f32> {{graph.name = "x"}}, %c: !graph.tensor<[256], {name}> {{graph.name = "c"}})
    -> (!graph.tensor<[N], {name}> {{graph.name = "encoded"}}, !graph.tensor<[256], f32> {{graph.name = "decoded"}},
        !graph.tensor<[64, 4], {name}> {{graph.name = "moved"}}) {{
  %0 = graph.convert %x : !graph.tensor<[N], f32> -> !graph.tensor<[N], {name}>
  %1 = graph.convert %c : !graph.tensor<[256], {name}> -> !graph.tensor<[256], f32>
  %2 = graph.reshape %c : !graph.tensor<[256], {name}> -> !graph.tensor<[4, 64], {name}>
  %3 = graph.transpose %2, perm = [1, 0] : !graph.tensor<[4, 64], {name}> -> !graph.tensor<[64, 4], {name}>
  graph.return %0, %1, %3 : !graph.tensor<[N], {name}>, !graph.tensor<[256], f32>, !graph.tensor<[64, 4], {name}>
}}
""")
    results = []
    for target, start, device in (("cuda:sm_80", run, ["--device", "ptx"]), ("host", "tessera-run", [])):
        module = folder / "model.tsm"
        subprocess.run(["tessera-compile", model, "-q", "--target", target, "-o", module], check=True)
        subprocess.run([start, module, *device, "--input", f"x=@{folder}/x.npy", "--input", f"c=@{folder}/c.npy"]
                       + [part for y in ("encoded", "decoded", "moved") for part in ("--output", f"{y}=@{folder}/{y}.npy")],
                       check=True, stdout=subprocess.DEVNULL)
        results.append([np.load(folder / f"{y}.npy") for y in ("encoded", "decoded", "moved")])
    for gpu, host in zip(*results):
        np.testing.assert_array_equal(gpu, host, err_msg=name)
    assert len(np.unique(results[0][0])) > (3 if name.endswith("2") and name[0] in "su" else 8), name
