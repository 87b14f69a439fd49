# Copies between the host and a GPU: which instructions they are, that large ones go beside kernels by the device's own times, and that
# the numbers are right however early or late the driver does what it may.
# RUN: python3 %s %builddir/lib/test/libfake_cuda_driver.so %t
# RUN: env FAKE_CUDA_EAGER=1 python3 %s %builddir/lib/test/libfake_cuda_driver.so %t
"""Arguments: the driver, a folder."""
import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

os.environ["TESSERA_CUDA_DRIVER"] = sys.argv[1]
folder = Path(sys.argv[2])
import tessera  # noqa: E402

folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)


def load(name, text):
    (folder / f"{name}.mlir").write_text(text)
    subprocess.run(["tessera-compile", folder / f"{name}.mlir", "--target", "host,cuda:sm_80", "-q", "-o", folder / f"{name}.tsm"], check=True)
    variants = json.loads(subprocess.run(["tessera-dump", folder / f"{name}.tsm", "--json"], check=True, capture_output=True, text=True).stdout)["variants"]
    lines = {variant["family"]: variant["programs"][0]["instructions"] for variant in variants}
    assert not any(word in line for line in lines["cpu"] for word in ("upload", "download", "await")), lines["cpu"]
    copies = [line.split(": ")[1] for line in lines["cuda"] if any(word in line for word in (": upload", ": download", ": await", ": launch", ": copy", "load_scalar"))]
    return tessera.load(folder / f"{name}.tsm"), tessera.load(folder / f"{name}.tsm", device="cuda"), [
        " ".join([line.split()[0], *(["beside"] if line.endswith("beside") else [])]) for line in copies]


def compare(host, gpu, inputs, tolerance=1e-5):
    expected, actual = host.run(inputs), gpu.run(inputs)
    for name in expected:
        np.testing.assert_allclose(actual[name], expected[name], rtol=tolerance, atol=tolerance, err_msg=name)


# Three kernels: the first gives an output, the second wants an input that nobody else does.
T = "!graph.tensor<[N], f32>"
host, gpu, program = load("chain", f"""
graph.func @main(%x: {T} {{graph.name = "x"}}, %w: {T} {{graph.name = "w"}}) -> ({T} {{graph.name = "early"}}, {T} {{graph.name = "late"}}) {{
  %0 = graph.cumulative sum %x, axis = 0 : {T}
  %1 = graph.mul %0, %w : {T}
  %2 = graph.cumulative max %1, axis = 0 : {T}
  %3 = graph.cumulative sum %2, axis = 0 : {T}
  graph.return %0, %3 : {T}, {T}
}}""")
assert program[:2] == ["upload", "launch"] and program[-1] == "download", program
late = program.index("upload beside")
assert program[late + 1] == "await" and "launch" in program[late:] and "download beside" in program, program
for extent in (20000, 17, 0, 20000, 30000, 20000):
    compare(host, gpu, {name: (rng.standard_normal(extent) / 100).astype(np.float32) for name in "xw"}, 1e-3)

# The same by the device's times: both copies run while kernels do.
np.save(folder / "x.npy", np.ones(20000, np.float32))
subprocess.run(["tessera-run", folder / "chain.tsm", "--device", "cuda", "--profile", folder / "trace.json", "-q",
                *(f"--input={name}=@{folder / 'x.npy'}" for name in "xw")], check=True, stdout=subprocess.DEVNULL)
events = json.loads((folder / "trace.json").read_text())["traceEvents"]
names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
assert names == {0: "caller", 1: "uploads beside", 2: "downloads beside"}, names
timed = {(event["cat"], event["tid"]): (event["ts"], event["ts"] + event["dur"]) for event in events if event["ph"] == "X" and event["tid"]}
kernels = [(event["ts"], event["ts"] + event["dur"]) for event in events if event.get("cat") == "launch"]
assert set(timed) == {("upload", 1), ("download", 2)} and len(kernels) >= 3, events
for what, (begin, end) in timed.items():
    assert end > begin and any(first < end and begin < last for first, last in kernels), (what, begin, end, kernels)
assert timed["download", 2][0] >= kernels[0][1] - 1, (timed, kernels)  # Not before it was computed.

# Copies of ordinary memory hold up the host in a driver; through memory that is page-locked they do not: the rest of a run is submitted beside them.
# Nothing but a lack of such memory makes a difference to the numbers.
wide = f"""
graph.func @main(%x: {T} {{graph.name = "x"}}, %v: {T} {{graph.name = "v"}}, %w: {T} {{graph.name = "w"}})
    -> ({T} {{graph.name = "first"}}, {T} {{graph.name = "second"}}, {T} {{graph.name = "late"}}) {{
  %0 = graph.cumulative sum %x, axis = 0 : {T}
  %1 = graph.mul %0, %v : {T}
  %2 = graph.cumulative max %1, axis = 0 : {T}
  %3 = graph.mul %2, %w : {T}
  %4 = graph.cumulative sum %3, axis = 0 : {T}
  graph.return %0, %2, %4 : {T}, {T}, {T}
}}"""
host, gpu, program = load("wide", wide)
counted = ctypes.CDLL(sys.argv[1]).fakeCudaCalls
before = counted(b"cuLaunchHostFunc"), counted(b"cuMemHostAlloc")
for extent in (300000, 20000, 3):  # More than one piece, one, and what goes in order.
    compare(host, gpu, {name: (rng.standard_normal(extent) / 1000).astype(np.float32) for name in "xvw"}, 1e-3)
