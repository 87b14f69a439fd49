"""8-bit floats and elements of 6, 4 and 2 bits in ONNX models: casts, quantization, initial values in files."""
import numpy as np
import pytest

import tessera

ml_dtypes = pytest.importorskip("ml_dtypes")
onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

import tessera.onnx.backend as backend  # noqa: E402

FLOATS = {TensorProto.FLOAT8E4M3FN: ml_dtypes.float8_e4m3fn, TensorProto.FLOAT8E4M3FNUZ: ml_dtypes.float8_e4m3fnuz,
          TensorProto.FLOAT8E5M2: ml_dtypes.float8_e5m2, TensorProto.FLOAT8E5M2FNUZ: ml_dtypes.float8_e5m2fnuz,
          TensorProto.FLOAT4E2M1: ml_dtypes.float4_e2m1fn, TensorProto.FLOAT6E2M3: ml_dtypes.float6_e2m3fn,
          TensorProto.FLOAT6E3M2: ml_dtypes.float6_e3m2fn}
# Whose codes are all numbers, and how many bits they have.
ALL_NUMBERS = {TensorProto.FLOAT4E2M1: 4, TensorProto.FLOAT6E2M3: 6, TensorProto.FLOAT6E3M2: 6}
INTEGERS = {TensorProto.INT4: ml_dtypes.int4, TensorProto.UINT4: ml_dtypes.uint4,
            TensorProto.INT2: ml_dtypes.int2, TensorProto.UINT2: ml_dtypes.uint2}
TYPES = {**FLOATS, **INTEGERS}


def model(nodes, inputs, outputs, initializers=()):
    infos = [[helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in side] for side in (inputs, outputs)]
    graph = helper.make_graph(nodes, "narrow", *infos, initializer=list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)], ir_version=11)


def run(proto, *inputs):
    return backend.prepare(proto).run(list(inputs))[0]


def same(got, wanted):
    assert got.dtype == wanted.dtype and got.shape == wanted.shape
    np.testing.assert_array_equal(got.astype(np.float64), wanted.astype(np.float64))


@pytest.mark.parametrize("saturate", [0, 1])
@pytest.mark.parametrize("to", FLOATS)
@pytest.mark.parametrize("source", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_casts(source, to, saturate):
    dtype = helper.tensor_dtype_to_np_dtype(source)
    numbers = np.arange(1 << ALL_NUMBERS.get(to, 8)).astype(np.uint8).view(FLOATS[to]).astype(np.float64)
    largest = np.nanmax(numbers[np.isfinite(numbers)])
    edges = largest * np.array([1, 1 + 2.0**-9, 1 + 2.0**-5, 1 + 2.0**-4, 1.07, 1.125, 1.2, 1.25, 2])
    with np.errstate(over="ignore"):
        x = np.concatenate([numbers, edges, -edges, np.random.default_rng(0).standard_normal(500) * largest / 2,
                            [np.inf, -np.inf, np.nan, -0.0]]).astype(dtype)
    node = helper.make_node("Cast", ["x"], ["y"], to=to, saturate=saturate)
    got = run(model([node], [("x", source, ["N"])], [("y", to, ["N"])]), x)
    kind = FLOATS[to]
    if saturate and to not in ALL_NUMBERS:
        wanted = np.clip(x.astype(np.float64), -largest, largest).astype(kind)
    else:
        wanted = x.astype(kind)
        if to in ALL_NUMBERS:  # NaN is not in the type.
            wanted[np.isnan(x)] = 0
    same(got, wanted)
    back = helper.make_node("Cast", ["x"], ["y"], to=source)
    same(run(model([back], [("x", to, ["N"])], [("y", source, ["N"])]), wanted), wanted.astype(dtype))


@pytest.mark.parametrize("saturate", [0, 1])
@pytest.mark.parametrize("mode", ["up", "down", "nearest"])
@pytest.mark.parametrize("source", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_casts_to_powers_of_two(source, mode, saturate):
    dtype = helper.tensor_dtype_to_np_dtype(source)
    exponents = np.arange(-140, 131)
    with np.errstate(over="ignore", under="ignore"):
        x = (np.array([[1], [1.2], [1.5], [1.8], [1 + 2.0**-10]]) * 2.0**exponents).ravel().astype(dtype)
        x = np.concatenate([x, np.array([0, np.inf, np.nan], dtype), np.nextafter(dtype.type(2), dtype.type([0, 4]))])
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT8E8M0, round_mode=mode, saturate=saturate)
    got = run(model([node], [("x", source, ["N"])], [("y", TensorProto.FLOAT8E8M0, ["N"])]), x)
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction, exponent = np.frexp(x.astype(np.float64))
        up = {"up": fraction > 0.5, "down": False, "nearest": fraction >= 0.75}[mode]
        power = np.where(np.isinf(x), 128, np.where(x == 0, -200, exponent - 1 + up))
    isNone = np.isnan(x) | ((power > 127) | (x.astype(np.float64) < 2.0**-127) if not saturate else False)
    wanted = np.where(isNone, 255, np.clip(power, -127, 127) + 127).astype(np.uint8)
    np.testing.assert_array_equal(got.view(np.uint8), wanted)


# One number for the tensor, one for each index of an axis, one for each block of an axis.
SCALES = {"tensor": ([], {}), "axis": ([6], {"axis": 1}), "block": ([4, 2], {"axis": 1, "block_size": 3})}


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("kind", TYPES)
def test_quantization(kind, scales):
    shape, attributes = SCALES[scales]
    rng = np.random.default_rng(kind)
    scale = rng.uniform(0.05, 0.2, shape).astype(np.float32)
    zero = rng.integers(0, 2, shape).astype(TYPES[kind]) if kind in INTEGERS else np.zeros(shape).astype(TYPES[kind])
    x = rng.standard_normal((4, 6)).astype(np.float32)
    x[0, :2] = 1e6, -1e6
    initializers = [numpy_helper.from_array(np.asarray(scale), "scale"), numpy_helper.from_array(np.asarray(zero), "zero")]
    quantize = helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], **attributes)
    proto = model([quantize], [("x", TensorProto.FLOAT, [4, 6])], [("q", kind, [4, 6])], initializers)
    got = run(proto, x)
    same(got, ReferenceEvaluator(proto).run(None, {"x": x})[0])
    dequantize = helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"], **attributes)
    proto = model([dequantize], [("q", kind, [4, 6])], [("y", TensorProto.FLOAT, [4, 6])], initializers)
    wide = [np.asarray(part, np.float64) for part in (scale, zero.astype(np.float64))]
    spread = [np.repeat(part, 3, 1) if scales == "block" else part for part in wide]
    wanted = (got.astype(np.float64) - spread[1]) * spread[0]
    np.testing.assert_allclose(run(proto, got), wanted, rtol=1e-6)


