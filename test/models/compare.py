# Real models from their packages, compiled once, run at several sizes, compared with onnxruntime.
# RUN: env TESSERA_CUDA_DRIVER=%builddir/lib/test/libfake_cuda_driver.so python3 %s %T/models %t | FileCheck %s
# CHECK: passed
"""Arguments: where model packages are kept, a folder for files. Exits with 1 when a model differs."""
import _ctypes
import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import tessera
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-4  # of the output's largest magnitude, f32

MODELS = {
    "magika/models/standard_v3_3/model.onnx": [(1, 2048), (3, 2048)],
    "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx": [(1, 3, 48, 192), (2, 3, 48, 100)],
    "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx": [(1, 3, 48, 320), (2, 3, 48, 104)],
    "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx": [(1, 3, 64, 192), (2, 3, 32, 160)],
}


def picture(shape):
    """Black text on white, as the models' own preprocessing scales it: noise has no text to find."""
    batch, channels, height, width = shape
    image = Image.new("L", (width, height), 255)
    font = ImageFont.load_default(size=height * 2 // 3)
    ImageDraw.Draw(image).text((4, height // 8), "Tessera 2026", fill=0, font=font)
    pixels = (np.asarray(image, dtype=np.float32) / 255 - 0.5) / 0.5
    return np.broadcast_to(pixels, (batch, channels, height, width)).copy()


def check(path, shapes, folder):
    session = onnxruntime.InferenceSession(str(path))
    source = session.get_inputs()[0]
    module = folder / "model.tsm"
    subprocess.run(["tessera-compile", str(path), "-o", str(module)], check=True, stderr=subprocess.DEVNULL)
    rng = np.random.default_rng(0)  # bytes
    good = True
    for shape in shapes:
        if source.type == "tensor(int32)":
            x = rng.integers(0, 257, shape, dtype=np.int32)
        else:
            x = picture(shape)
        np.save(folder / "x.npy", x)
        command = ["tessera-run", str(module), "--input", f"{source.name}=@{folder}/x.npy"]
        names = [output.name for output in session.get_outputs()]
        for i, name in enumerate(names):
            command += ["--output", f"{name}=@{folder}/y{i}.npy"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        if shape == shapes[-1]:
            outputs = [folder / f"y{i}.npy" for i in range(len(names))]
            good &= check_program(module, command[2:], outputs) and check_library(module, {source.name: x}, outputs)
        for i, expected in enumerate(session.run(names, {source.name: x})):
            actual = np.load(folder / f"y{i}.npy")
            same = actual.shape == expected.shape and actual.dtype == expected.dtype
            error = np.abs(actual - expected).max() / np.abs(expected).max() if same else np.inf
            print(f"{path.name} {shape} {names[i]}: {error:.2e} of the largest magnitude")
            good &= bool(error <= TOLERANCE)
    return good


def check_program(module, arguments, outputs):
    """The module as a program of its own gives the same bytes."""
    before = [path.read_bytes() for path in outputs]
    for path in outputs:
        path.unlink()
    program = module.with_suffix("")
    subprocess.run(["tessera-compile", str(module), "--emit", "exe", "-o", str(program)], check=True)
    subprocess.run([str(program), *arguments], check=True, stdout=subprocess.DEVNULL)
    same = before == [path.read_bytes() for path in outputs]
    print(f"{program.name} as a program: {'same' if same else 'other'} outputs")
    return same


def check_library(module, inputs, outputs):
    """The module as a library for these extents gives the same bytes."""
    signature = tessera.load(module).inputs
    dims = {d.strip('"'): n for port in signature for d, n in zip(port.shape, inputs[port.name].shape) if isinstance(d, str)}
    library = module.with_name("libmodel.so")
    subprocess.run(["tessera-compile", str(module), "--emit", "library", "-o", str(library)]
                   + [text for name, extent in dims.items() for text in ("--dim", f"{name}={extent}")], check=True)
    header = (module.with_name("model.h")).read_text()
    arena = np.zeros(int(re.search(r"MODEL_ARENA_BYTES (\d+)", header).group(1)) + 64, np.uint8)
    expected = [np.load(path) for path in outputs]
    actual = [np.empty_like(array) for array in expected]
    tensors = [np.ascontiguousarray(inputs[port.name]) for port in signature] + actual
    addresses = [array.ctypes.data for array in tensors] + [-(-arena.ctypes.data // 64) * 64]
    loaded = ctypes.CDLL(str(library))
    status = loaded.model_main(*map(ctypes.c_void_p, addresses))
    _ctypes.dlclose(loaded._handle)  # The next model's library has the same name.
    same = status == 0 and all(a.tobytes() == e.tobytes() for a, e in zip(actual, expected))
    print(f"{library.name}: {'same' if same else 'other'} outputs")
    return same


def check_sequence(path, folder):
    """A recurrent model: calls that hand their state on, at both sample rates (an If of the model)."""
    session = onnxruntime.InferenceSession(str(path))
    module = folder / "sequence.tsm"
    subprocess.run(["tessera-compile", str(path), "-o", str(module), "--target", "host,cuda:sm_80"], check=True,
                   stderr=subprocess.DEVNULL)
    on_gpu = tessera.load(module, device="cuda")
    rng = np.random.default_rng(0)
    good = True
    for batch, samples, rate in ((1, 576, 16000), (1, 288, 8000), (2, 576, 16000)):
        expected_state = actual_state = np.zeros((2, batch, 128), np.float32)
        for _ in range(3):
            x = (rng.standard_normal((batch, samples)) * 0.3).astype(np.float32)
            inputs = {"input": x, "sr": np.array(rate, np.int64), "state": expected_state}
            expected, expected_state = session.run(["output", "stateN"], inputs)
            np.save(folder / "x.npy", x)
            np.save(folder / "s.npy", actual_state)
            subprocess.run(["tessera-run", str(module), "--input", f"input=@{folder}/x.npy", "--input",
                            f"sr=i64={rate}", "--input", f"state=@{folder}/s.npy", "--output",
                            f"output=@{folder}/y.npy", "--output", f"stateN=@{folder}/s.npy"],
                           check=True, stdout=subprocess.DEVNULL)
            actual, actual_state = np.load(folder / "y.npy"), np.load(folder / "s.npy")
            computed = on_gpu.run(inputs)  # By the interpreter of PTX.
            for a, e in ((actual, expected), (actual_state, expected_state), (computed["output"], expected),
                         (computed["stateN"], expected_state)):
                good &= bool(np.abs(a - e).max() <= TOLERANCE * np.abs(e).max())
        print(f"{path.name} batch {batch}, {samples} samples: {'same' if good else 'different'}")
    return good


def main():
    models, folder = Path(sys.argv[1]), Path(sys.argv[2])
    os.makedirs(folder, exist_ok=True)
    fetch = subprocess.run([sys.executable, str(ROOT / "tools/dev/fetch_models.py"), str(models)])
    if fetch.returncode == 2:
        print("the model packages cannot be fetched")
        return 1
    good = True
    for name, shapes in MODELS.items():
        good &= check(models / name, shapes, folder)
    good &= check_sequence(models / "silero_vad/data/silero_vad_op18_ifless.onnx", folder)
    print("passed" if good else "a model differs")
    return not good


if __name__ == "__main__":
    sys.exit(main())
