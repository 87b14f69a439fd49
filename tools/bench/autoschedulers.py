"""Halide's own autoschedulers on the same work, one thread: what the rules of compiler/scheduling are measured beside."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from measuring import in_turns

import tessera

NAMES = {"Mullapudi2016": "mullapudi2016", "Adams2019": "adams2019", "Li2018": "li2018"}
X = '%x: !graph.tensor<[1024, 1024], f32> {graph.name = "x"}'
Y = '(!graph.tensor<[1024, 1024], f32> {graph.name = "y"})'
T = "!graph.tensor<[1024, 1024], f32>"
# Of 1024 x 1024 numbers: our graph, and how many inputs it has.
CLASSES = {
    "product": (f'graph.func @main({X}, %w: {T} {{graph.name = "w"}}) -> {Y} {{\n  %y = graph.contract "mk,kn->mn" %x, %w : '
                f"({T}, {T}) -> {T}\n  graph.return %y : {T}\n}}", 2),
    "softmax": (f"graph.func @main({X}) -> {Y} {{\n  %y = graph.softmax %x, axes = [1] : {T}\n  graph.return %y : {T}\n}}", 1),
    "transpose": (f"graph.func @main({X}) -> {Y} {{\n  %y = graph.transpose %x, perm = [1, 0] : {T} -> {T}\n  graph.return %y : {T}\n}}", 1),
}


def pipeline(hl, name, arrays):
    """The algorithm as one would write it in Halide. Its first coordinate is the last dimension of ours."""
    buffers = [hl.Buffer(array) for array in arrays]
    i, j = hl.Var("i"), hl.Var("j")
    out, k = hl.Func("out"), hl.RDom([(0, 1024)])
    if name == "product":
        total = hl.Func("total")
        total[i, j] = hl.f32(0)
        total[i, j] += buffers[0][k.x, j] * buffers[1][i, k.x]
        out[i, j] = total[i, j]
    elif name == "softmax":
        largest, power, total = hl.Func("largest"), hl.Func("power"), hl.Func("total")
        largest[j] = hl.f32(-3e38)
        largest[j] = hl.max(largest[j], buffers[0][k.x, j])
        power[i, j] = hl.exp(buffers[0][i, j] - largest[j])
        total[j] = hl.f32(0)
        total[j] += power[k.x, j]
        out[i, j] = power[i, j] / total[j]
    else:
        out[i, j] = buffers[0][j, i]
    out.set_estimates([(0, 1024), (0, 1024)])
    return hl.Pipeline(out)


def inputs_of(name):
    return list(np.random.default_rng(0).standard_normal((CLASSES[name][1], 1024, 1024), dtype=np.float32))


def measure(name, scheduler, seconds):
    """In a process of its own, since an autoscheduler may end it: the best seconds of Halide's code and of ours."""
    os.environ["HL_NUM_THREADS"] = "1"
    import halide as hl
    library = next(Path(hl.__file__).parent.rglob(f"libautoschedule_{NAMES[scheduler]}.so"))
    hl.load_plugin(str(library))
    arrays = inputs_of(name)
    result = pipeline(hl, name, arrays)
    result.apply_autoscheduler(hl.get_jit_target_from_environment(), hl.AutoschedulerParams(scheduler, {"parallelism": "1"}))
    result.compile_jit()
    theirs = hl.Buffer(hl.Float(32), [1024, 1024])
    context, inputs = tessera.compile(CLASSES[name][0].encode()).context(threads=1), dict(zip("xw", arrays))
    ours = np.empty((1024, 1024), np.float32)
    times = in_turns([lambda: result.realize(theirs), lambda: context.run(inputs, outputs={"y": ours})], seconds, of=min)
    # Whoever computes something else is not measured.
    np.testing.assert_allclose(np.array(theirs), ours, rtol=2e-3, atol=2e-3)
    print(json.dumps(times))


def bench_autoschedulers(table, seconds):
    for name in CLASSES:
        for scheduler in NAMES:
            done = subprocess.run([sys.executable, __file__, name, scheduler, str(seconds)], capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{scheduler} does not schedule a {name}: {(done.stderr.strip().splitlines() or ['it ended'])[-1][:100]}", flush=True)
                continue
            theirs, ours = json.loads(done.stdout.splitlines()[-1])
            table.add(f"{name} of 1024x1024, beside {scheduler}", ours / theirs, "of its time",
                      f"Tessera {ours * 1e3:.2f} ms, {scheduler} {theirs * 1e3:.2f} ms", most=1)


if __name__ == "__main__":
    measure(sys.argv[1], sys.argv[2], float(sys.argv[3]))
