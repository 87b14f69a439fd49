# Launches that repeat become CUDA graphs: calls of the driver are counted, and what runs gives the host's numbers, with other inputs,
# shapes, sizes of memory, numbers of loops, variables that move, and where the driver makes no graphs.
# RUN: python3 %s %builddir/lib/test/libfake_cuda_driver.so %t
# RUN: env FAKE_CUDA_GRAPHS=0 python3 %s %builddir/lib/test/libfake_cuda_driver.so %t
"""Arguments: the driver, a folder."""
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

driver, folder = ctypes.CDLL(sys.argv[1]), Path(sys.argv[2])
os.environ["TESSERA_CUDA_DRIVER"] = sys.argv[1]
import tessera  # noqa: E402

folder.mkdir(parents=True, exist_ok=True)
HAS_GRAPHS = os.environ.get("FAKE_CUDA_GRAPHS") != "0"
NAMES = ("cuLaunchKernel", "cuGraphLaunch", "cuGraphInstantiateWithFlags", "cuGraphExecKernelNodeSetParams")
rng = np.random.default_rng(0)


def load(name, text):
    (folder / f"{name}.mlir").write_text(text)
    subprocess.run(["tessera-compile", folder / f"{name}.mlir", "--target", "host,cuda:sm_80", "-q", "-o", folder / f"{name}.tsm"], check=True)
    return tessera.load(folder / f"{name}.tsm"), tessera.load(folder / f"{name}.tsm", device="cuda")


def count(module, inputs, expected):
    """What running the module calls, when it gives what is expected."""
    before = [driver.fakeCudaCalls(name.encode()) for name in NAMES]
    actual = module.run(inputs)
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, rtol=1e-12, atol=1e-12, err_msg=name)
    return [driver.fakeCudaCalls(name.encode()) - b for name, b in zip(NAMES, before)]


def expect(found, launches, graphs, made, changed=0):
    """How often each was called; without graphs, all is launched."""
    wanted = [launches, graphs, made, changed]
    assert not HAS_GRAPHS or found == wanted, (found, wanted)
    assert HAS_GRAPHS or found[1:] == [0, 0, 0] and found[0] > 0, found


# Two products and a sort between them: five launches, say.
T = "!graph.tensor<[N, N], f64>"
host, gpu = load("chain", f"""
graph.func @main(%x: {T} {{graph.name = "x"}}) -> ({T} {{graph.name = "y"}}) {{
  %0 = graph.contract "mk,kn->mn" %x, %x : ({T}, {T}) -> {T}
  %1, %i = graph.sort %0, axis = 1 : {T} -> {T}, !graph.tensor<[N, N], si64>
  %2 = graph.contract "mk,kn->mn" %1, %x : ({T}, {T}) -> {T}
  graph.return %2 : {T}
}}""")


def run(extent):
    inputs = {"x": rng.standard_normal((extent, extent))}
    return count(gpu, inputs, host.run(inputs))


launches = run(4)[0]
assert launches >= 3
expect(run(4), launches, 0, 1)
for _ in range(3):
    expect(run(4), 0, 1, 0)
# Another shape, which needs more memory: the first one's addresses are others now.
expect(run(9), launches, 0, 0)
expect(run(9), launches, 0, 1)
expect(run(9), 0, 1, 0)
found = run(4)
expect(found, 0, 1, 0, found[3])
assert found[3] > 0 or not HAS_GRAPHS
expect(run(4), 0, 1, 0)
# More shapes than graphs are kept: the oldest are forgotten, nothing else.
for extent in [*range(10, 30), *range(10, 30), 29, 4]:
    run(extent)
expect(run(29), 0, 1, 0, run(29)[3])

# A variable, which lies in another place after each run, and a loop whose length is an input.
host, gpu = load("steps", """
graph.variable @total : !graph.tensor<[3], f64> = dense<[1.0, 2.0, 3.0]> : !graph.tensor<[3], f64>
graph.func @main(%x: !graph.tensor<[N, 3], f64> {graph.name = "x"}, %n: !graph.tensor<[], si64> {graph.name = "n"})
    -> (!graph.tensor<[3], f64> {graph.name = "old"}) {
  %zero = graph.constant dense<0> : !graph.tensor<[], si64>
  %one = graph.constant dense<1> : !graph.tensor<[], si64>
  %w:2 = graph.while (%i = %zero, %acc = %x) : !graph.tensor<[], si64>, !graph.tensor<[N, 3], f64> {
    %go = graph.compare lt %i, %n : !graph.tensor<[], si64>
    graph.condition %go : !graph.tensor<[], i1>
  } do (%j, %a) {
    %next = graph.add %j, %one : !graph.tensor<[], si64>
    %d = graph.add %a, %x : !graph.tensor<[N, 3], f64>
    graph.yield %next, %d : !graph.tensor<[], si64>, !graph.tensor<[N, 3], f64>
  }
  %old = graph.read_variable @total : !graph.tensor<[3], f64>
  %m = graph.cumulative sum %w#1, axis = 0 : !graph.tensor<[N, 3], f64>
  %s = graph.reduce sum %m, axes = [0] : !graph.tensor<[N, 3], f64> -> !graph.tensor<[3], f64>
  %new = graph.add %old, %s : !graph.tensor<[3], f64>
  graph.write_variable @total, %new : !graph.tensor<[3], f64>
  graph.return %old : !graph.tensor<[3], f64>
}""")
graphs = 0
for steps in (2, 2, 2, 2, 5, 2, 5, 5, 0, 2):
    inputs = {"x": rng.standard_normal((7, 3)), "n": np.array(steps, np.int64)}
    graphs += count(gpu, inputs, host.run(inputs))[1]
    np.testing.assert_allclose(gpu.read("total"), host.read("total"), rtol=1e-12)
assert graphs > 3 or not HAS_GRAPHS, graphs
for module in (host, gpu):
    module.write("total", np.arange(3.0))
inputs = {"x": rng.standard_normal((7, 3)), "n": np.array(2, np.int64)}
count(gpu, inputs, host.run(inputs))
np.testing.assert_allclose(gpu.read("total"), host.read("total"), rtol=1e-12)

# Several inputs and outputs are waited for once.
T = "!graph.tensor<[N, 3], f64>"
host, gpu = load("many", f"""
graph.func @main(%x: {T} {{graph.name = "x"}}, %y: {T} {{graph.name = "y"}}, %z: {T} {{graph.name = "z"}})
    -> ({T} {{graph.name = "a"}}, {T} {{graph.name = "b"}}, {T} {{graph.name = "c"}}) {{
  %a = graph.add %x, %y : {T}
  %b = graph.cumulative sum %z, axis = 0 : {T}
  %c = graph.cumulative max %a, axis = 1 : {T}
  graph.return %a, %b, %c : {T}, {T}, {T}
}}""")
for extent in (5, 0, 5, 5, 2):
    inputs = {name: rng.standard_normal((3, extent)).T for name in "xyz"}  # Not dense: what is uploaded lies in another place.
    before = driver.fakeCudaCalls(b"cuStreamSynchronize")
    count(gpu, inputs, host.run(inputs))
    assert driver.fakeCudaCalls(b"cuStreamSynchronize") == before + 1
