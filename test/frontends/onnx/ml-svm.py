# Support vector machines of ai.onnx.ml against onnxruntime: all kernels, classifiers with votes and with probabilities.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import sys

import numpy as np
from compare import Compiled, build
from onnx import helper

rng = np.random.default_rng(4)
folder = sys.argv[1]
FEATURES = 6
KERNELS = {"LINEAR": [0.0, 0.0, 0.0], "POLY": [0.3, 0.5, 3.0], "RBF": [0.25, 0.0, 0.0], "SIGMOID": [0.2, 0.1, 0.0]}


def floats(*shape, scale=0.5):
    return rng.normal(0, scale, shape).ravel().tolist()


def check(name, nodes, kinds):
    outputs = [(y, kind, None) for node in nodes for y, kind in zip(node.output, kinds)]
    compiled = Compiled(folder, name, build(nodes, [("x", np.float32, ["N", FEATURES])], outputs,
                                            domains=[("ai.onnx.ml", 1)]))
    for rows in (1, 5, 33):
        compiled.check(x=rng.normal(0, 1, (rows, FEATURES)).astype(np.float32), tolerance=3e-5)


def regressors():
    nodes = []
    for kernel, numbers in [*KERNELS.items(), ("POLY", [0.3, 0.5, 2.0])]:
        for one_class in (0, 1):
            nodes.append(helper.make_node(
                "SVMRegressor", ["x"], [f"y{len(nodes)}"], domain="ai.onnx.ml", kernel_type=kernel, kernel_params=numbers,
                n_supports=11, support_vectors=floats(11, FEATURES), coefficients=floats(11), rho=[0.2], one_class=one_class))
    nodes.append(helper.make_node("SVMRegressor", ["x"], ["linear"], domain="ai.onnx.ml", n_supports=0,
                                  coefficients=floats(FEATURES), rho=[0.2], kernel_params=[0.0, 0.0, 0.0]))
    check("regressors", nodes, [np.float32])


def classifier(i, classes, transform, kernel, probability):
    perClass = [3 + k % 3 for k in range(classes)]
    count, pairs = sum(perClass), classes * (classes - 1) // 2
    more = {"prob_a": [-1.5 - 0.1 * k for k in range(pairs)], "prob_b": floats(pairs)} if probability else {}
    return helper.make_node("SVMClassifier", ["x"], [f"label{i}", f"score{i}"], domain="ai.onnx.ml", kernel_type=kernel,
                            kernel_params=KERNELS[kernel], vectors_per_class=perClass, post_transform=transform,
                            support_vectors=floats(count, FEATURES), coefficients=floats(classes - 1, count),
                            rho=floats(pairs), classlabels_ints=list(range(3, 3 + classes)), **more)


def classifiers():
    for probability in (False, True):
        nodes = []
        for classes in (2, 3, 5):
            for kernel in KERNELS if classes == 3 else ["RBF"]:
                for transform in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO") if kernel == "RBF" else ["NONE"]:
                    nodes.append(classifier(len(nodes), classes, transform, kernel, probability))
        check(f"classifiers_{probability}", nodes, [np.int64, np.float32])


def planes():
    nodes = [helper.make_node("SVMClassifier", ["x"], [f"label{i}", f"score{i}"], domain="ai.onnx.ml",
                              coefficients=coefficients, rho=[0.25], classlabels_ints=labels, kernel_params=[0.0, 0.0, 0.0])
             for i, (labels, coefficients) in enumerate([([1, 2, 3], floats(3, FEATURES)), ([7, 5], floats(2, FEATURES)),
                                                         ([7, 5], np.abs(floats(2, FEATURES)).tolist())])]
    check("planes", nodes, [np.int64, np.float32])


regressors()
classifiers()
planes()
print("passed")
