"""tessera.onnxruntime beside onnxruntime: the same calls through both modules."""
import threading
import time

import numpy as np
import onnxruntime
import pytest
from conftest import DENSE
from onnx import TensorProto, helper

import tessera
import tessera.onnxruntime as ours

F32, I64 = TensorProto.FLOAT, TensorProto.INT64
TOLERANCE = 1e-4  # of the output's largest magnitude
BOTH = pytest.mark.parametrize("module", [onnxruntime, ours], ids=["onnxruntime", "tessera"])
OCR = "rapidocr_onnxruntime/models/"


def model(nodes, inputs, outputs, **fields):
    graph = helper.make_graph(nodes, "small", [helper.make_tensor_value_info(*row) for row in inputs],
                              [helper.make_tensor_value_info(*row) for row in outputs], doc_string="a graph")
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, **fields)
    helper.set_model_props(made, {"key": "value", "other": ""})
    return made.SerializeToString()


SUM = model([helper.make_node("Add", ["a", "b"], ["s"]), helper.make_node("Relu", ["s"], ["r"])],
            [("a", F32, ["N", 3]), ("b", F32, ["N", 3])], [("s", F32, ["N", 3]), ("r", F32, ["N", 3])],
            producer_name="somebody", domain="org.example", model_version=-7, doc_string="two outputs")
A = np.array([[1, -2, 3]], np.float32)


def loop():
    """`y` is twice `x`, and the loop before it takes `n` steps of nothing."""
    body = helper.make_graph([helper.make_node("Identity", ["c"], ["go"]), helper.make_node("Add", ["v", "v"], ["w"])], "body",
                             [helper.make_tensor_value_info("i", I64, []), helper.make_tensor_value_info("c", TensorProto.BOOL, []),
                              helper.make_tensor_value_info("v", F32, [2])],
                             [helper.make_tensor_value_info("go", TensorProto.BOOL, []), helper.make_tensor_value_info("w", F32, [2])])
    return model([helper.make_node("Loop", ["n", "c0", "x"], ["y"], body=body)],
                 [("n", I64, []), ("c0", TensorProto.BOOL, []), ("x", F32, [2])], [("y", F32, [2])])


@pytest.mark.parametrize("name, shapes", [
    ("magika/models/standard_v3_3/model.onnx", [(1, 2048), (3, 2048)]),
    (OCR + "ch_ppocr_mobile_v2.0_cls_infer.onnx", [(1, 3, 48, 192)]),
    (OCR + "ch_PP-OCRv4_rec_infer.onnx", [(1, 3, 48, 320), (1, 3, 48, 104)]),
    (OCR + "ch_PP-OCRv4_det_infer.onnx", [(1, 3, 64, 192)])])
def test_one_import_is_all_that_changes(models, name, shapes):
    def program(module):
        session = module.InferenceSession(str(models / name), providers=["CPUExecutionProvider"])
        (argument,), rng = session.get_inputs(), np.random.default_rng(0)
        described = [(one.name, one.type) for one in session.get_inputs() + session.get_outputs()]
        shape = [extent if isinstance(extent, int) else None for extent in argument.shape]
        results = []
        for wanted in shapes:
            assert all(extent in (None, given) for extent, given in zip(shape, wanted))
            x = rng.integers(0, 257, wanted, np.int32) if "int32" in argument.type else rng.random(wanted, np.float32)
            results += session.run(None, {argument.name: x})
        return described, shape, session.get_modelmeta().producer_name, results

    (*said, expected), (*same, actual) = program(onnxruntime), program(ours)
    assert same == said
    for mine, theirs in zip(actual, expected, strict=True):
        assert mine.shape == theirs.shape and mine.dtype == theirs.dtype
        assert np.abs(mine - theirs).max() <= TOLERANCE * np.abs(theirs).max() + 1e-6  # noise has no text


