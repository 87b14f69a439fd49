# --require-roofline fails for kernels that are predicted too far from what the machine allows, names them with the nodes of the model, and
# says why; it wants to know for which sizes.
# RUN: python3 %s %t
import subprocess
import sys
from pathlib import Path

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
model = folder / "model.mlir"
model.write_text("""graph.func @main(%x: !graph.tensor<[B, 2048], f32> {graph.name = "x"}, %w: !graph.tensor<[2048, N], f32> {graph.name = "w"})
    -> (!graph.tensor<[B, N], f32> {graph.name = "y"}) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[B, 2048], f32>, !graph.tensor<[2048, N], f32>) -> !graph.tensor<[B, N], f32>
  graph.return %0 : !graph.tensor<[B, N], f32>
}
""")


def compiled(*options):
    return subprocess.run(["tessera-compile", model, "-o", folder / "model.tsm", *options], capture_output=True, text=True)


# Large extents fill tiles; three columns do not fill a vector.
good, bad = (["-i", f"x=1024x2048xf32", "-i", f"w=2048x{columns}xf32", "--threads", "1"] for columns in (1024, 3))
done = compiled("--require-roofline=0.3", *good)
assert done.returncode == 0, done.stderr
(folder / "model.tsm").unlink()
done = compiled("--require-roofline", "0.3", *bad)
assert done.returncode == 1 and not (folder / "model.tsm").exists(), done.stderr
for part in ("--require-roofline 0.3: 1 of 1 kernels are predicted below it:", "k0_contract (line 3): ", " % of its roofline, ", " us where ",
             "stage 'acc' computes ", "to fill tiles"):
    assert part in done.stderr, (part, done.stderr)
# The same by values of the symbols.
assert compiled("--require-roofline=0.3", "--dim", "B=1024", "--dim", "N=1024").returncode == 0

for options, message in [(["--require-roofline=0.3"], "say for which sizes: B, N have no value (--input NAME=2x3xf32, or --dim)"),
                         (["--require-roofline=0.3", "-i", "x=4x2048xf32"], "say for which sizes: N has no value"),
                         (["--require-roofline=2"], "takes a share above 0, at most 1"), (["--require-roofline=0"], "takes a share above 0"),
                         (["--require-roofline=0.3", "--check"], "leave out --check"),
                         (["--require-roofline=0.3", "-i", "q=4xf32"], "the model has no input 'q'"),
                         (["--require-roofline=0.3", "-i", "x=4x2xf32"], "input 'x': an extent is 2048, not 2"),
                         (["--require-roofline=0.3", "-i", "x=4xf32"], "input 'x' has 2 dimensions, not 1")]:
    done = compiled(*options)
    assert done.returncode == 1 and message in done.stderr, (options, done.stderr)
