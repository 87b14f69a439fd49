"""PP-OCR's detection in 8 bits: it still finds the lines of the demo's picture, and is as far from f32 as its report says."""
import json
import os
import subprocess
import sys

import numpy as np
from conftest import BUILD, ROOT

import tessera

sys.path.insert(0, str(ROOT / "tools" / "demo"))


def test_detection_in_8_bits_reads_the_picture(models, tmp_path):
    from demo import TEXT, example_picture
    from ocr import Reader

    names = {"detection": "ch_PP-OCRv4_det_infer.onnx", "direction": "ch_ppocr_mobile_v2.0_cls_infer.onnx",
             "recognition": "ch_PP-OCRv4_rec_infer.onnx"}
    paths = {title: models / "rapidocr_onnxruntime/models" / name for title, name in names.items()}

    class Model:
        def __init__(self, path, module):
            self.path, self.module, self.seen = path, module, []

        def __call__(self, x):
            self.seen.append(np.ascontiguousarray(x))
            return self.module.run({self.module.inputs[0].name: self.seen[-1]})[self.module.outputs[0].name]

    def reader():
        return Reader(*(Model(path, modules[title]) for title, path in paths.items()))

    modules = {title: tessera.compile(path) for title, path in paths.items()}
    plain = reader()
    boxes = plain.find(example_picture())
    [x] = plain.detection.seen
    expected = plain.detection(x)

    np.save(tmp_path / f"{modules['detection'].inputs[0].name}.npy", x)
    done = subprocess.run([str(BUILD / "bin/tessera-compile"), str(paths["detection"]), "-o", str(tmp_path / "int8.tsm"), "--quantize", "int8",
                           "--calibration", str(tmp_path), "--json"], capture_output=True, text=True, check=True, env=os.environ)
    report = json.loads(done.stdout)
    modules["detection"] = tessera.load(tmp_path / "int8.tsm")
    quantized = reader()
    lines = [text for text, _, _ in quantized.read(example_picture())]
    assert [line.replace(" ", "") for line in lines] == [line.replace(" ", "") for line in TEXT], lines
    found = quantized.find(example_picture())
    assert len(found) == len(boxes) and max(np.abs(a - b).max() for a, b in zip(boxes, found)) < 8

    difference = quantized.detection(x).astype(np.float64) - expected
    [accuracy] = report["accuracy"]
    np.testing.assert_allclose(np.abs(difference).max(), accuracy["largest_error"], rtol=1e-5)
    relative = np.sqrt((difference**2).sum() / (expected.astype(np.float64)**2).sum())
    np.testing.assert_allclose(relative, accuracy["relative_error"], rtol=1e-5)
    assert relative < 0.3 and sum(not layer["left"] for layer in report["layers"]) >= 55
