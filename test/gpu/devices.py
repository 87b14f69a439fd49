# Several GPUs: the list of them, a choice for each module, two at once in one process, and numbers that there are not.
# RUN: python3 %s %builddir/lib/test/libfake_cuda_driver.so %t
"""Arguments: the driver, a folder."""
import ctypes
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

driver, folder = sys.argv[1], Path(sys.argv[2])
os.environ |= {"TESSERA_CUDA_DRIVER": driver, "FAKE_CUDA_DEVICES": "3", "FAKE_CUDA_MEMORY": "5000000"}
import tessera  # noqa: E402

folder.mkdir(parents=True, exist_ok=True)
T = "!graph.tensor<[N], f32>"
(folder / "model.mlir").write_text(f"""
graph.variable @calls : !graph.tensor<[], f32> = dense<0.0> : !graph.tensor<[], f32>
graph.func @main(%x: {T} {{graph.name = "x"}}) -> ({T} {{graph.name = "y"}}, !graph.tensor<[], f32> {{graph.name = "calls"}}) {{
  %0 = graph.cumulative sum %x, axis = 0 : {T}
  %1 = graph.mul %0, %x : {T}
  %2 = graph.cumulative max %1, axis = 0 : {T}
  %one = graph.constant dense<1.0> : !graph.tensor<[], f32>
  %old = graph.read_variable @calls : !graph.tensor<[], f32>
  %new = graph.add %old, %one : !graph.tensor<[], f32>
  graph.write_variable @calls, %new : !graph.tensor<[], f32>
  graph.return %2, %new : {T}, !graph.tensor<[], f32>
}}""")
module = folder / "model.tsm"
subprocess.run(["tessera-compile", folder / "model.mlir", "--target", "host,cuda:sm_80", "-q", "-o", module], check=True)

found = tessera.devices()
assert [device["name"] for device in found] == ["cpu", "cuda:0", "cuda:1", "cuda:2"], found
assert found[2] == {"name": "cuda:1", "description": "interpreter of PTX", "capability": 80, "memory": 5000000}, found
listed = subprocess.run(["tessera-run", "--devices"], check=True, capture_output=True, text=True).stdout
assert "cuda:2   interpreter of PTX, sm_80, 0.0 GB\n" in listed and listed.startswith("cpu "), listed
none = subprocess.run(["tessera-run", "--devices"], check=True, capture_output=True, text=True, env=os.environ | {"TESSERA_CUDA_DRIVER": "/none"}).stdout
assert "no GPU: there is no CUDA driver on this machine" in none and none.startswith("cpu "), none


def expected(x):
    return np.maximum.accumulate(np.cumsum(x, dtype=np.float64) * x)


# Each module has memory on its own device alone: more together than one has.
sessions = {name: tessera.load(module, device=name) for name in ("cuda", "cuda:1", "cuda:2")}
x = np.random.default_rng(0).standard_normal(200000).astype(np.float32) / 100
for number, (name, session) in enumerate(sessions.items()):
    np.testing.assert_allclose(session.run({"x": x + number})["y"], expected(x + number), rtol=1e-3, atol=1e-3)
# "cuda" is number 0, which is full now.
try:
    tessera.load(module, device="cuda:0").run({"x": x})
    raise AssertionError("memory of another device was used")
except tessera.Error as error:
    assert "bytes of the memory of device 'cuda' (inputs 800000," in str(error), error

# What the caller does on another device goes on there.
calls = ctypes.CDLL(driver)
primary, current = ctypes.c_void_p(), ctypes.c_void_p()
assert calls.cuDevicePrimaryCtxRetain(ctypes.byref(primary), 2) == 0 and calls.cuCtxSetCurrent(primary) == 0
sessions["cuda:1"].run({"x": x})
assert calls.cuCtxGetCurrent(ctypes.byref(current)) == 0 and current.value == primary.value, (current, primary)

# At once, from threads of their own; state is each one's.
problems = []


def work(number, session):
    try:
        for repeat in range(5):
            given = (x[:5000] + number).astype(np.float32)
            outputs = session.run({"x": given})
            np.testing.assert_allclose(outputs["y"], expected(given), rtol=1e-3, atol=1e-3)
            assert outputs["calls"] == repeat + 2 + (number == 1), outputs["calls"]
    except Exception as problem:  # noqa: BLE001
        problems.append((number, problem))


threads = [threading.Thread(target=work, args=entry) for entry in enumerate(sessions.values())]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not problems, problems

# A kernel that fails on one device leaves the others alone.
failing = """
import sys, numpy as np, tessera
one, two = (tessera.load(sys.argv[1], device=name) for name in ("cuda:1", "cuda:2"))
x = np.ones(10, np.float32)
for session in (one, two, one):
    try:
        print(session.run({"x": x})["y"][-1])
    except tessera.Error as error:
        print("failed:", error)
"""
output = subprocess.run([sys.executable, "-c", failing, module], check=True, capture_output=True, text=True, env=os.environ | {"FAKE_CUDA_FAIL": "7"}).stdout.split("\n")
assert output[0] == output[1] == "10.0" and output[2].startswith("failed:") and "LAUNCH_FAILED" in output[2], output


def refused(device, **settings):
    result = subprocess.run(["tessera-run", module, "--device", device, "--input", "x=4xf32=1"], capture_output=True, text=True, env=os.environ | settings)
    assert result.returncode, result.stdout
    return result.stderr


assert "device 'cuda:3' (the module also runs on 'cpu'): there is no number 3: the CUDA driver has 3 devices, numbered from 0" in refused("cuda:3"), refused("cuda:3")
assert "has 1 device, numbered from 0" in refused("cuda:1", FAKE_CUDA_DEVICES="1"), refused("cuda:1", FAKE_CUDA_DEVICES="1")
for name in ("cuda:", "cuda:x", "cuda:1x", "cuda:-1", "cuda:64", "cuda:99999999999", "cpu:0", "gpu"):
    assert f"unknown device '{name}'; known are cpu" in refused(name), refused(name)
assert ctypes.CDLL(driver).fakeCudaCalls(b"cuLaunchKernel") > 0