assert counted(b"cuLaunchHostFunc") >= before[0] + 6 and counted(b"cuMemHostAlloc") == before[1] + 2, program


def beside(**settings):
    """What each copy beside kernels shares with them of its time, by the device's clock."""
    subprocess.run(["tessera-run", folder / "wide.tsm", "--device", "cuda", "--profile", folder / "trace.json", "-q",
                    *(f"--input={name}=@{folder / 'x.npy'}" for name in "xvw")], check=True, stdout=subprocess.DEVNULL, env=os.environ | settings)
    events = json.loads((folder / "trace.json").read_text())["traceEvents"]
    launches = [(event["ts"], event["ts"] + event["dur"]) for event in events if event.get("cat") == "launch"]
    copies = [(event["cat"], event["ts"], event["ts"] + event["dur"]) for event in events if event["ph"] == "X" and event["tid"]]
    assert len(copies) == 4, events
    return [(what, any(first < end and begin < last for first, last in launches)) for what, begin, end in copies]


assert all(isBeside for _, isBeside in beside()), beside()
# Without it the second download begins when the first is done, for which the host has waited, behind all kernels or not; numbers are the same.
assert len(beside(FAKE_CUDA_HOST_MEMORY="0")) == 4
os.environ["FAKE_CUDA_HOST_MEMORY"] = "0"
compare(host, tessera.load(folder / "wide.tsm", device="cuda"), {name: (rng.standard_normal(20000) / 1000).astype(np.float32) for name in "xvw"}, 1e-3)
del os.environ["FAKE_CUDA_HOST_MEMORY"]

# What only the host looks at does not go to the device and back: a loop's length, a condition.
host, gpu, program = load("loop", f"""
graph.func @main(%x: {T} {{graph.name = "x"}}, %n: !graph.tensor<[], si64> {{graph.name = "n"}}) -> ({T} {{graph.name = "y"}}) {{
  %zero = graph.constant dense<0> : !graph.tensor<[], si64>
  %one = graph.constant dense<1> : !graph.tensor<[], si64>
  %w:2 = graph.while (%i = %zero, %acc = %x) : !graph.tensor<[], si64>, {T} {{
    %go = graph.compare lt %i, %n : !graph.tensor<[], si64>
    graph.condition %go : !graph.tensor<[], i1>
  }} do (%j, %a) {{
    %next = graph.add %j, %one : !graph.tensor<[], si64>
    %d = graph.add %a, %x : {T}
    graph.yield %next, %d : !graph.tensor<[], si64>, {T}
  }}
  graph.return %w#1 : {T}
}}""")
assert program.count("load_scalar") == 1 and program[program.index("load_scalar") - 2:][:2] == ["download", "await"], program
for count in (0, 1, 4):
    compare(host, gpu, {"x": rng.standard_normal(20000).astype(np.float32), "n": np.array(count, np.int64)})
host, gpu, program = load("branch", f"""
graph.func @main(%x: {T} {{graph.name = "x"}}, %c: !graph.tensor<[], i1> {{graph.name = "c"}}) -> ({T} {{graph.name = "y"}}) {{
  %y = graph.if %c : !graph.tensor<[], i1> -> {T} {{
    %a = graph.add %x, %x : {T}
    graph.yield %a : {T}
  }} else {{
    %b = graph.mul %x, %x : {T}
    graph.yield %b : {T}
  }}
  graph.return %y : {T}
}}""")
assert program[:2] == ["upload", "load_scalar"] and program.count("launch") == 2 and program[-1] == "download", program
for condition in (True, False):
    compare(host, gpu, {"x": rng.standard_normal(50).astype(np.float32), "c": np.array(condition)})

# An input as an output, twice, and one that no kernel reads.
host, gpu, program = load("same", f"""
graph.func @main(%x: {T} {{graph.name = "x"}}, %w: {T} {{graph.name = "w"}}) -> ({T} {{graph.name = "a"}}, {T} {{graph.name = "b"}}) {{
  graph.return %x, %x : {T}, {T}
}}""")
assert program.count("upload") == 1, program
for extent in (3, 20000, 0):
    compare(host, gpu, {"x": rng.standard_normal(extent).astype(np.float32), "w": np.zeros(extent, np.float32)})
