# tessera-tune writes records as it goes, tessera-compile uses them and says so, and what does not fit is refused or left aside with a
# reason. What is computed stays the same.
# RUN: python3 %s %t
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

folder = Path(sys.argv[1])
shutil.rmtree(folder, ignore_errors=True)
folder.mkdir(parents=True)
model, records, module = folder / "model.mlir", folder / "model.mlir.tune", folder / "model.tsm"
model.write_text("""graph.func @main(%x: !graph.tensor<[B, 200], f32> {graph.name = "x"}, %w: !graph.tensor<[200, 90], f32> {graph.name = "w"})
    -> (!graph.tensor<[B, 90], f32> {graph.name = "y"}) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[B, 200], f32>, !graph.tensor<[200, 90], f32>) -> !graph.tensor<[B, 90], f32>
  %1 = graph.relu %0 : !graph.tensor<[B, 90], f32>
  graph.return %1 : !graph.tensor<[B, 90], f32>
}
""")


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


def compiled(*options):
    return run("tessera-compile", model, "-o", module, *options)


def output():
    done = run("tessera-run", module, "-i", "x=37x200xf32", "--print", "3330")
    assert done.returncode == 0, done.stderr
    return [float(number) for number in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", done.stdout)]


assert compiled().returncode == 0
expected = output()

done = run("tessera-tune", model, "--budget", "6s", "--threads", "1", "-i", "x=37x200xf32", "--json")
assert done.returncode == 0, done.stderr
summary = json.loads(done.stdout)
assert summary["schema"] == 1 and summary["kernels"] >= 1 and summary["measured"] > 0, summary
# Never slower than by rules: what does not hold is taken back.
assert summary["seconds"] <= 1.02 * summary["seconds_by_rules"], summary
text = records.read_text()
assert text.startswith("tessera-tune 1\ncpu ") and re.search(
    r"\n# k0_contract: .*line 3.*\nkernel [0-9a-f]{16} target x86-64-v\S+ sizes x=37x200,w=200x90 tried [1-9]\d* choose \S+ seconds \S+ instead \S+\n",
    text), text

# It goes on where it stopped.
done = run("tessera-tune", model, "--budget", "2s", "--threads", "1", "-i", "x=37x200xf32")
assert done.returncode == 0 and "1 records of" in done.stderr, done.stderr
tried = [int(number) for number in re.findall(r" tried (\d+)", text + records.read_text())]
assert tried[1] >= tried[0], tried

# A record written by hand, with values that surely differ from those of the rules.
stage = "acc"
line = re.search(r"kernel ([0-9a-f]{16}) target (\S+)", text)
head = text.split("\n")[:2]


def write(choose, kernel=line[1], target=line[2], head=head):
    records.write_text("\n".join(head) + f"\nkernel {kernel} target {target} sizes - tried 1 choose {choose}\n")


write(f"{stage}.rows=2,{stage}.vectors=1,{stage}.depth=128")
done = compiled()
assert done.returncode == 0 and "model.mlir.tune: 1 records are used" in done.stderr, done.stderr
assert "by 128" in run("tessera-compile", model, "--emit", "schedule", "-q").stdout
assert all(abs(a - b) <= 1e-4 * max(1, abs(b)) for a, b in zip(output(), expected, strict=True))
assert compiled("--no-records").returncode == 0
assert output() == expected
# Named by hand, too; also the tools that compile a model on their own use what lies beside it.
copy = folder / "own.tune"
shutil.copy(records, copy)
records.unlink()
done = compiled("--records", copy)
assert done.returncode == 0 and "own.tune: 1 records are used" in done.stderr, done.stderr

# Nothing of this kernel, or of this model any more.
shutil.copy(copy, records)
write(f"{stage}.rows=2", kernel="0123456789abcdef")
done = compiled()
assert done.returncode == 0 and "0 records are used, 1 fit no kernel: the model or Tessera has changed" in done.stderr, done.stderr
write(f"{stage}.rows=2", target="x86-64-v2")
assert "0 records are used\n" in compiled().stderr

for choose, message in [(f"{stage}.rows=99", "'acc.rows' is 99: expected 1 to 12"), (f"{stage}.colour=2", "there is no choice 'acc.colour'; there are")]:
    write(choose)
    done = compiled()
    assert done.returncode == 1 and message in done.stderr and line[1] in done.stderr, done.stderr

# What cannot be read is left aside where it was only found, and refused where somebody named it.
for contents, message in [("tessera-tune 2\n", "line 1: records of version '2', this Tessera reads version 1"),
                          ("hello\n", "line 1: these are no records of tessera-tune"),
                          ("\n".join(head) + "\nkernel zz target x86-64-v3 choose -\n", "line 3: 'zz' is no kernel"),
                          ("\n".join(head) + "\nkernel 0123456789abcdef target x86-64-v3 choose a=b\n", "line 3: 'a=b' is no choice"),
                          ("\n".join(head) + "\nkernel 0123456789abcdef target x86-64-v3\n", "line 3: a record needs 'choose'"),
                          ("\n".join(head) + "\nkernel\n", "line 3: expected pairs"),
                          ("tessera-tune 1\ncpu Another 9000\n", "measured on 'Another 9000', not on this")]:
    records.write_text(contents)
    done = compiled()
    assert done.returncode == 0 and "is left aside" in done.stderr and message in done.stderr, (contents, done.stderr)
    if "Another" in contents:
        assert compiled("--records", records).returncode == 0
        done = run("tessera-tune", model, "--budget", "1s")
        assert done.returncode == 1 and "was measured on 'Another 9000'" in done.stderr, done.stderr
    else:
        done = compiled("--records", records)
        assert done.returncode == 1 and message in done.stderr, (contents, done.stderr)

# Ctrl-C leaves what was found so far.
records.unlink()
with subprocess.Popen(["tessera-tune", model, "--budget", "5m", "--threads", "1", "-i", "x=37x200xf32", "-q"]) as tune:
    for _ in range(1200):
        if records.exists() or tune.poll() is not None:
            break
        time.sleep(0.05)
    tune.send_signal(signal.SIGINT)
    assert tune.wait() == 128 + signal.SIGINT
assert records.read_text().startswith("tessera-tune 1\n") and not list(folder.glob("*.tmp*"))
assert compiled().returncode == 0

for options, message in [(["--budget", "soon"], "--budget soon: expected a time: 60s, 5m or 1h"), (["--budget", "0"], "expected a time"),
                         (["-i", "z=2xf32"], "no input 'z'"), (["--dim", "Q=2"], "no symbol of this name")]:
    done = run("tessera-tune", model, *options)
    assert done.returncode == 1 and message in done.stderr, (options, done.stderr)
done = run("tessera-tune", module)
assert done.returncode == 1 and "is no model: schedules are chosen when one is compiled" in done.stderr, done.stderr
