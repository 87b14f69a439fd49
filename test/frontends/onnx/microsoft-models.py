# Operators of com.microsoft that whole models hold: against onnxruntime, or where it has them on GPUs alone, against NumPy.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import math
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent / "Inputs"))
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import tessera  # noqa: E402
from compare import Compiled, build  # noqa: E402
from onnx import helper  # noqa: E402

F, I16, I32, I64 = np.float32, np.int16, np.int32, np.int64
rng = np.random.default_rng(0)
folder = sys.argv[1]


def f32(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(F)


def made(op, inputs, outputs, constants=(), **attributes):
    """Names begin with their place; outputs: element types."""
    names = {int(entry[0][1:]): entry[0] for entry in [*inputs, *constants]}
    outs = [f"y{i}" if kind else "" for i, kind in enumerate(outputs)]
    node = helper.make_node(op, [names.get(i, "") for i in range(max(names) + 1)], outs, name="q", domain="com.microsoft", **attributes)
    return build([node], inputs, [(n, k, None) for n, k in zip(outs, outputs) if n], constants, domains=[("com.microsoft", 1)])


def peer(name, op, inputs, outputs, samples, constants=(), **attributes):
    compiled = Compiled(folder, name, made(op, inputs, outputs, constants, **attributes))
    for sample in samples:
        compiled.check(**sample)


def alone(name, op, inputs, samples, reference, constants=(), outputs=(F,), **attributes):
    """Against a function of NumPy."""
    path = f"{folder}/{name}.onnx"
    onnx.save(made(op, inputs, outputs, constants, **attributes), path)
    module = tessera.compile(path)
    for sample in samples:
        wanted = reference(**sample, **dict(constants))
        for i, expected in enumerate(wanted if isinstance(wanted, tuple) else [wanted]):
            got = np.asarray(module.run(sample)[f"y{i}"])
            assert got.shape == expected.shape, f"{name}: {got.shape}, expected {expected.shape}"
            np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5, err_msg=name)


