# What compiling takes: a hundred kernels that differ, within the 20 seconds of two processors; large weights, within 1.3 times their size
# and 500 MB.
# RUN: python3 %s %t
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)


def tensor(*extents):
    return f"!graph.tensor<[{', '.join(str(e) for e in extents)}], f32>"


def function(arguments, lines, results):
    inputs = ", ".join(f'%{name}: {kind} {{graph.name = "{name}"}}' for name, kind in arguments)
    kinds = ", ".join(f'{kind} {{graph.name = "{name}"}}' for name, kind in results)
    names, types = ", ".join(f"%{name}" for name, _ in results), ", ".join(kind for _, kind in results)
    return f"graph.func @main({inputs}) -> ({kinds}) {{\n" + "\n".join(lines) + f"\n  graph.return {names} : {types}\n}}\n"


# Products, softmaxes, sums and chains of maps, of as many widths.
arguments, lines, results = [], [], []
for number in range(25):
    width, columns = 20 + number, 40 + 3 * number
    arguments += [(f"x{number}", tensor("B", width)), (f"w{number}", tensor(width, columns))]
    for name, text, result in [
            ("p", f'graph.contract "mk,kn->mn" %x{number}, %w{number} : ({tensor("B", width)}, {tensor(width, columns)}) '
                  f'-> {tensor("B", columns)}', tensor("B", columns)),
            ("s", f"graph.softmax %x{number}, axes = [1] : {tensor('B', width)}", tensor("B", width)),
            ("r", f"graph.reduce sum %w{number}, axes = [0] : {tensor(width, columns)} -> {tensor(columns)}", tensor(columns)),
            ("m", f"graph.gelu %w{number} : {tensor(width, columns)}", tensor(width, columns))]:
        lines.append(f"  %{name}{number} = {text}")
        results.append((f"{name}{number}", result))
many = folder / "many.mlir"
many.write_text(function(arguments, lines, results))
before = resource.getrusage(resource.RUSAGE_CHILDREN)
done = subprocess.run(["tessera-compile", many, "-o", folder / "many.tsm", "--no-cache", "--json", "--timing", "--jobs", "2"],
                      capture_output=True, text=True)
after = resource.getrusage(resource.RUSAGE_CHILDREN)
assert done.returncode == 0, done.stderr
summary = json.loads(done.stdout)
assert summary["kernels"] >= 100 and summary["cached_kernels"] == 0, summary
# Of the processors, not of the clock: other programs run beside a test.
seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(f"{summary['kernels']} kernels: {seconds:.1f} s of processors\n{done.stderr}")
assert seconds <= 2 * 20, (seconds, done.stderr)
assert "kernels to machine code" in done.stderr and "schedules" in done.stderr, done.stderr

# Four weights of 64 MB; the compiler's process alone (its own, not the largest of all that ran).
megabytes, size = 64, 4096
with open(folder / "weights.bin", "wb") as file:
    for _ in range(4):
        file.write(os.urandom(1 << 20) * megabytes)
kind = tensor(size, size)
lines = []
for number in range(4):
    lines.append(f'  %w{number} = graph.constant #graph.weight<"weights.bin", {number * (megabytes << 20)}, {megabytes << 20} : {kind}>')
    lines.append(f'  %y{number + 1} = graph.contract "mk,kn->mn" %y{number}, %w{number} : ({tensor("B", size)}, {kind}) -> {tensor("B", size)}')
large = folder / "large.mlir"
large.write_text(function([("y0", tensor("B", size))], lines, [("y4", tensor("B", size))]))
script = ("import resource, subprocess, sys; status = subprocess.call(sys.argv[1:]); "
          "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(status)")
done = subprocess.run([sys.executable, "-c", script, "tessera-compile", large, "-o", folder / "large.tsm", "-q"], capture_output=True, text=True)
assert done.returncode == 0, done.stderr
peak, weights = int(done.stdout) / 1024, 4 * megabytes
print(f"weights of {weights} MB: {peak:.0f} MB at most")
for path in (folder / "weights.bin", folder / "large.tsm"):
    path.unlink()
# Weights are packed one after the other, and leave memory as they come into the module.
assert peak <= 1.3 * weights + 500, (peak, weights)
