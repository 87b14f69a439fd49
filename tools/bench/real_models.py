"""Real models at several sizes against every peer, and what a process needs until it has its first result."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
from measuring import ROOT, plural, samples_in_turns
from peers import iree_model, iree_module, onnxruntime_session, openvino_model

import tessera

MODELS = ROOT / ".cache" / "models"
OCR = "rapidocr_onnxruntime/models/"
SLOWEST = 2.5  # times onnxruntime's time

# title, file, and the shapes of its inputs that the measurements use
REAL_MODELS = [
    ("magika", "magika/models/standard_v3_3/model.onnx", {"bytes": (1, 2048)}),
    ("magika, 8 files", "magika/models/standard_v3_3/model.onnx", {"bytes": (8, 2048)}),
    ("detection 320x640", OCR + "ch_PP-OCRv4_det_infer.onnx", {"x": (1, 3, 320, 640)}),
    ("detection 736x960", OCR + "ch_PP-OCRv4_det_infer.onnx", {"x": (1, 3, 736, 960)}),
    ("recognition 48x320", OCR + "ch_PP-OCRv4_rec_infer.onnx", {"x": (1, 3, 48, 320)}),
    ("recognition 48x640, 6 lines", OCR + "ch_PP-OCRv4_rec_infer.onnx", {"x": (6, 3, 48, 640)}),
    ("direction 48x192", OCR + "ch_ppocr_mobile_v2.0_cls_infer.onnx", {"x": (1, 3, 48, 192)}),
    ("direction 48x192, 6 lines", OCR + "ch_ppocr_mobile_v2.0_cls_infer.onnx", {"x": (6, 3, 48, 192)}),
    ("silero step", "silero_vad/data/silero_vad_op18_ifless.onnx",
     {"input": (1, 576), "state": (2, 1, 128), "sr": ()}),
    ("silero step, 8 streams", "silero_vad/data/silero_vad_op18_ifless.onnx",
     {"input": (8, 576), "state": (2, 8, 128), "sr": ()}),
]


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


def bench_models(table, seconds):
    ratios = {}
    for title, name, shapes in REAL_MODELS:
        module = tessera.compile(MODELS / name)
        for threads in (1, 2):
            session = onnxruntime_session(MODELS / name, threads)
            inputs = inputs_for(session, shapes)
            context = module.context(threads=threads)
            openvino = openvino_model(MODELS / name, inputs, threads, title=name)
            peers = {"onnxruntime": lambda: session.run(None, inputs), "openvino": openvino and (lambda: openvino(inputs)),
                     "iree": iree_model(MODELS / name, inputs, threads, name)}
            peers = {peer: run for peer, run in peers.items() if run}
            ours, *samples = samples_in_turns([lambda: context.run(inputs), *peers.values()], seconds)
            mine, *theirs = (statistics.median(measured) for measured in (ours, *samples))
            for peer, measured in zip(peers, theirs):
                table.add(f"{title}, {plural(threads)}", mine / measured, f"of {peer}", f"Tessera {mine * 1e3:.3f} ms, "
                          f"{peer} {measured * 1e3:.3f} ms", most=SLOWEST, times=ours)
            ratios[f"{title}, {plural(threads)}"] = mine / min(theirs)
    worst = max(ratios, key=ratios.get)
    table.add("real models, geometric mean", statistics.geometric_mean(ratios.values()), "of best peer", f"of {len(ratios)}", most=1)
    table.add("real models, the worst", ratios[worst], "of best peer", worst, most=1.25)


# Run in a process of its own: imports do not count, for anybody; what is behind them does.
FIRST_RESULT = """
import json, sys, time
sys.path.insert(0, {folder!r})
import numpy as np
import peers
sys.path.append(str(peers.PACKAGES))
peer, model = sys.argv[1:3]
inputs = dict(np.load(sys.argv[3]))
if peer == "Tessera":
    import tessera
elif peer == "openvino":
    import openvino
elif peer == "iree":
    import iree.runtime
def memory():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1000
before, start = memory(), time.perf_counter()
if peer == "Tessera":
    tessera.load(model).context(threads=1).run(inputs)
elif peer == "onnxruntime":
    peers.onnxruntime_session(model, 1).run(None, inputs)
elif peer == "openvino":
    peers.openvino_model(model, inputs, 1)
else:
    peers.iree_loaded(model, [inputs[name] for name in json.loads(sys.argv[4])], 1)
print(json.dumps([time.perf_counter() - start, memory() - before]))
"""


def bench_first_results(table, folder):
    """Time and memory from a file to the first result, with one thread, and the size of what is loaded. openvino and onnxruntime
    compile when they load; the others do before."""
    code = FIRST_RESULT.format(folder=str(Path(__file__).parent))
    for title, name, shapes in REAL_MODELS[::2]:
        session = onnxruntime_session(MODELS / name, 1)
        inputs = inputs_for(session, shapes)
        np.savez(folder / "inputs.npz", **inputs)
        tessera.compile(MODELS / name).save(folder / "first.tsm")
        files = {"Tessera": folder / "first.tsm", "onnxruntime": MODELS / name, "openvino": MODELS / name}
        if iree_model(MODELS / name, inputs, 1, name):
            files["iree"] = iree_module(MODELS / name, inputs, name)
        order = json.dumps([source.name for source in session.get_inputs()])
        found = {}
        for peer, file in files.items():
            if peer == "openvino" and not openvino_model(MODELS / name, inputs, 1, title=name):
                continue
            runs = [json.loads(subprocess.run([sys.executable, "-c", code, peer, str(file), str(folder / "inputs.npz"), order], check=True,
                                              capture_output=True, text=True).stdout.splitlines()[-1]) for _ in range(5)]
            found[peer] = [min(figures) for figures in zip(*runs)] + [file.stat().st_size]
        for number, (what, scale, unit) in enumerate((("first result", 1e3, "ms"), ("memory", 1e-6, "MB"), ("file", 1e-6, "MB"))):
            mine, *theirs = (figures[number] for figures in found.values())
            note = ", ".join(f"{peer} {figures[number] * scale:.3g}" for peer, figures in found.items())
            table.add(f"{title}, {what}", mine / min(theirs), "of best peer", f"{note} {unit}", most=1 if what != "file" else None)
