"""Results that are larger than the caches are stored past them: they are what they would be otherwise, whatever their rows and
wherever their memory begins."""
from pathlib import Path

import numpy as np
import pytest

import tessera

MOST = 128 << 20


def last_cache_bytes():
    """As the kernel knows it; a guess where it does not."""
    caches = list(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"))
    units = {"K": 1 << 10, "M": 1 << 20}
    return max((int(size[:-1]) * units[size[-1]] for size in (file.read_text().strip() for file in caches)), default=32 << 20)


def model(op, element, result):
    x, y = f"!graph.tensor<[M, N], {element}>", f"!graph.tensor<[{result}], {element}>"
    return f"""graph.func @main(%x: {x} {{graph.name = "x"}}) -> ({y} {{graph.name = "y"}}) {{
      %y = {op.replace("X", x).replace("Y", y)}
      graph.return %y : {y}
    }}""".encode()


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


CASES = {
    "relu": (model("graph.relu %x : X", "f32", "M, N"), lambda x: np.maximum(x, 0), np.float32),
    "relu of f64": (model("graph.relu %x : X", "f64", "M, N"), lambda x: np.maximum(x, 0), np.float64),
    "relu of f16": (model("graph.relu %x : X", "f16", "M, N"), lambda x: np.maximum(x, 0), np.float16),
    "transpose": (model("graph.transpose %x, perm = [1, 0] : X -> Y", "f32", "N, M"), np.transpose, np.float32),
    "softmax": (model("graph.softmax %x, axes = [1] : X", "f32", "M, N"), softmax, np.float32),
}


@pytest.mark.parametrize("columns", [2048, 2049, 2056])
@pytest.mark.parametrize("case", CASES)
def test_results_larger_than_caches(case, columns):
    bytes_needed = last_cache_bytes() + (1 << 20)
    if bytes_needed > MOST:
        pytest.skip(f"a result larger than this processor's cache has {bytes_needed >> 20} MB")
    text, expected, kind = CASES[case]
    rows = -(-bytes_needed // (columns * np.dtype(kind).itemsize)) | 1
    x = np.random.default_rng(1).standard_normal((rows, columns), dtype=np.float32).astype(kind)
    want = expected(x)
    module = tessera.compile(text)
    for threads in (1, 2):
        context = module.context(threads=threads)
        for shift in (0, 1):  # memory of the caller begins at any element
            memory = np.full(x.size + 64, 7, kind)
            begin = (-memory.ctypes.data // memory.itemsize) % (64 // memory.itemsize) + shift
            y = memory[begin : begin + x.size].reshape(want.shape)
            context.run({"x": x}, outputs={"y": y})
            assert (memory[:begin] == 7).all() and (memory[begin + x.size :] == 7).all()
            if case == "softmax":
                np.testing.assert_allclose(y, want, rtol=3e-6, atol=1e-9)
            else:
                np.testing.assert_array_equal(y, want)
