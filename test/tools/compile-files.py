# Nothing but a whole file is left behind, whatever ends a compilation.
# RUN: python3 %s %S/dense.mlir %t
"""Arguments: a model, a folder."""
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

model, folder = sys.argv[1], Path(sys.argv[2])
shutil.rmtree(folder, ignore_errors=True)
folder.mkdir(parents=True)


def compile_to(output, **options):
    return subprocess.run(["tessera-compile", model, "-o", str(output)], capture_output=True, text=True, **options)


# A place that cannot be written to is known before anything is compiled.
result = compile_to(folder / "missing" / "out.tsm")
assert result.returncode == 1 and "cannot create" in result.stderr and "No such file" in result.stderr, result
result = compile_to(folder)
assert result.returncode == 1 and "Is a directory" in result.stderr, result

# A failed compilation keeps what was there.
old = folder / "old.tsm"
old.write_bytes(b"old")
result = subprocess.run(["tessera-compile", model, "-o", str(old), "--dim", "B=100000"], capture_output=True, text=True)
assert result.returncode == 1 and old.read_bytes() == b"old", result
assert [p.name for p in folder.iterdir()] == ["old.tsm"]

# An interrupted one leaves nothing. The model comes through a pipe, so that the compiler waits for it.
pipe = folder / "pipe"
os.mkfifo(pipe)
for number in (signal.SIGINT, signal.SIGTERM):
    process = subprocess.Popen(["tessera-compile", str(pipe), "-o", str(folder / "new.tsm")], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not list(folder.glob("new.tsm.tmp*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(folder.glob("new.tsm.tmp*")), "the output is not opened first"
    sent = time.monotonic()
    process.send_signal(number)
    assert process.wait(timeout=30) == 128 + number, process.returncode
    assert time.monotonic() - sent < 5
    assert sorted(p.name for p in folder.iterdir()) == ["old.tsm", "pipe"], list(folder.iterdir())

# A good one replaces.
assert compile_to(old).returncode == 0 and old.stat().st_size > 1000
