# What the day with a real GPU needs, prepared on any machine: kernels of every class with inputs and expected outputs, and programs to time
# beside PyTorch's. Here the interpreter of PTX runs some of them from the prepared folder, as a GPU would.
# RUN: rm -rf %t && python3 %s prepare %t --build %builddir --only elementwise,rows,tile_f16,stream_f16,stream_places,sort,copies,softmax_4096 --small
# RUN: env TESSERA_CUDA_DRIVER=%builddir/lib/test/libfake_cuda_driver.so FAKE_CUDA_CAPABILITY=90 python3 %t/on-device.py run %t --patience 600 --only tile_f16,stream_f16,stream_places,sort,copies,softmax_4096 | FileCheck %s
# CHECK: sort: right
# CHECK: tile_f16: right
# CHECK: stream_f16: right
# CHECK: stream_places: right
# CHECK: copies: kernels {{.*}} ms; upload of 0 MB {{.*}}; upload of 0 MB beside {{.*}} % beside kernels; download of 0 MB beside {{.*}} 100 % beside kernels; download of 0 MB {{.*}}
# CHECK: softmax_4096: not timed: PyTorch finds no GPU
# CHECK: 5 right, 0 wrong; the lines for test/gpu/RESULTS.md are in
# A kernel that faults takes its process with it, one that never ends has to be left: the rest is checked all the same.
# RUN: touch %t/fail %t/hang
# RUN: env TESSERA_CUDA_DRIVER=%builddir/lib/test/libfake_cuda_driver.so FAKE_CUDA_FAIL_FILE=%t/fail not python3 %t/on-device.py run %t --patience 600 --only elementwise,rows | FileCheck %s --check-prefix=FAILS
# RUN: env TESSERA_CUDA_DRIVER=%builddir/lib/test/libfake_cuda_driver.so FAKE_CUDA_HANG_FILE=%t/hang not python3 %t/on-device.py run %t --patience 10 --only elementwise,rows | FileCheck %s --check-prefix=HANGS
# FAILS: elementwise: wrong: {{.*}}CUDA_ERROR_LAUNCH_FAILED
# FAILS-NEXT: rows: right
# FAILS-NEXT: 1 right, 1 wrong
# HANGS: elementwise: wrong: nothing came of it in 10 seconds
# HANGS-NEXT: rows: right
# HANGS-NEXT: 1 right, 1 wrong
# RUN: env TESSERA_CUDA_DRIVER=%t/none.so not python3 %t/on-device.py run %t --only rows 2>&1 | FileCheck %s --check-prefix=NONE
# NONE: rows: wrong: {{.*}}there is no CUDA driver on this machine
"""prepare FOLDER [--build BUILD] [--only NAME,...] [--kinds KIND,...]: needs the built tools.
run FOLDER [the same]: needs a GPU, python3 and NumPy alone (PyTorch to compare with); writes FOLDER/RESULTS.md. Less than 5 minutes.
both FOLDER: one after the other. `./dev gpu-check` and `./dev bench --device=cuda` call this."""
import argparse
import ctypes
import datetime
import json
import queue
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

TYPES = {"float64": 0, "float32": 1, "float16": 2, "int8": 8, "int32": 10, "int64": 11, "uint8": 12, "bool": 16}
ELEMENTS = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "si8": np.int8, "si32": np.int32, "si64": np.int64}


def function(inputs, lines, result):
    arguments = ", ".join(f'%{name}: !graph.tensor<{kind}> {{graph.name = "{name}"}}' for name, kind in inputs.items())
    return f'graph.func @main({arguments}) -> (!graph.tensor<{result}> {{graph.name = "out"}}) {{\n{lines}\n  graph.return %out : !graph.tensor<{result}>\n}}\n'


def contraction(element, spec="mk,kn->mn", result=None, sizes=("M", "K", "N")):
    extents = dict(zip("mkn", sizes))
    x, w, y = ("[" + ", ".join(extents[d] for d in part) + "]" for part in spec.replace("->", ",").split(","))
    result = f"{y}, {result or element}"
    return function({"x": f"{x}, {element}", "w": f"{w}, {element}"},
                    f'  %out = graph.contract "{spec}" %x, %w : (!graph.tensor<{x}, {element}>, !graph.tensor<{w}, {element}>) -> !graph.tensor<{result}>', result)


