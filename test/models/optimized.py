# What onnxruntime's optimizer of transformers and its quantizers make of small models is read, and gives the same numbers.
# RUN: python3 %s %T/optimizer %t | FileCheck %s
# CHECK: passed
"""Arguments: where the libraries that the optimizer asks for are kept, a folder for models, and the name of one of them (else all run). Exits with 1
when one differs."""
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
FETCH = HERE.parents[1] / "tools/dev/fetch_libraries.py"
if subprocess.run([sys.executable, str(FETCH), sys.argv[1], str(HERE / "requirements-optimizer.txt")], check=False).returncode:
    sys.exit("the libraries cannot be fetched")
sys.path.append(sys.argv[1])

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402
import tessera  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static  # noqa: E402
from onnxruntime.quantization.matmul_bnb4_quantizer import MatMulBnb4Quantizer  # noqa: E402
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer  # noqa: E402
from onnxruntime.transformers import optimizer  # noqa: E402
from onnxruntime.transformers.fusion_options import AttentionMaskFormat, FusionOptions  # noqa: E402

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
onnxruntime.set_default_logger_severity(4)
FOLDER = sys.argv[2]
os.makedirs(FOLDER, exist_ok=True)
rng = np.random.default_rng(0)
F, I = TensorProto.FLOAT, TensorProto.INT64
WIDTH, HEADS = 32, 4
HEAD = WIDTH // HEADS


def f32(*shape, scale=0.2):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


class Net:
    """A model that is put together; operators give names of values."""

    def __init__(self, **inputs):
        """inputs: (element type, dims)."""
        self.nodes, self.constants, self.outputs = [], [], {}
        self.inputs, self.isSpelled = inputs, True

    def constant(self, value, name=None):
        name = name or f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def __getattr__(self, kind):
        def add(*inputs, count=1, out=None, domain="", **attributes):
            names = out if isinstance(out, list) else [out] if out else [f"v{len(self.nodes)}_{i}" for i in range(count)]
            inputs = [x if isinstance(x, str) else self.constant(x) for x in inputs]
            self.nodes.append(helper.make_node(kind, inputs, names, name=f"n{len(self.nodes)}", domain=domain, **attributes))
            return names[0] if len(names) == 1 else names
        if kind.startswith("_"):
            raise AttributeError(kind)
        return add

    def save(self, name, opset=17):
        def info(kind, dims, name):
            return helper.make_tensor_value_info(name, kind, dims)
        graph = helper.make_graph(self.nodes, name, [info(*given, n) for n, given in self.inputs.items()],
                                  [info(*given, n) for n, given in self.outputs.items()], self.constants)
        path = f"{FOLDER}/{name}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
        return path

    # Layers, spelled as exporters spell them.

    def linear(self, x, rows=WIDTH, columns=WIDTH, bias_first=True):
        product = self.MatMul(x, f32(rows, columns))
        bias = self.constant(f32(columns))
        return self.Add(bias, product) if bias_first else self.Add(product, bias)

    def norm(self, x, **given):
        """Spelled out, as before operator set 17, or not."""
        if not self.isSpelled:
            return self.LayerNormalization(x, f32(WIDTH) + 1, f32(WIDTH), epsilon=1e-5, **given)
        centred = self.Sub(x, self.ReduceMean(x, axes=[-1]))
        spread = self.ReduceMean(self.Pow(centred, np.float32(2)), axes=[-1])
        scaled = self.Div(centred, self.Sqrt(self.Add(spread, np.float32(1e-5))))
        return self.Add(self.Mul(scaled, f32(WIDTH) + 1), f32(WIDTH), **given)

    def square_norm(self, x, **given):
        spread = self.ReduceMean(self.Pow(x, np.float32(2)), axes=[-1], keepdims=1)
        scaled = self.Mul(x, self.Div(np.float32(1), self.Sqrt(self.Add(spread, np.float32(1e-6)))))
        return self.Mul(f32(WIDTH) + 1, scaled, **given)

    def apart(self, x, order=(0, 2, 1, 3), rows=0):
        return self.Transpose(self.Reshape(x, np.array([0, rows, HEADS, HEAD])), perm=list(order))

    def joined(self, x):
        return self.Reshape(self.Transpose(x, perm=[0, 2, 1, 3]), np.array([0, 0, WIDTH]))

    def feed_forward(self, x, gelu="erf"):
        up = self.linear(x, WIDTH, 2 * WIDTH)
        if gelu == "erf":
            up = self.Mul(self.Mul(up, self.Add(self.Erf(self.Div(up, np.float32(2 ** 0.5))), np.float32(1))), np.float32(0.5))
        elif gelu == "tanh":
            cubic = self.Mul(self.Pow(up, np.float32(3)), np.float32(0.044715))
            inner = self.Mul(self.Add(up, cubic), np.float32((2 / np.pi) ** 0.5))
            up = self.Mul(self.Mul(up, np.float32(0.5)), self.Add(self.Tanh(inner), np.float32(1)))
        else:
            up = self.Mul(up, self.Sigmoid(self.Mul(up, np.float32(1.702))))
        return self.linear(up, 2 * WIDTH, WIDTH)

    def output(self, name, dims, kind=F):
        self.outputs[name] = (kind, dims)
        return name


