"""Builds one-operator models, runs them with the tools and with onnxruntime, compares."""
import subprocess

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OPSET = 18


def node_model(op, inputs, outputs, attributes=None, constants=(), dynamic=(), opset=OPSET):
    """A model of one node. `inputs`: name to array, or None where an optional input is absent; `constants`: names of
    inputs that become initializers; `dynamic`: (input, axis) pairs whose extents are left open."""
    given = {name: value for name, value in inputs.items() if value is not None}
    node = helper.make_node(op, [name if value is not None else "" for name, value in inputs.items()], outputs,
                            **(attributes or {}))
    while node.input and node.input[-1] == "":
        del node.input[-1]

    def info(name, value):
        dims = [f"{name}_{axis}" if (name, axis) in dynamic else extent for axis, extent in enumerate(value.shape)]
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), dims)

    graph = helper.make_graph(
        [node], "test", [info(n, v) for n, v in given.items() if n not in constants],
        [helper.make_tensor_value_info(n, TensorProto.UNDEFINED, None) for n in outputs if n],
        [numpy_helper.from_array(given[n], n) for n in constants])
    for output in graph.output:
        output.ClearField("type")
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    return onnx.shape_inference.infer_shapes(model), {n: v for n, v in given.items() if n not in constants}


def run(model, feeds, folder, arguments=()):
    """The outputs of the compiled model by name."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "m.onnx")
    command = ["tessera-run", str(folder / "m.onnx"), *arguments]
    for i, (name, value) in enumerate(feeds.items()):
        np.save(folder / f"x{i}.npy", value)
        command += ["--input", f"{name}=@{folder}/x{i}.npy"]
    names = [output.name for output in model.graph.output]
    for i, name in enumerate(names):
        command += ["--output", f"{name}=@{folder}/y{i}.npy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return {name: np.load(folder / f"y{i}.npy") for i, name in enumerate(names)}


def differs(expected, actual, tolerance):
    """A sentence on how they differ, or nothing."""
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return f"{actual.dtype}{actual.shape}, expected {expected.dtype}{expected.shape}"
    if expected.size == 0 or np.array_equal(expected, actual, equal_nan=expected.dtype.kind == "f"):
        return ""
    if expected.dtype.kind != "f":
        return f"{(expected != actual).sum()} of {expected.size} elements"
    scale = max(np.nanmax(np.abs(expected)), 1e-30)
    error = np.abs(expected.astype(np.float64) - actual).max() / scale
    return "" if error <= tolerance else f"{error:.2e} of the largest magnitude"


def check(label, folder, op, inputs, outputs, tolerance=2e-6, **options):
    """Compares with onnxruntime; returns whether they agree and says where they do not."""
    model, feeds = node_model(op, inputs, outputs, **options)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in model.graph.output]
    expected = dict(zip(names, session.run(names, feeds)))
    try:
        actual = run(model, feeds, folder)
    except RuntimeError as error:
        print(f"{label}: {error}")
        return False
    wrong = [f"{name}: {text}" for name in names if (text := differs(expected[name], actual[name], tolerance))]
    if wrong:
        print(f"{label}: " + "; ".join(wrong))
    return not wrong
