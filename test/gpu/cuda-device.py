# The device "cuda", with a driver whose GPU is the interpreter of PTX: memory of its own, several runs, state, and what can
# be wrong with a machine.
# RUN: python3 %s %S %builddir/lib/test/libfake_cuda_driver.so %t
"""Arguments: the folder of models, the driver, a folder."""
import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

models, driver, folder = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
os.environ["TESSERA_CUDA_DRIVER"] = driver
import tessera  # noqa: E402

STEPS = """
graph.variable @total : !graph.tensor<[3], f64> = dense<[1.0, 2.0, 3.0]> : !graph.tensor<[3], f64>
graph.func @main(%x: !graph.tensor<[N, 3], f64> {graph.name = "x"}, %n: !graph.tensor<[], si64> {graph.name = "n"})
    -> (!graph.tensor<[N, 3], f64> {graph.name = "y"}, !graph.tensor<[3], f64> {graph.name = "old"}) {
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
  %s = graph.reduce sum %w#1, axes = [0] : !graph.tensor<[N, 3], f64> -> !graph.tensor<[3], f64>
  %new = graph.add %old, %s : !graph.tensor<[3], f64>
  graph.write_variable @total, %new : !graph.tensor<[3], f64>
  graph.return %w#1, %old : !graph.tensor<[N, 3], f64>, !graph.tensor<[3], f64>
}
"""
folder.mkdir(parents=True, exist_ok=True)
(folder / "steps.mlir").write_text(STEPS)
both, gpu = folder / "both.tsm", folder / "gpu.tsm"
for target, output in (("host,cuda:sm_80", both), ("cuda:sm_80", gpu)):
    subprocess.run(["tessera-compile", folder / "steps.mlir", "--target", target, "-o", output, "-q"], check=True)

# One module serves both devices; sizes change from run to run, empty ones among them.
on_host, on_gpu = tessera.load(both), tessera.load(both, device="cuda")
assert "cuda:sm_80" in repr(on_gpu) and "x86-64" in repr(on_host), (on_gpu, on_host)
rng = np.random.default_rng(0)
for extent, count in ((5, 2), (0, 1), (70, 0), (5, 3)):
    x = rng.standard_normal((3, extent)).T  # Not dense: it is packed, then copied.
    inputs = {"x": x, "n": np.array(count, np.int64)}
    expected, actual = on_host.run(inputs), on_gpu.run(inputs)
    for name in expected:
        np.testing.assert_allclose(actual[name], expected[name], rtol=1e-14, atol=1e-14)
np.testing.assert_allclose(on_gpu.read("total"), on_host.read("total"), rtol=1e-14)
on_gpu.write("total", np.arange(3.0))
np.testing.assert_array_equal(on_gpu.run(inputs)["old"], np.arange(3.0))
on_gpu.reset()
np.testing.assert_array_equal(on_gpu.read("total"), [1.0, 2.0, 3.0])


def run(module, device="cuda", *arguments, **settings):
    result = subprocess.run(["tessera-run", module, *(["--device", device] if device else []), "--input", "x=4x3xf64=1", *arguments],
                            capture_output=True, text=True, env=os.environ | settings)
    return result.stdout + result.stderr


def expect(text, *arguments, **settings):
    output = run(*arguments, **settings)
    assert text in output, output


expect("y: f64[4x3] min", gpu)
expect("the module has no code for device 'cpu', it has some for 'cuda'", gpu, None)
expect("(the module also runs on 'cpu'): there is no CUDA driver on this machine: /none", both, TESSERA_CUDA_DRIVER="/none")
expect("device 'cuda': there is no CUDA driver", gpu, TESSERA_CUDA_DRIVER="/none")
expect("is too old: it has no cuInit", gpu, TESSERA_CUDA_DRIVER="libc.so.6")
expect("is for CUDA 10.2, modules need one for CUDA 11.0 or newer", gpu, FAKE_CUDA_VERSION="10020")
expect("finds no device", gpu, FAKE_CUDA_DEVICES="0")
expect("device 'cuda': this device (interpreter of PTX, sm_75) cannot run the module: cuda:sm_80 needs sm_80", gpu, FAKE_CUDA_CAPABILITY="75")
expect("y: f64[4x3] min", gpu, FAKE_CUDA_CAPABILITY="90")
# Known before anything of a run is reserved; and what happens all the same.
expect("function 'main' needs 672 bytes of the memory of device 'cuda' (inputs 104, outputs 120, between kernels 448), 44 of 100 are free", gpu,
       FAKE_CUDA_MEMORY="100")
expect("input 'x': 96 bytes of the memory of interpreter of PTX are needed, 1073741320 of 1073741824 are free", gpu, FAKE_CUDA_FULL="5")
expect("the CUDA driver, for CUDA 12.4, does not take its PTX 7.0 for sm_80: ptxas application ptx input, line 1; fatal   : it was told to refuse", gpu, FAKE_CUDA_JIT="0")

# What fails in a kernel appears where somebody asks next: all that ran until then, or where each is waited for the one, with the model's own name.
failed = run(gpu, "cuda", FAKE_CUDA_FAIL="2")
assert re.search(r"one of \d kernels, from 'k\d+_\w+' of 'line \d+' to 'k\d+_\w+' of 'line \d+' \(wait_each of a run, --wait-each of the tools, tells which\): .*LAUNCH_FAILED",
                 failed), failed
failed = run(gpu, "cuda", "--wait-each", FAKE_CUDA_FAIL="2")
assert re.search(r"[^ ]: kernel 'k\d+_\w+' of 'line \d+': [a-z ]+: the CUDA driver says CUDA_ERROR_LAUNCH_FAILED", failed), failed

assert "only a new process can use the device again" in failed, failed
# A launch that the driver does not take is known at once.
failed = run(gpu, "cuda", FAKE_CUDA_REFUSE="2")
assert re.search(r"[^ ]: kernel 'k\d+_\w+' of 'line \d+': '\w+': a launch: the CUDA driver says CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES .*KERNEL_FAILED", failed), failed
assert "new process" not in failed, failed

# A lack of memory for what lies between kernels is noticed before the first of them.
calls = ctypes.CDLL(driver).fakeCudaCalls
(folder / "between.mlir").write_text("""
graph.func @main(%x: !graph.tensor<[N], f32> {graph.name = "x"}) -> (!graph.tensor<[], f32> {graph.name = "y"}) {
  %0 = graph.cumulative sum %x, axis = 0 : !graph.tensor<[N], f32>
  %1 = graph.cumulative max %0, axis = 0 : !graph.tensor<[N], f32>
  %2 = graph.reduce sum %1, axes = [0] : !graph.tensor<[N], f32> -> !graph.tensor<[], f32>
  graph.return %2 : !graph.tensor<[], f32>
}
""")
subprocess.run(["tessera-compile", folder / "between.mlir", "--target", "cuda:sm_80", "-o", folder / "between.tsm", "-q"], check=True)
os.environ["FAKE_CUDA_MEMORY"] = "100000"  # The input, and not what is made of it.
between, before = tessera.load(folder / "between.tsm", device="cuda"), calls(b"cuLaunchKernel")
try:
    between.run({"x": np.ones(15000, np.float32)})
    raise AssertionError("there was memory enough")
except tessera.Error as error:
    assert re.search(r"function 'main' needs \d+ bytes of the memory of device 'cuda' \(inputs 60000, outputs 4, .* \d+ of 100000 are free", str(error)), error
assert calls(b"cuLaunchKernel") == before
np.testing.assert_array_equal(between.run({"x": np.ones(4, np.float32)})["y"], 10)