@pytest.mark.parametrize("size", [7, 4001])
@pytest.mark.parametrize("place", ["raw", "numbers", "external"])
@pytest.mark.parametrize("kind", TYPES)
def test_initial_values(kind, place, size, tmp_path):
    """Elements of 6, 4 and 2 bits lie in files without gaps; the last byte may not be full."""
    bits = ALL_NUMBERS.get(kind) or (4 if TYPES[kind] in (ml_dtypes.int4, ml_dtypes.uint4) else
                                     2 if TYPES[kind] in (ml_dtypes.int2, ml_dtypes.uint2) else 8)
    w = np.random.default_rng(4).integers(0, 1 << bits, size, dtype=np.uint8).view(TYPES[kind])
    tensor = numpy_helper.from_array(w, "w")
    if place == "numbers":
        raw = tensor.raw_data
        tensor.ClearField("raw_data")
        tensor.int32_data.extend(w.view(np.uint8) if bits == 6 else raw)
    nodes = [helper.make_node("Reshape", ["w", "rows"], ["v"]), helper.make_node("Cast", ["v"], ["y"], to=TensorProto.FLOAT),
             helper.make_node("Identity", ["w"], ["same"])]
    rows = numpy_helper.from_array(np.array([size, 1]), "rows")
    proto = model(nodes, [], [("y", TensorProto.FLOAT, [size, 1]), ("same", kind, [size])], [tensor, rows])
    path = tmp_path / "model.onnx"
    onnx.save(proto, path, save_as_external_data=place == "external", location="weights", size_threshold=0)
    outputs = tessera.compile(path).run({})
    np.testing.assert_array_equal(outputs["y"][:, 0], w.astype(np.float32))
    np.testing.assert_array_equal(outputs["same"], w.view(np.uint8))


def test_a_file_with_too_few_bytes_is_refused():
    tensor = TensorProto(name="w", data_type=TensorProto.INT4, dims=[5], raw_data=b"\x12\x34")
    proto = model([helper.make_node("Identity", ["w"], ["y"])], [], [("y", TensorProto.INT4, [5])])
    proto.graph.initializer.append(tensor)
    with pytest.raises(tessera.Error, match="constant 'w' has 2 bytes of data, its shape needs 3"):
        tessera.compile(proto.SerializeToString())


def test_weights_in_8_bits_are_multiplied():
    """A product of a dequantized weight: decoded where it is read, or before."""
    rng = np.random.default_rng(5)
    w = rng.standard_normal((64, 48)).astype(ml_dtypes.float8_e4m3fn)
    scale = rng.uniform(0.5, 2, 48).astype(np.float32)
    nodes = [helper.make_node("DequantizeLinear", ["w", "scale"], ["d"], axis=1), helper.make_node("MatMul", ["x", "d"], ["y"])]
    proto = model(nodes, [("x", TensorProto.FLOAT, ["B", 64])], [("y", TensorProto.FLOAT, ["B", 48])],
                  [numpy_helper.from_array(w, "w"), numpy_helper.from_array(scale, "scale")])
    x = rng.standard_normal((5, 64)).astype(np.float32)
    wanted = x.astype(np.float64) @ (w.astype(np.float64) * scale)
    np.testing.assert_allclose(run(proto, x), wanted, rtol=1e-4, atol=1e-4)
