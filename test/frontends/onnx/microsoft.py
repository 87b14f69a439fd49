# Operators of com.microsoft, as onnxruntime's optimizer and quantizer write them, against onnxruntime.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import sys

import ml_dtypes
import numpy as np
from onnx import helper

from compare import Compiled, build

F, I32, I64 = np.float32, np.int32, np.int64
rng = np.random.default_rng(0)


def f32(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(F)


def model(folder, name, op, inputs, outputs, constants=(), domain="com.microsoft", **attributes):
    """inputs: (name, element type, dims) or None for an absent one, constants: (name, array); names begin with their place."""
    names = {int(entry[0][1:]): entry[0] for entry in [*[i for i in inputs if i], *constants]}
    attributes = {key: value for key, value in attributes.items() if value != []}
    node = helper.make_node(op, [names.get(i, "") for i in range(max(names) + 1)], [output[0] for output in outputs],
                            domain=domain, **attributes)
    made = build([node], [i for i in inputs if i], outputs, constants)
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return Compiled(folder, name, made)


def fused(folder):
    w, bias = f32(6, 4, 3, 3, scale=0.2), f32(6)
    for activation, parameters in (("Relu", []), ("LeakyRelu", [0.2]), ("Clip", [-0.5, 0.75]), ("HardSigmoid", [0.3, 0.4])):
        m = model(folder, f"conv_{activation}", "FusedConv", [("i0", F, ["N", 4, "H", "W"])], [("y", F, None)],
                  [("i1", w), ("i2", bias)], activation=activation, activation_params=parameters, pads=[1, 1, 1, 1])
        m.check(i0=f32(1, 4, 7, 9))
        m.check(i0=f32(2, 4, 5, 5))
    m = model(folder, "conv_sum", "FusedConv", [("i0", F, ["N", 4, "H", "W"]), ("i3", F, ["N", 6, "H", "W"])],
              [("y", F, None)], [("i1", w), ("i2", bias)], activation="Relu", pads=[1, 1, 1, 1])
    m.check(i0=f32(2, 4, 5, 6), i3=f32(2, 6, 5, 6))
    m = model(folder, "gemm", "FusedGemm", [("i0", F, ["N", 8])], [("y", F, None)], [("i1", f32(5, 8)), ("i2", f32(5))],
              activation="LeakyRelu", activation_alpha=0.1, transB=1, alpha=0.5)
    m.check(i0=f32(3, 8))
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        shapes = ["B", "K", "M"] if a else ["B", "M", "K"], ["B", "N", "K"] if b else ["B", "K", "N"]
        m = model(folder, f"matmul_{a}{b}", "FusedMatMul", [("i0", F, shapes[0]), ("i1", F, shapes[1])], [("y", F, None)],
                  transA=a, transB=b, alpha=0.25)
        for batch, rows, inner, columns in ((1, 3, 4, 5), (2, 7, 1, 3)):
            m.check(i0=f32(*((batch, inner, rows) if a else (batch, rows, inner))),
                    i1=f32(*((batch, columns, inner) if b else (batch, inner, columns))))


def activations(folder):
    x = ("i0", F, ["N", "S", 8])
    for op, constants, attributes in (("Gelu", [], {}), ("FastGelu", [], {}), ("FastGelu", [("i1", f32(8))], {}),
                                      ("BiasGelu", [("i1", f32(8))], {}), ("QuickGelu", [], {"alpha": 1.5})):
        m = model(folder, f"{op}{len(constants)}", op, [x], [("y", F, None)], constants, **attributes)
        m.check(i0=f32(1, 3, 8, scale=3))
        m.check(i0=f32(2, 1, 8))


def norms(folder):
    x, skip = ("i0", F, ["N", "S", 8]), ("i1", F, ["N", "S", 8])
    scale, shift, bias = f32(8), f32(8), f32(8)
    m = model(folder, "skip", "SkipLayerNormalization", [x, skip], [("y", F, None)],
              [("i2", scale), ("i3", shift), ("i4", bias)], epsilon=1e-5)
    for n, s in ((1, 4), (2, 3)):
        m.check(i0=f32(n, s, 8), i1=f32(n, s, 8))
    m = model(folder, "skip_rms", "SkipSimplifiedLayerNormalization", [x, skip], [("y", F, None)], [("i2", scale)], epsilon=1e-6)
    m.check(i0=f32(2, 3, 8), i1=f32(2, 3, 8))
    m = model(folder, "rms", "SimplifiedLayerNormalization", [x], [("y", F, None)], [("i1", scale)], domain="", epsilon=1e-6, axis=-1)
    m.check(i0=f32(2, 3, 8))
    words, places, parts = f32(20, 8), f32(16, 8), f32(2, 8)
    m = model(folder, "embed", "EmbedLayerNormalization", [("i0", I32, ["N", "S"]), ("i1", I32, ["N", "S"]), ("i7", I32, ["N", "S"])],
              [("y", F, None), ("length", I32, None)],
              [("i2", words), ("i3", places), ("i4", parts), ("i5", scale), ("i6", shift)], epsilon=1e-5)
    for n, s in ((1, 5), (3, 7)):
        m.check(i0=rng.integers(0, 20, (n, s), dtype=I32), i1=rng.integers(0, 2, (n, s), dtype=I32),
                i7=(np.arange(s) < np.arange(1, n + 1)[:, None]).astype(I32))


def attention(folder):
    weights, bias = f32(8, 24, scale=0.4), f32(24)
    x = ("i0", F, ["N", "S", 8])
    for name, mask, attributes in (("plain", None, {}), ("causal", None, {"unidirectional": 1}), ("lengths", ["N"], {}),
                                   ("mask", ["N", "S"], {}), ("masks", ["N", "S", "S"], {"mask_filter_value": -50.0})):
        m = model(folder, f"attention_{name}", "Attention", [x, ("i3", I32, mask) if mask else None], [("y", F, None)],
                  [("i1", weights), ("i2", bias)], num_heads=2, **attributes)
        for n, s in ((1, 5), (2, 7)):
            arrays = {"i0": f32(n, s, 8)}
            if mask == ["N"]:
                arrays["i3"] = np.arange(s - n + 1, s + 1, dtype=I32)
            elif mask:
                arrays["i3"] = rng.integers(0, 2, (n, s) if len(mask) == 2 else (n, s, s), dtype=I32)
            m.check(**arrays)
    m = model(folder, "attention_past", "Attention", [x, ("i4", F, [2, "N", 2, "P", 4])], [("y", F, None), ("present", F, None)],
              [("i1", weights), ("i2", bias)], num_heads=2, unidirectional=1)
    m.check(i0=f32(2, 3, 8), i4=f32(2, 2, 2, 5, 4))
    m.check(i0=f32(1, 1, 8), i4=f32(2, 1, 2, 1, 4))

    inputs = [("i0", F, ["N", "S", 8]), ("i1", F, ["N", "T", 8]), ("i2", F, ["N", "T", 8])]
    m = model(folder, "heads", "MultiHeadAttention", inputs + [("i5", F, ["N", 2, "S", "T"])], [("y", F, None)], [("i3", bias)],
              num_heads=2, scale=0.3)
    for n, s, t in ((1, 4, 6), (2, 3, 3)):
        m.check(i0=f32(n, s, 8), i1=f32(n, t, 8), i2=f32(n, t, 8), i5=f32(n, 2, s, t))
    m = model(folder, "heads_past", "MultiHeadAttention", inputs[:1] + [("i1", F, ["N", "S", 8]), ("i2", F, ["N", "S", 8]),
                                                                       ("i6", F, ["N", 2, "P", 4]), ("i7", F, ["N", 2, "P", 4])],
              [("y", F, None), ("keys", F, None), ("values", F, None)], num_heads=2)
    m.check(i0=f32(2, 3, 8), i1=f32(2, 3, 8), i2=f32(2, 3, 8), i6=f32(2, 2, 4, 4), i7=f32(2, 2, 4, 4))

    tables = [("i2", f32(16, 2)), ("i3", f32(16, 2))]
    for name, positions in (("rotary", ["N", "S"]), ("rotary_offset", [1])):
        m = model(folder, name, "RotaryEmbedding", [x, ("i1", I64, positions)], [("y", F, None)], tables, num_heads=2)
        m.check(i0=f32(2, 3, 8), i1=rng.integers(0, 13, (2, 3) if positions != [1] else (1,)))


def u8(*shape):
    return rng.integers(0, 256, shape, dtype=np.uint8)


def scale_of(value):
    return np.array(value, F)


def quantized(folder):
    zero = np.array(120, np.uint8)
    x, z = ("i0", np.uint8, ["N", 6, "M"]), ("i3", np.uint8, ["N", 6, "M"])
    for op in ("QLinearAdd", "QLinearMul"):
        m = model(folder, op, op, [x, z], [("y", np.uint8, None)],
                  [("i1", scale_of(0.02)), ("i2", zero), ("i4", scale_of(0.03)), ("i5", np.array(7, np.uint8)),
                   ("i6", scale_of(0.05)), ("i7", zero)])
        for n, k in ((1, 5), (3, 17)):
            m.check(off_by_one=0.02, i0=u8(n, 6, k), i3=u8(n, 6, k))
    for op, attributes in (("QLinearSigmoid", {}), ("QLinearLeakyRelu", {"alpha": 0.1}), ("QLinearSoftmax", {"opset": 13, "axis": -1})):
        m = model(folder, op, op, [x], [("y", np.uint8, None)],
                  [("i1", scale_of(0.04)), ("i2", zero), ("i3", scale_of(1 / 256)), ("i4", np.array(3, np.uint8))], **attributes)
        m.check(off_by_one=0.03, i0=u8(2, 6, 9))
    picture = ("i0", np.uint8, ["N", 4, "H", "W"])
    last = [("i1", scale_of(0.04)), ("i2", zero), ("i3", scale_of(0.03)), ("i4", zero)]
    m = model(folder, "global", "QLinearGlobalAveragePool", [picture], [("y", np.uint8, None)], last)
    m.check(off_by_one=0.1, i0=u8(2, 4, 5, 7))
    m = model(folder, "average", "QLinearAveragePool", [picture], [("y", np.uint8, None)], last, kernel_shape=[2, 2], strides=[2, 2])
    m.check(off_by_one=0.05, i0=u8(2, 4, 6, 8))
    m = model(folder, "concat", "QLinearConcat", [("i2", np.uint8, ["N", "A"]), ("i5", np.uint8, ["N", "B"])], [("y", np.uint8, None)],
              [("i0", scale_of(0.05)), ("i1", zero), ("i3", scale_of(0.02)), ("i4", zero), ("i6", scale_of(0.07)), ("i7", zero)], axis=1)
    m.check(off_by_one=0.02, i2=u8(2, 5), i5=u8(2, 9))
    m = model(folder, "where", "QLinearWhere", [("i0", np.bool_, ["N", 5]), ("i1", np.uint8, ["N", 5]), ("i4", np.uint8, ["N", 5])],
              [("y", np.uint8, None)], [("i2", scale_of(0.02)), ("i3", zero), ("i5", scale_of(0.03)), ("i6", zero),
                                        ("i7", scale_of(0.03)), ("i8", zero)])
    m.check(off_by_one=0.02, i0=rng.integers(0, 2, (4, 5)).astype(bool), i1=u8(4, 5), i4=u8(4, 5))


def channels_last(folder):
    """What the optimizer writes for 8 bits: pictures with the channels last, weights as ever."""
    zero = np.array(120, np.uint8)
    for name, last, groups in (("conv_q_last", 1, 1), ("conv_q_groups", 1, 2), ("conv_q_first", 0, 1)):
        picture = ("i0", np.uint8, ["N", "H", "W", 4] if last else ["N", 4, "H", "W"])
        m = model(folder, name, "QLinearConv", [picture], [("y", np.uint8, None)],
                  [("i1", scale_of(0.02)), ("i2", zero), ("i3", rng.integers(-90, 90, (6, 4 // groups, 3, 3)).astype(np.int8)), ("i4", scale_of(0.01)),
                   ("i5", np.array(0, np.int8)), ("i6", scale_of(0.1)), ("i7", zero), ("i8", rng.integers(-500, 500, 6, dtype=I32))],
                  channels_last=last, pads=[1, 1, 1, 1], strides=[2, 1], group=groups)
        for n, height, width in ((1, 6, 7), (2, 5, 4)):
            m.check(off_by_one=0.02, i0=u8(n, height, width, 4) if last else u8(n, 4, height, width))
    m = model(folder, "pool_last", "NhwcMaxPool", [("i0", np.uint8, ["N", "H", "W", 5])], [("y", np.uint8, None)], kernel_shape=[3, 2],
              strides=[2, 2], pads=[1, 0, 1, 0])
    m.check(i0=u8(2, 6, 8, 5))
    m.check(i0=u8(1, 7, 3, 5))


def few_bits(folder):
    """Matrices of 4 and 8 bits in blocks; the last block is smaller."""
    for bits, columns, size, zeros, bias in ((4, 64, 32, False, False), (4, 72, 32, True, True), (4, 48, 16, "floats", False),
                                             (8, 40, 32, True, False), (8, 64, 64, False, True)):
        blocks = -(-columns // size)
        constants = [("i1", u8(6, blocks, size * bits // 8)), ("i2", f32(6 * blocks, scale=0.1))]
        if zeros:
            constants.append(("i3", f32(6 * blocks, scale=4) if zeros == "floats" else u8(6 * -(-blocks * bits // 8))))
        if bias:
            constants.append(("i5", f32(6)))
        m = model(folder, f"nbits_{bits}_{columns}_{bias:d}", "MatMulNBits", [("i0", F, ["N", "S", columns])], [("y", F, None)], constants, K=columns,
                  N=6, bits=bits, block_size=size)
        for n, s in ((1, 1), (2, 5)):
            m.check(i0=f32(n, s, columns))


def pack(numbers, bits):
    """Along the last axis into bytes, the lowest first; what lacks is 0."""
    count = 8 // bits
    padded = np.pad(numbers, [(0, 0)] * (numbers.ndim - 1) + [(0, -numbers.shape[-1] % count)])
    return sum(padded[..., i::count] << (bits * i) for i in range(count)).astype(np.uint8)


def blocks_in_any_order(folder):
    """g_idx: the block of each column. onnxruntime reads no zero points in bytes then, which the specification does not say: those are
    compared with floats of the same value."""
    columns, size, rows = 64, 16, 6
    numbers, scales = rng.integers(0, 16, (rows, columns)), f32(rows, columns // size, scale=0.1)
    order = rng.permutation(np.arange(columns) // size).astype(I32)
    zeros = rng.integers(0, 16, (rows, columns // size))
    constants = [("i1", pack(numbers, 4).reshape(rows, -1, size // 2)), ("i2", scales), ("i4", order)]
    made = {}
    for name, zero in (("none", []), ("floats", [("i3", zeros.astype(F))]), ("bytes", [("i3", pack(zeros, 4))])):
        made[name] = model(folder, f"nbits_order_{name}", "MatMulNBits", [("i0", F, ["N", columns])], [("y", F, None)], [*constants, *zero],
                           K=columns, N=rows, bits=4, block_size=size)
    for n in (1, 5):
        x = f32(n, columns)
        made["none"].check(i0=x)
        same = made["floats"].check(i0=x)
        np.testing.assert_array_equal(made["bytes"].run({"i0": x})["y"], same["y"])


def tables(folder):
    """Rows of a quantized table, and what lies outside of it."""
    def gather(name, kind, numbers, scales, zeros=None, **attributes):
        constants = [("i0", kind(numbers)), ("i2", scales), *([] if zeros is None else [("i3", kind(zeros))])]
        m = model(folder, f"table_{name}", "GatherBlockQuantized", [("i1", I64, ["N", "S"])], [("y", F, None)], constants, **attributes)
        count = numbers.shape[attributes["gather_axis"]]
        m.check(i1=rng.integers(-count, count, (2, 5)))
        m.check(i1=np.array([[0, count - 1, -count, count, -count - 1]]))

    for bits in (2, 4, 8):
        numbers, zeros = (rng.integers(0, 1 << bits, (10, n)) for n in (48, 3))
        for name, zero in (("plain", None), ("zeros", zeros)):
            gather(f"{bits}_{name}", lambda x: pack(x, bits), numbers, f32(10, 3), zero, bits=bits, block_size=16, quantize_axis=1, gather_axis=0)
    for kind, low in ((ml_dtypes.int4, -8), (ml_dtypes.uint4, 0)):
        for along, axis, dims in ((1, 0, (10, 40)), (0, 1, (33, 20)), (1, 1, (3, 40)), (2, 0, (10, 3, 40)), (0, 0, (33, 20))):
            blocks = [-(-d // 16) if i == along else d for i, d in enumerate(dims)]
            for name, zero in [("zeros", rng.integers(low, low + 16, blocks)), ("plain", None)][:1 + (low < 0)]:
                gather(f"{kind.__name__}_{along}{axis}{len(dims)}_{name}", lambda x: x.astype(kind), rng.integers(low, low + 16, dims), f32(*blocks), zero,
                       block_size=16, quantize_axis=along, gather_axis=axis)
    for dims, block in (((10, 32), 16), ((1, 1), 0)):  # scales of their own, one for all
        gather(f"floats_{block}", lambda x: x.astype(ml_dtypes.float8_e4m3fn), f32(10, 32), f32(dims[0], -(-32 // block) if block else 1),
               block_size=block, quantize_axis=1, gather_axis=0)


def quantized_products(folder):
    b, zero = u8(12, 6), np.array(131, np.uint8)
    m = model(folder, "to_float", "MatMulIntegerToFloat", [("i0", np.uint8, ["N", 12]), ("i2", F, [])], [("y", F, None)],
              [("i1", b), ("i3", f32(6)), ("i4", np.array(99, np.uint8)), ("i5", u8(6)), ("i6", f32(6))])
    m.check(i0=u8(3, 12), i2=scale_of(0.02))
    m = model(folder, "dynamic", "DynamicQuantizeMatMul", [("i0", F, ["N", 12])], [("y", F, None)],
              [("i1", b), ("i2", scale_of(0.05)), ("i3", zero), ("i4", f32(6))])
    for n in (1, 5):
        m.check(i0=f32(n, 12))
    m = model(folder, "gemm_q", "QGemm", [("i0", np.uint8, ["N", 12])], [("y", np.uint8, None)],
              [("i1", scale_of(0.02)), ("i2", zero), ("i3", u8(6, 12)), ("i4", scale_of(0.01)), ("i5", zero),
               ("i6", rng.integers(-500, 500, 6, dtype=I32)), ("i7", scale_of(0.1)), ("i8", zero)], transB=1)
    m.check(off_by_one=0.05, i0=u8(4, 12))
    m = model(folder, "attention_q", "QAttention", [("i0", np.uint8, ["N", "S", 8]), ("i5", I32, ["N", "S"])], [("y", F, None)],
              [("i1", u8(8, 24)), ("i2", f32(24)), ("i3", scale_of(0.02)), ("i4", scale_of(0.01)), ("i6", zero), ("i7", zero)], num_heads=2)
    m.check(i0=u8(2, 5, 8), i5=np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], I32))


folder = sys.argv[1]
for part in (fused, activations, norms, attention, quantized, channels_last, few_bits, blocks_in_any_order, tables, quantized_products):
    part(folder)
print("passed")
