"""Kernels that memory limits, on 64 MB, as shares of the rate of copying, and against onnxruntime."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from peers import onnxruntime_session

import tessera

SIDE = 4096


def model_of(op, output=("M", "N"), constants=(), **attributes):
    """One operator on a matrix; `constants` are further inputs."""
    names = ["x"] + [f"c{number}" for number in range(len(constants))]
    graph = helper.make_graph([helper.make_node(op, names, ["y"], **attributes)], "g",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["M", "N"])],
                              [helper.make_tensor_value_info("y", TensorProto.INT64 if op == "ArgMax" else TensorProto.FLOAT, output)],
                              [numpy_helper.from_array(np.asarray(value), name) for name, value in zip(names[1:], constants)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


# title, the model, and how often the matrix goes to or from memory
MODELS = [
    ("relu", model_of("Relu"), 2),
    ("gelu", model_of("Gelu"), 2),
    ("softmax of rows", model_of("Softmax", axis=-1), 2),
    ("layer norm of rows", model_of("LayerNormalization", constants=[np.ones(SIDE, np.float32)], axis=-1), 2),
    ("sums of rows", model_of("ReduceSum", ["M"], [np.array([1])], keepdims=0), 1),
    ("sums of columns", model_of("ReduceSum", ["N"], [np.array([0])], keepdims=0), 1),
    ("places of the largest in rows", model_of("ArgMax", ["M"], axis=1, keepdims=0), 1),
    ("transpose", model_of("Transpose", ["N", "M"], perm=[1, 0]), 2),
]


def bench_memory(table, seconds, in_turns):
    rng = np.random.default_rng(0)
    x = {"x": rng.standard_normal((SIDE, SIDE), dtype=np.float32)}
    copy = np.empty_like(x["x"])
    for title, model, passes in MODELS:
        session = onnxruntime_session(model, 1)
        context = tessera.compile(model).context(threads=1)
        copying, ours, theirs = in_turns([lambda: np.copyto(copy, x["x"]), lambda: context.run(x), lambda: session.run(None, x)],
                                         seconds, of=min)
        rate, peak = (times * x["x"].nbytes / time for times, time in ((passes, ours), (2, copying)))
        table.add(f"{title}, 64 MB, 1 thread", rate / peak * 100, "% of copying", f"{rate * 1e-9:.1f} of {peak * 1e-9:.1f} GB/s", least=85)
        table.add("the same, against onnxruntime", ours / theirs, "of ORT time", f"{ours * 1e3:.2f} of {theirs * 1e3:.2f} ms")
