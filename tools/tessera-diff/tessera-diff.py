#!/usr/bin/env python3
"""Finds the first node of an ONNX model whose output differs from what somebody else computes.

 1. Every value of the main graph becomes an output, on both sides, and both run on the same inputs.
 2. Where all of these agree but the model's own outputs do not, values are asked for alone, so that nodes share kernels
    as they do in the model: the first one that differs is found by halving.
 3. The model is cut off behind that node. If the reference interpreter differs there, too, the node was read wrongly;
    else the compiler's passes run one by one with the interpreter before and after each, which names the wrong one.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BIN = Path(__file__).resolve().parent
sys.path.insert(0, str(BIN.parent / "python"))

EXAMPLES = """examples:
  tessera-diff model.onnx                                       (against onnxruntime, on generated inputs)
  tessera-diff model.onnx --input x=@x.npy --shape mask=2x16
  tessera-diff model.onnx --against reference                   (Tessera's own interpreter; needs no onnxruntime)
  tessera-diff new.onnx --against old.onnx                      (two models whose values have the same names)
  tessera-diff model.onnx --against reference --ops my.mlir     (operators of one's own)
  tessera-diff model.onnx --passes 'builtin.module(graph-decompose,my-pass)' --load-pass-plugin my.so

The error of a value is its largest difference, divided by the largest magnitude that is expected. Exit status: 0 when all
values agree, 1 when one differs, 2 for a wrong command line."""


class Problem(Exception):
    """One sentence for standard error."""


def need(package, why):
    try:
        return __import__(package)
    except ImportError:
        raise Problem(f"needs the Python package {package} {why}: python3 -m pip install {package}") from None


def options():
    parser = argparse.ArgumentParser(
        prog="tessera-diff", formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EXAMPLES,
        description="Finds the first node of an ONNX model whose output differs from what somebody else computes, and which "
                    "pass of the compiler made it differ.")
    parser.add_argument("model", metavar="MODEL", help="ONNX file")
    parser.add_argument("--against", default="onnxruntime", metavar="WHAT",
                        help="onnxruntime (default), reference (the interpreter), or another ONNX file, which Tessera runs, too")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=@FILE", help="values (.npy); others are generated")
    parser.add_argument("--shape", action="append", default=[], metavar="NAME=2x3", help="extents of a generated input")
    parser.add_argument("--seed", type=int, default=0, help="of generated inputs")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="largest error that counts as agreeing (default 1e-3)")
    parser.add_argument("--all", action="store_true", help="prints a row for every value, not only those that matter")
    parser.add_argument("--ops", metavar="FILE", help="functions in the textual IR for operators of the model (tessera-compile --ops)")
    parser.add_argument("--passes", metavar="PIPELINE",
                        help="what Tessera computes goes through this pipeline of tessera-opt first, whose passes are then searched")
    parser.add_argument("--load-pass-plugin", metavar="FILE", help="a library with passes for --passes")
    parser.add_argument("--json", action="store_true", help="prints the result as JSON")
    return parser.parse_args()


def pairs(texts, option, expected):
    found = {}
    for text in texts:
        name, separator, value = text.rpartition("=")
        if not separator or not name or not value:
            raise Problem(f"{option} {text}: expected {expected}")
        found[name] = value
    return found


def make_inputs(onnx, np, model, chosen):
    """Values for every input: given ones, else random numbers; extents that are named alike are equal."""
    files = pairs(chosen.input, "--input", "NAME=@FILE.npy")
    shapes = pairs(chosen.shape, "--shape", "NAME=2x3")
    constants = {tensor.name for tensor in model.graph.initializer}
    infos = {info.name: info for info in model.graph.input if info.name not in constants}
    for name in [*files, *shapes]:
        if name not in infos:
            raise Problem(f"the model has no input '{name}'; it has {', '.join(infos)}")
    values, symbols, rng = {}, {}, np.random.default_rng(chosen.seed)
    for name, value in files.items():
        try:
            values[name] = np.load(value.removeprefix("@"))
        except (OSError, ValueError) as error:
            raise Problem(f"--input {name}: cannot read '{value.removeprefix('@')}': {error}") from None
        for dim, extent in zip(infos[name].type.tensor_type.shape.dim, values[name].shape):
            symbols.setdefault(dim.dim_param, extent)
    for name, text in shapes.items():
        if not re.fullmatch(r"\d+(x\d+)*", text):
            raise Problem(f"--shape {name}={text}: expected numbers with x between them, such as 2x3")
        for dim, extent in zip(infos[name].type.tensor_type.shape.dim, text.split("x")):
            symbols.setdefault(dim.dim_param, int(extent))
    for name, info in infos.items():
        if name in values:
            continue
        tensor = info.type.tensor_type
        dims = [dim.dim_value if dim.HasField("dim_value") else symbols.get(dim.dim_param, 2) if dim.dim_param else 2
                for dim in tensor.shape.dim]
        if name in shapes:
            dims = [int(extent) for extent in shapes[name].split("x")]
        kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
        if kind.kind == "f":
            values[name] = rng.standard_normal(dims).astype(kind)
        elif kind.kind == "b":
            values[name] = rng.integers(0, 2, dims).astype(kind)
        elif kind.kind in "iu":
            values[name] = rng.integers(0, 3, dims).astype(kind)
        else:
            raise Problem(f"input '{name}' has elements of {kind}, for which nothing can be generated: use --input")
    return values


def nodes_of(model):
    """Values of the main graph in order of computation, with the node that computes each."""
    return {name: node for node in model.graph.node for name in node.output if name}


def with_outputs(onnx, model, names):
    """The model with these values as outputs, in this order, and under names of our own."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    del made.graph.output[:]
    for index, name in enumerate(names):
        made.graph.node.append(onnx.helper.make_node("Identity", [name], [f"tessera_diff_{index}"]))
        made.graph.output.append(onnx.ValueInfoProto(name=f"tessera_diff_{index}"))
    return made


def only_needed(inputs, model):
    """What the model still declares: it may have lost inputs."""
    names = {info.name for info in model.graph.input}
    return {name: value for name, value in inputs.items() if name in names}


class Side:
    """Computes values of a model by name."""

    def __init__(self, onnx, model, folder, chosen):
        self.onnx, self.model, self.folder, self.chosen = onnx, model, folder, chosen

    def compute(self, names, inputs):
        made = with_outputs(self.onnx, self.model, names)
        results = self.run(made, only_needed(inputs, made))
        return {name: results.get(f"tessera_diff_{index}") for index, name in enumerate(names)}


class OnnxRuntime(Side):
    def run(self, model, inputs):
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 4
        # Nodes as the model has them: what is compared with is not to be optimized itself.
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            session = onnxruntime.InferenceSession(store(self.onnx, model, self.folder), settings,
                                                   providers=["CPUExecutionProvider"])
            names = [output.name for output in session.get_outputs()]
            return dict(zip(names, session.run(names, inputs)))
        except Exception as error:  # onnxruntime has no common class for its errors.
            raise Problem(f"onnxruntime: {error}") from None


class Tessera(Side):
    def run(self, model, inputs):
        import tessera

        path = store(self.onnx, model, self.folder)
        try:
            if self.chosen.passes:
                return tessera.compile(through(path, self.chosen)).run(inputs)
            return tessera.compile(path, ops=self.chosen.ops).run(inputs)
        except tessera.Error as error:
            raise Problem(f"Tessera: {error}") from None


class Reference(Side):
    def run(self, model, inputs):
        path = store(self.onnx, model, self.folder)
        return interpret([path, *with_operators(self.chosen)], [output.name for output in model.graph.output], inputs)


def interpret(model, outputs, inputs):
    np = need("numpy", "")
    with tempfile.TemporaryDirectory() as folder:
        command = [BIN / "tessera-run", *model, "--reference"]
        for index, (name, value) in enumerate(inputs.items()):
            np.save(f"{folder}/in{index}.npy", value)
            command += ["--input", f"{name}=@{folder}/in{index}.npy"]
        for index, name in enumerate(outputs):
            command += ["--output", f"{name}=@{folder}/out{index}.npy"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            raise Problem(f"the reference interpreter: {done.stderr.strip()}")
        return {name: np.load(f"{folder}/out{index}.npy") for index, name in enumerate(outputs)}


def store(onnx, model, folder):
    """Weights that were in files of their own are in the model by now (onnx.load)."""
    path = Path(folder) / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return str(path)


def with_operators(chosen):
    return ["--ops", chosen.ops] if chosen.ops else []


def as_text(path, chosen):
    text = subprocess.run([BIN / "tessera-compile", path, "--emit", "graph", *with_operators(chosen)], capture_output=True,
                          text=True, check=False)
    if text.returncode:
        raise Problem(text.stderr.strip())
    made = Path(path).with_suffix(".mlir")
    made.write_text(text.stdout)
    return made


def through(path, chosen):
    """The text of a model after a pipeline of passes."""
    before, after = as_text(path, chosen), Path(path).with_suffix(".passed.mlir")
    done = subprocess.run([*optimizer(chosen), before, "-o", after], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem("tessera-opt: " + done.stderr.strip())
    return str(after)


def optimizer(chosen):
    plugin = [f"--load-pass-plugin={chosen.load_pass_plugin}"] if chosen.load_pass_plugin else []
    return [str(BIN / "tessera-opt"), *plugin, f"--pass-pipeline={chosen.passes}"]


def error_of(np, actual, expected):
    """None where there is nothing to compare; infinite where shapes differ, or not the same numbers are finite."""
    if not isinstance(actual, np.ndarray) or not isinstance(expected, np.ndarray) or expected.dtype.kind not in "fiub":
        return None
    if actual.shape != expected.shape:
        return float("inf")
    a, b = actual.astype(np.float64), expected.astype(np.float64)
    special = ~np.isfinite(b)
    if not np.array_equal(a[special], b[special], equal_nan=True) or not np.isfinite(a[~special]).all():
        return float("inf")
    if special.all():
        return 0.0
    largest = np.abs(a[~special] - b[~special]).max()
    return float(largest / max(np.abs(b[~special]).max(), 1e-30)) if largest else 0.0


def find_pass(ours, reference, name, inputs, expected, np):
    """Who made the value differ: a sentence, and the pass when it is one."""
    cut = with_outputs(ours.onnx, ours.model, [name])
    try:
        understood = reference.compute([name], inputs)[name]
    except Problem as problem:
        return f"no pass was searched: {problem}", None
    error = error_of(np, understood, expected)
    if error is not None and error > ours.chosen.tolerance:
        return f"the reference interpreter differs there, too ({error:.2e}): the node is read wrongly, before any pass", None
    path = store(ours.onnx, cut, ours.folder)
    if ours.chosen.passes:
        command = [*optimizer(ours.chosen), "--verify-each=numeric", str(Path(path).with_suffix(".mlir")), "-o", os.devnull]
        through(path, ours.chosen)
    else:
        command = [str(BIN / "tessera-compile"), path, "-o", str(Path(path).with_suffix(".tsm")), "--verify-each=numeric", "-q",
                   *with_operators(ours.chosen)]
    said = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False).stderr
    found = re.search(r"pass '([^']+)' changed what .*", said)
    if found:
        return found.group(0), found.group(1)
    return "every pass keeps the values (--verify-each=numeric): it is made behind them, by code generation or the runtime", None


def first_alone(ours, theirs, names, inputs, tolerance, np):
    """The first value that differs when it is the only output; None when there is none."""
    low, high = 0, len(names) - 1
    differs = lambda name: (error_of(np, ours.compute([name], inputs)[name], theirs[name]) or 0) > tolerance
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if differs(names[middle]) else (middle + 1, high)
    return names[low] if names and differs(names[low]) else None


def report(rows, first, together, sentence, guilty, chosen):
    if chosen.json:
        print(json.dumps({"schema": 1, "model": chosen.model, "against": chosen.against, "tolerance": chosen.tolerance,
                          "values": [{"value": value, "node": node, "operator": op, "error": error}
                                     for value, node, op, error in rows],
                          "first": first, "in_shared_kernels": not together, "pass": guilty, "explanation": sentence}, indent=1))
        return
    shown = [row for row in rows if chosen.all or row[0] == first or (row[3] or 0) > chosen.tolerance]
    widths = [max([len(title), *(len(row[i]) for row in shown)]) for i, title in enumerate(("value", "node", "operator"))]
    if shown:
        print("  ".join(title.ljust(width) for title, width in zip(("value", "node", "operator"), widths)) + "  error")
    for value, node, op, error in shown:
        text = "not compared" if error is None else f"{error:.2e}"
        print("  ".join(cell.ljust(width) for cell, width in zip((value, node, op), widths)) + f"  {text}"
              + ("  <- first" if value == first else ""))
    compared = [row[3] for row in rows if row[3] is not None]
    print(f"{len(compared)} of {len(rows)} values compared with {chosen.against}, largest error {max(compared, default=0):.2e}")
    if first:
        where = "" if together else ", only where nodes share kernels"
        print(f"first difference beyond {chosen.tolerance:g}: '{first}'{where}\n{sentence}")
    else:
        print(f"no value differs by more than {chosen.tolerance:g}")


def run(chosen):
    onnx, np = need("onnx", "to read the model"), need("numpy", "to compare")
    if chosen.against == "onnxruntime":
        need("onnxruntime", "for --against onnxruntime (or use --against reference)")
    try:
        model = onnx.load(chosen.model)
    except Exception as error:  # Files of all kinds.
        raise Problem(f"'{chosen.model}' is no ONNX model that can be read: {error}") from None
    inputs, nodes = make_inputs(onnx, np, model, chosen), nodes_of(model)
    names = list(nodes)
    with tempfile.TemporaryDirectory() as folder:
        ours, reference = Tessera(onnx, model, folder, chosen), Reference(onnx, model, folder, chosen)
        if chosen.against == "onnxruntime":
            other = OnnxRuntime(onnx, model, folder, chosen)
        elif chosen.against == "reference":
            other = reference
        elif Path(chosen.against).is_file():
            second = onnx.load(chosen.against)
            names = [name for name in names if name in nodes_of(second)]
            plain = argparse.Namespace(**{**vars(chosen), "passes": None})
            other = Tessera(onnx, second, folder, plain)
        else:
            raise Problem(f"--against {chosen.against}: expected onnxruntime, reference, or an ONNX file")
        expected, actual = other.compute(names, inputs), ours.compute(names, inputs)
        errors = {name: error_of(np, actual[name], expected[name]) for name in names}
        first, together = next((name for name in names if (errors[name] or 0) > chosen.tolerance), None), True
        if first is None:
            own = [output.name for output in model.graph.output if output.name in expected]
            plain = ours.compute(own, inputs)
            wrong = [name for name in own if (error_of(np, plain[name], expected[name]) or 0) > chosen.tolerance]
            if wrong:
                until = names[:names.index(wrong[0]) + 1]
                first, together = first_alone(ours, expected, until, inputs, chosen.tolerance, np) or wrong[0], False
                errors[first] = error_of(np, plain.get(first, ours.compute([first], inputs)[first]), expected[first])
        sentence, guilty = find_pass(ours, reference, first, inputs, expected[first], np) if first else (None, None)
        rows = [(name, nodes[name].name or f"{nodes[name].op_type}:{name}", nodes[name].op_type, errors[name]) for name in names]
        report(rows, first, together, sentence, guilty, chosen)
    return 1 if first else 0


def main():
    chosen = options()
    try:
        return run(chosen)
    except Problem as problem:
        print(f"tessera-diff: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
