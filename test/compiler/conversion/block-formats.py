# Blocks of random bytes, scales that are infinite or NaN among them, decode to the same bits compiled and interpreted; products
# with them are one kernel that reads the packed bytes, for one and several rows.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import os
import subprocess
import sys

import numpy as np

FORMATS = {"mxfp4": (32, 17), "mxfp8_e4m3": (32, 33), "mxfp8_e5m2": (32, 33), "nf4_g64": (64, 34), "q4_g32": (32, 18),
           "q4a_g32": (32, 20), "q8_g32": (32, 34), "q8a_g32": (32, 36)}
ROWS, BLOCKS = 7, 5


def tool(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def model(name, elements):
    packed, numbers = f'!graph.tensor<[{ROWS}, {BLOCKS}], !graph.block<"{name}">>', f"!graph.tensor<[{ROWS}, {BLOCKS * elements}], f32>"
    lines = [f"  %d = graph.decode_blocks %w : {packed} -> {numbers}"]
    inputs, outputs, types = [f'%w: {packed} {{graph.name = "w"}}'], [f'{numbers} {{graph.name = "d"}}'], [numbers]
    values = ["%d"]
    for rows in (1, 3, 33):
        x, y = f"!graph.tensor<[{rows}, {BLOCKS * elements}], f32>", f"!graph.tensor<[{rows}, {ROWS}], f32>"
        inputs.append(f'%x{rows}: {x} {{graph.name = "x{rows}"}}')
        outputs.append(f'{y} {{graph.name = "y{rows}"}}')
        types.append(y)
        lines += [f"  %d{rows} = graph.decode_blocks %w : {packed} -> {numbers}",
                  f'  %y{rows} = graph.contract "bk,nk->bn" %x{rows}, %d{rows} : ({x}, {numbers}) -> {y}']
        values.append(f"%y{rows}")
    return (f"graph.func @main({', '.join(inputs)}) -> ({', '.join(outputs)}) {{\n" + "\n".join(lines) +
            f"\n  graph.return {', '.join(values)} : {', '.join(types)}\n}}\n")


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(0)
    for name, (elements, size) in FORMATS.items():
        path = f"{folder}/{name}.mlir"
        with open(path, "w") as file:
            file.write(model(name, elements))
        w = rng.integers(0, 256, (ROWS, BLOCKS * size), dtype=np.uint8)
        arguments = ["--input", f"w=@{folder}/w.npy", "--output", f"d=@{folder}/d.npy"]
        for rows in (1, 3, 33):
            np.save(f"{folder}/x{rows}.npy", rng.standard_normal((rows, BLOCKS * elements)).astype(np.float32))
            arguments += ["--input", f"x{rows}=@{folder}/x{rows}.npy", "--output", f"y{rows}=@{folder}/y{rows}.npy"]
        results = {}
        for kind in ("hostile", "ordinary"):
            if kind == "ordinary":  # Scales near 1: f16 of 0x30.. to 0x3f.., powers 120 to 135.
                blocks = w.reshape(ROWS, BLOCKS, size)
                blocks[:, :, 0] = rng.integers(120, 136, (ROWS, BLOCKS))
                if not name.startswith("mx"):
                    blocks[:, :, 1] = rng.integers(0x30, 0x40, (ROWS, BLOCKS))
                    blocks[:, :, 3] = rng.integers(0x30, 0x40, (ROWS, BLOCKS)) if "a_" in name else blocks[:, :, 3]
                if "fp8" in name:  # Neither NaN nor infinity.
                    blocks[:, :, 1:] = np.where((blocks[:, :, 1:] & 0x7f) >= 0x78, 0x30, blocks[:, :, 1:])
            np.save(f"{folder}/w.npy", w)
            for how in ([], ["--reference"]):
                tool("tessera-run", path, *arguments, *how)
                results[bool(how)] = {key: np.load(f"{folder}/{key}.npy") for key in ("d", "y1", "y3", "y33")}
            compiled, reference = results[False], results[True]
            nans = np.isnan(reference["d"])
            assert (np.isnan(compiled["d"]) == nans).all(), name
            wrong = (compiled["d"].view(np.uint32) != reference["d"].view(np.uint32)) & ~nans & (reference["d"] != 0)
            assert not wrong.any(), (name, kind, compiled["d"][wrong][:4], reference["d"][wrong][:4])
            if kind == "ordinary":
                for key in ("y1", "y3", "y33"):
                    scale = np.abs(reference[key]).max()
                    error = np.abs(compiled[key] - reference[key]).max() / scale
                    assert error < 1e-5, (name, key, error)
        program = tool("tessera-compile", path, "--emit", "program", "-o", "-")
        assert program.count("program.launch") == 4, program
    print("passed")


main()
