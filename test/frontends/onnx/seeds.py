# Seeds of the fuzz target of the ONNX frontend: small models that use many of its parts.
# RUN: mkdir -p %t && python3 %s %t && ls %t | FileCheck %s
# CHECK: branches
"""Argument: the folder to write to."""
import pathlib
import sys

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def tensor(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.array(values, dtype), name)


def model(nodes, inputs, outputs, initializers=(), functions=(), opset=18, domains=()):
    infos = [[i if isinstance(i, ValueInfoProto) else helper.make_tensor_value_info(*i) for i in some] for some in (inputs, outputs)]
    graph = helper.make_graph(nodes, "g", *infos, list(initializers))
    imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in domains]
    return helper.make_model(graph, opset_imports=imports, functions=list(functions), ir_version=10)


def models():
    n = helper.make_node
    x, y = ("x", FLOAT, ["N", 4]), ("y", FLOAT, None)
    yield "elementwise", model([n("Add", ["x", "c"], ["a"]), n("Relu", ["a"], ["b"]), n("Mul", ["b", "x"], ["y"])],
                               [x], [y], [tensor("c", [1, 2, 3, 4])])
    yield "matmul", model([n("Gemm", ["x", "w", "b"], ["a"], transB=1, alpha=0.5), n("Softmax", ["a"], ["y"])],
                          [x], [y], [tensor("w", np.ones((3, 4))), tensor("b", [1, 2, 3])])
    yield "shapes", model([n("Shape", ["x"], ["s"]), n("Gather", ["s", "i"], ["g"]), n("Unsqueeze", ["g", "z"], ["u"]),
                           n("Concat", ["u", "m"], ["r"], axis=0), n("Reshape", ["x", "r"], ["y"])],
                          [x], [y], [tensor("i", 0, np.int64), tensor("z", [0], np.int64), tensor("m", [-1], np.int64)])
    yield "slices", model([n("Slice", ["x", "b", "e", "a"], ["s"]), n("Transpose", ["s"], ["t"], perm=[1, 0]),
                           n("ReduceMean", ["t", "a"], ["y"], keepdims=0)], [x], [y],
                          [tensor("b", [1], np.int64), tensor("e", [3], np.int64), tensor("a", [1], np.int64)])
    yield "window", model([n("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]),
                           n("MaxPool", ["a"], ["y"], kernel_shape=[2, 2])],
                          [("x", FLOAT, [1, 2, 8, 8])], [y], [tensor("w", np.ones((3, 2, 3, 3)))])
    branch = lambda op: helper.make_graph([n(op, ["x"], [op])], op, [], [helper.make_tensor_value_info(op, FLOAT, None)])
    yield "branches", model([n("If", ["c"], ["y"], then_branch=branch("Relu"), else_branch=branch("Neg"))],
                            [x, ("c", BOOL, [])], [y])
    twice = helper.make_function("own", "Twice", ["a"], ["b"], [n("Add", ["a", "a"], ["b"])],
                                 [helper.make_opsetid("", 18)])
    yield "function", model([n("Twice", ["x"], ["y"], domain="own")], [x], [y], functions=[twice], domains=["own"])
    parts, strings = helper.make_tensor_sequence_value_info("s", FLOAT, None), helper.make_tensor_sequence_value_info("s", TensorProto.STRING, None)
    lengths, place = ("l", INT64, ["M"]), ("p", INT64, [])
    yield "split", model([n("SplitToSequence", ["x", "l"], ["a"], axis=1), n("SequenceInsert", ["a", "x", "p"], ["b"]), n("SequenceErase", ["b"], ["s"]),
                          n("SequenceAt", ["b", "p"], ["y"]), n("ConcatFromSequence", ["a"], ["z"], axis=1)],
                         [x, lengths, place], [parts, y, ("z", FLOAT, None)])
    each = helper.make_graph([n("Add", ["e", "e"], ["d"]), n("NonZero", ["e"], ["f"])], "each", [helper.make_tensor_value_info("e", FLOAT, None)],
                             [helper.make_tensor_value_info("d", FLOAT, None), helper.make_tensor_value_info("f", INT64, None)])
    yield "map", model([n("SplitToSequence", ["x", "l"], ["a"]), n("SequenceMap", ["a"], ["s", "t"], body=each)], [x, lengths], [parts])
    given = helper.make_tensor_sequence_value_info("g", FLOAT, [None, 4])
    yield "sequence-input", model([n("SequenceInsert", ["g", "x"], ["s"]), n("SequenceLength", ["g"], ["y"])], [given, x], [parts, ("y", INT64, None)])
    added = helper.make_graph([n("SequenceInsert", ["c_in", "part"], ["added"])], "added", [], [helper.make_tensor_sequence_value_info("added", FLOAT, None)])
    kept = helper.make_graph([n("Identity", ["c_in"], ["kept"])], "kept", [], [helper.make_tensor_sequence_value_info("kept", FLOAT, None)])
    body = helper.make_graph([n("Unsqueeze", ["i", "z"], ["end"]), n("Slice", ["x", "z", "end"], ["part"]), n("Less", ["i", "p"], ["odd"]),
                              n("If", ["odd"], ["c_out"], then_branch=added, else_branch=kept), n("Identity", ["on"], ["on_out"]), n("Identity", ["x"], ["scan"])],
                             "body", [helper.make_tensor_value_info("i", INT64, []), helper.make_tensor_value_info("on", BOOL, []),
                                      helper.make_tensor_sequence_value_info("c_in", FLOAT, None)],
                             [helper.make_tensor_value_info("on_out", BOOL, []), helper.make_tensor_sequence_value_info("c_out", FLOAT, None),
                              helper.make_tensor_value_info("scan", FLOAT, None)])
    yield "collect", model([n("SequenceEmpty", [], ["e"], dtype=FLOAT), n("Loop", ["p", "", "e"], ["s", "y"], body=body)], [x, place], [parts, y],
                           [tensor("z", [0], np.int64)])
    pushed = helper.make_graph([n("SequenceInsert", ["c_in", "part"], ["added"])], "pushed", [], [helper.make_tensor_sequence_value_info("added", FLOAT, None)])
    popped = helper.make_graph([n("SequenceErase", ["c_in", "l0"], ["popped"])], "popped", [], [helper.make_tensor_sequence_value_info("popped", FLOAT, None)])
    for name, made in (("push", n("Add", ["top", "top"], ["part"])), ("push-ragged", n("Slice", ["top", "z", "end"], ["part"]))):
        body = helper.make_graph([n("SequenceAt", ["c_in", "l0"], ["top"]), n("Unsqueeze", ["i", "z"], ["end"]), made, n("Less", ["i", "p"], ["odd"]),
                                  n("If", ["odd"], ["c_out"], then_branch=pushed, else_branch=popped), n("SequenceLength", ["c_out"], ["left"]),
                                  n("Greater", ["left", "p"], ["on_out"])],
                                 "body", [helper.make_tensor_value_info("i", INT64, []), helper.make_tensor_value_info("on", BOOL, []),
                                          helper.make_tensor_sequence_value_info("c_in", FLOAT, None)],
                                 [helper.make_tensor_value_info("on_out", BOOL, []), helper.make_tensor_sequence_value_info("c_out", FLOAT, None),
                                  helper.make_tensor_value_info("left", INT64, [])])
        yield name, model([n("SequenceConstruct", ["x", "x"], ["e"]), n("Loop", ["p", "", "e"], ["s", "y"], body=body)], [x, place], [parts, ("y", INT64, None)],
                          [tensor("z", [0], np.int64), tensor("l0", -1, np.int64)])
    yield "words", model([n("SplitToSequence", ["w"], ["a"]), n("SequenceInsert", ["a", "w"], ["s"]), n("SequenceAt", ["s", "p"], ["y"])],
                         [("w", TensorProto.STRING, ["N"]), place], [strings, ("y", TensorProto.STRING, None)])
    sparse = helper.make_sparse_tensor(tensor("c", [1, 2]), tensor("i", [0, 3], np.int64), [4])
    with_sparse = model([n("Add", ["x", "c"], ["y"])], [x], [y])
    with_sparse.graph.sparse_initializer.append(sparse)
    yield "sparse", with_sparse


def main():
    for name, made in models():
        (pathlib.Path(sys.argv[1]) / name).write_bytes(made.SerializeToString())


if __name__ == "__main__":
    main()