ROWS = ["N", "S", WIDTH]


def embedding(net):
    """Words, positions and segments."""
    words = net.Gather(net.constant(f32(40, WIDTH)), "ids")
    segments = net.Gather(net.constant(f32(2, WIDTH)), "segments")
    extent = net.Gather(net.Shape("ids"), np.array(1), axis=0)
    places = net.Slice(net.constant(np.arange(16)[None]), np.array([0]), net.Unsqueeze(extent, np.array([0])), np.array([1]), np.array([1]))
    return net.norm(net.Add(net.Add(words, segments), net.Gather(net.constant(f32(16, WIDTH)), places)))


def bert(gelu="erf", embed=True, masked=True, kind="add", spelled=True):
    inputs = {"ids": (I, ["N", "S"]), "segments": (I, ["N", "S"])} if embed else {"x": (F, ROWS)}
    net = Net(**inputs, **({"mask": (I, ["N", "S"])} if masked else {}))
    net.isSpelled = spelled
    x = embedding(net) if embed else net.norm("x")
    if masked and kind == "add":
        wide = net.Cast(net.Unsqueeze(net.Unsqueeze("mask", np.array([1])), np.array([2])), to=F)
        hidden = net.Mul(net.Sub(np.float32(1), wide), np.float32(-10000))
    for _ in range(2):
        q, k, v = (net.apart(net.linear(x), order) for order in ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3)))
        if kind == "where":  # DistilBERT
            s = net.MatMul(net.Div(q, np.float32(HEAD ** 0.5)), k)
            hides = net.Equal(net.Unsqueeze(net.Unsqueeze("mask", np.array([1])), np.array([2])), np.array(0))
            s = net.Where(hides, np.float32(-10000), s)
        else:
            s = net.Div(net.MatMul(q, k), np.float32(HEAD ** 0.5))
            s = net.Add(s, hidden) if masked else s
        y = net.linear(net.joined(net.MatMul(net.Softmax(s, axis=-1), v)))
        x = net.norm(net.Add(y, x))
        x = net.norm(net.Add(net.feed_forward(x, gelu), x), out="y" if _ else None)
    net.output("y", ROWS)
    return net


