# Whatever the installed onnxruntime's optimizer and quantizer make of a network of pictures, a recurrent one and attention is read.
# RUN: python3 %s %t | FileCheck %s
# CHECK: {{[0-9]+}} models, {{[0-9]+}} operators of com.microsoft, 0 models refused
import logging
import os
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

import tessera

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
onnxruntime.set_default_logger_severity(4)
FOLDER = sys.argv[1]
os.makedirs(FOLDER, exist_ok=True)
rng = np.random.default_rng(0)
node = helper.make_node
SIZES = {"N": 2, "S": 5}


def f32(*shape):
    return (rng.standard_normal(shape) * 0.1).astype(np.float32)


def store(name, nodes, inputs, constants):
    made = helper.make_graph(nodes, name, [helper.make_tensor_value_info(*entry) for entry in inputs],
                             [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                             [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()])
    path = f"{FOLDER}/{name}.onnx"
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path, inputs


def pictures():
    nodes = [node("Conv", ["x", "w", "b"], ["c1"], pads=[1] * 4), node("Relu", ["c1"], ["r1"]),
             node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]), node("Conv", ["p1", "w", "b"], ["c2"], pads=[1] * 4),
             node("LeakyRelu", ["c2"], ["l2"]), node("Conv", ["l2", "v"], ["c3"], pads=[1] * 4), node("Add", ["c3", "p1"], ["a3"]),
             node("Sigmoid", ["a3"], ["s3"]), node("Mul", ["a3", "s3"], ["m3"]), node("Concat", ["m3", "l2"], ["cc"], axis=1),
             node("AveragePool", ["cc"], ["ap"], kernel_shape=[2, 2], strides=[2, 2]), node("Clip", ["ap", "low", "high"], ["cl"]),
             node("GlobalAveragePool", ["cl"], ["gp"]), node("Flatten", ["gp"], ["fl"]), node("Gemm", ["fl", "g", "gb"], ["g1"]),
             node("Relu", ["g1"], ["g2"]), node("Softmax", ["g2"], ["y"], axis=-1)]
    constants = {"w": f32(16, 16, 3, 3), "b": f32(16), "v": f32(16, 16, 3, 3), "low": np.float32(0), "high": np.float32(6), "g": f32(32, 24),
                 "gb": f32(24)}
    return store("pictures", nodes, [("x", TensorProto.FLOAT, [1, 16, 16, 16])], constants)


def recurrent():
    nodes = [node("Gather", ["words", "i"], ["e"]), node("Transpose", ["e"], ["t"], perm=[1, 0, 2]),
             node("LSTM", ["t", "W", "R", "B"], ["", "last", ""], hidden_size=32), node("Squeeze", ["last", "axis"], ["h"]),
             node("MatMul", ["h", "m"], ["p"]), node("Greater", ["p", "zero"], ["is"]), node("Mul", ["p", "half"], ["less"]),
             node("Where", ["is", "p", "less"], ["q"]), node("Transpose", ["q"], ["qt"], perm=[1, 0]), node("MatMul", ["h", "qt"], ["y"])]
    constants = {"words": f32(50, 32), "W": f32(1, 128, 32), "R": f32(1, 128, 32), "B": f32(1, 256), "axis": np.array([0]), "m": f32(32, 32),
                 "zero": np.float32(0), "half": np.float32(0.5)}
    return store("recurrent", nodes, [("i", TensorProto.INT64, ["N", "S"])], constants)