def attention(element, depth, middle=""):
    q, k, s = f"[H, Q, {depth}], {element}", f"[H, S, {depth}], {element}", "[H, Q, S], f32"
    types = [f"!graph.tensor<{kind}>" for kind in (q, k, s)]
    rounded = f"!graph.tensor<[H, Q, S], {element}>"
    scores = middle.format(s=types[2], t="!graph.tensor<[H, Q, S], si64>", b="!graph.tensor<[H, Q, S], i1>") or f"  %s = graph.neg %c : {types[2]}"
    narrow = "  %r = graph.neg %p : {0}".format(types[2]) if element == "f32" else f"  %r = graph.convert %p : {types[2]} -> {rounded}"
    return function({"q": q, "k": k, "v": k}, f"""  %c = graph.contract "hqd,hkd->hqk" %q, %k : ({types[0]}, {types[1]}) -> {types[2]}
{scores}
  %p = graph.softmax %s, axes = [2] : {types[2]}
{narrow}
  %out = graph.contract "hqk,hkd->hqd" %r, %v : ({rounded}, {types[1]}) -> {types[0]}""", q)


CAUSAL = """  %i = graph.iota axis = 1 : {t}
  %j = graph.iota axis = 2 : {t}
  %m = graph.compare ge %i, %j : {t}
  %z = graph.constant dense<0xFF800000> : !graph.tensor<[], f32>
  %n = graph.broadcast %z, dims = [] : !graph.tensor<[], f32> -> {s}
  %s = graph.select %m, %c, %n : {s}"""
ROWS, PLACES = "[B, N], f32", "[B, N], si64"


def unary(op, kind=ROWS, tail=""):
    return function({"x": kind}, f"  %out = graph.{op} %x{tail} : !graph.tensor<{kind}>", kind)


MATRICES = [{"M": 200, "K": 320, "N": 136}, {"M": 67, "K": 77, "N": 131}]
HEADS = [{"H": 2, "Q": 200, "S": 520}, {"H": 1, "Q": 67, "S": 131}, {"H": 2, "Q": 1, "S": 600}]
LINES = [{"B": 37, "N": 1000}, {"B": 3, "N": 5000}]
# Name: model, options, extents to run, tolerance.
CASES = {"elementwise": (unary("gelu"), [], LINES, 1e-5), "rows": (unary("softmax", tail=", axes = [1]"), [], LINES, 1e-5),
         "sort": (function({"x": ROWS}, f"  %out, %i = graph.sort %x, axis = 1 : !graph.tensor<{ROWS}> -> !graph.tensor<{ROWS}>, !graph.tensor<{PLACES}>",
                           ROWS), [], LINES, 0),
         "running_sum": (unary("cumulative sum", tail=", axis = 1"), [], LINES, 1e-4),
         "scatter": (function({"x": ROWS, "i": "[K], si64", "u": "[B, K], f32"},
                              f"  %out = graph.scatter add %x, %i, %u, axis = 1 : (!graph.tensor<{ROWS}>, !graph.tensor<[K], si64>, !graph.tensor<[B, K], f32>)"
                              f" -> !graph.tensor<{ROWS}>", ROWS), [], [{"B": 5, "N": 300, "K": 700}], 1e-4)}
for kind, (options, tolerance, result) in {"f32": ([], 1e-4, None), "f64": ([], 1e-11, None), "f16": ([], 2e-2, None), "si8": ([], 0, "si32"),
                                           "bf16": (["--precision", "bf16"], 1e-2, None), "tf32": (["--precision", "tf32"], 1e-1, None)}.items():
    stored = kind if kind in ELEMENTS else "f32"
    CASES[f"tile_{kind}"] = (contraction(stored, result=result), options, MATRICES, tolerance)
    CASES[f"tile_{kind}_along"] = (contraction(stored, "mk,nk->mn", result), options, MATRICES, tolerance)
    CASES[f"tile_{kind}_across"] = (contraction(stored, "km,kn->mn", result), options, MATRICES[:1], tolerance)
for depth in (64, 128, 256):
    CASES["stream_f16" + (f"_{depth}" if depth != 64 else "")] = (attention("f16", depth), [], HEADS, 2e-2)
    CASES[f"stream_bf16_{depth}"] = (attention("f32", depth), ["--precision", "bf16"], HEADS[:2], 5e-2)
