"""Measuring: runs in turns, processes, and what the machine itself does."""

import json
import statistics
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


SLOW = 20  # times as long as the fastest: such runs are timed twice, since they would take all the time


def samples_in_turns(runs, seconds, least=5):
    """The seconds of each run of each; one after the other in every round, so that they meet the same disturbances."""
    times = []
    for _ in range(2):  # the first warms up
        times = [[seconds_for(run)] for run in runs]
    fastest = min(measured[0] for measured in times)
    is_slow = [measured[0] > SLOW * fastest for measured in times]
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < least or time.perf_counter() < end:
        for run, measured, slow in zip(runs, times, is_slow):
            if rounds == 0 or not slow:
                measured.append(seconds_for(run))
        rounds += 1
    return [measured if slow else measured[1:] for measured, slow in zip(times, is_slow)]


def seconds_for(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def in_turns(runs, seconds, least=5, of=statistics.median):
    """Median (or another figure) of the seconds of each."""
    return [of(measured) for measured in samples_in_turns(runs, seconds, least)]


def run_tool(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def seconds_of(*command):
    start = time.perf_counter()
    run_tool(*command)
    return time.perf_counter() - start


def measured_module(path, threads, seconds, inputs=()):
    """What tessera-bench says of a module; in its process the machine's own rates are measured, too."""
    shapes = [word for name, shape in dict(inputs).items() for word in ("-i", f"{name}={shape}")]
    return json.loads(run_tool("tessera-bench", str(path), "--json", "-q", "--threads", str(threads), "--time", str(seconds), *shapes))


def machine_rates(threads=1):
    """Rates of the machine: f32, bf16 and bytes a core multiplies and adds a second, and bytes that the threads read from memory."""
    return measured_module(ROOT / "test" / "tools" / "dense.mlir", threads, 0.02)["machine"]


def plural(threads):
    return f"{threads} thread{'s' * (threads > 1)}"