def test_recurrent_model(models):
    path, rng = models / "silero_vad/data/silero_vad_op18_ifless.onnx", np.random.default_rng(0)
    feed = {"input": rng.standard_normal((1, 576)).astype(np.float32), "state": np.zeros((2, 1, 128), np.float32),
            "sr": np.array(16000)}
    expected, actual = (module.InferenceSession(path.read_bytes()).run(["stateN", "output"], feed)
                        for module in (onnxruntime, ours))
    for mine, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)


@BOTH
def test_signature_and_metadata(module):
    options = module.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = module.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = module.InferenceSession(SUM, options, providers=["CPUExecutionProvider"])
    assert [(v.name, v.type, v.shape) for v in session.get_inputs()] == [
        ("a", "tensor(float)", ["N", 3]), ("b", "tensor(float)", ["N", 3])]
    assert [(v.name, v.type, v.shape) for v in session.get_outputs()] == [
        ("s", "tensor(float)", ["N", 3]), ("r", "tensor(float)", ["N", 3])]
    meta = session.get_modelmeta()
    assert (meta.producer_name, meta.domain, meta.graph_name, meta.version, meta.description, meta.graph_description) == (
        "somebody", "org.example", "small", -7, "two outputs", "a graph")
    assert meta.custom_metadata_map == {"key": "value", "other": ""}
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session.get_session_options().intra_op_num_threads == 1


@BOTH
def test_outputs_by_name_and_lists(module):
    session = module.InferenceSession(SUM)
    r, s = session.run(["r", "s"], {"a": A, "b": A})
    np.testing.assert_array_equal(s, 2 * A)
    np.testing.assert_array_equal(r, np.maximum(2 * A, 0))
    (r,) = session.run(["r"], {"a": A.tolist(), "b": [[0, 0, -9]]}, module.RunOptions())
    np.testing.assert_array_equal(r, [[1, 0, 0]])
    assert len(session.run([], {"a": A, "b": A})) == 2


@BOTH
def test_bindings(module):
    session = module.InferenceSession(SUM)
    binding, kept = session.io_binding(), np.empty((1, 3), np.float32)
    binding.bind_cpu_input("a", A)
    binding.bind_ortvalue_input("b", module.OrtValue.ortvalue_from_numpy(A))
    binding.bind_output("r", "cpu", 0, np.float32, kept.shape, kept.ctypes.data)
    binding.bind_output("s")
    session.run_with_iobinding(binding)
    np.testing.assert_array_equal(kept, np.maximum(2 * A, 0))
    r, s = binding.copy_outputs_to_cpu()
    np.testing.assert_array_equal(r, kept)
    np.testing.assert_array_equal(s, 2 * A)
    value = binding.get_outputs()[1]
    assert (value.shape(), value.data_type(), value.device_name()) == ([1, 3], "tensor(float)", "cpu")


@BOTH
@pytest.mark.parametrize("names, feed, kind, says", [
    (None, {"a": A}, ValueError, ["b", "missing"]),
    (None, {"a": A, "b": A, "zz": A}, "InvalidArgument", ["zz"]),
    (["zz"], {"a": A, "b": A}, "InvalidArgument", ["zz"]),
    (None, {"a": A, "b": A.astype(np.float64)}, "InvalidArgument", []),
    (None, {"a": A, "b": A[0]}, "InvalidArgument", ["b"]),
    (None, {"a": A, "b": np.ones((1, 4), np.float32)}, "InvalidArgument", ["b", "4", "3"])])
def test_wrong_calls_raise_the_same_kind(module, names, feed, kind, says):
    session = module.InferenceSession(SUM)
    kind = getattr(module.capi.onnxruntime_pybind11_state, kind) if isinstance(kind, str) else kind
    with pytest.raises(kind) as caught:
        session.run(names, feed)
    for part in says:
        assert part in str(caught.value)


@pytest.mark.parametrize("value, code, says", [
    (A.astype(np.float64), "WRONG_TYPE", ["'b'", "f32", "f64"]),
    (A[0], "WRONG_RANK", ["'b'", "f32[N, 3]", "f32[3]"]),
    (np.ones((1, 4), np.float32), "WRONG_SHAPE", ["'b'", "3", "4"])])
