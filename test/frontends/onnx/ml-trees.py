# Ensembles of decision trees against onnxruntime: complete and deep ones, all modes of nodes, missing values, aggregates and
# transforms; one module for all numbers of rows.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import sys

import numpy as np
from compare import Compiled, build
from onnx import TensorProto, helper

rng = np.random.default_rng(6)
folder = sys.argv[1]
FEATURES = 7
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


class Forest:
    """Random trees. Splits are few different numbers, so that rows meet them exactly."""

    def __init__(self, trees, depth, modes=("BRANCH_LEQ",), missing=False, share=0.8):
        self.modes, self.missing, self.share = modes, missing, share
        self.nodes = []  # (tree, number, feature, split, mode, true, false, missing)
        self.leaves = []  # (tree, number)
        for tree in range(trees):
            self.count = 0
            self.grow(tree, depth, True)

    def grow(self, tree, depth, is_root=False):
        number = self.count
        self.count += 1
        if depth == 0 or (not is_root and rng.uniform() > self.share):
            self.nodes.append((tree, number, 0, 0.0, "LEAF", 0, 0, 0))
            self.leaves.append((tree, number))
            return number
        mode, split = str(rng.choice(self.modes)), float(rng.integers(-4, 5) / 2)
        place = len(self.nodes)
        self.nodes.append(None)
        true, false = self.grow(tree, depth - 1), self.grow(tree, depth - 1)
        self.nodes[place] = (tree, number, int(rng.integers(FEATURES)), split, mode, true, false,
                             int(self.missing and rng.integers(2)))
        return number

    def attributes(self):
        columns = [list(column) for column in zip(*self.nodes)]
        names = ["treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
                 "missing_value_tracks_true"]
        return {f"nodes_{name}": column for name, column in zip(names, columns)}


def rows(count, holes=False):
    x = (rng.integers(-5, 6, (count, FEATURES)) / 2).astype(np.float32)
    x[rng.uniform(size=x.shape) < 0.3] += 0.01
    if holes:
        x[rng.uniform(size=x.shape) < 0.2] = np.nan
    return x


def regressor(forest, targets, name="y", per_leaf=1, base=(), weights=None, **attributes):
    """Leaves of tree t add to target t modulo their number, or to `per_leaf` targets."""
    entries = [(tree, number, (tree + k) % targets) for tree, number in forest.leaves for k in range(per_leaf)]
    weights = rng.normal(0, 1, len(entries)) if weights is None else weights(len(entries))
    return helper.make_node(
        "TreeEnsembleRegressor", ["x"], [name], domain="ai.onnx.ml", n_targets=targets, target_treeids=[e[0] for e in entries],
        target_nodeids=[e[1] for e in entries], target_ids=[e[2] for e in entries], target_weights=weights.tolist(),
        **({"base_values": list(base)} if base else {}), **forest.attributes(), **attributes)


def classifier(forest, labels, i, ids, weights, **attributes):
    entries = [(tree, number, k) for tree, number in forest.leaves for k in ids(tree)]
    return helper.make_node(
        "TreeEnsembleClassifier", ["x"], [f"label{i}", f"score{i}"], domain="ai.onnx.ml", classlabels_int64s=labels,
        class_treeids=[e[0] for e in entries], class_nodeids=[e[1] for e in entries], class_ids=[e[2] for e in entries],
        class_weights=weights(len(entries)).tolist(), **forest.attributes(), **attributes)


def check(name, nodes, holes=False, kind=np.float32, version=3, counts=(1, 6, 70), tolerance=2e-5, rows_known="N"):
    kinds = [np.int64, np.float32] if "Classifier" in nodes[0].op_type else [kind if version == 5 else np.float32]
    outputs = [(y, kind, None) for node in nodes for y, kind in zip(node.output, kinds)]
    compiled = Compiled(folder, name, build(nodes, [("x", kind, [rows_known, FEATURES])], outputs, domains=[("ai.onnx.ml", version)]))
    for count in counts:
        compiled.check(x=rows(count, holes).astype(kind), tolerance=tolerance)


def shapes():
    """Complete, thin and single-leaf trees."""
    nodes = [regressor(Forest(trees, depth, share=share), 1, f"y{i}")
             for i, (trees, depth, share) in enumerate([(20, 4, 1.0), (1, 1, 1.0), (9, 0, 1.0), (12, 30, 0.55), (5, 9, 0.7)])]
    check("shapes", nodes)


def known_rows():
    """Nothing is left to choose when it runs; 15 are few, 16 many."""
    for count in (15, 16):
        nodes = [regressor(Forest(9, 12, share=0.7), 3, "y0", 2), regressor(Forest(9, 5), 3, "y1")]
        check(f"known_{count}", nodes, counts=(count,), rows_known=count)


