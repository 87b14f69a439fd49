# Layers of a quantized model are compiled once, whatever their scales and zero points are, and compute what each of them should.
# RUN: python3 %s %t | FileCheck %s
# CHECK: 3 kernels compiled for 25 launches
# CHECK-NEXT: equal
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import tessera
from onnx import TensorProto, helper, numpy_helper

LAYERS, WIDTH = 24, 32
rng = np.random.default_rng(6)
nodes, weights = [], []


def constant(name, value):
    weights.append(numpy_helper.from_array(value, name))
    return name


def quantize(x, layer, scale, zero):
    parameters = [constant(f"s{layer}", np.float32(scale)), constant(f"z{layer}", np.uint8(zero))]
    nodes.append(helper.make_node("QuantizeLinear", [x, *parameters], [f"q{layer}"]))
    nodes.append(helper.make_node("DequantizeLinear", [f"q{layer}", *parameters], [f"d{layer}"]))
    return f"d{layer}"


def rounded(x, scale, zero):
    """What lies between two layers, in f64."""
    return (np.clip(np.rint(x / scale) + zero, 0, 255) - zero) * scale


scales = rng.uniform(0.04, 0.06, LAYERS + 1).astype(np.float32)
zeros = rng.integers(40, 100, LAYERS + 1)
products, x = [], quantize("x", 0, scales[0], zeros[0])
for layer in range(1, LAYERS + 1):
    weight = rng.integers(-127, 128, (WIDTH, WIDTH)).astype(np.int8)
    scale = np.float32(rng.uniform(0.002, 0.003))
    products.append(weight.astype(np.float64) * np.float64(scale))
    scaled = [constant(f"w{layer}", weight), constant(f"ws{layer}", scale)]
    nodes.append(helper.make_node("DequantizeLinear", scaled, [f"dw{layer}"]))
    nodes.append(helper.make_node("MatMul", [x, f"dw{layer}"], [f"m{layer}"]))
    x = quantize(f"m{layer}", layer, scales[layer], zeros[layer])
value = helper.make_tensor_value_info
graph = helper.make_graph(nodes, "chain", [value("x", TensorProto.FLOAT, ["B", WIDTH])],
                          [value(x, TensorProto.FLOAT, ["B", WIDTH])], weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()

with tempfile.TemporaryDirectory() as folder:
    module = tessera.compile(model, cache=folder)
    compiled = sum(path.is_file() for path in Path(folder).rglob("*"))
print(compiled, "kernels compiled for", LAYERS + 1, "launches")

given = rng.standard_normal((11, WIDTH)).astype(np.float32)
expected = rounded(given.astype(np.float64), np.float64(scales[0]), zeros[0])
for weight, scale, zero in zip(products, scales[1:], zeros[1:]):
    expected = rounded(expected @ weight, np.float64(scale), zero)
# A number between two steps may be rounded to either; what follows from it differs by a few steps.
difference = np.abs(module.run({"x": given})[x] - expected) / np.float64(scales[-1])
print("equal" if np.mean(difference < 0.01) > 0.95 and difference.max() < 10 else f"differs by {difference.max()} steps")
