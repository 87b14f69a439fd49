# Extents of 0: one compilation serves empty and other inputs. Results are onnxruntime's.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t
import sys

import numpy as np
from onnx import helper

from compare import Compiled, build

folder = sys.argv[1]
rng = np.random.default_rng(5)
F32, I64 = np.float32, np.int64
node = helper.make_node


def f32(*shape):
    return rng.uniform(-1, 1, shape).astype(F32)


def rows():
    nodes = [
        node("Concat", ["x", "z"], ["concat"], axis=0),
        node("Pad", ["x", "pads"], ["pad"]),
        node("Softmax", ["x"], ["softmax"], axis=1),
        node("LayerNormalization", ["x", "scale"], ["norm"]),
        node("ReduceSum", ["x", "zero"], ["sum"], keepdims=0),
        node("MatMul", ["x", "w"], ["product"]),
        node("Transpose", ["z"], ["columns"], perm=[1, 0]),
        node("MatMul", ["columns", "z"], ["gram"]),
        node("Reshape", ["x", "pairs"], ["reshape"]),
        node("Slice", ["x", "one", "four"], ["slice"]),
        node("Tile", ["x", "twice"], ["tile"]),
        node("Gather", ["w", "i"], ["gather"], axis=0),
        node("ArgMax", ["x"], ["argmax"], axis=1, keepdims=0),
        node("CumSum", ["x", "axis"], ["cumsum"]),
    ]
    outputs = [(n.output[0], I64 if n.op_type == "ArgMax" else F32, None) for n in nodes if n.output[0] != "columns"]
    constants = [("pads", np.array([1, 0, 1, 1], I64)), ("scale", f32(4)), ("zero", np.array([0], I64)), ("w", f32(4, 3)),
                 ("pairs", np.array([-1, 2], I64)), ("one", np.array([1], I64)), ("four", np.array([4], I64)),
                 ("twice", np.array([2, 1], I64)), ("axis", np.array(0, np.int32))]
    model = build(nodes, [("x", F32, ["N", 4]), ("z", F32, ["M", 4]), ("i", I64, ["K"])], outputs, constants)
    compiled = Compiled(folder, "rows", model)
    for n, m, k in [(0, 0, 0), (0, 3, 2), (5, 0, 1), (3, 2, 0)]:
        compiled.check(x=f32(n, 4), z=f32(m, 4), i=rng.integers(0, 4, k).astype(I64))


def images():
    """No image, and windows that do not fit once."""
    nodes = [
        node("Conv", ["x", "w"], ["conv"], pads=[1, 1, 1, 1]),
        node("MaxPool", ["x"], ["pool"], kernel_shape=[2, 2]),
        node("GlobalAveragePool", ["x"], ["mean"]),
        node("Resize", ["x", "", "scales"], ["resize"], mode="nearest"),
    ]
    model = build(nodes, [("x", F32, ["N", 2, "H", "W"])], [(n.output[0], F32, None) for n in nodes],
                  [("w", f32(4, 2, 3, 3)), ("scales", np.array([1, 1, 2, 2], F32))], opset=18)
    compiled = Compiled(folder, "images", model)
    for shape in [(0, 2, 4, 5), (2, 2, 1, 1), (1, 2, 3, 4)]:
        compiled.check(x=f32(*shape))


rows()
images()
