# Products with packed constants unpack panels of columns: the interpreter's numbers for numbers of columns, rows and steps of every
# kind, one copy of the weight in the module, and no unpacked weight in memory.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import math
import os
import re
import subprocess
import sys

import numpy as np


def tool(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(0)
    # mode, rows (a name: any number), columns, steps, batch (a number: of the weight too)
    cases = [("int4", "B", 64, 96, 0), ("int4", 5, 37, 64, 0), ("nf4", "B", 48, 1088, 0), ("mxfp4", 2, 16, 1024, 0),
             ("fp8-e5m2", "B", 130, 32, 0), ("int8-weights-asymmetric", 70, 40, 1056, 0), ("int4-asymmetric", "B", 24, 64, 3),
             ("fp8-e4m3", 3, 21, 160, 2), ("int8-weights", 3, 33, 96, 0), ("nf4", 2, 5, 320, 0),
             ("int8-weights", "B", 100, 320, "S"), ("fp8-e5m2", 5, 33, 256, "S"), ("int4", 1, 37, 64, 0), ("nf4", 1, 70, 64, 0),
             ("mxfp4", 4, 50, 96, 0), ("int8-weights", 1, 3, 352, 0), ("fp8-e4m3", 1, 40, 96, 3), ("int4-asymmetric", 1, 1, 1024, 0)]
    for mode, rows, columns, steps, batch in cases:
        b, x, w, y = ("b", [batch, rows, steps], [batch, steps, columns], [batch, rows, columns]) if batch else (
            "", [rows, steps], [steps, columns], [rows, columns])
        shared = batch == "S"
        w = w[1:] if shared else w
        count = steps * columns * (1 if shared else max(batch, 1))
        rng.standard_normal(count).astype(np.float32).tofile(f"{folder}/w.bin")
        text = {name: f"!graph.tensor<[{', '.join(map(str, dims))}], f32>" for name, dims in (("x", x), ("w", w), ("y", y))}
        with open(f"{folder}/m.mlir", "w") as file:
            file.write(f"""graph.func @main(%x: {text['x']} {{graph.name = "x"}}) -> ({text['y']} {{graph.name = "y"}}) {{
  %w = graph.constant #graph.weight<"w.bin", 0, {4 * count} : {text['w']}>
  %y = graph.contract "{b}mk,{'' if shared else b}kn->{b}mn" %x, %w : ({text['x']}, {text['w']}) -> {text['y']}
  %z = graph.relu %y : {text['y']}
  graph.return %z : {text['y']}
}}
""")
        # Registers of few rows hold 8 or 16 entries of a table.
        targets = ["host", "x86-64-v3"] if rows in (1, 2, 3, 4) else ["host"]
        for target in targets:
            tool("tessera-compile", f"{folder}/m.mlir", "--quantize", mode, "--target", target, "-o", f"{folder}/{target}.tsm", "-q")
        program = tool("tessera-compile", f"{folder}/m.mlir", "--quantize", mode, "--emit", "program", "-o", "-")
        assert program.count("program.constant") == 1, (mode, program)
        # What is kept in memory: of few rows their sums over blocks of 32 steps, else nothing.
        kept = [[int(extent) for extent in dims.split("x")]
                for dims in re.findall(r"tensor<([0-9x]+)xf32> {kernel.scratch}", program)]
        few = rows in (1, 2, 3, 4)
        assert program.count("program.temp") == len(kept) <= few, (mode, program)
        assert all(32 * math.prod(dims) == math.prod(x) for dims in kept), (mode, kept)
        schedules = tool("tessera-compile", f"{folder}/m.mlir", "--quantize", mode, "--emit", "schedule", "-o", "-")
        # Few rows unpack in registers, without a panel in memory.
        assert ('schedule.stage "acc_panel"' in program) == (not few), (mode, program)
        # They read the weight once, in order: it is asked for ahead.
        assert ("schedule.prefetch" in schedules) == (few and columns > 1), (mode, schedules)
        for given in (1, 6, 61) if rows == "B" else (rows,):
            shape = [{"B": given, "S": 3}.get(extent, extent) for extent in x]
            np.save(f"{folder}/x.npy", rng.standard_normal(shape).astype(np.float32))
            io = ["-i", f"x=@{folder}/x.npy", "-o", f"y=@{folder}/y.npy"]
            tool("tessera-run", f"{folder}/m.mlir", "--quantize", mode, "--reference", *io)
            reference = np.load(f"{folder}/y.npy")
            for target in targets:
                tool("tessera-run", f"{folder}/{target}.tsm", *io)
                got = np.load(f"{folder}/y.npy")
                error = np.abs(got - reference).max() / np.abs(reference).max()
                assert got.shape == reference.shape and error < 1e-5, (mode, rows, columns, steps, batch, given, target, error)
    print("passed")


main()
