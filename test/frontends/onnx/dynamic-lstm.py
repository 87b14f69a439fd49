# com.microsoft's LSTM of 8 bits: what weights multiply is quantized by its range, the input as a whole, states by sequences.
# RUN: python3 %s | FileCheck %s
# CHECK: passed
"""Against NumPy for each level of instructions that this processor has, and against onnxruntime for one sequence (it gives
sequences that share a thread one range). Exits with 1 when a case differs."""
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import tessera
from onnx import helper

sys.path.append(str(Path(__file__).parent / "Inputs"))
from compare import build

F = np.float32
rng = np.random.default_rng(5)
STEP = 2e-2  # what a state that is rounded the other way may change; few are


def f32(*shape):
    return rng.uniform(-0.7, 0.7, shape).astype(F)


def quantize(x, rows):
    """Numbers, scale and zero point on 255 steps of each row's range, or of everything's."""
    axes = 1 if rows else None
    high = np.maximum(x.max(axis=axes, keepdims=True, initial=0), 0)
    low = np.minimum(x.min(axis=axes, keepdims=True, initial=0), 0)
    scale = ((high - low) / F(255)).astype(F)
    scale[scale == 0] = 1
    zero = np.rint(np.clip(-low / scale, 0, 255))
    return np.clip(np.rint(x / scale) + zero, 0, 255) - zero, scale


def multiply(x, weight, scale, rows):
    """weight: integers less their zero points, [K, columns]."""
    numbers, own = quantize(x, rows)
    return (numbers @ weight).astype(F) * (own * scale)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, w, wScale, r, rScale, bias, peephole, lengths, h, c, reverse):
    time, batch, width = x.shape
    hidden = h.shape[1]
    projected = multiply(x.reshape(-1, width), w, wScale, False).reshape(time, batch, 4 * hidden) + bias
    steps = np.zeros((time, batch, hidden), F)
    for t in reversed(range(time)) if reverse else range(time):
        i, o, f, g = np.split(projected[t] + multiply(h, r, rScale, True), 4, axis=1)
        p = np.split(peephole, 3)
        i, f = sigmoid(i + p[0] * c), sigmoid(f + p[2] * c)
        cell = f * c + i * np.tanh(g)
        state = sigmoid(o + p[1] * cell) * np.tanh(cell)
        inside = (t < lengths)[:, None]
        h, c = np.where(inside, state, h).astype(F), np.where(inside, cell, c).astype(F)
        steps[t] = np.where(inside, state, 0)
    return steps, h, c


def levels():
    with open("/proc/cpuinfo", encoding="ascii") as info:
        flags = set(next(line for line in info if line.startswith("flags")).split())
    needs = {"x86-64-v2": "sse4_2", "x86-64-v3": "avx2", "x86-64-v3+vnni": "avx_vnni", "x86-64-v4": "avx512bw",
             "x86-64-v4+vnni": "avx512_vnni"}
    return [level for level, flag in needs.items() if flag in flags]


