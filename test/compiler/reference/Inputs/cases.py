"""Small models of every category of ops, as text, with inputs; run compiled or by the interpreter.

A model has many outputs, named after what they test. Values of types that NumPy lacks (bf16, f8) come and go as
f32 and are converted in the model: that is exact.
"""
import os
import subprocess

import numpy as np

NUMPY = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "si8": np.int8, "si16": np.int16,
         "si32": np.int32, "si64": np.int64, "ui8": np.uint8, "ui16": np.uint16, "ui32": np.uint32,
         "ui64": np.uint64, "i1": np.bool_}
FLOATS = ["f64", "f32", "f16", "bf16"]
INTEGERS = ["si8", "si16", "si32", "si64", "ui8", "ui16", "ui32", "ui64"]
EPSILON = {"f64": 2.0**-52, "f32": 2.0**-23, "f16": 2.0**-10, "bf16": 2.0**-7}


class Value:
    def __init__(self, name, dims, element):
        self.name, self.dims, self.element = name, list(dims), element

    @property
    def type(self):
        return f"!graph.tensor<[{', '.join(map(str, self.dims))}], {self.element}>"


class Model:
    def __init__(self):
        self.arguments, self.lines, self.outputs, self.arrays = [], [], [], {}
        self.prologue = ""
        self.elements = {}  # of outputs, as the ops gave them
        self.slack = {}  # of outputs: how far integers may be apart
        self.serial = 0

    def input(self, name, array, element, dims=None):
        """Dims are those of the array, or expressions."""
        stored = element if element in NUMPY else "f32"
        self.arrays[name] = np.asarray(array).astype(NUMPY[stored])
        value = Value(f"%{name}", dims if dims is not None else array.shape, stored)
        self.arguments.append((name, value))
        return value if stored == element else self.op("convert", [value], value.dims, element, arrow="one")

    def op(self, text, operands=(), dims=(), element="f32", arrow="function", tail=""):
        """`text` stands before the operands, `tail` behind them. arrow: how the types are written:
        "same" (of the operand), "one" (operand -> result), "result" or "function"."""
        self.serial += 1
        result = Value(f"%v{self.serial}", dims, element)
        types = {"same": lambda: operands[0].type, "result": lambda: result.type,
                 "one": lambda: f"{operands[0].type} -> {result.type}",
                 "function": lambda: f"({', '.join(o.type for o in operands)}) -> {result.type}"}[arrow]()
        names = ", ".join(o.name for o in operands)
        self.lines.append(f"  {result.name} = graph.{text} {names}{tail} : {types}")
        return result

    def same(self, text, *operands, tail="", element=None):
        return self.op(text, operands, operands[0].dims, element or operands[0].element, "same", tail)

    def constant(self, number, element):
        return self.raw(f"graph.constant dense<{number}> : {Value('', [], element).type}", [([], element)])[0]

    def raw(self, text, results):
        """`text` as it is; `results` are pairs of dims and element."""
        self.serial += 1
        name = f"%v{self.serial}"
        self.lines.append(f"  {name}:{len(results)} = {text}")
        return [Value(f"{name}#{i}", *result) for i, result in enumerate(results)]

    def output(self, name, value, slack=0):
        self.elements[name], self.slack[name] = value.element, slack
        if value.element not in NUMPY:
            value = self.op("convert", [value], value.dims, "f32", arrow="one")
        self.outputs.append((name, value))

    def text(self):
        def port(name, value):
            return f'{value.type} {{graph.name = "{name}"}}'

        arguments = ", ".join(f"{value.name}: {port(name, value)}" for name, value in self.arguments)
        results = ", ".join(port(name, value) for name, value in self.outputs)
        returned = f"  graph.return {', '.join(v.name for _, v in self.outputs)} : {', '.join(v.type for _, v in self.outputs)}"
        return "\n".join([self.prologue + f"graph.func @main({arguments}) -> ({results}) {{", *self.lines, returned, "}", ""])


def run(model, folder, how, processor="sm_80"):
    """{output: array}; how: "compiled", "reference" or "ptx" (for CUDA devices, run by the interpreter of PTX)."""
    os.makedirs(folder, exist_ok=True)
    path = f"{folder}/model.mlir"
    with open(path, "w") as file:
        file.write(model.text())
    command = ["tessera-run", path] + (["--reference"] if how == "reference" else ["--quiet"])
    if how == "ptx":
        compiled = subprocess.run(["tessera-compile", path, "--target", f"cuda:{processor}", "-o", f"{folder}/model.tsm"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if compiled.returncode:
            raise RuntimeError(f"{how}: {compiled.stderr.strip()}")
        command = [os.environ["TESSERA_RUN_PTX"], f"{folder}/model.tsm", "--quiet", "--device", "ptx"]
    for name, array in model.arrays.items():
        np.save(f"{folder}/{name}.npy", array)
        command += ["--input", f"{name}=@{folder}/{name}.npy"]
    for name, _ in model.outputs:
        command += ["--output", f"{name}=@{folder}/out_{name}.npy"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{how}: {done.stderr.strip()}")
    return {name: np.load(f"{folder}/out_{name}.npy") for name, _ in model.outputs}


def difference(found, expected, element, ulps, slack):
    """"" or how two arrays differ: NaN equals NaN; floats may be `ulps` units of the largest magnitude apart."""
    if found.shape != expected.shape:
        return f"has shape {found.shape}, expected {expected.shape}"
    if element not in EPSILON:
        wrong = found != expected
        if slack:
            wrong = np.abs(found.astype(object) - expected.astype(object)) > slack
    else:
        x, y = found.astype(np.float64), expected.astype(np.float64)
        largest = np.abs(y[np.isfinite(y)]).max(initial=0)
        with np.errstate(invalid="ignore"):
            wrong = ~((x == y) | (np.isnan(x) & np.isnan(y)) | (np.abs(x - y) <= ulps * EPSILON[element] * largest))
    if not wrong.any():
        return ""
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"at {list(at)} is {found[at]}, expected {expected[at]} ({int(wrong.sum())} of {wrong.size} differ)"


def report(title, found, expected, model, ulps=4):
    """Prints what differs and gives the number of it."""
    wrong = 0
    for name, array in expected.items():
        text = difference(found[name], array, model.elements[name], ulps, model.slack.get(name, 0))
        if text:
            print(f"wrong: {title}, {name}: {text}")
            wrong += 1
    return wrong


def numbers(rng, shape, element, special=False):
    """Values of a type: floats around 0 and, when wanted, NaN, infinities and zeros of both signs."""
    if element == "i1":
        return rng.integers(0, 2, shape).astype(np.bool_)
    if element in INTEGERS:
        info = np.iinfo(NUMPY[element])
        values = rng.integers(-5 if info.min else 0, 9, shape).astype(NUMPY[element])
        if special:
            extreme = rng.choice(np.array([info.min, info.max, 0, 1], NUMPY[element]), shape)
            values = np.where(rng.random(shape) < 0.3, extreme, values)
        return values
    values = rng.standard_normal(shape) * 2
    if special:
        extreme = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0], shape)
        values = np.where(rng.random(shape) < 0.3, extreme, values)
    stored = NUMPY.get(element, np.float32)
    values = np.asarray(values).astype(stored)
    # What bf16 holds: f32 whose low half is zero.
    if element == "bf16":
        short = (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        values = np.where(np.isnan(values), np.float32(np.nan), short)
    return values
