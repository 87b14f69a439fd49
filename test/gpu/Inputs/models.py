"""A real model on the interpreter of PTX against onnxruntime.

Arguments: tessera-run with the device "ptx", where model packages are kept, a folder for files, the model, and architectures.
"""
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[3]
TOLERANCE = 1e-4  # of the output's largest magnitude, f32


def picture(height, width):
    """Black text on white, as the model's own preprocessing scales it: noise has no text to find."""
    image = Image.new("L", (width, height), 255)
    ImageDraw.Draw(image).text((2, height // 8), "26", fill=0, font=ImageFont.load_default(size=height * 2 // 3))
    pixels = (np.asarray(image, np.float32) / 255 - 0.5) / 0.5
    return np.broadcast_to(pixels, (1, 3, height, width)).copy()


def speech():
    """A step of 16 kHz: sound, the state before it, the rate."""
    sound = np.sin(np.arange(576, dtype=np.float32) * 0.11) * np.linspace(0, 0.5, 576, dtype=np.float32)
    return {"input": sound[None], "state": np.full((2, 1, 128), 0.1, np.float32), "sr": np.array(16000, np.int64)}


# The file, and what its inputs get (one alone needs no name).
OCR = "rapidocr_onnxruntime/models/ch_"
MODELS = {
    "magika": ("magika/models/standard_v3_3/model.onnx", lambda: np.random.default_rng(0).integers(0, 257, (1, 2048), np.int32)),
    "recognition": (f"{OCR}PP-OCRv4_rec_infer.onnx", lambda: picture(48, 40)),
    "detection": (f"{OCR}PP-OCRv4_det_infer.onnx", lambda: picture(32, 32)),
    "direction": (f"{OCR}ppocr_mobile_v2.0_cls_infer.onnx", lambda: picture(48, 48)),
    "silero": ("silero_vad/data/silero_vad.onnx", speech),
}


def main(run, models, folder, name, *targets):
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, str(ROOT / "tools/dev/fetch_models.py"), str(models)], check=True)
    path, make = MODELS[name]
    session = onnxruntime.InferenceSession(str(models / path))
    inputs = make()
    if not isinstance(inputs, dict):
        inputs = {session.get_inputs()[0].name: inputs}
    outputs = [output.name for output in session.get_outputs()]
    arguments = []
    for number, (source, array) in enumerate(inputs.items()):
        np.save(folder / f"{number}.npy", array)
        arguments += ["--input", f"{source}=@{folder}/{number}.npy"]
    for number, output in enumerate(outputs):
        arguments += ["--output", f"{output}=@{folder}/y{number}.npy"]
    for target in targets:
        module = folder / f"{target}.tsm"
        subprocess.run(["tessera-compile", str(models / path), "--target", f"cuda:{target}", "-o", str(module), "-q"], check=True)
        subprocess.run([run, str(module), "--device", "ptx", *arguments], check=True, stdout=subprocess.DEVNULL)
        for number, expected in enumerate(session.run(outputs, inputs)):
            error = np.abs(np.load(folder / f"y{number}.npy") - expected).max() / np.abs(expected).max()
            print(f"{name}, {target}: {error:.2e} of the largest magnitude")
            assert error <= TOLERANCE, error


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
