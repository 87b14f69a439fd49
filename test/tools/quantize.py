# --quantize: every value is listed where people look, mistakes say what to do, and what was left is said.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import json
import os
import re
import subprocess
import sys

import numpy as np

MODEL = """
graph.func @main(%x: !graph.tensor<[M, 96], f32> {graph.name = "x"}, %u: !graph.tensor<[96, 40], f32> {graph.name = "u"}) -> (
    !graph.tensor<[M, 64], f32> {graph.name = "y"}, !graph.tensor<[M, 40], f32> {graph.name = "z"}) {
  %w = graph.constant #graph.weight<"w.bin", 0, 24576 : !graph.tensor<[96, 64], f32>>
  %v = graph.constant #graph.weight<"w.bin", 0, 15360 : !graph.tensor<[96, 40], f32>>
  %y = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, 96], f32>, !graph.tensor<[96, 64], f32>) -> !graph.tensor<[M, 64], f32>
  %vt = graph.mul %v, %u : !graph.tensor<[96, 40], f32>
  %z0 = graph.contract "mk,kn->mn" %x, %v : (!graph.tensor<[M, 96], f32>, !graph.tensor<[96, 40], f32>) -> !graph.tensor<[M, 40], f32>
  %s = graph.reduce sum %vt, axes = [0] : !graph.tensor<[96, 40], f32> -> !graph.tensor<[40], f32>
  %sb = graph.broadcast %s, dims = [1] : !graph.tensor<[40], f32> -> !graph.tensor<[M, 40], f32>
  %z = graph.add %z0, %sb : !graph.tensor<[M, 40], f32>
  graph.return %y, %z : !graph.tensor<[M, 64], f32>, !graph.tensor<[M, 40], f32>
}
"""


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    np.random.default_rng(0).standard_normal(96 * 64).astype(np.float32).tofile(f"{folder}/w.bin")
    path, out = f"{folder}/m.mlir", f"{folder}/m.tsm"
    with open(path, "w") as file:
        file.write(MODEL)

    status, _, message = run("tessera-compile", path, "-o", out, "--quantize", "int4x")
    assert status == 1 and "unknown --quantize 'int4x'; did you mean 'int4'? Known are int8, " in message, message
    assert message.rstrip().endswith("[INVALID_OPTION]"), message
    modes = re.split(r", | and ", message.split("Known are ")[1].split(" [")[0])
    help_text = " ".join(run("tessera-compile", "--help-all")[1].split())
    for mode in modes:
        assert mode in help_text or mode.removesuffix("-asymmetric") in help_text, mode
    assert run("tessera-run", path, "--quantize", "int4x", "--reference")[2].count("did you mean 'int4'")

    # nf4 has blocks of 64, which 96 is no multiple of: nothing is left to do.
    status, _, message = run("tessera-compile", path, "-o", out, "--quantize", "nf4")
    assert status == 1 and "--quantize nf4: no weight of the model can be stored so:" in message, message
    assert "m.mlir:6: f32[96x64] is left: the 96 elements along the sum are no multiple of 64, the block of nf4_g64" in message, message
    assert message.rstrip().endswith("[INVALID_OPTION]"), message

    status, output, message = run("tessera-compile", path, "-o", out, "--quantize", "int4", "--json")
    weights = json.loads(output)["weights"]
    assert [(w["type"], w["new_bytes"]) for w in weights if not w["left"]] == [("f32[96x64]", 64 * 3 * 18)], weights
    status, _, message = run("tessera-compile", path, "-o", out, "--quantize", "int4")
    assert status == 0 and "int4: 1 of " in message and "take 3456 bytes instead of 24576" in message, message

    status, _, message = run("tessera-run", out, "--quantize", "int4")
    assert status == 1 and "--quantize is for models" in message, message
    empty = f"{folder}/none.mlir"
    with open(empty, "w") as file:
        file.write("graph.func @main(%x: !graph.tensor<[M], f32>) -> !graph.tensor<[M], f32> {\n"
                   "  graph.return %x : !graph.tensor<[M], f32>\n}\n")
    status, _, message = run("tessera-compile", empty, "-o", out, "--quantize", "int4")
    assert status == 1 and "--quantize int4: the model has no product with a constant weight" in message, message
    print("passed")


main()