def test_errors_name_input_expected_and_found(value, code, says):
    with pytest.raises(tessera.Error) as caught:
        ours.InferenceSession(SUM).run(None, {"a": A, "b": value})
    assert caught.value.code == code
    for part in says:
        assert part in str(caught.value)


@BOTH
@pytest.mark.parametrize("source, kind", [("no-such-file.onnx", "NoSuchFile"), (b"no model", "InvalidProtobuf"), (3, TypeError)])
def test_what_is_no_model(module, source, kind):
    kind = getattr(module.capi.onnxruntime_pybind11_state, kind) if isinstance(kind, str) else kind
    with pytest.raises(kind):
        module.InferenceSession(source)


def test_unsupported_operators_are_named():
    with pytest.raises(ours.capi.onnxruntime_pybind11_state.NotImplemented, match="org.example.Missing"):
        ours.InferenceSession(model([helper.make_node("Missing", ["x"], ["y"], domain="org.example")],
                                    [("x", F32, [2])], [("y", F32, [2])]))


def test_options_that_would_be_missed_are_refused():
    refused = ours.capi.onnxruntime_pybind11_state.NotImplemented
    for name, value in (("enable_profiling", True), ("optimized_model_filepath", "there.onnx")):
        options = ours.SessionOptions()
        setattr(options, name, value)
        with pytest.raises(refused, match=name):
            ours.InferenceSession(SUM, options)
    with pytest.raises(refused, match="textual IR"):
        ours.SessionOptions().register_custom_ops_library("lib.so")
    with pytest.raises(AttributeError, match="intra_op_num_threads"):
        ours.SessionOptions().intra_op_threads = 3
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        ours.InferenceSession(SUM, providers=[("CUDAExecutionProvider", {}), "CPUExecutionProvider"])


def test_extents_are_fixed_by_name():
    options = ours.SessionOptions()
    options.add_free_dimension_override_by_name("N", 1)
    session = ours.InferenceSession(SUM, options)
    with pytest.raises(ours.capi.onnxruntime_pybind11_state.InvalidArgument, match="'a'"):
        session.run(None, {"a": np.ones((2, 3), np.float32), "b": np.ones((2, 3), np.float32)})


def test_modules_and_text_are_models_too(tmp_path):
    tessera.compile(DENSE).save(tmp_path / "dense.tsm")
    x = np.ones((2, 4), np.float32)
    for source in (tmp_path / "dense.tsm", DENSE, DENSE.read_bytes()):
        session = ours.InferenceSession(source)
        assert session.get_inputs()[0].shape == ["B", 4]
        np.testing.assert_allclose(session.run(None, {"x": x})[0][0], [1, 0, 1.5])


def test_terminate_ends_a_run_from_another_thread():
    session, options = ours.InferenceSession(loop()), ours.RunOptions()
    feed = {"n": np.array(1 << 62), "c0": np.array(True), "x": np.zeros(2, np.float32)}
    threading.Timer(0.3, lambda: setattr(options, "terminate", True)).start()
    start = time.monotonic()
    with pytest.raises(ours.capi.onnxruntime_pybind11_state.Fail, match="terminate"):
        session.run(None, feed, options)
    assert time.monotonic() - start < 20
    feed["n"] = np.array(3)
    assert session.run(None, feed, ours.RunOptions())[0].tolist() == [0, 0]


def test_runs_side_by_side_and_without_waiting():
    session, results = ours.InferenceSession(SUM), {}
    done = threading.Barrier(5)

    def keep(outputs, number, problem):
        results[number] = (outputs, problem)
        done.wait(30)

    for number in range(4):
        session.run_async(["s"], {"a": A * number, "b": A}, keep, number)
    done.wait(30)
    for number, (outputs, problem) in results.items():
        assert problem == ""
        np.testing.assert_array_equal(outputs[0], A * (number + 1))
