# Quantized operators against onnxruntime: every granularity, rounding to even, saturation, zero points of every kind.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import sys

import numpy as np
from onnx import helper

from compare import Compiled, build

rng = np.random.default_rng(0)


def quantize(folder):
    for kind in (np.uint8, np.int8, np.uint16, np.int16):
        zero = np.array(3, kind)
        model = build([helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])], [("x", np.float32, ["N", 5])],
                      [("y", kind, ["N", 5])], [("s", np.array(0.5, np.float32)), ("z", zero)])
        m = Compiled(folder, f"q_{np.dtype(kind).name}", model)
        x = (rng.standard_normal((7, 5)) * 40).astype(np.float32)
        x[0] = [0.25, 0.75, -0.25, -0.75, 1.25]  # halves: to even
        x[1] = [1e9, -1e9, np.inf, -np.inf, 0]   # saturates
        m.check(x=x)
        m.check(x=x[2:3])
    # One scale for each index of an axis, in both directions.
    scale, zero = np.array([0.1, 1, 2.5], np.float32), np.array([0, -5, 7], np.int8)
    nodes = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], axis=1),
             helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], axis=1)]
    model = build(nodes, [("x", np.float32, ["N", 3, "M"])], [("q", np.int8, None), ("y", np.float32, None)],
                  [("s", scale), ("z", zero)])
    m = Compiled(folder, "axis", model)
    for n, k in ((1, 1), (2, 9)):
        m.check(x=(rng.standard_normal((n, 3, k)) * 60).astype(np.float32))
    # Blocks along an axis, the last one smaller.
    scale = rng.uniform(0.1, 2, (2, 4)).astype(np.float32)
    zero = rng.integers(-9, 9, (2, 4)).astype(np.int8)
    nodes = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], axis=1, block_size=3),
             helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], axis=1, block_size=3)]
    model = build(nodes, [("x", np.float32, [2, 12])], [("q", np.int8, None), ("y", np.float32, None)],
                  [("s", scale), ("z", zero)])
    Compiled(folder, "block", model).check(x=(rng.standard_normal((2, 12)) * 60).astype(np.float32))
    # si32 without a zero point, as biases are stored.
    model = build([helper.make_node("DequantizeLinear", ["x", "s"], ["y"])], [("x", np.int32, ["N"])],
                  [("y", np.float32, ["N"])], [("s", np.array(0.125, np.float32))])
    Compiled(folder, "bias", model).check(x=np.array([2**31 - 1, -2**31, 16777217, 0, -1], np.int32))


def dynamic(folder):
    model = build([helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"])], [("x", np.float32, ["N", 4])],
                  [("y", np.uint8, None), ("s", np.float32, None), ("z", np.uint8, None)])
    m = Compiled(folder, "dynamic", model)
    for scale, shift in ((1, 0), (10, 20), (10, -20)):
        m.check(off_by_one=0.02, x=(rng.standard_normal((50, 4)) * scale + shift).astype(np.float32))
    m.check(x=np.zeros((3, 4), np.float32))


def products(folder):
    a = rng.integers(0, 256, (5, 7), dtype=np.uint8)
    b = rng.integers(-64, 64, (7, 6)).astype(np.int8)
    model = build([helper.make_node("MatMulInteger", ["a", "b", "za", "zb"], ["y"])], [("a", np.uint8, ["M", 7])],
                  [("y", np.int32, None)], [("b", b), ("za", np.array(12, np.uint8)), ("zb", np.array(-3, np.int8))])
    m = Compiled(folder, "matmul_integer", model)
    m.check(a=a)
    m.check(a=a[:1])
    names = ["a", "sa", "za", "b", "sb", "zb", "sy", "zy"]
    constants = [("sa", np.array(0.02, np.float32)), ("za", np.array(120, np.uint8)), ("b", b),
                 ("sb", np.array(0.01, np.float32)), ("zb", np.array(1, np.int8)), ("sy", np.array(0.05, np.float32)),
                 ("zy", np.array(100, np.uint8))]
    model = build([helper.make_node("QLinearMatMul", names, ["y"])], [("a", np.uint8, ["M", 7])], [("y", np.uint8, None)],
                  constants)
    Compiled(folder, "qlinear_matmul", model).check(off_by_one=0.02, a=a)


def convolutions(folder):
    x = rng.integers(0, 256, (2, 3, 9, 8), dtype=np.uint8)
    w = rng.integers(0, 256, (4, 3, 3, 3)).astype(np.uint8)
    model = build([helper.make_node("ConvInteger", ["x", "w", "zx"], ["y"], pads=[1, 1, 1, 1], strides=[2, 1])],
                  [("x", np.uint8, ["N", 3, "H", "W"])], [("y", np.int32, None)], [("w", w), ("zx", np.array(7, np.uint8))])
    m = Compiled(folder, "conv_integer", model)
    m.check(x=x)
    m.check(x=x[:1, :, :5, :6])
    constants = [("sx", np.array(0.02, np.float32)), ("zx", np.array(128, np.uint8)),
                 # 7 bits: without VNNI instructions onnxruntime adds pairs of u8 x s8 products in 16 bits, which saturate.
                 ("w", rng.integers(-64, 64, (4, 3, 3, 3)).astype(np.int8)),
                 ("sw", rng.uniform(0.001, 0.01, 4).astype(np.float32)), ("zw", np.zeros(4, np.int8)),
                 ("sy", np.array(0.05, np.float32)), ("zy", np.array(90, np.uint8)),
                 ("bias", rng.integers(-500, 500, 4).astype(np.int32))]
    model = build([helper.make_node("QLinearConv", ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy", "bias"], ["y"])],
                  [("x", np.uint8, ["N", 3, "H", "W"])], [("y", np.uint8, None)], constants)
    Compiled(folder, "qlinear_conv", model).check(off_by_one=0.02, x=x)


if __name__ == "__main__":
    quantize(sys.argv[1])
    dynamic(sys.argv[1])
    products(sys.argv[1])
    convolutions(sys.argv[1])
    print("passed")
