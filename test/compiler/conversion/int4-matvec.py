# A matrix of packed 4-bit blocks times a vector: one kernel that reads the packed bytes, compared with NumPy.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import os
import subprocess
import sys

import numpy as np

BLOCK, BYTES = 32, 18


def model(rows, blocks, batch):
    x = f"!graph.tensor<[{batch}, {blocks * BLOCK}], f32>"
    packed, numbers = f'!graph.tensor<[{rows}, {blocks}], !graph.block<"q4_g32">>', f"!graph.tensor<[{rows}, {blocks * BLOCK}], f32>"
    y = f"!graph.tensor<[{batch}, {rows}], f32>"
    return f"""graph.func @main(%w: {packed} {{graph.name = "w"}}, %x: {x} {{graph.name = "x"}}) -> ({y} {{graph.name = "y"}}) {{
  %0 = graph.decode_blocks %w : {packed} -> {numbers}
  %1 = graph.contract "bk,nk->bn" %x, %0 : ({x}, {numbers}) -> {y}
  graph.return %1 : {y}
}}
"""


def decode(w):
    """Layout: the scale as f16, then 16 bytes; the low halves are elements 0..15, the high halves 16..31."""
    blocks = w.reshape(w.shape[0], -1, BYTES)
    scale = blocks[:, :, :2].copy().view(np.float16).astype(np.float64)
    codes = np.concatenate([blocks[:, :, 2:] & 15, blocks[:, :, 2:] >> 4], axis=2).astype(np.float64)
    return ((codes - 8) * scale).reshape(w.shape[0], -1)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(0)
    for rows, blocks, batch in ((1, 1, 1), (7, 3, 1), (64, 16, 1), (33, 5, 3)):
        with open(f"{folder}/m.mlir", "w") as file:
            file.write(model(rows, blocks, batch))
        subprocess.run(["tessera-compile", f"{folder}/m.mlir", "-o", f"{folder}/m.tsm"], check=True)
        program = subprocess.run(["tessera-compile", f"{folder}/m.mlir", "--emit", "program", "-o", "-"], check=True,
                                 capture_output=True, text=True).stdout
        # The decoded matrix exists nowhere: no buffer of 32-bit floats is as large.
        assert program.count("program.launch") == 1, program
        if batch == 1:
            assert "program.temp" not in program, program
        w = rng.integers(0, 256, (rows, blocks * BYTES), dtype=np.uint8)
        scales = (rng.standard_normal((rows, blocks)) * 0.1).astype(np.float16)
        w.reshape(rows, blocks, BYTES)[:, :, :2] = scales.view(np.uint8).reshape(rows, blocks, 2)
        x = rng.standard_normal((batch, blocks * BLOCK)).astype(np.float32)
        np.save(f"{folder}/w.npy", w)
        np.save(f"{folder}/x.npy", x)
        subprocess.run(["tessera-run", f"{folder}/m.tsm", "--input", f"w=@{folder}/w.npy", "--input", f"x=@{folder}/x.npy",
                        "--output", f"y=@{folder}/y.npy"], check=True, stdout=subprocess.DEVNULL)
        expected = x.astype(np.float64) @ decode(w).T
        got = np.load(f"{folder}/y.npy")
        error = np.abs(got - expected).max() / max(np.abs(expected).max(), 1e-30)
        if got.shape != expected.shape or not error < 1e-5:
            print(f"{rows} rows, {blocks} blocks, batch {batch}: {error}")
            return 1
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