def modes():
    for missing in (False, True):
        nodes = [regressor(Forest(7, 5, [mode], missing), 1, f"y{i}") for i, mode in enumerate(MODES)]
        nodes.append(regressor(Forest(20, 6, MODES, missing), 1, "mixed"))
        nodes.append(regressor(Forest(5, 16, MODES, missing, share=0.6), 1, "deep"))
        check(f"modes_{missing}", nodes, holes=True)


def targets():
    nodes = []
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        for count, per_leaf in ((1, 1), (3, 1), (4, 4), (5, 2)):
            base = rng.normal(0, 1, count).tolist()
            nodes.append(regressor(Forest(12, 4), count, f"y{len(nodes)}", per_leaf, aggregate_function=aggregate,
                                   base=base if len(nodes) % 2 else ()))
    check("targets", nodes)
    check("transforms", [regressor(Forest(12, 4), 3, f"y{i}", 3, post_transform=transform,
                                   weights=lambda n: rng.uniform(0.01, 0.03, n)) for i, transform in enumerate(TRANSFORMS)])


def classes():
    positive, mixed = (lambda n: rng.uniform(0, 0.1, n)), (lambda n: rng.normal(0, 1, n))
    nodes = []
    for transform in TRANSFORMS[:4]:
        for weights in (positive, mixed):
            for ids in ([0], [1]):
                nodes.append(classifier(Forest(9, 4), [5, 3], len(nodes), lambda _, ids=ids: ids, weights,
                                        post_transform=transform))
            nodes.append(classifier(Forest(9, 4), [7, 3, 5], len(nodes), lambda tree: [tree % 3], weights,
                                    post_transform=transform))
            nodes.append(classifier(Forest(9, 4), [0, 1, 2, 3], len(nodes), lambda _: range(4), weights,
                                    post_transform=transform))
    nodes.append(classifier(Forest(9, 4), [5, 3], len(nodes), lambda _: [0], mixed, base_values=[0.75],
                            post_transform="LOGISTIC"))
    nodes.append(classifier(Forest(9, 4), [5, 3, 8], len(nodes), lambda tree: [tree % 3], mixed,
                            base_values=[0.75, -1, 0.5]))
    nodes.append(classifier(Forest(9, 4), [5, 3, 8], len(nodes), lambda tree: [tree % 2], lambda n: -positive(n)))
    check("classes", nodes)


def doubles():
    """Splits that no f32 is equal to."""
    forest = Forest(15, 5, MODES)
    attributes = forest.attributes()
    splits = [split + (1e-9 if split else 0) for split in attributes.pop("nodes_values")]
    attributes["nodes_values_as_tensor"] = helper.make_tensor("splits", TensorProto.DOUBLE, [len(splits)], splits)
    weights = rng.normal(0, 1, len(forest.leaves))
    node = helper.make_node(
        "TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1,
        target_treeids=[tree for tree, _ in forest.leaves], target_nodeids=[number for _, number in forest.leaves],
        target_ids=[0] * len(forest.leaves),
        target_weights_as_tensor=helper.make_tensor("weights", TensorProto.DOUBLE, weights.shape, weights), **attributes)
    check("doubles", [node], kind=np.float64)


def listed():
    """Version 5: nodes are places in lists, leaves have lists of their own, nodes may ask for members."""
    for kind, proto in ((np.float32, TensorProto.FLOAT), (np.float64, TensorProto.DOUBLE)):
        forest = Forest(10, 5, MODES)
        branches = [node for node in forest.nodes if node[4] != "LEAF"]
        place = {node[:2]: i for i, node in enumerate(branches)}
        leaf = {key: i for i, key in enumerate(forest.leaves)}
        modes = [MODES.index(node[4]) for node in branches]
        members = []
        for i in range(0, len(modes), 4):
            modes[i] = 6
            members += [*(rng.permutation(4)[:rng.integers(1, 4)] + 1.0), np.nan]  # onnxruntime takes integers above 0
        ends = {}
        for side, column in (("true", 5), ("false", 6)):
            keys = [(node[0], node[column]) for node in branches]
            ends[f"nodes_{side}leafs"] = [int(key in leaf) for key in keys]
            ends[f"nodes_{side}nodeids"] = [leaf.get(key, place.get(key)) for key in keys]

        def tensor(numbers, proto=proto):
            return helper.make_tensor("t", proto, [len(numbers)], numbers)

        check(f"listed_{np.dtype(kind).name}", [helper.make_node(
            "TreeEnsemble", ["x"], ["y"], domain="ai.onnx.ml", n_targets=3, aggregate_function=1, post_transform=3,
            tree_roots=[place[tree, 0] for tree in range(10)], nodes_featureids=[node[2] for node in branches],
            nodes_splits=tensor([node[3] for node in branches]), nodes_modes=tensor(modes, TensorProto.UINT8),
            membership_values=tensor(members), leaf_targetids=[i % 3 for i in range(len(leaf))],
            leaf_weights=tensor(rng.normal(0, 1, len(leaf))), **ends)], kind=kind, version=5)


shapes()
known_rows()
modes()
targets()
classes()
doubles()
listed()
print("passed")
