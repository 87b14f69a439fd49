"""A model in 8 bits: Tessera's beside onnxruntime's (its own quantizer) and both in f32."""

import json
import subprocess

import numpy as np
import onnx
from peers import onnxruntime_session

import tessera


def quantize_for_onnxruntime(model, inputs, folder):
    """The model in onnxruntime's QDQ form, as ours is: u8 activations, s8 weights, for each channel where the model's opset has
    that (13). None without its quantizer."""
    try:
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError:
        return None

    class Samples(CalibrationDataReader):
        def __init__(self):
            self.left = [inputs]

        def get_next(self):
            return self.left.pop() if self.left else None

    prepared, out = folder / "prepared.onnx", folder / "ort-int8.onnx"
    opset = max(entry.version for entry in onnx.load(str(model), load_external_data=False).opset_import if not entry.domain)
    quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
    quantize_static(str(prepared), str(out), Samples(), quant_format=QuantFormat.QDQ, per_channel=opset >= 13,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    return out


def quantize(model, inputs, folder):
    """Our module, and what tessera-compile reports."""
    samples = folder / "samples"
    samples.mkdir(exist_ok=True)
    for name, array in inputs.items():
        np.save(samples / f"{name}.npy", array)
    out = folder / "int8.tsm"
    done = subprocess.run(["tessera-compile", str(model), "-o", str(out), "--quantize", "int8", "--calibration", str(samples), "--json"],
                          check=True, capture_output=True, text=True)
    return tessera.load(out), json.loads(done.stdout)


def bench_int8_model(table, title, model, inputs, seconds, folder, in_turns):
    ours, report = quantize(model, inputs, folder)
    theirs = quantize_for_onnxruntime(model, inputs, folder)
    error = max(row["relative_error"] for row in report["accuracy"])
    plain = tessera.compile(model)
    for threads in (1, 2):
        sessions = [onnxruntime_session(path, threads) for path in (model, theirs) if path]
        contexts = [module.context(threads=threads) for module in (ours, plain)]
        runs = [lambda context=context: context.run(inputs) for context in contexts]
        runs += [lambda session=session: session.run(None, inputs) for session in sessions]
        times = in_turns(runs, seconds, of=min)
        note = f"int8 {times[0] * 1e3:.1f} ms (relative error {error:.2g}), f32 {times[1] * 1e3:.1f} ms"
        subject = f"{title} int8, {threads} thread{'s' * (threads > 1)}"
        table.add(subject, times[0] / times[1], "of f32 time", note, most=1)
        if theirs:
            table.add("the same, against onnxruntime's", times[0] / times[3], "of ORT time",
                      f"onnxruntime int8 {times[3] * 1e3:.1f} ms, f32 {times[2] * 1e3:.1f} ms")
