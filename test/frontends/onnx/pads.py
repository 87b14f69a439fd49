# Pad with what only a run knows: pads that are computed of extents and of data, negative ones, longer ones than the axis, lists of open length, axes; beside onnxruntime.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import subprocess
import sys

import numpy as np
from compare import Compiled, build
from onnx import helper

F, I = np.float32, np.int64
rng = np.random.default_rng(9)
folder = sys.argv[1]
n = helper.make_node


def draw(*shape):
    return rng.standard_normal(shape).astype(F)


def ints(*values):
    return np.array(values, I)


def compiled(name, nodes, inputs, initializers=()):
    return Compiled(folder, name, build(nodes, inputs, [("y", F, None)], initializers))


def from_data(mode):
    for pads in (6, "P"):  # A list of open length has two for each axis.
        m = compiled("data", [n("Pad", ["x", "p"], ["y"], mode=mode)], [("x", F, ["N", 3, "W"]), ("p", I, [pads])])
        for p in ((0, 0, 2, 0, 0, 3), (1, 2, 0, 2, 0, 0), (0, 0, 0, 0, 0, 0), (0, 0, -2, 0, 0, 3), (0, 0, 2, 0, 0, -3), (0, -1, -2, -1, 0, -1), (-3, 0, 6, 0, 0, 6)):
            m.check(x=draw(4, 3, 7), p=ints(*p))
    # One of the two ends, an empty result, and the same list twice.
    m = compiled("end", [n("Concat", ["two", "q"], ["p"], axis=0), n("Pad", ["x", "p", "", "last"], ["a"], mode=mode), n("Pad", ["x", "p", "", "last"], ["b"], mode=mode),
                         n("Add", ["a", "b"], ["y"])], [("x", F, ["N", "W"]), ("q", I, [1])], [("two", ints(2)), ("last", ints(-1))])
    for q in (3, 0, -1, -3):
        m.check(x=draw(3, 6), q=ints(q))


def from_extents(mode):
    """To ten elements, by padding or cutting before or behind."""
    for parts in (["zero", "d"], ["d", "two"]):
        m = compiled("extents", [n("Shape", ["x"], ["s"], start=2, end=3), n("Sub", ["ten", "s"], ["d"]), n("Concat", parts, ["p"], axis=0),
                                 n("Pad", ["x", "p", "", "axis"], ["y"], mode=mode)], [("x", F, ["N", 3, "W"])],
                     [("ten", ints(10)), ("zero", ints(0)), ("two", ints(2)), ("axis", ints(2))])
        for width in (6, 7, 10, 12):
            m.check(x=draw(4, 3, width))
    m = compiled("cut", [n("Pad", ["x", "p"], ["y"], mode=mode)], [("x", F, ["N", "W"])], [("p", ints(0, -2, 0, 2))])
    for width in (6, 9):
        m.check(x=draw(4, width))


def along_data_axes(mode):
    for axes, pads in ((2, 4), ("A", 4), (2, "P")):
        m = compiled("axes", [n("Pad", ["x", "p", "", "axes"], ["y"], mode=mode)], [("x", F, ["N", 3, "W"]), ("p", I, [pads]), ("axes", I, [axes])])
        for which in ((0, 1), (2, 0), (-1, -2)):
            m.check(x=draw(4, 3, 7), p=ints(1, 1, 0, -1), axes=ints(*which))


def often():
    """What is longer than the axis begins again: onnx's reference, NumPy."""
    m = compiled("often", [n("Pad", ["x", "p"], ["y"], mode="wrap")], [("x", F, ["W"]), ("p", I, [2])])
    for p in ((7, 7), (12, 0), (3, 25)):
        x = draw(7)
        assert np.array_equal(m.run({"x": x, "p": ints(*p)})["y"], np.pad(x, p, mode="wrap"))
        m.check(x=x, p=ints(*p))


def refused():
    m = compiled("much", [n("Pad", ["x", "p"], ["y"], name="q")], [("x", F, ["W"]), ("p", I, [2])])
    result = subprocess.run(["tessera-run", m.module, "--input", "x=4xf32", "--input", "p=2xi64=-7,1"], capture_output=True, text=True)
    assert result.returncode == 1 and "node 'q' (Pad): what the padding leaves before the end of axis 0 is computed from data and comes out below 0" in result.stderr, result


for each in ("constant", "reflect", "edge", "wrap"):
    from_data(each)
    from_extents(each)
    along_data_axes(each)
often()
refused()
print("passed")