def gpt2(past=True):
    net = Net(x=(F, ROWS), **({"past": (F, [2, "N", HEADS, "P", HEAD])} if past else {}))
    first = "x"
    normed = net.norm(first)

    def gemm(x, columns):
        flat = net.Reshape(x, np.array([-1, WIDTH]))
        return net.Gemm(flat, f32(WIDTH, columns), f32(columns))
    shape = net.Concat(net.Slice(net.Shape(normed), np.array([0]), np.array([2])), np.array([3 * WIDTH]), axis=0)
    joined = net.Reshape(gemm(normed, 3 * WIDTH), shape)
    q, k, v = net.Split(joined, np.array([WIDTH] * 3), axis=2, count=3)
    q, k, v = net.apart(q), net.apart(k, (0, 2, 3, 1)), net.apart(v)
    if past:
        before = [net.Gather("past", np.array(i), axis=0) for i in (0, 1)]
        k = net.Concat(net.Transpose(before[0], perm=[0, 1, 3, 2]), k, axis=3)
        v = net.Concat(before[1], v, axis=2)
        kept = net.Transpose(k, perm=[0, 1, 3, 2])
        net.Concat(net.Unsqueeze(kept, np.array([0])), net.Unsqueeze(v, np.array([0])), axis=0, out="present")
        net.output("present", [2, "N", HEADS, "T", HEAD])
    s = net.Div(net.MatMul(q, k), np.float32(HEAD ** 0.5))

    def extent(axis):
        return net.Squeeze(net.Slice(net.Shape(s), np.array([axis]), np.array([axis + 1]), np.array([0])), np.array([0]))
    rows, columns = extent(2), extent(3)
    start = net.Unsqueeze(net.Sub(columns, rows), np.array([0]))
    end = net.Unsqueeze(columns, np.array([0]))
    triangle = net.constant(np.tril(np.ones((1, 1, 32, 32), np.uint8)))
    part = net.Slice(net.Slice(triangle, start, end, np.array([2]), np.array([1])), np.array([0]), end, np.array([3]), np.array([1]))
    s = net.Where(net.Cast(part, to=TensorProto.BOOL), s, np.float32(-10000))
    y = net.Transpose(net.MatMul(net.Softmax(s, axis=-1), v), perm=[0, 2, 1, 3])
    y = net.Reshape(y, np.array([0, 0, WIDTH]))
    y = net.Reshape(gemm(y, WIDTH), net.Shape(normed))
    x = net.Add(first, y)
    net.Add(x, net.feed_forward(net.norm(x), "tanh"), out="y")
    net.output("y", ROWS)
    return net


def bart(masked=False, past=False):
    """An encoder's layer, or a decoder's with a mask and keys and values of earlier calls."""
    cache = {n: (F, ["N", HEADS, "P", HEAD]) for n in ("past_k", "past_v")} if past else {}
    net = Net(x=(F, ROWS), **({"hides": (TensorProto.BOOL, ["N", 1, "S", "T"])} if masked else {}), **cache)
    x = net.norm("x")
    q = net.apart(net.Mul(net.linear(x), np.float32(HEAD ** -0.5)))
    k = net.apart(net.MatMul(x, f32(WIDTH, WIDTH)), (0, 2, 1, 3) if past else (0, 2, 3, 1))
    v = net.apart(net.linear(x))
    if past:
        k, v = net.Concat("past_k", k, axis=2, out="present_k"), net.Concat("past_v", v, axis=2, out="present_v")
        for name in ("present_k", "present_v"):
            net.output(name, ["N", HEADS, "T", HEAD])
        k = net.Transpose(k, perm=[0, 1, 3, 2])
    s = net.MatMul(q, k)
    if masked:
        s = net.Add(s, net.Where("hides", np.float32(-10000), np.float32(0)))
    y = net.linear(net.joined(net.MatMul(net.Softmax(s, axis=-1), v)))
    x = net.norm(net.Add(x, y))
    net.norm(net.Add(x, net.feed_forward(x)), out="y")
    net.output("y", ROWS)
    return net


