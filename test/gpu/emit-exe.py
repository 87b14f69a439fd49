# A model becomes a program for CUDA devices that needs the C library and a driver: in a root that holds nothing else, with a driver
# whose GPU is the interpreter of PTX.
# RUN: python3 %s %S/../tools/dense.mlir %builddir/lib/test/libfake_cuda_driver.so %t
"""Arguments: a model, the driver, a folder."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

model, driver, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
shutil.rmtree(folder, ignore_errors=True)
root = folder / "root"
root.mkdir(parents=True)


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)


def needs(program):
    """What the loader has to find for it."""
    return re.findall(r"(/\S+) \(0x", run("ldd", program).stdout)


gpu, both, host = root / "gpu", root / "both", root / "host"
for program, target in ((gpu, "cuda:sm_80"), (both, "host,cuda:sm_80"), (host, "host")):
    result = run("tessera-compile", model, "--target", target, "--emit", "exe", "-o", program)
    assert result.returncode == 0, result

# The C library alone, and no more for a CPU.
names = {Path(path).name for path in needs(gpu)}
assert all(re.match(r"(libc|libm|libdl|libpthread|ld-linux.*)\.so", name) for name in names), names
assert not needs(host)
for path in {*needs(gpu), *needs(driver)}:
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, target)
shutil.copy(driver, root / "driver.so")


def run_alone(name, *arguments, **settings):
    command = ["chroot", root, f"/{name}", *arguments]
    return run(*(command if os.geteuid() == 0 else ["unshare", "-r", *command]), env={"PATH": os.environ["PATH"]} | settings)


arguments = ["--input", "x=2x4xf32=1,2,3,4,5,6,7,8", "--json", "--print", "6"]
expected = json.loads(run("tessera-run", model, *arguments).stdout)["outputs"]
for name, device in (("gpu", []), ("gpu", ["--device", "cuda"]), ("both", ["--device", "cuda"]), ("both", []), ("host", [])):
    alone = run_alone(name, *arguments, *device, TESSERA_CUDA_DRIVER="/driver.so")
    assert alone.returncode == 0 and json.loads(alone.stdout)["outputs"] == expected, (name, device, alone)

# Without a driver: what is missing, and what runs all the same.
assert "there is no CUDA driver on this machine: libcuda.so.1" in run_alone("gpu", *arguments).stderr
assert "(the module also runs on 'cpu')" in run_alone("both", *arguments, "--device", "cuda").stderr
assert json.loads(run_alone("both", *arguments).stdout)["outputs"] == expected
assert "unknown device 'cuda'" in run_alone("host", *arguments, "--device", "cuda").stderr
# A module that was compiled before becomes the same program.
assert run("tessera-compile", model, "--target", "cuda:sm_80", "-o", folder / "gpu.tsm").returncode == 0
assert run("tessera-compile", folder / "gpu.tsm", "--emit", "exe", "-o", folder / "again").returncode == 0
assert (folder / "again").read_bytes() == gpu.read_bytes()
# It can be listed on a machine without such a device.
assert "cuda:sm_80" in run("tessera-dump", folder / "gpu.tsm").stdout