CASES["stream_f32"] = (attention("f32", 64), [], HEADS, 1e-4)
CASES["stream_tf32"] = (attention("f32", 64), ["--precision", "tf32"], HEADS, 2e-2)
CASES["stream_causal"] = (attention("f16", 64, CAUSAL), [], [{"H": 2, "Q": 300, "S": 300}], 2e-2)
CASES["stream_places"] = (function({"x": "[Q, 64], f16", "w": "[S, 64], f16"}, """  %c = graph.contract "qd,sd->qs" %x, %w : (!graph.tensor<[Q, 64], f16>, !graph.tensor<[S, 64], f16>) -> !graph.tensor<[Q, S], f32>
  %out = graph.arg_reduce max %c, axis = 1 : !graph.tensor<[Q, S], f32> -> !graph.tensor<[Q], si64>""", "[Q], si64"), [], HEADS[:2], 0)
# To be timed beside PyTorch: model, options, extents, what PyTorch computes, operations of one run.
BENCH = {}
for kind, precision in (("f16", []), ("bf16", []), ("f32", []), ("f32", ["--precision", "tf32"])):
    for n in (1024, 4096, 8192) if kind != "f32" or precision else (4096,):
        name = f"product_{precision[1] if precision else kind}_{n}"
        BENCH[name] = (contraction(kind, "mk,nk->mn"), precision, {"M": n, "K": n, "N": n}, "product", 2 * n ** 3)
for depth in (64, 128, 256):
    for n in (2048, 8192):
        extents = {"H": 32, "Q": n, "S": n}
        BENCH[f"attention_{depth}_{n}"] = (attention("f16", depth, "  %s = graph.add %c, %c : {s}"), [], extents, "attention", 4 * 32 * n * n * depth)
BENCH["softmax_4096"] = (unary("softmax", tail=", axes = [1]"), [], {"B": 8192, "N": 4096}, "softmax", 8 * 8192 * 4096)


# An output that is ready early and an input that is wanted late, with kernels beside both.
COPIES = {"copies": (f"""graph.func @main(%x: !graph.tensor<{ROWS}> {{graph.name = "x"}}, %w: !graph.tensor<{ROWS}> {{graph.name = "w"}})
    -> (!graph.tensor<{ROWS}> {{graph.name = "early"}}, !graph.tensor<{ROWS}> {{graph.name = "late"}}) {{
  %early = graph.cumulative sum %x, axis = 1 : !graph.tensor<{ROWS}>
  %1 = graph.mul %early, %w : !graph.tensor<{ROWS}>
  %2 = graph.cumulative max %1, axis = 1 : !graph.tensor<{ROWS}>
  %late = graph.cumulative sum %2, axis = 1 : !graph.tensor<{ROWS}>
  graph.return %early, %late : !graph.tensor<{ROWS}>, !graph.tensor<{ROWS}>
}}""", [], {"B": 1024, "N": 8192})}


def inputs_of(text, extents, rng):
    """By the declarations of the arguments."""
    arrays = {}
    for part in text[:text.index("->")].split("%")[1:]:
        name, kind = part.split(":")[0], part[part.index("<") + 1:part.index(">")]
        dims, element = kind.rsplit(", ", 1)
        shape = [int(extents.get(d.strip(), d.strip())) for d in dims.strip("[]").split(",")]
        if element == "si64":
            arrays[name] = rng.integers(0, extents["N"], shape)
        elif element == "si8":
            arrays[name] = rng.integers(-8, 9, shape).astype(np.int8)
        else:
            arrays[name] = rng.standard_normal(shape).astype(ELEMENTS[element])
    return arrays


def prepare(folder, build, only, kinds):
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(__file__, folder / "on-device.py")
    for library in ("libtessera_runtime.so", "libtessera_cuda.so"):
        shutil.copy(build / "lib" / library, folder)
    manifest = {"cases": {}, "copies": {}, "bench": {}}
    rng = np.random.default_rng(0)
    for kind, models in (("cases", CASES), ("copies", COPIES), ("bench", BENCH)):
        for name, (text, options, extents, *rest) in models.items():
            if (only and name not in only) or kind not in kinds:
                continue
            model = folder / f"{name}.mlir"
            model.write_text(text)
            subprocess.run(["tessera-compile", model, "--target", "cuda:sm_80,cuda:sm_90a", "-q", "-o", model.with_suffix(".tsm"), *options], check=True)
            manifest[kind][name] = [extents, *rest]
            for number, sizes in enumerate(extents if kind == "cases" else []):
                arrays = inputs_of(text, sizes, rng)
                arguments = []
                for key, array in arrays.items():
                    np.save(folder / f"{name}.{number}.{key}.npy", array)
                    arguments += ["--input", f"{key}=@{folder / f'{name}.{number}.{key}.npy'}"]
                rounding = [] if "tf32" in options else options
                subprocess.run(["tessera-run", model, "--reference", *rounding, *arguments, "--output", f"out=@{folder / f'{name}.{number}.out.npy'}"],
                               check=True, stdout=subprocess.DEVNULL)
    (folder / "manifest.json").write_text(json.dumps(manifest))


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("type", ctypes.c_uint32), ("rank", ctypes.c_uint32),
                ("dims", ctypes.c_int64 * 16), ("strides", ctypes.c_int64 * 16)]


class LoadOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("verify_all", ctypes.c_uint32), ("allocator", ctypes.c_void_p),
                ("variant", ctypes.c_char_p), ("device", ctypes.c_char_p), ("offset", ctypes.c_uint64), ("bytes", ctypes.c_uint64)]


class RunOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("reserved", ctypes.c_uint32), ("timeout", ctypes.c_uint64), ("stream", ctypes.c_void_p)]


class Runtime:
    def __init__(self, folder):
        self.library = ctypes.CDLL(str(folder / "libtessera_runtime.so"), mode=ctypes.RTLD_GLOBAL)
        self.library.tessera_error_message.restype = ctypes.c_char_p
        self.call("tessera_cuda_enable", library=ctypes.CDLL(str(folder / "libtessera_cuda.so")))

    def call(self, name, *arguments, library=None):
        error = ctypes.c_void_p()
        if getattr(library or self.library, name)(*arguments, ctypes.byref(error)):
            raise RuntimeError(self.library.tessera_error_message(error).decode())

    def tensor(self, address, kind, dims):
        made = Tensor()
        self.library.tessera_tensor_init(ctypes.byref(made), kind, len(dims), (ctypes.c_int64 * len(dims))(*dims), ctypes.c_void_p(address))
        return ctypes.byref(made)

    def load(self, path):
        module, context = ctypes.c_void_p(), ctypes.c_void_p()
        options = LoadOptions(ctypes.sizeof(LoadOptions), device=b"cuda")
        self.call("tessera_module_load_file", str(path).encode(), ctypes.byref(options), ctypes.byref(module))
        self.call("tessera_context_create", module, None, ctypes.byref(context))
        return context

    def run(self, context, arrays, out):
        """From and to the host's memory."""
        for number, array in enumerate(arrays):
            self.call("tessera_set_input", context, 0, number, self.tensor(array.ctypes.data, TYPES[str(array.dtype)], array.shape))
        self.call("tessera_set_output", context, 0, 0, self.tensor(out.ctypes.data, TYPES[str(out.dtype)], out.shape))
        self.call("tessera_run", context, 0, None)


def names_of(text):
    return [part.split(":")[0] for part in text[:text.index("->")].split("%")[1:]]


def check(runtime, folder, name, extents, tolerance):
    context = runtime.load(folder / f"{name}.tsm")
    names = names_of((folder / f"{name}.mlir").read_text())
    for number in range(len(extents)):
        arrays = [np.load(folder / f"{name}.{number}.{key}.npy") for key in names]
        wanted = np.load(folder / f"{name}.{number}.out.npy")
        found = np.empty_like(wanted)
        for _ in range(3):  # What comes again is a CUDA graph.
            found.fill(0)
            runtime.run(context, arrays, found)
            np.testing.assert_allclose(found.astype(np.float64), wanted.astype(np.float64), rtol=tolerance, atol=tolerance, err_msg=str(extents[number]))


def measure(torch, body):
    for _ in range(3):
        body()
    times = []
    for _ in range(5):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(10):
            body()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / 10)
    return sorted(times)[2]


class Record(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_uint32), ("function", ctypes.c_uint32), ("instruction", ctypes.c_uint32),
                ("kernel", ctypes.c_int32), ("thread", ctypes.c_uint32), ("reserved", ctypes.c_uint32),
                *((name, ctypes.c_int64) for name in ("start", "duration", "operations", "bytes"))]


