"""Ensembles of decision trees against onnxruntime: complete trees, and such that grew leaf by leaf and are deep in places."""
import resource

import numpy as np
from onnx import TensorProto, helper
from peers import onnxruntime_session

import tessera

FEATURES, TREES, ROWS = 40, 500, 10_000
# title, leaves of a tree, whether the highest ones are split first
FORESTS = [("500 trees of depth 8", 256, True), ("500 trees of 31 leaves", 31, False), ("500 trees of 400 leaves", 400, False)]


def random_tree(rng, leaves, is_complete):
    """Rows (feature, split, the two nodes below), or none where a leaf stands; every way has the same share of the rows."""
    nodes, ends = [None], [0]
    while len(ends) < leaves:
        at = ends.pop(0 if is_complete else int(rng.integers(len(ends))))
        nodes[at] = (int(rng.integers(FEATURES)), float(np.float32(rng.normal())), len(nodes), len(nodes) + 1)
        ends += [len(nodes), len(nodes) + 1]
        nodes += [None, None]
    return nodes


def forest(leaves, is_complete):
    rng = np.random.default_rng(0)
    columns = {f"nodes_{name}": [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")}
    ends = {f"target_{name}": [] for name in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(TREES):
        for number, node in enumerate(random_tree(rng, leaves, is_complete)):
            feature, split, yes, no = node or (0, 0.0, 0, 0)
            row = (tree, number, feature, split, "BRANCH_LEQ" if node else "LEAF", yes, no)
            for column, value in zip(columns.values(), row):
                column.append(value)
            if not node:
                for column, value in zip(ends.values(), (tree, number, 0, float(rng.normal(0, 0.1)))):
                    column.append(value)
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=1, **columns, **ends)
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", FEATURES])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=10)


def bench_trees(table, seconds, folder, in_turns, seconds_of):
    x = {"x": np.random.default_rng(1).standard_normal((ROWS, FEATURES)).astype(np.float32)}
    for number, (title, leaves, is_complete) in enumerate(FORESTS):
        path, out = folder / f"trees{number}.onnx", folder / f"trees{number}.tsm"
        path.write_bytes(forest(leaves, is_complete).SerializeToString())
        took = seconds_of("tessera-compile", str(path), "-o", str(out), "--cache", str(folder / "tree-cache"))
        table.add(f"compile {title}", took, "s", "no cache", most=10)
        module = tessera.load(out)
        for threads in (1, 2):
            session = onnxruntime_session(path, threads)
            context = module.context(threads=threads)
            ours, theirs = in_turns([lambda: context.run(x), lambda: session.run(None, x)], seconds)
            table.add(f"{title}, {ROWS} rows, {threads} thread{'s' * (threads > 1)}", theirs / ours, "times faster",
                      f"Tessera {ours * 1e3:.1f} ms, onnxruntime {theirs * 1e3:.1f} ms", least=1.5)
    # Of all children of this process so far, the largest: an upper bound.
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
    table.add("memory to compile them, at most", most, "MB", most=1000)
