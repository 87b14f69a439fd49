# The test cases that the onnx package has for single operators, for every operator that has a row: expected values are
# the specification's. Cases of one operator set are put into one model, which is compiled once.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import collections
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

warnings.filterwarnings("ignore")
from onnx.backend.test.case.node import collect_testcases  # noqa: E402  (makes arrays that overflow on purpose)

# What no case is compared for, and why.
LEFT_OUT = {
    r"_expanded": "the same operator as a function of others",
    r"bfloat16|BFLOAT16|_uint4|_int4|_uint2|_int2|FLOAT8|e4m3|e5m2|FLOAT4|float4|INT4|INT2|E8M0":
        "NumPy has not the element type",
    r"^test_training_dropout(?!_zero)|^test_bernoulli": "random: the case has NumPy's numbers",
    r"string": "strings",
    r"^test_dft_inverse|^test_attention_4d_causal_fp16": "the expected values are rounded more often, by more than the tolerance",
    r"maxpool_with_argmax": "not supported: refused",
    r"_scales_(linear|cubic)_align_corners$": "the case keeps fractions of elements in the result's extent; onnxruntime does not",
    r"^test_loop16|^test_loop13|^test_if_opt|^test_if_seq|_seq|sequence_(?!lens)|optional": "sequences and optional values have no fixed number of tensors",
}
# Operands that Tessera asks to be constant.
CONSTANTS = {"axes", "axis", "scales", "sizes", "roi", "split", "starts", "ends", "steps", "training_mode", "ratio", "block_shape"}
SOURCES = Path(__file__).parents[3] / "frontends" / "onnx"


def rows():
    """The operators in the importer's tables, and the first version of each."""
    return {name: int(since) for path in SOURCES.glob("Ops*.cpp")
            for name, since in re.findall(r'^ +\{"(\w+)", (\d+), ', path.read_text(), re.MULTILINE)}


class Model:
    """Cases of one operator set, side by side."""

    def __init__(self, opset):
        self.opset, self.cases = opset, []
        self.nodes, self.inputs, self.outputs, self.constants = [], [], [], []
        self.feeds, self.expected = {}, {}

    def add(self, case, feeds, expected):
        model = onnx.compose.add_prefix(case.model, f"{case.name}/")
        graph = model.graph
        names = [value.name for value in case.model.graph.input]
        for node in graph.node:
            node.name = case.name
        self.nodes += graph.node
        for name, info, array in zip(names, graph.input, feeds):
            if name in CONSTANTS:
                self.constants.append(numpy_helper.from_array(array, info.name))
            else:
                self.inputs.append(info)
                self.feeds[info.name] = array
        self.constants += graph.initializer
        self.outputs += graph.output
        for info, array in zip(graph.output, expected):
            self.expected[info.name] = array, case
        self.cases.append(case.name)

    def run(self, folder):
        """The outputs by name."""
        folder.mkdir(parents=True, exist_ok=True)
        graph = helper.make_graph(self.nodes, "cases", self.inputs, self.outputs, self.constants)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10),
                  folder / "m.onnx")
        command = ["tessera-run", str(folder / "m.onnx"), "--quiet"]
        for i, (name, array) in enumerate(self.feeds.items()):
            np.save(folder / f"x{i}.npy", array)
            command += ["--input", f"{name}=@{folder}/x{i}.npy"]
        for i, name in enumerate(self.expected):
            command += ["--output", f"{name}=@{folder}/y{i}.npy"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return {name: np.load(folder / f"y{i}.npy") for i, name in enumerate(self.expected)}


def arrays(values):
    """NumPy arrays, or nothing when one of the values is none."""
    result = [numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else v for v in values]
    known = all(isinstance(v, np.ndarray | np.generic) and np.asarray(v).dtype.kind in "biuf" for v in result)
    return [np.asarray(v) for v in result] if known else None


def wrong(actual, expected, case):
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return f"{actual.dtype}{actual.shape}, expected {expected.dtype}{expected.shape}"
    if expected.dtype.kind != "f":
        return "" if np.array_equal(actual, expected) else f"{actual}, expected {expected}"
    relative = max(case.rtol, 1e-5 if expected.dtype.itemsize > 2 else 2e-3)
    good = np.isclose(actual, expected, rtol=relative, atol=max(case.atol, 1e-6), equal_nan=True)
    return "" if good.all() else f"{actual[~good][:4]}, expected {expected[~good][:4]}"


def main():
    operators, models, left_out = rows(), {}, collections.Counter()
    for case in collect_testcases(None):
        opset = {imported.domain: imported.version for imported in case.model.opset_import}
        if set(opset) != {""} or opset[""] < 7 or len(case.model.graph.node) != 1:
            continue
        if operators.get(case.model.graph.node[0].op_type, opset[""] + 1) > opset[""]:
            continue
        reason = next((why for pattern, why in LEFT_OUT.items() if re.search(pattern, case.name)), None)
        feeds, expected = (arrays(values) for values in case.data_sets[0])
        if reason or feeds is None or expected is None:
            left_out[reason or "sequences, strings or element types that NumPy has not"] += 1
            continue
        models.setdefault(opset[""], Model(opset[""])).add(case, feeds, expected)
    bad = 0
    for opset, model in sorted(models.items()):
        results = model.run(Path(sys.argv[1]) / str(opset))
        for name, (expected, case) in model.expected.items():
            if text := wrong(results[name], expected, case):
                print(f"{name}: {text}")
                bad += 1
        print(f"operator set {opset}: {len(model.cases)} cases")
    for reason, count in left_out.items():
        print(f"left out: {count} ({reason})")
    tested = {case.model.graph.node[0].op_type for model in models.values() for _, case in model.expected.values()}
    print(f"{len(tested)} of {len(operators)} operators")
    print("failed" if bad or sum(len(m.cases) for m in models.values()) < 500 else "passed")


main()