def overlap(runtime, folder, extents):
    """Of the time that copies beside kernels take, how much kernels run; rates of all copies."""
    context = runtime.load(folder / "copies.tsm")
    shape = (extents["B"], extents["N"])
    arrays = [np.full(shape, 0.5, np.float32) for _ in "xw"]
    outputs = [np.empty(shape, np.float32) for _ in range(2)]
    for number, (given, out) in enumerate(zip(arrays, outputs)):
        runtime.call("tessera_set_input", context, 0, number, runtime.tensor(given.ctypes.data, 1, shape))
        runtime.call("tessera_set_output", context, 0, number, runtime.tensor(out.ctypes.data, 1, shape))
    runtime.call("tessera_run", context, 0, None)
    runtime.call("tessera_profile_start", context, ctypes.c_uint64(1000))
    runtime.call("tessera_run", context, 0, None)
    runtime.library.tessera_profile_count.restype = ctypes.c_uint64
    records = []
    for number in range(runtime.library.tessera_profile_count(context)):
        records.append(Record())
        runtime.library.tessera_profile_get(context, ctypes.c_uint64(number), ctypes.byref(records[-1]))
    kernels = [(r.start, r.start + r.duration) for r in records if r.kind == 0]
    texts = []
    for kind, name in ((6, "upload"), (7, "download")):
        for r in (r for r in records if r.kind == kind):
            shared = sum(max(0, min(end, r.start + r.duration) - max(begin, r.start)) for begin, end in kernels)
            texts.append(f"{name} of {r.bytes >> 20} MB{' beside' if r.thread else ''} {r.duration / 1e6:.2f} ms, {r.bytes / max(r.duration, 1):.1f} GB/s, "
                         f"{100 * shared / max(r.duration, 1):.0f} % beside kernels")
    np.testing.assert_allclose(outputs[0], np.cumsum(arrays[0], 1), rtol=1e-4)
    assert sum(bool(r.thread) for r in records) == 2, "no copies went beside kernels"
    return f"kernels {sum(end - begin for begin, end in kernels) / 1e6:.2f} ms; " + "; ".join(texts)


def compare(torch, runtime, folder, name, extents, what, operations):
    """Times of both, and how far the results are from each other."""
    text = (folder / f"{name}.mlir").read_text()
    kinds = {"f16": (torch.float16, 2), "bf16": (torch.bfloat16, 3), "f32": (torch.float32, 1)}
    tensors = []
    for part in text[:text.index("->")].split("%")[1:]:
        dims, element = part[part.index("<") + 1:part.index(">")].rsplit(", ", 1)
        shape = [int(extents.get(d.strip(), d.strip())) for d in dims.strip("[]").split(",")]
        tensors.append((torch.randn(shape, device="cuda", dtype=kinds[element][0]), kinds[element][1]))
    torch.backends.cuda.matmul.allow_tf32 = "tf32" in name
    given = [tensor for tensor, _ in tensors]
    theirs = {"product": lambda x, w: x @ w.T, "softmax": lambda x: torch.softmax(x, 1),
              "attention": lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None], scale=2.0)[0]}[what]
    wanted = theirs(*given)
    out = torch.zeros_like(wanted)
    context, stream = runtime.load(folder / f"{name}.tsm"), torch.cuda.Stream()
    for number, (tensor, kind) in enumerate(tensors):
        runtime.call("tessera_set_device_input", context, 0, number, runtime.tensor(tensor.data_ptr(), kind, tensor.shape))
    runtime.call("tessera_set_device_output", context, 0, 0, runtime.tensor(out.data_ptr(), tensors[0][1], out.shape))
    options = RunOptions(ctypes.sizeof(RunOptions), stream=stream.cuda_stream)
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        own = measure(torch, lambda: runtime.call("tessera_run", context, 0, ctypes.byref(options)))
        other = measure(torch, lambda: theirs(*given))
    distance = ((out - wanted).abs().max() / wanted.abs().max()).item()
    return f"{own:.3f} ms, {operations / own / 1e9:.0f} TFLOP/s; PyTorch {other:.3f} ms, ratio {own / other:.2f}; furthest {distance:.1e}"


def work(folder, jobs):
    """One job after the other: two lines of JSON for each, when it begins and what came of it."""
    runtime = Runtime(folder)
    try:
        import torch
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    except ImportError:
        torch, device = None, ""

    def say(**what):
        print(json.dumps(what), flush=True)

    for kind, name, extents, *rest in jobs:
        say(begin=name, device=device)
        if kind == "bench" and not device:
            say(text="not timed: PyTorch finds no GPU", right=None)
            continue
        try:
            if kind == "copies":
                say(text=overlap(runtime, folder, extents), right=True)
            elif kind == "cases":
                check(runtime, folder, name, extents, *rest)
                say(text="right", right=True)
            else:
                say(text=compare(torch, runtime, folder, name, extents, *rest), right=True)
        except (RuntimeError, AssertionError) as error:
            text = " ".join(str(error).split())
            say(text="wrong: " + text[:300], right=False)
            if any(word in text for word in LOST):
                sys.exit(1)  # Nothing works in this process any more.


