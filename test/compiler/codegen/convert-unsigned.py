# The upper half of unsigned 8- and 16-bit integers, in kernels that work on whole vectors.
# RUN: rm -rf %t && mkdir %t && python3 %s %t | FileCheck %s
# CHECK: passed
import subprocess
import sys

import numpy as np

folder = sys.argv[1]
x = np.array([0, 3.7, 65535, 65000.2, 40000, 200, 255, 128.5, 300, -4, np.nan, np.inf, -np.inf] * 5, np.float32)
np.save(f"{folder}/x.npy", x)
for bits in (8, 16):
    kind = f"!graph.tensor<[N], ui{bits}>"
    with open(f"{folder}/m.mlir", "w") as file:
        file.write(f'graph.func @main(%x: !graph.tensor<[N], f32> {{graph.name = "x"}}) -> ({kind} {{graph.name = "y"}}) {{\n'
                   f"  %y = graph.convert %x : !graph.tensor<[N], f32> -> {kind}\n  graph.return %y : {kind}\n}}\n")
    subprocess.run(["tessera-run", f"{folder}/m.mlir", "--input", f"x=@{folder}/x.npy", "--output", f"y=@{folder}/y.npy"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wanted = np.trunc(np.clip(np.nan_to_num(x, nan=0), 0, 2**bits - 1)).astype(np.int64)
    assert (np.load(f"{folder}/y.npy") == wanted).all(), bits
print("passed")