def attention(width=64, heads=4):
    constants = {"split": np.array([0, 0, heads, width // heads]), "joined": np.array([0, 0, width]), "root": np.float32(4), "half": np.float32(0.5),
                 "two": np.float32(2 ** 0.5), "one": np.float32(1), "up": f32(width, 2 * width), "up_b": f32(2 * width), "down": f32(2 * width, width),
                 "scale": f32(width) + 1, "shift": f32(width), "w_o": f32(width, width), "b_o": f32(width)}
    nodes = []
    for part, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        constants |= {f"w_{part}": f32(width, width), f"b_{part}": f32(width)}
        nodes += [node("MatMul", ["x", f"w_{part}"], [f"{part}m"]), node("Add", [f"b_{part}", f"{part}m"], [part]),
                  node("Reshape", [part, "split"], [f"{part}s"]), node("Transpose", [f"{part}s"], [f"{part}t"], perm=order)]
    nodes += [node("MatMul", ["qt", "kt"], ["s"]), node("Div", ["s", "root"], ["d"]), node("Softmax", ["d"], ["w"], axis=-1),
              node("MatMul", ["w", "vt"], ["o"]), node("Transpose", ["o"], ["ot"], perm=[0, 2, 1, 3]), node("Reshape", ["ot", "joined"], ["oj"]),
              node("MatMul", ["oj", "w_o"], ["om"]), node("Add", ["om", "b_o"], ["ob"]), node("Add", ["ob", "x"], ["r"]),
              node("LayerNormalization", ["r", "scale", "shift"], ["n"]), node("MatMul", ["n", "up"], ["um"]), node("Add", ["um", "up_b"], ["u"]),
              node("Div", ["u", "two"], ["e1"]), node("Erf", ["e1"], ["e2"]), node("Add", ["e2", "one"], ["e3"]), node("Mul", ["u", "e3"], ["e4"]),
              node("Mul", ["e4", "half"], ["e5"]), node("MatMul", ["e5", "down"], ["dm"]), node("Add", ["dm", "n"], ["r2"]),
              node("LayerNormalization", ["r2", "scale", "shift"], ["y"])]
    return store("attention", nodes, [("x", TensorProto.FLOAT, ["N", "S", width])], constants)


class Samples(CalibrationDataReader):
    def __init__(self, inputs):
        shapes = [(name, kind, [SIZES.get(dim, dim) for dim in dims]) for name, kind, dims in inputs]
        self.rest = [{name: f32(*dims) if kind == TensorProto.FLOAT else rng.integers(0, 50, dims) for name, kind, dims in shapes}] * 2

    def get_next(self):
        return self.rest.pop() if self.rest else None


def quantized(path, inputs):
    """The model, and what the quantizer makes of it."""
    made = [path]

    def write(name, quantizer, *arguments, **options):
        target = path.replace(".onnx", f".{name}.onnx")
        try:
            quantizer(path, target, *arguments, **options)
        except RuntimeError as error:  # Its older form knows no Where whose operands are quantized.
            assert "unknown initializers" in str(error), error
            return
        made.append(target)

    write("dynamic", quantize_dynamic)
    write("dynamic_channels", quantize_dynamic, per_channel=True, weight_type=QuantType.QInt8)
    for form in QuantFormat:
        for activation, weight, channels in ((QuantType.QUInt8, QuantType.QInt8, True), (QuantType.QInt8, QuantType.QInt8, False)):
            write(f"{form.name}{activation.name}", quantize_static, Samples(inputs), quant_format=form, activation_type=activation, weight_type=weight,
                  per_channel=channels)
    for activation, weight in ((QuantType.QUInt16, QuantType.QInt8), (QuantType.QInt16, QuantType.QInt16), (QuantType.QUInt8, QuantType.QInt4)):
        write(f"QDQ{activation.name}{weight.name}", quantize_static, Samples(inputs), activation_type=activation, weight_type=weight)
    return made


def optimized(path):
    made = []
    level = onnxruntime.GraphOptimizationLevel
    for name, chosen in (("basic", level.ORT_ENABLE_BASIC), ("extended", level.ORT_ENABLE_EXTENDED), ("all", level.ORT_ENABLE_ALL)):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = chosen
        options.add_session_config_entry("optimization.enable_gelu_approximation", "1" if name == "all" else "0")
        options.optimized_model_filepath = path.replace(".onnx", f".{name}.onnx")
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        made.append(options.optimized_model_filepath)
    return made


models = [path for write in (pictures, recurrent, attention) for source in quantized(*write()) for path in [source, *optimized(source)]]
found, refused = set(), 0
for model in models:
    domains = {entry.domain: set() for entry in onnx.load(model).graph.node}
    for entry in onnx.load(model).graph.node:
        domains[entry.domain].add(entry.op_type)
    found |= domains.get("com.microsoft", set())
    rows = tessera.check(model)
    if "com.microsoft.nchwc" in domains:  # Weights are in the order that one processor wants.
        rows = [row for row in rows if "ORT_ENABLE_EXTENDED" not in str(row)]
    for row in rows:
        print(os.path.basename(model), row)
    refused += bool(rows)
print("com.microsoft:", *sorted(found))
print(len(models), "models,", len(found), "operators of com.microsoft,", refused, "models refused")