# What the runtime and PyTorch say of a kernel that was the last one of its process.
LOST = ("only a new process", "illegal memory access", "unspecified launch failure", "misaligned address", "device-side")


class Worker:
    """A process that does jobs, with what it says."""
    SILENT, ENDED = "silent", "ended"

    def __init__(self, folder, jobs):
        self.process = subprocess.Popen([sys.executable, str(folder / "on-device.py"), "work", str(folder), "--jobs", json.dumps(jobs)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines, self.errors, self.isHeard = queue.Queue(), [], False
        self.listeners = [threading.Thread(target=listen, daemon=True) for listen in (self.listen, self.listenToErrors)]
        for listener in self.listeners:
            listener.start()

    def listen(self):
        for line in self.process.stdout:
            if line.startswith("{"):  # What libraries print does not.
                self.lines.put(json.loads(line))
        self.lines.put(self.ENDED)

    def listenToErrors(self):
        self.errors.extend(self.process.stderr)

    def hear(self, seconds):
        try:
            heard = self.lines.get(timeout=seconds)
        except queue.Empty:
            return self.SILENT
        self.isHeard |= heard is not self.ENDED
        return heard

    def end(self, heard):
        """`heard` last."""
        try:
            code = self.process.wait(10 if heard is self.ENDED else 0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.listeners[1].join(10)
        return f"its process ended with {code}: {' '.join(''.join(self.errors).split())[-300:]}"


def run(folder, only, kinds, seconds, patience):
    """Jobs are done by another process. Where a kernel ends it, or never ends itself, a new one goes on with the next job."""
    begin = time.monotonic()
    manifest = json.loads((folder / "manifest.json").read_text())
    jobs = [(kind, name, *of) for kind in kinds for name, of in manifest[kind].items() if not only or name in only]
    lines, counts, device = [], {True: 0, False: 0, None: 0}, ""

    def say(name, text, right):
        print(f"{name}: {text}", flush=True)
        lines.append(f"| {datetime.date.today()} | {device or 'a GPU'} | {name} | {text} |")
        (folder / "RESULTS.md").write_text("\n".join(["| day | device | what | result |", "|---|---|---|---|", *lines]) + "\n")
        counts[right] += 1

    while jobs:
        worker, heard = Worker(folder, jobs), None
        current = None  # The job at hand.
        while jobs or current:
            heard = worker.hear(patience if current else max(patience, 60))
            if not isinstance(heard, dict):
                break
            if "begin" not in heard:
                say(current, heard["text"], heard["right"])
                current = None
                continue
            device = heard["device"]
            if time.monotonic() - begin > seconds:
                for _, name, *_ in jobs:
                    say(name, f"left out after {seconds:g} seconds", None)
                jobs = []
            else:
                current = jobs.pop(0)[1]
        reason = worker.end(heard)
        if current:
            say(current, "wrong: " + (f"nothing came of it in {patience:g} seconds" if heard is Worker.SILENT else reason), False)
        elif jobs and not worker.isHeard:
            sys.exit(f"no job begins: {reason}")
    print(f"{counts[True]} right, {counts[False]} wrong; the lines for test/gpu/RESULTS.md are in {folder / 'RESULTS.md'}")
    return counts[False] != 0


arguments = argparse.ArgumentParser()
arguments.add_argument("what", choices=("prepare", "run", "both", "work"))
arguments.add_argument("folder", type=Path)
arguments.add_argument("--build", type=Path, default=Path("build"))
arguments.add_argument("--only", default="")
arguments.add_argument("--kinds", default="cases,copies,bench", help="what to check or time")
arguments.add_argument("--seconds", type=float, default=280, help="after which nothing new is begun")
arguments.add_argument("--patience", type=float, default=60, help="seconds after which a kernel is taken to run forever")
arguments.add_argument("--jobs", type=json.loads, default=[], help="of work: what run gives it")
arguments.add_argument("--small", action="store_true", help="copies of 160 KB: for the interpreter")
given = arguments.parse_args()
chosen, kinds = given.only.split(",") if given.only else [], given.kinds.split(",")
if given.small:
    COPIES["copies"][2].update(B=20, N=2000)
if given.what == "work":
    sys.exit(work(given.folder, given.jobs))
if given.what != "run":
    prepare(given.folder, given.build, chosen, kinds)
if given.what != "prepare":
    sys.exit(run(given.folder, chosen, kinds, given.seconds, given.patience))