def case(label, hidden, width, kind=np.int8, batch=1, time=4, direction="forward", columns=False, zeros=True, peephole=False,
         lengths=False, own={}):
    """columns: a scale for each of them. own: whose numbers are replaced, by name."""
    directions = 2 if direction == "bidirectional" else 1
    lowest, highest = np.iinfo(kind).min, np.iinfo(kind).max
    weights = {}
    for name, rows in (("W", width), ("R", hidden)):
        weights[name] = rng.integers(lowest, highest + 1, (directions, rows, 4 * hidden)).astype(kind)
        shape = (directions, 4 * hidden) if columns else (directions,)
        weights[name + "s"] = rng.uniform(0.002, 0.008, shape).astype(F)
        weights[name + "z"] = (rng.integers(lowest // 2 + highest // 2, highest // 4 * 3, shape) * zeros).astype(kind)
    weights["B"] = f32(directions, 8 * hidden)
    weights["P"] = f32(directions, 3 * hidden) if peephole else None
    weights.update((name, own[name]) for name in weights if name in own)
    slots = ["X", "W", "R", "B", "L" if lengths else "", "h", "c", "P" if peephole else "", "Ws", "Wz", "Rs", "Rz"]
    node = helper.make_node("DynamicQuantizeLSTM", slots, ["Y", "Yh", "Yc"], domain="com.microsoft", hidden_size=hidden,
                            direction=direction)
    inputs = [("X", F, ["T", "N", width]), ("h", F, [directions, "N", hidden]), ("c", F, [directions, "N", hidden])]
    if lengths:
        inputs.append(("L", np.int32, ["N"]))
    model = build([node], inputs, [(name, F, None) for name in ("Y", "Yh", "Yc")],
                  [(name, array) for name, array in weights.items() if array is not None],
                  domains=[("com.microsoft", 1)]).SerializeToString()
    samples = {"X": f32(time, batch, width), "h": f32(directions, batch, hidden), "c": f32(directions, batch, hidden)}
    if lengths:
        samples["L"] = rng.integers(0, time + 1, batch).astype(np.int32)
    samples.update((name, own[name]) for name in samples if name in own)
    expected = []
    for d in range(directions):
        def less(name):
            return weights[name][d].astype(F) - weights[name + "z"][d].astype(F)
        bias = weights["B"][d]
        expected.append(lstm(samples["X"], less("W"), weights["Ws"][d], less("R"), weights["Rs"][d],
                             bias[:4 * hidden] + bias[4 * hidden:], weights["P"][d] if peephole else np.zeros(3 * hidden, F),
                             samples.get("L", np.full(batch, time)), samples["h"][d], samples["c"][d],
                             direction == "reverse" or d == 1))
    wanted = [np.stack([each[0] for each in expected], 1), *(np.stack([each[i] for each in expected]) for i in (1, 2))]
    good = True

    def compare(who, arrays):
        nonlocal good
        for name, mine, right in zip(("Y", "Yh", "Yc"), arrays, wanted):
            difference = np.abs(mine - right)
            if mine.shape != right.shape or difference.max(initial=0) > STEP or (difference > 1e-4).sum() > 0.1 * right.size:
                print(f"{label}, {who}: {name} differs by {difference.max()}, {(difference > 1e-4).mean():.3f} of it")
                good = False

    for level in levels():
        result = tessera.compile(model, target=[level]).run(samples)
        compare(level, [result[name] for name in ("Y", "Yh", "Yc")])
    if batch == 1:
        compare("onnxruntime", onnxruntime.InferenceSession(model).run(None, samples))
    return good


good = True
# What states hold is four, two or one number for each group that an instruction sums; columns fill tiles or do not.
for hidden in (8, 6, 5, 16, 20, 67, 100):
    good &= case(f"{hidden} states", hidden, 7)
    good &= case(f"{hidden} states of some sequences", hidden, 12, batch=5)
good &= case("numbers without signs", 20, 9, kind=np.uint8)
good &= case("numbers without signs, of some sequences", 20, 9, kind=np.uint8, batch=3)
good &= case("scales of columns", 12, 7, columns=True, batch=2)
good &= case("no zero points, both directions", 12, 7, zeros=False, direction="bidirectional")
good &= case("lengths, backwards", 12, 7, lengths=True, batch=4, direction="reverse")
good &= case("lengths, both directions, peepholes", 12, 7, lengths=True, batch=4, direction="bidirectional", peephole=True)
good &= case("many sequences", 64, 64, batch=37, time=3)
good &= case("the largest numbers", 64, 64, own={"W": np.full((1, 64, 256), -128, np.int8), "R": np.full((1, 64, 256), -128, np.int8),
                                                 "Wz": np.array([127], np.int8), "Rz": np.array([127], np.int8)})
good &= case("nothing but zeros", 8, 8, own={"X": np.zeros((4, 1, 8), F), "h": np.zeros((1, 1, 8), F)})
good &= case("no steps", 8, 8, time=0, batch=2)
good &= case("no sequences", 8, 8, time=3, batch=0)
print("passed" if good else "failed")
sys.exit(not good)