def conformer():
    """Scores with a bias by position."""
    net = Net(x=(F, ROWS), bias=(F, ["N", HEADS, "S", "S"]))
    x = net.norm("x")
    q = net.Div(net.apart(net.linear(x)), np.float32(HEAD ** 0.5))
    k = net.apart(net.linear(x, bias_first=False), (0, 2, 3, 1))
    v = net.apart(net.linear(x, bias_first=False))
    s = net.Add(net.MatMul(q, k), "bias")
    y = net.linear(net.joined(net.MatMul(net.Softmax(s, axis=-1), v)))
    x = net.norm(net.Add(x, y))
    net.norm(net.Add(x, net.feed_forward(x, "quick")), out="y")
    net.output("y", ROWS)
    return net


def t5():
    """Norms without a centre, no biases."""
    net = Net(x=(F, ROWS))
    x = net.Identity("x")
    for number in range(2):
        n = net.square_norm(x)
        q, k, v = (net.apart(net.MatMul(n, f32(WIDTH, WIDTH))) for _ in range(3))
        s = net.MatMul(q, net.Transpose(k, perm=[0, 1, 3, 2]))
        y = net.MatMul(net.joined(net.MatMul(net.Softmax(s, axis=-1), v)), f32(WIDTH, WIDTH))
        x = net.Add(x, y)
        n = net.square_norm(x)
        x = net.Add(x, net.MatMul(net.Relu(net.MatMul(n, f32(WIDTH, 2 * WIDTH))), f32(2 * WIDTH, WIDTH)))
    net.square_norm(x, out="y")
    net.output("y", ROWS)
    return net


def unet():
    """Norms of groups, swish, convolutions, a gated layer."""
    net = Net(x=(F, ["N", WIDTH, "H", "W"]))
    x = "x"
    for number in range(2):
        flat = net.Reshape(x, np.array([0, 8, -1]))
        normed = net.InstanceNormalization(flat, np.ones(8, np.float32), np.zeros(8, np.float32), epsilon=1e-5)
        y = net.Add(net.Mul(net.Reshape(normed, net.Shape(x)), f32(WIDTH, 1, 1) + 1), f32(WIDTH, 1, 1))
        y = net.Mul(y, net.Sigmoid(y))
        x = net.Add(x, net.Conv(y, f32(WIDTH, WIDTH, 3, 3, scale=0.05), f32(WIDTH), pads=[1] * 4, kernel_shape=[3, 3]))
    rows = net.Transpose(net.Reshape(x, np.array([0, WIDTH, -1])), perm=[0, 2, 1])
    both = net.linear(net.LayerNormalization(rows, f32(WIDTH) + 1, f32(WIDTH)), WIDTH, 4 * WIDTH, bias_first=False)
    middle = net.Div(net.Add(net.Gather(net.Shape(both), np.array([2])), np.array([1])), np.array([2]))
    once, twice = net.Mul(middle, np.array([1])), net.Mul(middle, np.array([2]))
    half = [net.Slice(both, *ends, np.array([-1]), np.array([1])) for ends in ((np.array([0]), once), (once, twice))]
    gelu = net.Mul(half[1], net.Add(net.Erf(net.Div(half[1], np.float32(2 ** 0.5))), np.float32(1)))
    net.linear(net.Mul(half[0], net.Mul(gelu, np.float32(0.5))), 2 * WIDTH, WIDTH)
    net.nodes[-1].output[0] = "y"
    net.output("y", ["N", "R", WIDTH])
    return net


def options(kind, **changes):
    made = FusionOptions(kind)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


