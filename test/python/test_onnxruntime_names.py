"""Every public name of the installed onnxruntime is in tessera.onnxruntime, or refused there by a message that says what to do."""
import enum
import inspect
import re

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import tessera.onnxruntime as ours
from onnxruntime.capi import onnxruntime_pybind11_state as state

REFUSED = ours.capi.onnxruntime_pybind11_state.NotImplemented
# What other modules leave among the names, which no program means.
LEFT_OVER = {"contextlib", "import_capi_exception", "onnxruntime_validation"}
CLASSES = [name for name in dir(onnxruntime) if inspect.isclass(getattr(onnxruntime, name)) and name not in LEFT_OVER]
F = TensorProto.FLOAT
RELU = helper.make_model(
    helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [helper.make_tensor_value_info("x", F, ["N", 3])],
                      [helper.make_tensor_value_info("y", F, ["N", 3])]),
    opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()
X = np.array([[1, -2, 3]], np.float32)


INSTANCES = {
    "SessionOptions": ours.SessionOptions, "RunOptions": ours.RunOptions, "OrtArenaCfg": lambda: ours.OrtArenaCfg({}),
    "OrtMemoryInfo": lambda: ours.OrtMemoryInfo("Cpu", ours.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ours.OrtMemType.DEFAULT),
    "NodeArg": lambda: ours.InferenceSession(RELU).get_inputs()[0], "ModelMetadata": lambda: ours.InferenceSession(RELU).get_modelmeta()}


def public(thing):
    return [name for name in dir(thing) if not name.startswith("_")]


