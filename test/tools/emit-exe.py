# A model becomes a program that needs nothing: no file, no library, no /proc.
# RUN: python3 %s %S/dense.mlir %t
"""Arguments: a model, a folder."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

model, folder = sys.argv[1], Path(sys.argv[2])
shutil.rmtree(folder, ignore_errors=True)
(folder / "root" / "data").mkdir(parents=True)
program = folder / "root" / "dense"


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)


result = run("tessera-compile", model, "--emit", "exe", "-o", program)
assert result.returncode == 0 and "target x86-64" in result.stderr, result

# The same options and results as tessera-run.
arguments = ["--input", "x=2x4xf32=1,2,3,4,5,6,7,8", "--json", "--print", "6", "--threads", "1"]
outputs = json.loads(run(program, *arguments).stdout)["outputs"]
assert outputs == json.loads(run("tessera-run", model, *arguments).stdout)["outputs"]
assert outputs["y"]["dims"] == [2, 3] and len(outputs["y"]["values"]) == 6

# In a root that holds the program alone.
def run_alone(*arguments):
    command = ["chroot", folder / "root", "/dense", *arguments]
    return run(*(command if os.geteuid() == 0 else ["unshare", "-r", *command]))


alone = run_alone(*arguments, "--profile", "/data/trace.json", "--output", "y=@/data/y.npy")
assert alone.returncode == 0 and json.loads(alone.stdout)["outputs"] == outputs, alone
assert json.loads((folder / "root/data/trace.json").read_text())["traceEvents"]
assert (folder / "root/data/y.npy").stat().st_size == 128 + 24

# A module that was compiled before becomes the same program, also under another name.
module, again = folder / "dense.tsm", folder / "again"
assert run("tessera-compile", model, "-o", module).returncode == 0
assert run("tessera-compile", module, "--emit", "exe", "-o", again).returncode == 0
assert again.read_bytes() == program.read_bytes()
copy = shutil.copy(program, folder / "copy")
assert "copy: --repeat 0" in run(copy, "--repeat", "0").stderr
assert run(copy, "--inptu", "x=1").returncode == 2

# Unknown names, variants, and damage.
assert "the model has no input 'z'" in run(copy, "--input", "z=1x4xf32").stderr
assert "no variant 'x86-64-v9'" in run(copy, "--target", "x86-64-v9").stderr
good = program.read_bytes()
offset = int.from_bytes(good[-32:-24], "little")


def damaged(content):
    path = folder / "damaged"
    path.write_bytes(content)
    path.chmod(0o755)
    result = run(path)
    assert result.returncode == 1, result
    return result.stderr


assert "there is none" in damaged(good[:-1])
assert "damaged" in damaged(good[: offset + 100] + bytes([good[offset + 100] ^ 1]) + good[offset + 101 :])
assert "is damaged: its module is not where" in damaged(good[:-32] + (offset + 4096).to_bytes(8, "little") + good[-24:])
assert "is damaged: its module is not where" in damaged(good[:offset] + good[-32:])

result = run("tessera-compile", module, "--emit", "exe", "-o", folder / "x", "--dim", "B=1")
assert "--dim is for models" in result.stderr and not (folder / "x").exists(), result
assert "say where to write the exe" in run("tessera-compile", model, "--emit", "exe").stderr
result = run("tessera-compile", model, "--emit", "exe", "-o", folder / "x", env=os.environ | {"TESSERA_RUNNER": "/none"})
assert "cannot open '/none'" in result.stderr and not (folder / "x").exists(), result
