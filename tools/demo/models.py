"""A model compiled by Tessera beside the same model in onnxruntime: runs, times, differences."""

import os
import statistics
import time

import numpy as np
import onnxruntime

import tessera

THREADS = len(os.sched_getaffinity(0))


class Model:
    """Runs with Tessera; keeps each input so that `compare` can give it to onnxruntime."""

    def __init__(self, path, title):
        self.path, self.title = path, title
        start = time.perf_counter()
        self.module = tessera.compile(path, threads=THREADS)
        self.compile_seconds = time.perf_counter() - start
        self.input = self.module.inputs[0].name
        self.output = self.module.outputs[0].name
        self.seen = []

    def __call__(self, x):
        x = np.ascontiguousarray(x)
        self.seen.append(x)
        return self.module.run({self.input: x})[self.output]

    def compare(self, rounds=5):
        """The largest difference (of the largest magnitude), and seconds of both for all inputs seen."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])
        difference, ours, theirs = 0.0, 0.0, 0.0
        for x in self.seen:
            runs = (lambda: self.module.run({self.input: x})[self.output],
                    lambda: session.run([self.output], {self.input: x})[0])
            actual, expected = (run() for run in runs)
            difference = max(difference, float(np.abs(actual - expected).max() / np.abs(expected).max()))
            seconds = ([], [])
            for _ in range(rounds):  # In turns, so that both meet the same disturbances.
                for run, measured in zip(runs, seconds):
                    start = time.perf_counter()
                    run()
                    measured.append(time.perf_counter() - start)
            ours += statistics.median(seconds[0])
            theirs += statistics.median(seconds[1])
        return difference, ours, theirs


def print_comparison(models):
    print(f"\nCompared with onnxruntime {onnxruntime.__version__}, {THREADS} threads each, the inputs above:")
    worst = 0.0
    for model in models:
        if not model.seen:
            continue
        difference, ours, theirs = model.compare()
        worst = max(worst, difference)
        print(f"  {model.title:<12} {len(model.seen):3} inputs   Tessera {ours * 1e3:8.2f} ms   onnxruntime "
              f"{theirs * 1e3:8.2f} ms   ratio {ours / theirs:5.2f}   max difference {difference:.1e}")
    return worst
