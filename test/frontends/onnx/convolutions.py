# Convolutions whose weights have open extents: channels, groups, windows that are known in a run only, beside onnxruntime; and runs that are refused.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import subprocess
import sys

import numpy as np
from compare import Compiled, build
from onnx import helper

F, U, I = np.float32, np.uint8, np.int64
rng = np.random.default_rng(7)
folder = sys.argv[1]
n = helper.make_node
OPEN = [("x", F, ["N", "C", "H", "W"]), ("w", F, ["O", "I", "K", "L"])]
KNOWN = [("x", F, ["N", 6, "H", "W"]), ("w", F, [4, 6, "K", "L"])]


def draw(*shape):
    return rng.standard_normal(shape).astype(F)


def compiled(name, nodes, inputs, kind=F, opset=21):
    return Compiled(folder, name, build(nodes, inputs, [("y", kind, None)], opset=opset))


def channels_and_windows():
    m = compiled("open", [n("Conv", ["x", "w"], ["y"])], OPEN)
    for x, w in (((2, 6, 9, 8), (4, 6, 3, 2)), ((1, 5, 7, 7), (1, 5, 1, 1)), ((3, 1, 5, 17), (19, 1, 5, 17)), ((0, 2, 5, 5), (3, 2, 2, 2))):
        m.check(x=draw(*x), w=draw(*w))
    for weight in (["O", 6, 3, 3], [4, "I", 3, 3], [4, 6, "K", 3], ["O", "I", 3, 3]):
        m = compiled("one", [n("Conv", ["x", "w", "b"], ["y"], strides=[1, 2], pads=[1, 0, 2, 1])],
                     [KNOWN[0], ("w", F, weight), ("b", F, ["B"])])
        m.check(x=draw(2, 6, 9, 8), w=draw(4, 6, 3, 3), b=draw(4))
    # The bias says how many channels the result has, kernel_shape the window.
    m = compiled("told", [n("Conv", ["x", "w", "b"], ["y"], kernel_shape=[3, 2], dilations=[2, 1])], [*OPEN, ("b", F, [4])])
    m.check(x=draw(2, 6, 9, 8), w=draw(4, 6, 3, 2), b=draw(4))
    for pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        m = compiled(pad, [n("Conv", ["x", "w"], ["y"], auto_pad=pad, strides=[2, 1], dilations=[1, 1])], KNOWN)
        for window in ((3, 2), (1, 4), (6, 1)):
            m.check(x=draw(2, 6, 9, 8), w=draw(4, 6, *window))
    m = compiled("line", [n("Conv", ["x", "w"], ["y"], pads=[1, 2])], [("x", F, ["N", 6, "H"]), ("w", F, [4, 6, "K"])])
    m.check(x=draw(2, 6, 9), w=draw(4, 6, 4))
    m = compiled("cube", [n("Conv", ["x", "w"], ["y"])], [("x", F, ["N", 2, "H", "W", "D"]), ("w", F, ["O", 2, "K", "L", "M"])])
    m.check(x=draw(2, 2, 9, 5, 4), w=draw(3, 2, 3, 2, 1))
    # A weight that is computed; one convolution behind the other, their sum.
    m = compiled("computed", [n("MatMul", ["s", "m"], ["e"]), n("Reshape", ["e", "shape"], ["w"]),
                              n("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=2)],
                 [KNOWN[0], ("s", F, ["Q", 5]), ("m", F, [5, 27]), ("shape", I, [4])])
    m.check(x=draw(2, 6, 9, 8), s=draw(4, 5), m=draw(5, 27), shape=np.array([4, 3, 3, 3]))
    m = compiled("chain", [n("Conv", ["x", "w"], ["a"], group=2), n("Relu", ["a"], ["r"]), n("Conv", ["r", "v"], ["c"], auto_pad="SAME_UPPER"),
                           n("Add", ["c", "r"], ["y"])], [*OPEN, ("v", F, ["P", "J", 3, 3])])
    m.check(x=draw(2, 6, 9, 8), w=draw(4, 3, 3, 3), v=draw(4, 4, 3, 3))


def groups():
    for x, w in (("C", ["O", "I", 3, 3]), (6, ["O", "I", 3, 3]), ("C", [9, "I", "K", 3]), (6, ["O", 2, 3, "L"])):
        m = compiled("groups", [n("Conv", ["x", "w"], ["y"], group=3, strides=[2, 1], dilations=[1, 2], pads=[1, 2, 1, 2])],
                     [("x", F, ["N", x, "H", "W"]), ("w", F, w)])
        m.check(x=draw(2, 6, 9, 8), w=draw(9, 2, 3, 3))
    m = compiled("depthwise", [n("Conv", ["x", "w"], ["y"], group=6)], [KNOWN[0], OPEN[1]])
    for outputs in (6, 12):
        m.check(x=draw(2, 6, 9, 8), w=draw(outputs, 1, 3, 2))


def transposed():
    m = compiled("transposed", [n("ConvTranspose", ["x", "w"], ["y"])], OPEN)
    m.check(x=draw(2, 6, 9, 8), w=draw(6, 4, 3, 2))
    for channels in ("C", 6):
        for group, outputs in ((2, 2), (3, 5), (6, 1)):
            m = compiled("groups", [n("ConvTranspose", ["x", "w", "b"], ["y"], group=group, strides=[2, 1], dilations=[1, 2], pads=[1, 0, 0, 1],
                                      output_padding=[1, 0])], [("x", F, ["N", channels, "H", "W"]), OPEN[1], ("b", F, ["B"])])
            m.check(x=draw(2, 6, 7, 5), w=draw(6, outputs, 3, 2), b=draw(group * outputs))
    for more in ({"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}, {"auto_pad": "VALID"}, {"output_shape": [18, 15]}):
        m = compiled("padded", [n("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], **more)], [KNOWN[0], ("w", F, [6, 4, "K", "L"])])
        for window in ((3, 2), (4, 3)):
            m.check(x=draw(2, 6, 9, 8), w=draw(6, 4, *window))


def quantized():
    x, w = rng.integers(0, 255, (2, 6, 9, 8)).astype(U), rng.integers(0, 255, (4, 6, 3, 3)).astype(U)
    zero = np.array(4, U)
    m = compiled("integers", [n("ConvInteger", ["x", "w", "z", "z"], ["y"])], [(i, U, dims) for i, _, dims in OPEN] + [("z", U, [])], np.int32)
    m.check(x=x, w=w, z=zero)
    scales = np.array([.1, .2, .3, .4], F)
    for group in (1, 2):
        m = compiled("linear", [n("QLinearConv", ["x", "s", "z", "w", "v", "u", "s", "z"], ["y"], group=group)],
                     [(i, U, dims) for i, _, dims in OPEN] + [("s", F, []), ("z", U, []), ("v", F, ["V"]), ("u", U, ["V"])], U)
        m.check(x=x, w=w[:, :6 // group], s=np.array(30, F), z=zero, v=scales, u=np.full(4, 128, U), off_by_one=0.01)


def deformable():
    m = compiled("deformable", [n("DeformConv", ["x", "w", "o"], ["y"])], [*OPEN, ("o", F, ["N", "Q", "A", "B"])], opset=19)
    for window, offsets in (((3, 2), (2, 12, 7, 7)), ((1, 3), (2, 6, 9, 6))):
        m.check(x=draw(2, 6, 9, 8), w=draw(4, 6, *window), o=draw(*offsets))
    m = compiled("groups", [n("DeformConv", ["x", "w", "o", "b", "m"], ["y"], group=2, offset_group=3)],
                 [*OPEN, ("o", F, ["N", "Q", "A", "B"]), ("b", F, ["G"]), ("m", F, ["N", "M", "A", "B"])], opset=19)
    m.check(x=draw(2, 6, 9, 8), w=draw(4, 3, 3, 2), o=draw(2, 36, 7, 7), b=draw(4), m=draw(2, 18, 7, 7))


def blocks():
    m = compiled("blocks", [n("Col2Im", ["x", "image", "block"], ["y"])], [("x", F, ["N", "R", "P"]), ("image", I, [2]), ("block", I, [2])])
    for channels, block in ((3, (2, 3)), (1, (1, 1)), (2, (4, 5))):
        count = (6 - block[0]) * (7 - block[1])
        m.check(x=draw(2, channels * block[0] * block[1], count), image=np.array([5, 6]), block=np.array(block))


def refused():
    """What does not fit is found in a run, with the node's name."""
    x = "x=2x6x9x8xf32"
    for name, node, inputs, given, message in (
            ("window", {"kernel_shape": [3, 3]}, [KNOWN[0], ("w", F, [4, "I", "K", "L"])], (x, "w=4x6x9x1xf32"), "whether the weight has 3 elements along axis 2"),
            ("outputs", {"group": 3}, [KNOWN[0], OPEN[1]], (x, "w=4x2x3x3xf32"), "whether 3 groups divide the channels of the result (O)"),
            ("channels", {"group": 3}, OPEN, ("x=2x7x9x8xf32", "w=3x2x3x3xf32"), "a reshape needs"),
            ("few", {}, KNOWN[:1] + [("w", F, [4, "I", 3, 3])], (x, "w=4x5x3x3xf32"), "a reshape needs")):
        m = compiled(name, [n("Conv", ["x", "w"], ["y"], name="q", **node)], inputs)
        result = subprocess.run(["tessera-run", m.module, *(part for tensor in given for part in ("--input", tensor))], capture_output=True, text=True)
        assert result.returncode == 1 and message in result.stderr, (name, result)
        assert message.startswith("a reshape") or "node 'q' (Conv): " in result.stderr, result.stderr


channels_and_windows()
groups()
transposed()
quantized()
deformable()
blocks()
refused()
print("passed")