# Name: the model, its kind, options, what has to be among the operators of com.microsoft.
MODELS = {
    "bert": (bert(), "bert", None, {"Attention", "EmbedLayerNormalization", "SkipLayerNormalization", "BiasGelu"}),
    "bert_lengths": (bert(), "bert", options("bert", attention_mask_format=AttentionMaskFormat.MaskIndexEnd), {"Attention"}),
    "bert_unmasked": (bert(masked=True), "bert", options("bert", attention_mask_format=AttentionMaskFormat.NoMask), {"Attention"}),
    "bert_heads": (bert(), "bert", options("bert", use_multi_head_attention=True), {"MultiHeadAttention"}),
    "bert_gelu": (bert("tanh"), "bert", options("bert", enable_gelu_approximation=True), {"FastGelu"}),
    "bert_gemm": (bert("tanh"), "bert", options("bert", enable_gemm_fast_gelu=True), {"GemmFastGelu"}),
    "distilbert": (bert(kind="where"), "bert", None, {"SkipLayerNormalization"}),
    "vit": (bert(embed=False, masked=False), "vit", None, {"Attention", "SkipLayerNormalization"}),
    "gpt2": (gpt2(past=True), "gpt2", None, {"Attention", "FastGelu"}),
    "gpt2_alone": (gpt2(past=False), "gpt2", None, {"Attention"}),
    "bart": (bart(), "bart", None, {"Attention"}),
    "bart_decoder": (bart(masked=True), "bart", None, {"Attention"}),
    "bart_past": (bart(masked=True, past=True), "bart", options("bart", use_multi_head_attention=True), {"MultiHeadAttention"}),
    "conformer": (conformer(), "conformer", None, {"Attention", "QuickGelu"}),
    "t5": (t5(), "t5", None, {"SkipSimplifiedLayerNormalization"}),
    "unet": (unet(), "unet", None, {"GroupNorm", "NhwcConv", "BiasSplitGelu"}),
}
SIZES = [{"N": 2, "S": 5, "P": 3, "H": 6, "W": 4}, {"N": 1, "S": 1, "P": 7, "H": 4, "W": 8}]


def feed(net, sizes):
    sizes = sizes | {"T": sizes["S"] + (sizes["P"] if "past_k" in net.inputs else 0)}
    arrays = {}
    for name, (kind, dims) in net.inputs.items():
        shape = [sizes.get(d, d) for d in dims]
        if name == "mask":
            arrays[name] = (np.arange(shape[1]) < np.arange(shape[1], shape[1] - shape[0], -1)[:, None]).astype(np.int64)
        elif name == "hides":
            arrays[name] = np.broadcast_to(np.triu(np.ones(shape[2:], bool), shape[3] - shape[2] + 1), shape)
        elif kind == I:
            arrays[name] = rng.integers(0, 40 if name == "ids" else 2, shape)
        else:
            arrays[name] = f32(*shape, scale=1)
    return arrays


def names(path):
    return {node.op_type for node in onnx.load(path).graph.node if node.domain == "com.microsoft"}


class Samples(CalibrationDataReader):
    def __init__(self, net):
        self.rest = [feed(net, sizes) for sizes in SIZES]

    def get_next(self):
        return self.rest.pop() if self.rest else None


def few_bits(path, target, **given):
    """Products, and rows of tables, of 4 or 8 bits."""
    quantizer = MatMulNBitsQuantizer(onnx.load(path), **given)
    quantizer.process()
    quantizer.model.save_model_to_file(target)


def table_of_16(path, target, kind):
    quantizer = MatMulBnb4Quantizer(onnx.load(path), kind, 32)
    quantizer.process()
    quantizer.model.save_model_to_file(target)


FLOATS = {"extra_options": {"DefaultTensorType": F}}  # what operators of com.microsoft give
QUANTIZERS = {
    "dynamic": (lambda net, path, target: quantize_dynamic(path, target, **FLOATS), {"QAttention", "QEmbedLayerNormalization"}),
    "dynamic_channels": (lambda net, path, target: quantize_dynamic(path, target, per_channel=True, weight_type=QuantType.QInt8, **FLOATS), set()),
    "static_qdq": (lambda net, path, target: quantize_static(path, target, Samples(net), per_channel=True, **FLOATS), set()),
    "nbits": (lambda net, path, target: few_bits(path, target, block_size=32, is_symmetric=True), {"MatMulNBits"}),
    "nbits_zeros": (lambda net, path, target: few_bits(path, target, block_size=16, is_symmetric=False), {"MatMulNBits"}),
    "nbits_8": (lambda net, path, target: few_bits(path, target, bits=8, block_size=32, is_symmetric=True), {"MatMulNBits"}),
    "nbits_tables": (lambda net, path, target: few_bits(path, target, block_size=16, is_symmetric=True, op_types_to_quantize=("MatMul", "Gather")),
                     {"MatMulNBits", "GatherBlockQuantized"}),
    "nbits_qdq": (lambda net, path, target: few_bits(path, target, block_size=16, is_symmetric=True, quant_format=QuantFormat.QDQ), set()),
    "fp4": (lambda net, path, target: table_of_16(path, target, MatMulBnb4Quantizer.FP4), {"MatMulBnb4"}),
    "nf4": (lambda net, path, target: table_of_16(path, target, MatMulBnb4Quantizer.NF4), {"MatMulBnb4"}),
}


