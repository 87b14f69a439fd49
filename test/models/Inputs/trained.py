"""What the tests of trained models share. Importing it gets the libraries (requirements-classical.txt) into the folder that is
the first argument, and makes them known to Python."""
import os
import subprocess
import sys
import warnings
from pathlib import Path

MODELS = Path(__file__).resolve().parents[1]
LIBRARIES = Path(sys.argv[1])
FETCH = MODELS.parents[1] / "tools/dev/fetch_libraries.py"
if subprocess.run([sys.executable, str(FETCH), str(LIBRARIES), str(MODELS / "requirements-classical.txt")], check=False).returncode:
    sys.exit("the libraries cannot be fetched")
os.environ["OMP_NUM_THREADS"] = "1"
sys.path.append(str(LIBRARIES))
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402

TOLERANCE = 2e-5  # of the output's largest magnitude, f32


def integers_of_booleans(key, value, make=onnx.helper.make_attribute, **rest):
    """The converters hand over booleans among the integers, which protobuf refuses since its version 7."""
    if isinstance(value, list) and any(isinstance(item, (bool, np.bool_)) for item in value):
        value = [int(item) for item in value]
    return make(key, value, **rest)


onnx.helper.make_attribute = integers_of_booleans


def peer_session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # Of what converters say of shapes, not all is true.
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def difference(got, wanted):
    """Of numbers, of the largest magnitude; labels have to be the same."""
    if got.shape != wanted.shape:
        return np.inf
    if wanted.dtype.kind in "iubOU":
        return 0.0 if got.tolist() == wanted.tolist() else np.inf
    return float(np.abs(got - wanted).max(initial=0) / max(np.abs(wanted).max(initial=0), 1e-3))


def report(name, worst, worst_own):
    """Prints how far a model's results are from onnxruntime's and the library's; whether that is near enough."""
    good = worst <= TOLERANCE and worst_own <= 10 * TOLERANCE
    print(f"{name}: {worst:.1e} from onnxruntime, {worst_own:.1e} from the library{'' if good else ' FAILED'}", flush=True)
    return good


def run_rows(rows):
    """Checks by name; the second argument, a word, selects. The exit status: 1 when one fails."""
    word = sys.argv[2] if len(sys.argv) > 2 else ""
    good = True
    for name, check in rows.items():
        if word in name:
            try:
                good &= check()
            except Exception as problem:  # One that cannot be converted or compiled says nothing about the others.
                print(f"{name}: {type(problem).__name__}: {str(problem)[:400]} FAILED", flush=True)
                good = False
    print("passed" if good else "a model differs")
    return not good
