# The same model gives the same module byte for byte, whatever the folder, the environment, the number of jobs and the
# cache; a run gives the same bits with 1 and 2 threads.
# RUN: rm -rf %t && mkdir -p %t && python3 %s %t
"""Argument: a folder to write to."""
import os
import pathlib
import subprocess
import sys

# A product, a reduction, a broadcast and elementary functions: more than one kernel, each with parallel loops.
MODEL = """
graph.func @main(%x: !graph.tensor<[B, 64], f32> {graph.name = "x"}, %w: !graph.tensor<[64, 96], f32> {graph.name = "w"})
    -> (!graph.tensor<[B, 96], f32> {graph.name = "y"}, !graph.tensor<[B, 96], f32> {graph.name = "z"}) {
  %0 = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[B, 64], f32>, !graph.tensor<[64, 96], f32>) -> !graph.tensor<[B, 96], f32>
  %1 = graph.softmax %0, axes = [1] : !graph.tensor<[B, 96], f32>
  %2 = graph.tanh %0 : !graph.tensor<[B, 96], f32>
  graph.return %1, %2 : !graph.tensor<[B, 96], f32>, !graph.tensor<[B, 96], f32>
}
"""

root = pathlib.Path(sys.argv[1])


def compile_in(folder, *options, **environment):
    folder = root / folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.mlir").write_text(MODEL)
    subprocess.run(["tessera-compile", "model.mlir", "-o", "out.tsm", *options], cwd=folder, check=True, stderr=subprocess.DEVNULL,
                   env={**os.environ, **environment})
    return (folder / "out.tsm").read_bytes()


first = compile_in("a", "--no-cache", "--jobs", "1")
others = {
    "jobs": compile_in("b/deeper/still", "--no-cache", "--jobs", "2", TZ="Asia/Tokyo", LANG="de_DE.UTF-8", USER="someone"),
    "cache cold": compile_in("c", TESSERA_CACHE_DIR=str(root / "cache")),
    "cache warm": compile_in("d", TESSERA_CACHE_DIR=str(root / "cache")),
}
different = [name for name, content in others.items() if content != first]
assert not different, different
assert str(root).encode() not in first

for extent in (1, 7, 33):
    results = set()
    for threads in (1, 2, 3):
        files = [root / f"{name}{threads}.npy" for name in "yz"]
        subprocess.run(["tessera-run", root / "a/out.tsm", "--threads", str(threads), "--input", f"x={extent}x64xf32",
                        "--output", f"y=@{files[0]}", "--output", f"z=@{files[1]}"], check=True, stdout=subprocess.DEVNULL)
        results.add(b"".join(file.read_bytes() for file in files))
    assert len(results) == 1, extent