class Check:
    def __init__(self):
        self.bad, self.count, self.found = [], 0, set()

    def compare(self, name, net, made, peer, tolerance, full=False):
        """What `made` gives is what onnxruntime says of the model `peer`. full: no position is hidden."""
        self.count += 1
        self.found |= names(made)
        rows = tessera.check(made)
        if rows:
            self.bad.append(f"{name}: {rows[0]}")
            return
        literal = onnxruntime.SessionOptions()
        literal.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        module, session = tessera.compile(made), onnxruntime.InferenceSession(peer, literal, providers=["CPUExecutionProvider"])
        taken = {i.name for i in onnx.load(made).graph.input}
        for sizes in SIZES:
            arrays = feed(net, sizes)
            if full and "mask" in arrays:
                arrays["mask"][:] = 1
            mine = module.run({n: a for n, a in arrays.items() if n in taken})
            for output, expected in zip(net.outputs, session.run(list(net.outputs), {i.name: arrays[i.name] for i in session.get_inputs()})):
                got = np.asarray(mine[output])
                worst = np.abs(got - expected).max() / max(np.abs(expected).max(), 1) if got.shape == expected.shape else np.inf
                if not worst <= tolerance:
                    self.bad.append(f"{name}: {output} {got.shape}, expected {expected.shape}, differs by {worst}")


def main():
    check, chosen = Check(), sys.argv[3] if len(sys.argv) > 3 else ""
    for name, (net, kind, given, wanted) in MODELS.items():
        path = f"{FOLDER}/{name}.onnx"
        made = path.replace(".onnx", ".fused.onnx")
        if not name.startswith(chosen):
            continue
        net.save(name)
        optimizer.optimize_model(path, kind, HEADS, WIDTH, opt_level=0, optimization_options=given).save_model_to_file(made)
        if not wanted <= names(made):
            check.bad.append(f"{name}: the optimizer made {sorted(names(made))}, expected {sorted(wanted)}")
        check.compare(name, net, made, path, 1e-4, full=name == "bert_unmasked")
    bert(spelled=False).save("bert_21", opset=21)
    for name, (quantize, wanted) in QUANTIZERS.items() if "bert".startswith(chosen[:4]) else ():
        found = set()
        # Tables, and the form of two operators, are written for operator set 21, whatever the model's was.
        for source in ("bert_21",) if name in ("nbits_tables", "nbits_qdq") else ("bert", "bert.fused"):
            target = f"{FOLDER}/{source}.{name}.onnx"
            quantize(MODELS["bert"][0], f"{FOLDER}/{source}.onnx", target)
            found |= names(target)
            # Numbers that are rounded to 8 bits may differ in the last one.
            check.compare(f"{source}.{name}", MODELS["bert"][0], target, target, 3e-2 if "ic" in name else 1e-4)
        if not wanted <= found:
            check.bad.append(f"{name}: the quantizer made {sorted(found)}, expected {sorted(wanted)}")
    print(check.count, "models, operators of com.microsoft:", *sorted(check.found))
    print(*check.bad, "failed" if check.bad else "passed", sep="\n")
    return bool(check.bad)


sys.exit(main())