def taken(function):
    """Names of the parameters and how many may be given by place, of Python's functions and pybind's; None where the latter does not say."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
        names = [p.name for p in parameters if p.name not in ("self", "cls")]
        return names, len([p for p in parameters if p.name not in ("self", "cls") and p.kind is not p.KEYWORD_ONLY])
    except (TypeError, ValueError):
        found = re.match(r"\w+\((.*?)\) ->", (function.__doc__ or "").splitlines()[0] if function.__doc__ else "")
        if not found or "*args" in found[1]:
            return None
        depth, count = 0, 1 if found[1] else 0
        for letter in found[1]:
            depth += letter in "[(" or -(letter in "])")
            count += letter == "," and not depth
        return None, count - found[1].startswith("self")


def accepts(mine, theirs):
    """As many arguments by place, and by the same names where theirs have some."""
    wanted = taken(theirs)
    if wanted is None:
        return True
    parameters = inspect.signature(mine).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return True
    names, count = taken(mine)
    return count >= wanted[1] and (wanted[0] is None or set(wanted[0]) <= set(names))


@pytest.mark.parametrize("name", [name for name in public(onnxruntime) if name not in LEFT_OVER])
def test_module_has_the_name(name):
    theirs = getattr(onnxruntime, name)
    mine = getattr(ours, name)
    assert inspect.isclass(mine) == inspect.isclass(theirs) and callable(mine) == callable(theirs)
    if callable(theirs) and not inspect.isclass(theirs):
        assert accepts(mine, theirs), f"{name}{inspect.signature(mine)} does not take what onnxruntime's takes: {theirs.__doc__}"


@pytest.mark.parametrize("name", CLASSES)
def test_class_has_the_names(name):
    theirs, mine = getattr(onnxruntime, name), getattr(ours, name)
    instance = INSTANCES[name]() if name in INSTANCES else None
    for attribute in public(theirs):
        if issubclass(mine, enum.Enum) and attribute not in theirs.__members__:
            continue
        has = hasattr(mine, attribute) or hasattr(instance, attribute)
        assert has, f"{name}.{attribute} is missing"
        there, here = getattr(theirs, attribute), getattr(mine, attribute, None)
        if inspect.isroutine(there) and inspect.isroutine(here):
            assert accepts(here, there), f"{name}.{attribute}{inspect.signature(here)} does not take what onnxruntime's takes: {there.__doc__}"
        if issubclass(mine, enum.IntEnum):
            assert int(here) == int(there), f"{name}.{attribute} is {int(here)}, not {int(there)}"


def test_constructors_take_the_same():
    for name in ("InferenceSession", "ModelCompiler", "IOBinding", "OrtDevice"):
        assert accepts(getattr(ours, name).__init__, getattr(onnxruntime, name).__init__), name


def test_exceptions_have_the_names():
    for name in public(state):
        if inspect.isclass(getattr(state, name)) and issubclass(getattr(state, name), Exception):
            assert issubclass(getattr(ours.capi.onnxruntime_pybind11_state, name), ours.capi.onnxruntime_pybind11_state.Fail.__base__), name


def test_modules_where_programs_look_for_names():
    from tessera.onnxruntime.capi import _pybind_state, onnxruntime_inference_collection
    assert onnxruntime_inference_collection.InferenceSession is ours.InferenceSession
    assert _pybind_state.get_available_providers() == ["CPUExecutionProvider"] and _pybind_state.InvalidArgument


def test_defaults_are_the_same():
    for kind in ("SessionOptions", "RunOptions"):
        mine, theirs = getattr(ours, kind)(), getattr(onnxruntime, kind)()
        for name in public(theirs):
            if isinstance(inspect.getattr_static(type(theirs), name), property):
                value = getattr(theirs, name)
                assert getattr(mine, name) == (int(value) if hasattr(value, "__members__") else value), f"{kind}.{name}"


@pytest.mark.parametrize("name", ["AdapterFormat", "LoraAdapter", "ModelPackage", "ModelPackageComponentContext", "ModelPackageContext",
                                  "ModelPackageOptions", "OrtEpAssignedNode", "OrtEpAssignedSubgraph", "OrtEpContextData", "OrtEpContextDataBuffer",
                                  "OrtExternalInitializerInfo", "SparseTensor"])
def test_what_cannot_be_is_refused_by_name(name):
    with pytest.raises(REFUSED, match=name):
        getattr(ours, name)()


@pytest.mark.parametrize("call, says", [
    (lambda options, session: options.add_free_dimension_override_by_denotation("BATCH", 1), "add_free_dimension_override_by_name"),
    (lambda options, session: options.add_initializer("w", None), "the model's own files"),
    (lambda options, session: options.add_external_initializers(["w"], [None]), "the model's own files"),
    (lambda options, session: options.add_external_initializers_from_files_in_memory(["w"], [b""], [0]), "give the path"),
    (lambda options, session: options.set_ep_context_data_read_func(None), "no other providers"),
    (lambda options, session: ours.RunOptions().add_active_adapter(None), "merge their weights"),
    (lambda options, session: session.get_provider_graph_assignment_info(), "tessera-dump"),
    (lambda options, session: session.set_tuning_results([{}]), "tessera-tune"),
    (lambda options, session: ours.SparseTensor.sparse_coo_from_numpy([1], X, X, None), "dense tensor"),
    (lambda options, session: ours.OrtValue.ortvalue_from_numpy(X).as_sparse_tensor(), "dense tensor"),
    (lambda options, session: ours.AdapterFormat.read_adapter("a"), "merge their weights"),
    (lambda options, session: ours.ModelPackage.open("a"), "several targets"),
    (lambda options, session: ours.register_execution_provider_library("a", "b"), "machine code"),
    (lambda options, session: ours.unregister_execution_provider_library("a"), "'a'"),
    (lambda options, session: ours.ModelCompiler(options, RELU, external_initializers_file_path="w"), "holds its weights"),
    (lambda options, session: ours.ModelCompiler(options, RELU).set_ep_context_data_write_func(print), "no other providers")])
def test_refusals_say_what_to_do(call, says):
    with pytest.raises(REFUSED, match=says):
        call(ours.SessionOptions(), ours.InferenceSession(RELU))


BOTH = pytest.mark.parametrize("module", [onnxruntime, ours], ids=["onnxruntime", "tessera"])


@BOTH
def test_what_a_session_says_of_itself(module):
    session = module.InferenceSession(RELU)
    assert session.end_profiling() == "" and session.get_profiling_start_time_ns() == 0
    assert session.get_tuning_results() == [] and session.set_tuning_results([]) is None
    assert session.set_ep_dynamic_options({"a": "b"}) is None and session.release_captured_graph() is None
    (memory,) = session.get_output_memory_infos()
    assert (memory.name, memory.device_id, int(memory.mem_type), int(memory.allocator_type)) == ("Cpu", 0, 0, 1)
    (device,) = session.get_input_epdevices()
    assert device.ep_name == "CPUExecutionProvider" and int(device.device.type) == 0
    assert session.get_provider_options() == {"CPUExecutionProvider": {}}
    assert module.get_ep_devices()[0].ep_name == "CPUExecutionProvider"
    assert session.get_overridable_initializers() == []


@BOTH
def test_vectors_of_values(module):
    session, device = module.InferenceSession(RELU), module.OrtDevice.make("cpu", 0)
    assert (device.device_type(), device.device_id(), device.device_mem_type(), device.device_vendor_id()) == (0, 0, 0, 0)
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", module.OrtValue.ortvalue_from_numpy(X))
    binding.bind_output("y")
    session.run_with_iobinding(binding)
    vector = binding.get_outputs_as_ortvaluevector()
    assert len(vector) == 1 and vector.element_type_at(0) == F
    np.testing.assert_array_equal(vector[0].numpy(), [[1, 0, 3]])
    value = session.run_with_ort_values(["y"], {"x": module.OrtValue.ortvalue_from_numpy(X)})[0]
    assert (value.element_type(), value.is_tensor(), value.tensor_size_in_bytes(), value.has_value()) == (F, True, 12, True)
    made = session.create_ortvalue_from_shape_and_type([1, 3], np.float32, "cpu")
    if module is ours:  # Theirs copies between devices alone.
        module.copy_tensors([value], [made])
        np.testing.assert_array_equal(made.numpy(), [[1, 0, 3]])
    made.update_inplace(X)
    np.testing.assert_array_equal(made.numpy(), X)


def test_results_go_into_a_vector():
    from tessera.onnxruntime.binding import OrtValueVector
    session, fetches = ours.InferenceSession(RELU), OrtValueVector()
    feeds = OrtValueVector([ours.OrtValue.ortvalue_from_numpy(X)])
    session.run_with_ortvaluevector(None, ["x"], feeds, ["y"], fetches, [])
    np.testing.assert_array_equal(fetches[0].numpy(), [[1, 0, 3]])
    kept = np.zeros((1, 3), np.float32)
    fetches = OrtValueVector([ours.OrtValue.ortvalue_from_numpy(kept)])
    session.run_with_ortvaluevector(ours.RunOptions(), ["x"], feeds, ["y"], fetches, [])
    np.testing.assert_array_equal(kept, [[1, 0, 3]])
    fetches.push_back(feeds[0])
    assert [np.from_dlpack(Capsule(part)).tolist() for part in fetches.to_dlpacks()] == [[[1, 0, 3]], [[1, -2, 3]]]


class Capsule:
    """What numpy.from_dlpack asks for, of a capsule that is there already."""

    def __init__(self, capsule):
        self.capsule = capsule

    def __dlpack__(self, **options):
        return self.capsule

    def __dlpack_device__(self):
        return (1, 0)


def test_types_that_numpy_does_not_have():
    value = ours.OrtValue.ortvalue_from_numpy_with_onnx_type(np.array([0x3F80], np.uint16), TensorProto.BFLOAT16)
    assert (value.data_type(), value.element_type(), value.shape()) == ("tensor(bfloat16)", TensorProto.BFLOAT16, [1])
    assert ours.OrtValue.ortvalue_from_shape_and_type([2], TensorProto.INT64).data_type() == "tensor(int64)"
    assert ours.OrtValue.from_dlpack(X).data_ptr() == X.ctypes.data
    graph = helper.make_graph([helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)], "g", [helper.make_tensor_value_info("x", F, [1])],
                              [helper.make_tensor_value_info("y", TensorProto.BFLOAT16, [1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()
    (got,) = ours.InferenceSession(model).run_with_ort_values(None, {"x": ours.OrtValue.ortvalue_from_numpy(np.ones(1, np.float32))})
    assert got.data_type() == "tensor(bfloat16)" and got.numpy().tolist() == [0x3F80]


@BOTH
def test_sequences_are_values(module):
    inner = helper.make_tensor_sequence_value_info("s", F, None)
    graph = helper.make_graph([helper.make_node("SequenceConstruct", ["x", "x"], ["s"])], "g", [helper.make_tensor_value_info("x", F, [3])], [inner])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()
    (value,) = module.InferenceSession(model).run_with_ort_values(["s"], {"x": module.OrtValue.ortvalue_from_numpy(X[0])})
    assert (value.is_tensor_sequence(), value.is_tensor(), value.data_type()) == (True, False, "seq(tensor(float))")
    if module is ours:  # Theirs gives no elements.
        assert [part.tolist() for part in value.numpy()] == [[1, -2, 3]] * 2


def test_models_compile_to_modules(tmp_path):
    compiler, path = ours.ModelCompiler(ours.SessionOptions(), RELU), tmp_path / "relu.tsm"
    compiler.compile_to_file(path)
    written = []
    compiler.compile_to_stream(written.append)
    for module in (str(path), compiler.compile_to_bytes(), b"".join(written)):
        np.testing.assert_array_equal(ours.InferenceSession(module).run(None, {"x": X})[0], [[1, 0, 3]])
    careful = ours.ModelCompiler(ours.SessionOptions(), RELU, flags=ours.OrtCompileApiFlags.ERROR_IF_OUTPUT_FILE_EXISTS)
    with pytest.raises(ours.capi.onnxruntime_pybind11_state.Fail, match="ERROR_IF_OUTPUT_FILE_EXISTS"):
        careful.compile_to_file(path)
    with pytest.raises(ours.capi.onnxruntime_pybind11_state.InvalidArgument, match="output_model_path"):
        compiler.compile_to_file()


def test_options_of_providers_and_of_loading():
    options = ours.SessionOptions()
    assert not options.has_providers()
    options.add_provider("CUDAExecutionProvider", {})
    assert options.has_providers()
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        ours.InferenceSession(RELU, options)
    options = ours.SessionOptions()
    options.set_load_cancellation_flag(True)
    with pytest.raises(ours.capi.onnxruntime_pybind11_state.ModelLoadCanceled):
        ours.InferenceSession(RELU, options)


@BOTH
def test_descriptions_of_memory(module):
    memory = module.OrtMemoryInfo("Cpu", module.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, module.OrtMemType.DEFAULT)
    arena = module.OrtArenaCfg({"max_mem": 5})
    assert (memory.name, arena.max_mem, arena.arena_extend_strategy) == ("Cpu", 5, -1)
    assert module.OrtArenaCfg(1, 2, 3, 4).initial_chunk_size_bytes == 3
    other = numpy_helper.to_array(numpy_helper.from_array(X))
    assert module.OrtValue.ortvalue_from_numpy(other).shape() == [1, 3]
