# Rows that a block reduces together give what the interpreter of graphs gives: long and short, over several axes, in every
# type, with NaN.
# RUN: python3 %s %builddir/bin/test/tessera-run-ptx %t
"""Arguments: tessera-run with the device "ptx", a folder."""
import subprocess
import sys
from pathlib import Path

import numpy as np

run, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
TOLERANCE = {"f64": 1e-13, "f32": 2e-6, "f16": 3e-3}
NUMPY = {"f64": np.float64, "f32": np.float32, "f16": np.float16}


def model(element):
    """Norms and normalised exponentials, along one axis and two, of known and unknown extent."""
    a, c, r = (f"!graph.tensor<[{dims}], {element}>" for dims in ("B, N", "B, 5, 3, 40", "B, 300"))
    s = f"!graph.tensor<[300], {element}>"
    return f"""
graph.func @main(%a: {a} {{graph.name = "a"}}, %c: {c} {{graph.name = "c"}}, %r: {r} {{graph.name = "r"}}, %s: {s} {{graph.name = "s"}})
    -> ({a} {{graph.name = "softmax"}}, {c} {{graph.name = "two_axes"}}, {r} {{graph.name = "layer_norm"}},
        {r} {{graph.name = "rms_norm"}}, {a} {{graph.name = "log_softmax"}}) {{
  %0 = graph.softmax %a, axes = [1] : {a}
  %1 = graph.l2_normalize %c, axes = [2, 3] {{epsilon = 1.0e-3 : f64}} : {c}
  %2 = graph.layer_norm %r, %s, %s, axis = 1 {{epsilon = 1.0e-2 : f64}} : ({r}, {s}, {s}) -> {r}
  %3 = graph.rms_norm %r, %s, axis = 1 {{epsilon = 1.0e-2 : f64}} : ({r}, {s}) -> {r}
  %4 = graph.log_softmax %a, axes = [1] : {a}
  graph.return %0, %1, %2, %3, %4 : {a}, {c}, {r}, {r}, {a}
}}
"""


def compute(command, inputs, names):
    for name in inputs:
        command += ["--input", f"{name}=@{folder}/{name}.npy"]
    for name in names:
        command += ["--output", f"{name}=@{folder}/{name}.out.npy"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return {name: np.load(folder / f"{name}.out.npy") for name in names}


names = ("softmax", "two_axes", "layer_norm", "rms_norm", "log_softmax")
rng = np.random.default_rng(0)
for element, tolerance in TOLERANCE.items():
    path, module = folder / f"{element}.mlir", folder / f"{element}.tsm"
    path.write_text(model(element))
    subprocess.run(["tessera-compile", path, "--target", "cuda:sm_80", "-o", module, "-q"], check=True)
    for batch, extent in ((2, 1), (3, 700), (1, 256), (0, 5), (2, 0)):
        inputs = {"a": rng.standard_normal((batch, extent)), "c": rng.standard_normal((batch, 5, 3, 40)),
                  "r": rng.standard_normal((batch, 300)), "s": rng.standard_normal(300)}
        if batch == 3:
            inputs["a"][1, 699] = np.nan
            inputs["r"][2, 7] = np.nan
            inputs["a"][2, 3] = np.inf
        for name, array in inputs.items():
            np.save(folder / f"{name}.npy", array.astype(NUMPY[element]))
        expected = compute(["tessera-run", path, "--reference"], inputs, names)
        actual = compute([run, module, "--device", "ptx"], inputs, names)
        for name in names:
            np.testing.assert_allclose(actual[name], expected[name], rtol=tolerance, atol=tolerance,
                                       err_msg=f"{name} of {element}, {batch}x{extent}")

# Chains that nothing else takes: the largest of log-softmaxes of products, by several launches.
path, module, T = folder / "chain.mlir", folder / "chain.tsm", "!graph.tensor<[B, 300], f32>"
path.write_text(f"""graph.func @main(%x: !graph.tensor<[B, 40], f32> {{graph.name = "x"}}, %w: !graph.tensor<[40, 300], f32> {{graph.name = "w"}})
    -> (!graph.tensor<[B], f32> {{graph.name = "y"}}) {{
  %c = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[B, 40], f32>, !graph.tensor<[40, 300], f32>) -> {T}
  %p = graph.log_softmax %c, axes = [1] : {T}
  %y = graph.reduce max %p, axes = [1] : {T} -> !graph.tensor<[B], f32>
  graph.return %y : !graph.tensor<[B], f32>
}}
""")
for processor in ("sm_80", "sm_90a"):
    subprocess.run(["tessera-compile", path, "--target", f"cuda:{processor}", "-o", module, "-q"], check=True)
    for batch in (1, 19):
        for name, shape in (("x", (batch, 40)), ("w", (40, 300))):
            np.save(folder / f"{name}.npy", rng.standard_normal(shape).astype(np.float32))
        inputs = {name: np.load(folder / f"{name}.npy") for name in "xw"}
        expected, actual = (compute(start, inputs, ["y"]) for start in (["tessera-run", path, "--reference"], [run, module, "--device", "ptx"]))
        np.testing.assert_allclose(actual["y"], expected["y"], rtol=1e-4, atol=1e-4, err_msg=f"chain, {batch}, {processor}")
