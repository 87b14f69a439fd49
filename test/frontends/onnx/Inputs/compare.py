"""Compiles a model that onnx.helper made, runs it and onnxruntime, and compares: shared by the tests of this folder."""
import os
import subprocess

import numpy as np
import onnx
import onnxruntime

OPSET = 21


def build(nodes, inputs, outputs, initializers=(), opset=OPSET, domains=()):
    """inputs, outputs: (name, element type of NumPy, dims); dims None: any rank. domains: (name, version) of others."""
    def info(name, kind, dims):
        return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind)), dims)

    graph = onnx.helper.make_graph(nodes, "g", [info(*x) for x in inputs], [info(*y) for y in outputs],
                                   [onnx.numpy_helper.from_array(value, name) for name, value in initializers])
    imports = [onnx.helper.make_opsetid(*domain) for domain in [("", opset), *domains]]
    return onnx.helper.make_model(graph, opset_imports=imports, ir_version=10)


class Compiled:
    """One module; every call checks all outputs against onnxruntime's, which takes the model as it is (`literal`) or
    optimises it."""

    def __init__(self, folder, name, model, literal=False):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.name = folder, name
        path = self.save(model)
        options = onnxruntime.SessionOptions()
        if literal:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.session = onnxruntime.InferenceSession(path, options)
        self.module = f"{folder}/{name}.tsm"
        self.compile(model)

    def save(self, model):
        path = f"{self.folder}/{self.name}.onnx"
        onnx.save(model, path)
        return path

    def compile(self, model):
        """Another spelling of the model takes its place, but for onnxruntime."""
        subprocess.run(["tessera-compile", self.save(model), "-o", self.module], check=True, stderr=subprocess.DEVNULL)

    def run(self, arrays):
        command = ["tessera-run", self.module]
        for name, array in arrays.items():
            np.save(f"{self.folder}/{name}.in.npy", array)
            command += ["--input", f"{name}=@{self.folder}/{name}.in.npy"]
        names = [output.name for output in self.session.get_outputs()]
        for name in names:
            command += ["--output", f"{name}=@{self.folder}/{name}.out.npy"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return {name: np.load(f"{self.folder}/{name}.out.npy") for name in names}

    def check(self, tolerance=1e-5, off_by_one=0.0, **arrays):
        """off_by_one: the share of integer results that may differ by 1 (where a quotient lies between two)."""
        got = self.run(arrays)
        expected = dict(zip(got, self.session.run(None, arrays)))
        for name, wanted in expected.items():
            mine = got[name]
            assert mine.shape == wanted.shape, f"{self.name}: {name} is {mine.shape}, expected {wanted.shape}"
            assert mine.dtype == wanted.dtype, f"{self.name}: {name} is {mine.dtype}, expected {wanted.dtype}"
            if wanted.dtype.kind == "f":
                assert np.allclose(mine, wanted, rtol=tolerance, atol=tolerance, equal_nan=True), \
                    f"{self.name}: {name} differs by {np.abs(mine - wanted).max()}"
            else:
                difference = np.abs(mine.astype(np.int64) - wanted.astype(np.int64))
                assert difference.max(initial=0) <= (1 if off_by_one else 0), f"{self.name}: {name}\n{mine}\n{wanted}"
                assert (difference != 0).mean() <= off_by_one if difference.size else True, f"{self.name}: {name}"
        return got
