# RNN, GRU and LSTM in all their forms against onnxruntime.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import sys
from pathlib import Path

import numpy as np

from one_node import check

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
folder = Path(sys.argv[1])
rng = np.random.default_rng(7)


def f32(*shape):
    return rng.uniform(-0.7, 0.7, shape).astype(np.float32)


def case(label, op, time=5, batch=3, width=7, hidden=6, direction="forward", bias=True, initial=True, lengths=False, longest=5,
         peephole=False, layout=0, dynamic=True, open_width=False, tolerance=2e-6, **attributes):
    directions, gates = (2 if direction == "bidirectional" else 1), GATES[op]

    def order(array):  # layout 1: the batch first
        return np.ascontiguousarray(np.swapaxes(array, 0, 1)) if layout else array

    inputs = {"X": order(f32(time, batch, width)), "W": f32(directions, gates * hidden, width),
              "R": f32(directions, gates * hidden, hidden),
              "B": f32(directions, 2 * gates * hidden) if bias else None,
              "sequence_lens": rng.integers(1, longest + 1, batch).astype(np.int32) if lengths else None,
              "initial_h": order(f32(directions, batch, hidden)) if initial else None}
    outputs = ["Y", "Y_h"]
    if op == "LSTM":
        inputs["initial_c"] = order(f32(directions, batch, hidden)) if initial else None
        inputs["P"] = f32(directions, 3 * hidden) if peephole else None
        outputs.append("Y_c")
    attributes.update(hidden_size=hidden, direction=direction)
    if layout:
        attributes["layout"] = 1
    constants = [name for name in "WRBP" if inputs.get(name) is not None]
    open_axes = [("X", 1 if layout else 0)] if dynamic else []
    open_axes += [("X", 2)] if open_width else []
    return check(f"{op} {label}", folder, op, inputs, outputs, attributes=attributes, constants=constants,
                 dynamic=open_axes, tolerance=tolerance)


good = True
for op in GATES:
    good &= case("plain", op)
    good &= case("reverse, no bias, no initial state", op, direction="reverse", bias=False, initial=False)
    good &= case("bidirectional with lengths", op, direction="bidirectional", lengths=True)
    for longest in (1, 2):
        good &= case(f"lengths of at most {longest}", op, direction="bidirectional", lengths=True, longest=longest, time=9)
        good &= case(f"lengths of at most {longest}, backwards", op, direction="reverse", lengths=True, longest=longest, batch=1)
    good &= case("a width that only the weights tell", op, open_width=True)
    good &= case("one step, one row, wide", op, time=1, batch=1, width=33, hidden=67, dynamic=False)
good &= case("other activations and a clip", "RNN", activations=["LeakyRelu"], activation_alpha=[0.2], clip=0.4)
good &= case("linear before reset", "GRU", linear_before_reset=1, direction="bidirectional")
good &= case("other activations", "GRU", activations=["HardSigmoid", "Softsign"], activation_alpha=[0.3],
             activation_beta=[0.4])
good &= case("peepholes", "LSTM", peephole=True, direction="bidirectional")
good &= case("clip", "LSTM", clip=0.3)
good &= case("coupled gates", "LSTM", input_forget=1)
# onnxruntime's tanh and sigmoid are approximations, whose errors add up along the sequence.
good &= case("long", "LSTM", time=40, batch=2, hidden=72, tolerance=8e-6)
print("passed" if good else "failed")
