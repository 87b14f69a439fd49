# Operators of ai.onnx.ml that prepare features, and linear models, against onnxruntime: one module for all numbers of rows.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import sys

import numpy as np
from compare import Compiled, build
from onnx import helper

rng = np.random.default_rng(3)
folder = sys.argv[1]
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


class Cases:
    """Nodes of one operator or several side by side, all of which read the same input."""

    def __init__(self, name, kind=np.float32, features=5, version=3):
        self.name, self.kind, self.features, self.version = name, kind, features, version
        self.nodes, self.outputs = [], []

    def add(self, operator, kinds=(np.float32,), **attributes):
        names = [f"y{len(self.outputs) + i}" for i in range(len(kinds))]
        self.nodes.append(helper.make_node(operator, ["x"], names, domain="ai.onnx.ml", **attributes))
        self.outputs += zip(names, kinds)

    def check(self, make, rows=(1, 3, 40), tolerance=1e-5):
        model = build(self.nodes, [("x", self.kind, ["N", self.features])], [(*y, None) for y in self.outputs],
                      domains=[("ai.onnx.ml", self.version)])
        compiled = Compiled(folder, self.name, model)
        for count in rows:
            compiled.check(x=make(count).astype(self.kind), tolerance=tolerance)


def normal(features, scale=1.0):
    return lambda rows: rng.normal(0, scale, (rows, features))


def with_zeros(rows):
    x = np.round(rng.normal(0, 1, (rows, 5)), 1)
    x[:, ::2] *= rng.integers(0, 2, (rows, 3))
    x[0] = 0
    return x


def with_holes(rows):
    x = rng.normal(0, 1, (rows, 5))
    x[rng.uniform(size=x.shape) < 0.3] = np.nan
    return x


def preparing():
    cases = Cases("preparing")
    cases.add("Binarizer", threshold=0.3)
    cases.add("Binarizer")
    cases.add("Scaler", offset=[0.5], scale=[2.0])
    cases.add("Scaler", offset=[0.5, 1, -2, 0, 3], scale=[1, 2, 3, 4, 0.5])
    for norm in ("MAX", "L1", "L2"):
        cases.add("Normalizer", norm=norm)
    cases.add("OneHotEncoder", cats_int64s=[0, -1, 2, 7])
    cases.check(with_zeros)
    holes = Cases("holes")
    holes.add("Imputer", imputed_value_floats=[1.5], replaced_value_float=float("nan"))
    holes.add("Imputer", imputed_value_floats=[1, 2, 3, 4, 5.0], replaced_value_float=float("nan"))
    holes.check(with_holes)
    integers = Cases("integers", np.int64)
    integers.add("Imputer", (np.int64,), imputed_value_int64s=[9], replaced_value_int64=1)
    integers.add("Imputer", (np.int64,), imputed_value_int64s=[9, 8, 7, 6, 5], replaced_value_int64=0)
    integers.add("Scaler", offset=[0.5], scale=[2.0])
    integers.add("Normalizer", norm="L1")
    integers.add("OneHotEncoder", cats_int64s=[3, 1, 2])
    integers.check(lambda rows: rng.integers(-3, 4, (rows, 5)))


def vectors():
    nodes = [helper.make_node("FeatureVectorizer", ["x", "z", "x"], ["y"], domain="ai.onnx.ml", inputdimensions=[5, 4, 3]),
             helper.make_node("ArrayFeatureExtractor", ["x", "i"], ["e"], domain="ai.onnx.ml")]
    model = build(nodes, [("x", np.float32, ["N", 5]), ("z", np.float32, ["N", 2]), ("i", np.int64, [1, "M"])],
                  [("y", np.float32, None), ("e", np.float32, None)], domains=[("ai.onnx.ml", 3)])
    compiled = Compiled(folder, "vectors", model)
    for rows in (1, 7):
        compiled.check(x=normal(5)(rows).astype(np.float32), z=normal(2)(rows).astype(np.float32),
                       i=rng.integers(0, 5, (1, rows + 1)))


def encoding():
    integers = Cases("encode_integers", np.int64, version=2)
    keys = rng.permutation(300)[:100].tolist()
    for count in (1, 2, 3, 4, 100):
        values = rng.integers(-50, 50, count).tolist()
        integers.add("LabelEncoder", (np.int64,), keys_int64s=keys[:count], values_int64s=values, default_int64=-7)
        integers.add("LabelEncoder", keys_int64s=keys[:count], values_floats=[v / 8 for v in values], default_float=0.5)
    integers.add("LabelEncoder", (np.int64,), keys_int64s=[1, 2, 2**63 - 1, -2**63], values_int64s=[5, 6, 8, 9])
    largest = np.array([2**63 - 1, -2**63])
    integers.check(lambda rows: np.where(rng.uniform(size=(rows, 5)) < 0.9, rng.choice(keys[:9] + [1, 2, 301], (rows, 5)),
                                         rng.choice(largest, (rows, 5))))
    floats = Cases("encode_floats", version=4)
    floats.add("LabelEncoder", keys_floats=[0.5, float("inf"), -1.25], values_floats=[1, 2, 3.0], default_float=9.0)
    floats.add("LabelEncoder", keys_floats=[0.5, float("nan"), -1.25], values_floats=[1, 2, 3.0])
    floats.add("LabelEncoder", (np.int64,), keys_floats=[0.5, -float("inf"), 0.0], values_int64s=[1, 2, 3])
    floats.check(lambda rows: rng.choice([0.5, -1.25, 0.0, np.inf, -np.inf, np.nan, 3.0], (rows, 5)))


def linear():
    for kind in (np.float32, np.float64, np.int64):
        cases = Cases(f"linear_{np.dtype(kind).name}", kind)
        for transform in TRANSFORMS if kind is np.float32 else TRANSFORMS[:3]:
            weights = (rng.normal(0, 0.2, 15)).tolist()
            if transform != "PROBIT":
                cases.add("LinearClassifier", (np.int64, np.float32), coefficients=weights, intercepts=[0.1, -0.2, 0.3],
                          classlabels_ints=[4, -1, 9], post_transform=transform)
                cases.add("LinearClassifier", (np.int64, np.float32), coefficients=weights[:5], intercepts=[0.1],
                          classlabels_ints=[2, 1], post_transform=transform)
            if kind is np.float32:
                probit = transform == "PROBIT"  # shares of 1
                cases.add("LinearRegressor", coefficients=[w * 0.01 for w in weights] if probit else weights,
                          intercepts=[0.1, 0.3, 0.8], targets=3, post_transform=transform)
                if not probit:
                    cases.add("LinearRegressor", coefficients=weights[:5], post_transform=transform)
        cases.check(normal(5, 1.0 if kind != np.int64 else 3.0), tolerance=2e-5)


preparing()
vectors()
encoding()
linear()
print("passed")
