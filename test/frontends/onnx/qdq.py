# Models in QDQ form compute in integers, and give what the form says in f32 (onnxruntime without its optimisations: with
# them it adds pairs of products in 16 bits that saturate). A result may be one step off where a quotient lies at a tie.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import itertools
import subprocess
import sys

import numpy as np
from onnx import helper

from compare import Compiled, build

rng = np.random.default_rng(0)
OFF_BY_ONE = 0.01


class Network:
    """Nodes in QDQ form, with constants of their own."""

    def __init__(self):
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, value):
        self.count += 1
        self.constants.append((f"c{self.count}", value))
        return f"c{self.count}"

    def node(self, kind, inputs, **attributes):
        self.count += 1
        self.nodes.append(helper.make_node(kind, inputs, [f"v{self.count}"], **attributes))
        return f"v{self.count}"

    def quantize(self, x, scale, zero):
        return self.node("QuantizeLinear", [x, self.constant(np.float32(scale)), self.constant(zero)])

    def dequantize(self, x, scale, zero):
        return self.node("DequantizeLinear", [x, self.constant(np.float32(scale)), self.constant(zero)])

    def activation(self, x, scale, zero):
        return self.dequantize(self.quantize(x, scale, zero), scale, zero)

    def weight(self, shape, kind, per_channel, symmetric, axis):
        """A dequantized weight, and its scale."""
        info = np.iinfo(kind)
        channels = shape[axis] if per_channel else 1
        scale = rng.uniform(0.004, 0.02, channels).astype(np.float32)
        middle = (info.max + info.min + 1) // 2
        zero = np.full(channels, middle) if symmetric else middle + rng.integers(-20, 20, channels)
        values = rng.integers(info.min, info.max + 1, shape).astype(kind)
        if not per_channel:
            scale, zero = scale[0], zero[0]
        inputs = [self.constant(values), self.constant(np.asarray(scale)), self.constant(np.asarray(zero).astype(kind))]
        return self.node("DequantizeLinear", inputs, axis=axis), scale

    def bias(self, scale, count):
        numbers = rng.integers(-4000, 4000, count).astype(np.int32)
        return self.node("DequantizeLinear", [self.constant(numbers), self.constant(np.asarray(scale, np.float32))], axis=0)

    def compile(self, folder, name, inputs, outputs):
        """outputs: (value, element type)"""
        model = build(self.nodes, inputs, [(output, kind, None) for output, kind in outputs], self.constants)
        return Compiled(folder, name, model, literal=True)


def zero_of(kind, symmetric):
    return kind(128 if kind == np.uint8 else 0) if symmetric else kind(100 if kind == np.uint8 else -11)


def products(folder):
    """Every sign, per tensor and per channel, symmetric or not."""
    cases = itertools.product((np.uint8, np.int8), (np.int8, np.uint8), (False, True), (False, True))
    net, outputs = Network(), []
    for kind, weight_kind, per_channel, symmetric in cases:
        x = net.activation("x", 0.03, zero_of(kind, symmetric))
        w, scale = net.weight((37, 21), weight_kind, per_channel, symmetric, axis=1)
        y = net.node("MatMul", [x, w])
        if per_channel:
            y = net.node("Add", [y, net.bias(np.float32(0.03) * scale, 21)])
        outputs.append((net.quantize(net.node("Relu", [y]), 0.05, zero_of(kind, False)), kind))
    m = net.compile(folder, "products", [("x", np.float32, ["M", 37])], outputs)
    for rows in (1, 7):
        m.check(off_by_one=OFF_BY_ONE, x=(rng.standard_normal((rows, 37)) * 2).astype(np.float32))


def convolutions(folder):
    cases = itertools.product((np.uint8, np.int8), (False, True), ((1, 12, 10), (12, 1, 12)))
    net, outputs = Network(), []
    for kind, symmetric, (groups, inner, channels) in cases:
        x = net.activation("x", 0.03, zero_of(kind, False))
        w, scale = net.weight((channels, inner, 3, 3), np.int8, True, symmetric, axis=0)
        bias = net.bias(np.float32(0.03) * scale, channels)
        y = net.node("Conv", [x, w, bias], pads=[1, 0, 1, 2], strides=[2, 1], group=groups)
        y = net.node("Clip", [y, net.constant(np.float32(0)), net.constant(np.float32(6))])
        outputs.append((net.quantize(y, 0.03, zero_of(kind, False)), kind))
    m = net.compile(folder, "convolutions", [("x", np.float32, ["N", 12, "H", "W"])], outputs)
    for shape in ((1, 12, 5, 4), (2, 12, 11, 18)):
        m.check(off_by_one=OFF_BY_ONE, x=rng.standard_normal(shape).astype(np.float32))


def chain(folder):
    """int8 goes from kernel to kernel: what is between products reads and writes 8 bits."""
    net = Network()
    zero, s = np.uint8(117), 0.04
    x = net.activation("x", s, zero)
    w, scale = net.weight((16, 16, 1, 1), np.int8, True, True, axis=0)
    a = net.activation(net.node("Conv", [x, w, net.bias(np.float32(s) * scale, 16)]), s, zero)
    a = net.activation(net.node("MaxPool", [a], kernel_shape=[3, 3], pads=[1, 1, 1, 1]), s, zero)
    b = net.activation(net.node("Add", [a, x]), s, zero)
    c = net.activation(net.node("Concat", [a, b], axis=1), s, zero)
    w, scale = net.weight((8, 32, 3, 3), np.int8, True, True, axis=0)
    y = net.quantize(net.node("Conv", [c, w]), 0.2, zero)
    m = net.compile(folder, "chain", [("x", np.float32, ["N", 16, "H", "W"])], [(y, np.uint8)])
    for shape in ((1, 16, 3, 5), (2, 16, 9, 14)):
        # A step in the middle is some steps of the sums behind it.
        m.check(off_by_one=0.05, x=rng.standard_normal(shape).astype(np.float32))
    kernels = subprocess.run(["tessera-compile", f"{folder}/chain.onnx", "--emit", "kernel"], check=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    launches = [line.split(") -> ")[-1] for line in kernels.splitlines() if "kernel.launch" in line]
    assert launches and all("ui8>" in types and "f32" not in types for types in launches), launches


if __name__ == "__main__":
    products(sys.argv[1])
    convolutions(sys.argv[1])
    chain(sys.argv[1])
    print("passed")
