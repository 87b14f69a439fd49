"""Recurrent models of random weights against onnxruntime."""

import time

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from peers import onnxruntime_session

import tessera

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
STEPS = 100
BLOCK = 8  # runs of one after the other


def recurrent_model(op, hidden):
    """One layer over any number of steps and any batch."""
    rng, gates = np.random.default_rng(0), GATES[op]
    bound = hidden**-0.5

    def weight(name, *shape):
        return numpy_helper.from_array(rng.uniform(-bound, bound, (1, *shape)).astype(np.float32), name)

    weights = [weight("W", gates * hidden, hidden), weight("R", gates * hidden, hidden), weight("B", 2 * gates * hidden)]
    extra = {"linear_before_reset": 1} if op == "GRU" else {}  # as torch has it
    node = helper.make_node(op, ["X", "W", "R", "B"], ["Y", "Y_h"], hidden_size=hidden, **extra)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["steps", "batch", hidden])],
                              [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("Y", "Y_h")], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def in_blocks(runs, seconds):
    """Median seconds of each. Each runs some times alone, after a pause, and the first of them do not count: its threads sleep
    while another one runs."""
    times = [[] for _ in runs]
    end = time.perf_counter() + seconds
    while len(times[0]) < BLOCK or time.perf_counter() < end:
        for run, measured in zip(runs, times):
            time.sleep(0.005)
            for number in range(2 + BLOCK):
                start = time.perf_counter()
                run()
                if number >= 2:
                    measured.append(time.perf_counter() - start)
    return [float(np.median(measured)) for measured in times]


def bench_recurrent(table, seconds):
    for op, hidden, batches in (("LSTM", 256, (1, 8, 32)), ("GRU", 256, (1, 32)), ("RNN", 256, (1, 32)), ("LSTM", 64, (1, 8)),
                                ("LSTM", 512, (1,))):
        model = recurrent_model(op, hidden)
        module = tessera.compile(model)
        for threads in (1, 2):
            session = onnxruntime_session(model, threads)
            context = module.context(threads=threads)
            for batch in batches:
                x = {"X": np.random.default_rng(1).standard_normal((STEPS, batch, hidden)).astype(np.float32)}
                ours, theirs = in_blocks([lambda: context.run(x), lambda: session.run(None, x)], seconds)
                table.add(f"{op} {hidden}, {STEPS} steps of {batch}, {threads} thread{'s' * (threads > 1)}", ours / theirs, "of ORT time",
                          f"Tessera {ours * 1e3:.3f} ms, onnxruntime {theirs * 1e3:.3f} ms", most=1)