def with_peer():
    for metric in ("euclidean", "sqeuclidean"):
        peer(f"cdist_{metric}", "CDist", [("i0", F, ["M", "K"]), ("i1", F, ["N", "K"])], [F], [{"i0": f32(3, 5), "i1": f32(4, 5)}], metric=metric)
    peer("expand", "ExpandDims", [("i0", F, ["M", "K"])], [F], [{"i0": f32(3, 5)}], [("i1", np.array(-1, I32))])
    peer("gather", "GatherND", [("i0", F, [3, 4]), ("i1", I64, ["N", 1])], [F], [{"i0": f32(3, 4), "i1": np.array([[2], [0]])}])
    peer("pad", "Pad", [("i0", F, ["M", "K"])], [F], [{"i0": f32(3, 5)}], [("i1", np.array([0, 2, 1, 0])), ("i2", np.array(3, F))])
    peer("range", "Range", [("i0", I32, []), ("i1", I32, [])], [I32], [{"i0": np.array(2, I32), "i1": np.array(7, I32)}])
    peer("triangle", "Trilu", [("i0", F, ["M", "K"])], [F], [{"i0": f32(3, 5)}], [("i1", np.array(1))], upper=0)
    peer("product16", "MatMulInteger16", [("i0", I16, ["M", 8]), ("i1", I16, [8, "N"])], [I32],
         [{"i0": rng.integers(-99, 99, (3, 8), I16), "i1": rng.integers(-99, 99, (8, 5), I16)}])
    for kind in (0, 1):
        constants = [("i1", rng.integers(0, 256, 24 * 40 // 2, np.uint8)), ("i2", np.abs(f32(24 * 40 // 32)))]
        options = {"K": 40, "N": 24, "block_size": 32, "quant_type": kind}
        peer(f"table16_{kind}", "MatMulBnb4", [("i0", F, ["M", 40])], [F], [{"i0": f32(3, 40)}], constants, **options)
        # onnxruntime gives other numbers in each run when the matrix is not turned.
        compiled = Compiled(folder, f"table16_all_{kind}", made("MatMulBnb4", [("i0", F, ["M", 40])], [F], constants, **options))
        matrix = compiled.run({"i0": np.eye(40, dtype=F)})["y0"].T
        alone(f"table16_turned_{kind}", "MatMulBnb4", [("i0", F, ["M", 24])], [{"i0": f32(3, 24)}], lambda i0, i1, i2: i0 @ matrix, constants, transB=0,
              **options)
    for a, b in ((1, 0), (1, 1)):
        # The first axis of each is behind those of the batch.
        peer(f"moved_{a}{b}", "FusedMatMul", [("i0", F, ["M", "B", "K"] if not a else ["K", "B", "M"]), ("i1", F, ["K", "B", "N"])], [F],
             [{"i0": f32(*((4, 2, 3) if a else (3, 2, 4))), "i1": f32(4, 2, 5)}], transBatchA=1, transBatchB=1, transA=a)
    x = ("i0", F, ["N", "S", 8])
    projection = [("i1", f32(8, 24, scale=0.4)), ("i2", f32(24))]
    peer("ends_and_starts", "Attention", [("i0", F, [2, "S", 8]), ("i3", I32, [4])], [F], [{"i0": f32(2, 6, 8), "i3": np.array([6, 5, 2, 0], I32)}], projection, num_heads=2)
    kept = ["N", 2, "T", 4]
    # Keys and values of an earlier call.
    peer("cross", "MultiHeadAttention", [x, ("i1", F, kept), ("i2", F, kept)], [F], [{"i0": f32(2, 3, 8), "i1": f32(2, 2, 5, 4), "i2": f32(2, 2, 5, 4)}],
         [("i3", f32(24))], num_heads=2)
    peer("step", "DecoderMaskedMultiHeadAttention", [("i0", F, ["N", 1, 8]), ("i1", F, kept), ("i2", F, kept)], [F],
         [{"i0": f32(2, 1, 8), "i1": f32(2, 2, 5, 4), "i2": f32(2, 2, 5, 4)}], num_heads=2)


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def group_norm(x, groups, scale, shift, swish):
    n, channels = x.shape[0], x.shape[-1]
    y = x.astype(np.float64).reshape(n, -1, groups, channels // groups)
    y = (y - y.mean((1, 3), keepdims=True)) / np.sqrt(y.var((1, 3), keepdims=True) + 1e-4)
    y = y.reshape(x.shape) * scale + shift
    return y / (1 + np.exp(-y)) if swish else y


def softmax(s):
    p = np.exp(s - s.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def attend(q, k, v):
    """[batch, rows, heads, width]"""
    p = softmax(np.einsum("bshd,bthd->bhst", q, k) / math.sqrt(q.shape[3]))
    return np.einsum("bhst,bthd->bshd", p, v).reshape(*q.shape[:2], -1)


def convolved(x, w, bias):
    """Channels last, 3x3, padded by 1."""
    n, height, width, _ = x.shape
    x = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    return sum(np.einsum("nhwc,oc->nhwo", x[:, i:i + height, j:j + width], w[:, :, i, j]) for i in range(3) for j in range(3)) + bias


def bucket(distance, buckets, farthest, both):
    """T5's, of key - query."""
    away, first = -distance, 0
    if both:
        buckets //= 2
        first, away = (buckets if away < 0 else 0), abs(away)
    else:
        away = max(away, 0)
    exact = buckets // 2
    if away < exact:
        return first + away
    return first + min(exact + int(math.log(away / exact) / math.log(farthest / exact) * (buckets - exact)), buckets - 1)


def without_peer():
    rows, wide = ("i0", F, ["N", "S", 8]), ("i0", F, ["N", "S", 16])
    alone("sum", "BiasAdd", [rows, ("i2", F, ["N", "S", 8])], [{"i0": f32(2, 3, 8), "i2": f32(2, 3, 8)}], lambda i0, i1, i2: i0 + i1 + i2, [("i1", f32(8))])
    alone("gated", "BiasSplitGelu", [wide], [{"i0": f32(2, 3, 16)}], lambda i0, i1: (i0 + i1)[..., :8] * gelu((i0 + i1)[..., 8:]), [("i1", f32(16))])
    alone("product", "GemmFastGelu", [rows], [{"i0": f32(2, 3, 8)}], lambda i0, i1, i2: gelu_tanh(i0 @ i1 + i2), [("i1", f32(8, 5)), ("i2", f32(5))])
    pictures, parameters = ("i0", F, ["N", "H", "W", 8]), [("i1", f32(8)), ("i2", f32(8))]
    for swish in (0, 1):
        alone(f"groups_{swish}", "GroupNorm", [pictures], [{"i0": f32(2, 3, 5, 8)}], lambda i0, i1, i2: group_norm(i0, 4, i1, i2, swish), parameters,
              groups=4, activation=swish, epsilon=1e-4)
        alone(f"groups_first_{swish}", "GroupNorm", [("i0", F, ["N", 8, "H", "W"])], [{"i0": f32(2, 8, 3, 5)}],
              lambda i0, i1, i2: np.moveaxis(group_norm(np.moveaxis(i0, 1, 3), 4, i1, i2, swish), 3, 1), parameters, groups=4, activation=swish,
              epsilon=1e-4, channels_last=0)
    for name, dims, shape in (("rows", ["N", 8], (2, 8)), ("all", ["N", "H", "W", 8], (2, 3, 5, 8))):
        def summed(i0, i1, i2, i3, i4):
            total = i0 + (i3[:, None, None] if i3.ndim == 2 else i3) + i4
            return group_norm(total, 2, i1, i2, 0), total
        alone(f"skip_{name}", "SkipGroupNorm", [pictures, ("i3", F, dims)], [{"i0": f32(2, 3, 5, 8), "i3": f32(*shape)}], summed,
              [*parameters, ("i4", f32(8))], [F, F], groups=2, activation=0, epsilon=1e-4)
    weights = f32(6, 8, 3, 3)
    alone("conv_last", "NhwcConv", [pictures], [{"i0": f32(2, 3, 5, 8)}], lambda i0, i1, i2: convolved(i0, weights, i2),
          [("i1", np.ascontiguousarray(weights.transpose(0, 2, 3, 1))), ("i2", f32(6))], kernel_shape=[3, 3], pads=[1] * 4)
    alone("conv_fused", "NhwcFusedConv", [pictures, ("i3", F, ["N", "H", "W", 6])], [{"i0": f32(2, 3, 5, 8), "i3": f32(2, 3, 5, 6)}],
          lambda i0, i1, i2, i3: np.maximum(convolved(i0, i1, i2) + i3, 0), [("i1", weights), ("i2", f32(6))], pads=[1] * 4, activation="Relu")
    for both in (0, 1):
        def biased(i0, i1, i2):
            table = i0.reshape(4, 32)  # its heads are first, whatever its shape says
            places = [[bucket(k - q, 32, 128, both) for k in range(int(i2[0]))] for q in range(int(i1[0]))]
            return table[:, np.array(places)][None]
        alone(f"position_{both}", "RelativePositionBias", [("i1", I64, [1]), ("i2", I64, [1])], [{"i1": np.array([n]), "i2": np.array([n])} for n in (5, 200)],
              biased, [("i0", f32(32, 4))], max_distance=128, is_bidirectional=both)

    def gated(i0, i1, i2, i3, i4, i5):
        q = (i0 + i1).reshape(*i0.shape[:2], 2, 4).transpose(0, 2, 1, 3)
        g = 1 / (1 + np.exp(-(q @ i3 + i4).reshape(*q.shape[:3], 2, 4).sum(-1)))
        return (g[..., :1] * (g[..., 1:] * i5 - 1) + 2) * i2
    alone("gates", "GatedRelativePositionBias", [rows, ("i2", F, [1, 2, "S", "S"])], [{"i0": f32(2, 3, 8), "i2": f32(1, 2, 3, 3)}], gated,
          [("i1", f32(8)), ("i3", f32(4, 8)), ("i4", f32(8)), ("i5", f32(1, 2, 1, 1))], num_heads=2)
    alone("packed", "MultiHeadAttention", [("i0", F, ["N", "S", 2, 3, 4])], [{"i0": f32(2, 5, 2, 3, 4)}],
          lambda i0: attend(*(i0[:, :, :, part] for part in range(3))), num_heads=2)
    alone("packed_keys", "MultiHeadAttention", [rows, ("i1", F, ["N", "T", 2, 2, 4])], [{"i0": f32(2, 3, 8), "i1": f32(2, 5, 2, 2, 4)}],
          lambda i0, i1: attend(i0.reshape(2, 3, 2, 4), i1[:, :, :, 0], i1[:, :, :, 1]), num_heads=2)


with_peer()
without_peer()
print("passed")
