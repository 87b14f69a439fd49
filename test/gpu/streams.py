# Attention with a mask that is an input, in f32, with rounded operands and of a model in f16, is merged by one launch that gives what the
# interpreter of graphs gives: odd lengths, one query, none.
# RUN: python3 %s %builddir/bin/test/tessera-run-ptx %t
"""Arguments: tessera-run with the device "ptx", a folder."""
import subprocess
import sys
from pathlib import Path

import numpy as np

run, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)


def attention(element, isCausal, depth):
    q, k, s, m = (f"!graph.tensor<[{dims}], {element}>" for dims in (f"2, Q, {depth}", f"2, S, {depth}", "2, Q, S", "Q, S"))
    scores = f"""  %a = graph.broadcast %m, dims = [1, 2] : {m} -> {s}
  %s = graph.add %c, %a : {s}""" if isCausal else f"  %s = graph.mul %c, %c : {s}"
    return f"""graph.func @main(%q: {q} {{graph.name = "q"}}, %k: {k} {{graph.name = "k"}}, %v: {k} {{graph.name = "v"}}, %m: {m} {{graph.name = "m"}})
    -> ({q} {{graph.name = "y"}}) {{
  %c = graph.contract "bqd,bkd->bqk" %q, %k : ({q}, {k}) -> {s}
{scores}
  %p = graph.softmax %s, axes = [2] : {s}
  %y = graph.contract "bqk,bkd->bqd" %p, %v : ({s}, {k}) -> {q}
  graph.return %y : {q}
}}
"""


rng = np.random.default_rng(0)
CASES = [("f32", True, (), 20, "sm_80"), ("f32", False, (), 20, "sm_80"), ("f32", True, ("--precision", "bf16"), 20, "sm_80"), ("f16", True, (), 20, "sm_80"),
         # Rows that no 16 bytes fit, and no word of 4.
         ("f32", True, (), 13, "sm_80"), ("f32", True, ("--precision", "tf32"), 13, "sm_80"), ("f16", True, (), 13, "sm_80"), ("f16", True, (), 13, "sm_90a"),
         ("f16", True, (), 22, "sm_90a"), ("f64", True, (), 7, "sm_80")]
for element, isCausal, options, depth, processor in CASES:
    path, module = folder / f"{element}.mlir", folder / f"{element}.tsm"
    path.write_text(attention(element, isCausal, depth))
    subprocess.run(["tessera-compile", path, "--target", f"cuda:{processor}", "-o", module, "-q", *options], check=True)
    schedule = subprocess.run(["tessera-compile", path, "--target", f"cuda:{processor}", "--emit", "schedule", *options], check=True,
                              capture_output=True, text=True).stdout
    assert "schedule.gpu_stream" in schedule and "schedule.gpu_tile" not in schedule, schedule
    for queries, keys in ((21, 21), (1, 37), (3, 1), (0, 5), (70, 530)):
        mask = np.where(np.arange(keys) <= np.arange(queries)[:, None] + max(keys - queries, 0), 0, -np.inf)
        arrays = {"q": rng.standard_normal((2, queries, depth)), "k": rng.standard_normal((2, keys, depth)),
                  "v": rng.standard_normal((2, keys, depth)), "m": mask}
        arguments = []
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array.astype({"f16": np.float16, "f32": np.float32, "f64": np.float64}[element]))
            arguments += ["--input", f"{name}=@{folder}/{name}.npy"]
        results = []
        for command in ([run, module, "--device", "ptx"], ["tessera-run", path, "--reference", *options]):
            subprocess.run([*command, *arguments, "--output", f"y=@{folder}/y.npy"], check=True, stdout=subprocess.DEVNULL)
            results.append(np.load(folder / "y.npy").astype(np.float64))
        # Squares of scores are up to some hundreds, of which f32 has 1e-5.
        tolerance = 1e-12 if element == "f64" else (1e-5 if isCausal else 2e-4) if element == "f32" and not options else 2e-2
        np.testing.assert_allclose(*results, rtol=tolerance, atol=tolerance, err_msg=f"{element} {isCausal} {options} {depth} {processor} {queries}x{keys}")
