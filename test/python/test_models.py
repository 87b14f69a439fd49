"""The real models give onnxruntime's numbers through the Python package."""
import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageDraw, ImageFont

import tessera

TOLERANCE = 1e-4  # of the output's largest magnitude
OCR = "rapidocr_onnxruntime/models/"


def text(width, height):
    """Black text on white: noise has none to find."""
    image = Image.new("L", (width, height), 255)
    ImageDraw.Draw(image).text((4, height // 8), "Tessera 2026", fill=0, font=ImageFont.load_default(size=height * 2 // 3))
    pixels = (np.asarray(image, np.float32) / 255 - 0.5) / 0.5
    return np.broadcast_to(pixels, (1, 3, height, width)).copy()


def compare(actual, expected):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert actual[name].shape == value.shape and actual[name].dtype == value.dtype
        assert np.abs(actual[name] - value).max() <= TOLERANCE * np.abs(value).max(), name


@pytest.mark.parametrize("name, inputs", [
    ("magika/models/standard_v3_3/model.onnx",
     [np.random.default_rng(n).integers(0, 257, (n, 2048), dtype=np.int32) for n in (1, 3)]),
    (OCR + "ch_ppocr_mobile_v2.0_cls_infer.onnx", [text(192, 48), text(100, 48)]),
    (OCR + "ch_PP-OCRv4_rec_infer.onnx", [text(320, 48), text(104, 48)]),
    (OCR + "ch_PP-OCRv4_det_infer.onnx", [text(192, 64), text(160, 32)])])
def test_one_compilation_serves_all_sizes(models, name, inputs):
    session = onnxruntime.InferenceSession(str(models / name))
    module = tessera.compile(models / name)
    outputs = [output.name for output in session.get_outputs()]
    for x in inputs:
        given = {session.get_inputs()[0].name: x}
        compare(module.run(given), dict(zip(outputs, session.run(outputs, given))))


def test_recurrent_model_carries_its_state(models):
    path = models / "silero_vad/data/silero_vad_op18_ifless.onnx"
    session, module = onnxruntime.InferenceSession(str(path)), tessera.compile(path.read_bytes())
    rng = np.random.default_rng(0)
    for samples, rate in ((576, 16000), (288, 8000)):
        ours = theirs = np.zeros((2, 1, 128), np.float32)
        for _ in range(4):
            given = {"input": (rng.standard_normal((1, samples)) * 0.3).astype(np.float32),
                     "sr": np.array(rate, np.int64)}
            expected = dict(zip(("output", "stateN"), session.run(["output", "stateN"], {**given, "state": theirs})))
            actual = module.run({**given, "state": ours})
            compare(actual, expected)
            ours, theirs = actual["stateN"], expected["stateN"]
