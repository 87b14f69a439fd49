"""A real model on the interpreter of PTX, for two architectures, against onnxruntime.

Arguments: tessera-run with the device "ptx", where model packages are kept, a folder for files, the model: magika or recognition.
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


MODELS = {
    "magika": ("magika/models/standard_v3_3/model.onnx", lambda: np.random.default_rng(0).integers(0, 257, (1, 2048), np.int32)),
    "recognition": ("rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", lambda: picture(48, 40)),
}


def main(run, models, folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, str(ROOT / "tools/dev/fetch_models.py"), str(models)], check=True)
    path, make = MODELS[name]
    x = make()
    np.save(folder / "x.npy", x)
    session = onnxruntime.InferenceSession(str(models / path))
    source, output = session.get_inputs()[0].name, session.get_outputs()[0].name
    expected = session.run([output], {source: x})[0]
    for target in ("sm_80", "sm_90a"):
        module = folder / f"{target}.tsm"
        subprocess.run(["tessera-compile", str(models / path), "--target", f"cuda:{target}", "-o", str(module), "-q"], check=True)
        subprocess.run([run, str(module), "--device", "ptx", "--input", f"{source}=@{folder}/x.npy", "--output",
                        f"{output}=@{folder}/y.npy"], check=True, stdout=subprocess.DEVNULL)
        error = np.abs(np.load(folder / "y.npy") - expected).max() / np.abs(expected).max()
        print(f"{name}, {target}: {error:.2e} of the largest magnitude")
        assert error <= TOLERANCE, error


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
