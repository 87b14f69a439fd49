"""PP-OCR's detection and recognition in 8 bits: they still read the demo's picture, and are as far from f32 as their reports say."""
import sys

import numpy as np
from conftest import ROOT

import tessera

sys.path.insert(0, str(ROOT / "tools" / "demo"))


def test_detection_and_recognition_in_8_bits_read_the_picture(models):
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
    expected_lines = [text for text, _, _ in plain.read(example_picture())]
    assert [line.replace(" ", "") for line in expected_lines] == [line.replace(" ", "") for line in TEXT]
    # The reader ran detection twice on the same numbers, and recognition once for each line.
    for model, least in ((plain.detection, 60), (plain.recognition, 30)):
        samples = model.seen[:1] if model is plain.detection else list(model.seen)
        name, output = model.module.inputs[0].name, model.module.outputs[0].name
        expected = [model(x) for x in samples]
        module = tessera.compile(model.path, quantize="int8", calibration=[{name: x} for x in samples])
        difference, numbers = (np.concatenate([np.ravel(y).astype(np.float64) for y in ys]) for ys in (
            [module.run({name: x})[output].astype(np.float64) - y for x, y in zip(samples, expected)], expected))
        [accuracy] = module.report["accuracy"]
        np.testing.assert_allclose(np.abs(difference).max(), accuracy["largest_error"], rtol=1e-5)
        relative = np.sqrt((difference**2).sum() / (numbers**2).sum())
        np.testing.assert_allclose(relative, accuracy["relative_error"], rtol=1e-4)
        assert relative < 0.3 and sum(not layer["left"] for layer in module.report["layers"]) >= least
        modules[next(title for title, path in paths.items() if path == model.path)] = module
    quantized = reader()
    lines = [text for text, _, _ in quantized.read(example_picture())]
    assert [line.replace(" ", "") for line in lines] == [line.replace(" ", "") for line in TEXT], lines
    found = quantized.find(example_picture())
    assert len(found) == len(boxes) and max(np.abs(a - b).max() for a, b in zip(boxes, found)) < 8
