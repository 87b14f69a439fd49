# Models that are not sound: each is refused in one sentence with the file, the model's own names and the rule.
# RUN: rm -rf %t && mkdir -p %t && python3 %s %t
"""Argument: a folder to write to. Compiles every model in one process through the compiler's tool."""
import os
import subprocess
import sys

from onnx import AttributeProto, TensorProto, helper

FLOAT = TensorProto.FLOAT
n = helper.make_node


def value(name, shape=("N", 4), kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def graph(nodes, inputs=("x",), outputs=("y",), initializers=()):
    return helper.make_graph(nodes, "g", [value(i) if isinstance(i, str) else value(*i) for i in inputs], [value(o, None) for o in outputs],
                             list(initializers))


def model(*args, opset=18, **options):
    return helper.make_model(graph(*args, **options), opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def relu(x="x", y="y", name="r"):
    return n("Relu", [x], [y], name=name)


def tensor(name, dims, raw, kind=FLOAT):
    result = TensorProto(name=name, data_type=kind, raw_data=raw)
    result.dims.extend(dims)
    return result


def header(number, size):
    """What stands in front of the content of a length-delimited field."""
    prefix = bytes([number << 3 & 127 | 2]) if number < 16 else bytes([(number << 3 | 2) & 127 | 128, number >> 4])
    while size > 127:
        prefix, size = prefix + bytes([size & 127 | 128]), size >> 7
    return prefix + bytes([size])


def field(number, content):
    """A length-delimited field of a message."""
    content = content.encode() if isinstance(content, str) else content
    return header(number, len(content)) + content


def nested(depth):
    """Ifs within Ifs, as bytes: the onnx package refuses to make them so deep. From inside out, what stands in front of a body and
    behind it is kept apart, so that this takes no time of a square."""
    output = lambda name: field(12, value(name, None).SerializeToString())
    one = lambda name: field(1, relu("x", name, name).SerializeToString())
    before, behind, size, last = [], [], 0, "leaf"

    def wrap(front, back, number=None):
        nonlocal size
        before.append(front)
        behind.append(back)
        size += len(front) + len(back)
        if number:
            before.append(header(number, size))
            size += len(before[-1])

    wrap(one("leaf"), b"")
    kind = b"\xa0\x01\x05"
    for i in range(depth):
        call = field(1, "c") + field(2, f"v{i}") + field(3, f"if{i}") + field(4, "If")
        otherwise = field(1, "else_branch") + kind + field(6, one(f"o{i}") + field(2, "g") + output(f"o{i}"))
        wrap(b"", field(2, "g") + output(last), 6)
        wrap(field(1, "then_branch") + kind, b"", 5)
        wrap(call, field(5, otherwise), 1)
        last = f"v{i}"
    inputs = field(11, value("x").SerializeToString()) + field(11, value("c", [], TensorProto.BOOL).SerializeToString())
    wrap(b"", field(2, "g") + inputs + output(last), 7)
    return b"\x08\x0a" + b"".join(reversed(before)) + b"".join(behind) + field(8, helper.make_opsetid("", 18).SerializeToString())


def changed(change, made=None):
    made = made or model([relu()])
    change(made)
    return made


def with_input(**options):
    return model([n("Add", ["x", "c"], ["y"], name="add")], initializers=[tensor("c", **options)])


good = model([relu()]).SerializeToString()
text = "hello, I am not a model\n"

# name: (model or bytes, what the error says)
CASES = {
    "empty": (b"", "is no model that Tessera reads: expected ONNX or the textual IR"),
    "zeros": (b"\0" * 100, "is no model that Tessera reads"),
    "text": (text.encode(), "is no model that Tessera reads"),
    "truncated": (good[:-7], "no complete ONNX model: the file is truncated or damaged"),
    "half": (good[: len(good) // 2], "no complete ONNX model: the file is truncated or damaged"),
    "longer": (good + b"\0\0\0", "no complete ONNX model"),
    "no-graph": (changed(lambda m: m.ClearField("graph") or setattr(m, "producer_name", "somebody")), "has no graph"),
    "newer-format": (changed(lambda m: setattr(m, "ir_version", 60)), "format version 60 (ir_version), versions up to"),
    "opset-old": (model([relu()], opset=0), "the model uses operator set 0; versions 1 to"),
    "opset-new": (model([relu()], opset=1000), "the model uses operator set 1000; versions 1 to"),
    "opset-none": (changed(lambda m: m.ClearField("opset_import")), "which version of operator set 'ai.onnx'"),
    "opset-two": (changed(lambda m: m.opset_import.append(helper.make_opsetid("", 17))),
                  "imports versions 18 and 17 of operator set 'ai.onnx'"),
    "cycle": (model([n("Add", ["x", "b"], ["a"], name="first"), relu("a", "b", "second"), relu("b", "y", "last")]),
              "the graph has a cycle of 2 nodes: node 'first' (Add) <- node 'second' (Relu) <- node 'first' (Add)"),
    "self-cycle": (model([n("Add", ["x", "y"], ["y"], name="own")]), "a cycle of 1 nodes: node 'own' (Add) <- node 'own' (Add)"),
    "cycle-through-branch": (model([n("If", ["c"], ["a"], name="i", then_branch=graph([relu("b", "t")], (), ["t"]),
                                      else_branch=graph([relu("x", "e")], (), ["e"])), relu("a", "b", "second"), relu("b", "y", "last")],
                                   inputs=["x", ("c", (), TensorProto.BOOL)]),
                             "the graph has a cycle of 2 nodes: node 'i' (If) <- node 'second' (Relu) <- node 'i' (If)"),
    "undefined": (model([relu("z")]), "node 'r' (Relu): its input 'z' is defined nowhere"),
    "twice": (model([relu(name="a"), relu(name="b")]), "node 'b' (Relu): 'y' is defined a second time"),
    "twice-input": (model([relu("x", "x")], outputs=["x"]), "node 'r' (Relu): 'x' is defined a second time"),
    "twice-inputs": (model([relu()], inputs=["x", "x"]), "the graph's inputs: 'x' is defined a second time"),
    "twice-constant": (model([relu()], initializers=[tensor("c", [], b"1234"), tensor("c", [], b"1234")]),
                       "the initializers: 'c' is defined a second time"),
    "twice-inside": (model([n("If", ["c"], ["y"], name="i", then_branch=graph([relu("x", "x")], (), ["x"]), else_branch=graph([relu("x", "z")], (), ["z"]))],
                           inputs=["x", ("c", (), TensorProto.BOOL)]), "'x' is defined a second time"),
    "no-output": (model([relu()], outputs=[]), "the graph has no outputs"),
    "output-undefined": (model([relu()], outputs=["z"]), "output 'z' is defined nowhere"),
    "output-twice": (model([relu()], outputs=["y", "y"]), "output 'y' is listed twice"),
    "unnamed-input": (model([relu("", "y")]), "node 'r' (Relu): has no first input"),
    "nameless-node": (model([relu("z", name="")]), "node 'Relu:y' (Relu): its input 'z' is defined nowhere"),
    "newline": (model([relu("a\nb: error: 'c'", "y", "r\n\x1b[31m")]),
                r"node 'r\x0a\x1b[31m' (Relu): its input 'a\x0ab: error: 'c'' is defined nowhere"),
    "zero-byte": (model([relu("a\0b")]), r"the tensor name 'a\x00b' contains a zero byte"),
    "long-name": (model([relu("x", "y", "n" * 5000)]), "has 5000 bytes, the limit is 4096 (kMaxNameBytes)"),
    "long-shown": (model([relu("z" * 1000)]), "z...' is defined nowhere"),
    "deep": (nested(40), "subgraphs are nested more than 32 deep (kMaxNesting)"),
    "very-deep": (nested(90), "subgraphs are nested more than 32 deep (kMaxNesting)"),
    "thousand-deep": (nested(1000), "subgraphs are nested more than 32 deep (kMaxNesting)"),
    "raw-short": (with_input(dims=[4], raw=b"123"), "constant 'c' has 3 bytes of data, its shape needs 16"),
    "raw-long": (with_input(dims=[4], raw=b"1" * 17), "constant 'c' has 17 bytes of data, its shape needs 16"),
    "huge": (with_input(dims=[1 << 40, 1 << 40], raw=b""), "constant 'c' has more bytes than 64 bits can count"),
    "large": (with_input(dims=[1 << 40], raw=b""), "constant 'c' has 0 bytes of data, its shape needs 4398046511104"),
    "negative": (with_input(dims=[-4], raw=b""), "constant 'c' has a negative extent, -4"),
    "string": (with_input(dims=[4], raw=b"", kind=TensorProto.STRING), "constant 'c' has 0 strings, its shape needs 4"),
    "complex": (with_input(dims=[1], raw=b"1" * 8, kind=TensorProto.COMPLEX64), "element type COMPLEX64"),
    "unknown-type": (with_input(dims=[1], raw=b"1", kind=999), "element type 999"),
    "input-type": (changed(lambda m: m.graph.input[0].type.Clear()), "input 'x' is no tensor of a known element type and rank"),
    "attribute-type": (model([n("Softmax", ["x"], ["y"], name="s", axis=1.5)]),
                       "node 's' (Softmax): attribute 'axis' is FLOAT, expected INT"),
    "attribute-twice": (changed(lambda m: m.graph.node[0].attribute.extend([helper.make_attribute("a", 1)] * 2)),
                        "node 'r' (Relu): attribute 'a' is given twice"),
    "unknown-operator": (model([n("Reloo", ["x"], ["y"], name="q")]),
                         "node 'q' (Reloo): operator 'Reloo' of version 18 is not supported"),
    "step-inputs": (model([n("Adam", ["x", "x", "x"], ["y"], name="q", domain="ai.onnx.preview.training")]),
                    "has 3 inputs, expected a rate, a count, and 4 for each parameter"),
    "step-mode": (model([n("Momentum", ["x", "x", "x", "x", "x"], ["y"], name="q", domain="ai.onnx.preview.training", alpha=0.9, beta=0.9,
                           norm_coefficient=0.0, mode="")]),
                  "has mode '', expected standard or nesterov"),
    "unknown-operator": (model([n("Nothing", ["x"], ["y"], name="q", domain="ai.onnx.preview")]),
                         "operator 'ai.onnx.preview.Nothing' is not supported"),
    "unknown-domain": (model([n("Relu", ["x"], ["y"], name="q", domain="com.example")]),
                       "node 'q' (com.example.Relu): operators of domain 'com.example' are not supported"),
    "absent-input": (model([n("Add", ["x", ""], ["y"], name="q")]), "node 'q' (Add): "),
    "middle-input": (model([n("Where", ["c", "", "x"], ["y"], name="q")], inputs=["x", "c"]),
                     "node 'q' (Where): needs 3 inputs, and input 1 is absent"),
    **{f"second-input-{op}": (model([n(op, ["x"], ["y"], name="q")]), f"node 'q' ({op}): needs 2 inputs, and input 1 is absent")
       for op in ("Tile", "Reshape", "Expand", "Gather", "LayerNormalization")},
    "no-axes": (model([n("Unsqueeze", ["x"], ["y"], name="q")]), "node 'q' (Unsqueeze): needs 2 inputs, and input 1 is absent"),
    "bool-sum": (changed(lambda m: setattr(m.graph.node[0], "op_type", "ReduceSum") or
                         setattr(m.graph.input[0].type.tensor_type, "elem_type", TensorProto.BOOL)),
                 "node 'r' (ReduceSum): takes numbers, found bools"),
    "integer-exp": (changed(lambda m: setattr(m.graph.node[0], "op_type", "Exp") or
                            setattr(m.graph.input[0].type.tensor_type, "elem_type", TensorProto.INT32)),
                    "node 'r' (Exp): 'graph.exp' op operand #0 must be tensor of floats"),
    "window-too-large": (changed(lambda m: m.graph.node[0].CopyFrom(n("MaxPool", ["x"], ["y"], name="p", kernel_shape=[9])) or
                                 m.graph.input[0].CopyFrom(value("x", (1, 2, 3)))),
                         "node 'p' (MaxPool): (C3) the window is larger than padded axis 2"),
    **{f"window-of-a-row-{op}": (model([n(op, ["x"], ["y"], name="q", **more)], inputs=[("x", ("N",))]), "needs an input of rank 2 at least")
       for op, more in (("MaxPool", {"kernel_shape": [2]}), ("AveragePool", {"kernel_shape": [2]}), ("GlobalMaxPool", {}), ("GlobalAveragePool", {}))},
    **{f"lstm-{what}": (model([n("LSTM", ["x", "w", "r", "", "", "h", "", "p"], ["y"], name="q", hidden_size=2)],
                              inputs=[("x", (3, 1, 5)), ("w", (1, 8, 5)), ("r", (1, 8, 2)), ("h", state), ("p", peephole)]), message)
       for what, state, peephole, message in (("peephole", (1, 1, 2), (), "node 'q' (LSTM): P has another shape than direction"),
                                              ("state", (2,), (1, 6), "node 'q' (LSTM): needs initial states of rank 3"))},
    "integers-of-no-rank": (model([n("MatMulInteger", ["x", "s", "", "s"], ["y"], name="q")], inputs=[("x", (3, 4), TensorProto.UINT8), ("s", (), TensorProto.UINT8)]),
                            "node 'q' (MatMulInteger): needs operands of rank 1 at least"),
    "window-stride": (changed(lambda m: m.graph.node[0].CopyFrom(n("MaxPool", ["x"], ["y"], name="p", kernel_shape=[1 << 62], dilations=[4])) or
                              m.graph.input[0].CopyFrom(value("x", (1, 2, 3)))),
                      "its window has an extent, stride or dilation of 4611686018427387904, expected 1 to 2147483647"),
    "no-weight": (model([n("ConvInteger", ["x"], ["y"], name="q")]), "node 'q' (ConvInteger): needs 2 inputs, and input 1 is absent"),
    "many-parts": (changed(lambda m: m.graph.node[0].CopyFrom(n("SplitToSequence", ["x"], ["y"], name="q")) or
                           m.graph.input[0].CopyFrom(value("x", (1 << 62,)))),
                   "gives 4611686018427387904 elements, more than 4096 (kMaxSequence)"),
    "too-wide": (model([n("MatMulIntegerToFloat", ["x"] * 4, ["y"], name="q", domain="com.microsoft")], inputs=[("x", (11,))]), "node 'q' (com.microsoft.MatMulIntegerToFloat): "),
    "shape-of-many": (model([n("Reshape", ["x", "s"], ["y"], name="q")], inputs=["x", ("s", (1 << 62,), TensorProto.INT64)]),
                      "takes a list of 4611686018427387904 extents, more than 4096 (kMaxSequence)"),
    "data-extents": (model([n("Reshape", ["x", "s"], ["y"], name="q")], inputs=["x", ("s", (4096,), TensorProto.INT64)]),
                     "node 'q' (Reshape): more than 2048 extents depend on data (kMaxDataExtents)"),
    "no-frequencies": (model([n("DFT", ["x"], ["y"], name="q", inverse=1, onesided=1)], opset=17, inputs=[("x", (2, 0, 2))]),
                       "node 'q' (DFT): has a tensor with an extent of -2"),
    "no-window": (changed(lambda m: m.graph.node[0].CopyFrom(n("MaxPool", ["x"], ["y", "i"], name="q")) or m.graph.node[0].attribute.append(
        helper.make_attribute("kernel_shape", [], attr_type=7)) or m.graph.input[0].CopyFrom(value("x", (2, 3)))),
                  "asks for places in windows that have no axis"),
    "absent-in-a-list": (model([n("Einsum", ["x", "", "x"], ["y"], name="q", equation="i,i,i->i")]),
                         "node 'q' (Einsum): input 1 is absent, one of a list in which none may be"),
    "slices-of-many": (model([n("Slice", ["x", "s", "s"], ["y"], name="q")], inputs=["x", ("s", (1 << 62,), TensorProto.INT64)]),
                       "slices more axes than its input has"),
    "turned-columns": (model([n("RotaryEmbedding", ["x", "c", "c"], ["y"], name="q", rotary_embedding_dim=65536)], opset=23,
                             inputs=[("x", (2, 4, 3, 8)), ("c", (2, 3, 2))]), "node 'q' (RotaryEmbedding): "),
    "outputs": (model([n("Relu", ["x"], ["y", "z"], name="q")]), "node 'q' (Relu): has 2 outputs, expected 1"),
    "inputs": (model([n("Relu", ["x", "x"], ["y"], name="q")]), "node 'q' (Relu): has 2 inputs, expected 1"),
    "no-outputs": (model([relu(), n("Constant", [], [], name="q", value_int=1)]), "node 'q' (Constant): has 0 outputs, expected 1"),
    "few-outputs": (model([n("TopK", ["x", "k"], ["y"], name="q")], inputs=["x", ("k", (1,), TensorProto.INT64)]), "has 1 outputs, expected 2"),
    "types": (model([n("LSTM", ["x", "w", "r", "b"], ["y"], name="q", hidden_size=2)],
                    inputs=[("x", (3, 1, 5)), ("w", (1, 8, 5)), ("r", (1, 8, 2)), ("b", (1, 16), TensorProto.FLOAT16)]),
              "node 'q' (LSTM): its inputs 0 and 3 have elements of f32 and f16, expected one type"),
    "no-attribute": (model([n("Cast", ["x"], ["y"], name="q")]), "node 'q' (Cast): has no attribute 'to', which it needs"),
    "attribute-of-a-graph": (model([n("If", ["c"], ["y"], name="q", then_branch=1, else_branch=1)], inputs=[("c", (), TensorProto.BOOL)]),
                             "node 'q' (If): attribute 'else_branch' is INT, expected GRAPH"),
    "null-operand": (model([n("Einsum", ["", "x"], ["y"], name="q", equation="a,b->ab")]), "node 'q' (Einsum): has no first input"),
    "letter-of-nothing": (model([n("Einsum", ["x"], ["y"], name="q", equation="ab->abc")]), "has letter 'c' in its result twice, or nowhere else"),
    "letter-twice": (model([n("Einsum", ["x"], ["y"], name="q", equation="ab->aab")]), "has letter 'a' in its result twice, or nowhere else"),
    "square-of-many": (model([n("Einsum", ["x"], ["y"], name="q", equation="aa->a")], inputs=[("x", (1 << 40, 1 << 40))]),
                       "node 'q' (Einsum): its extents overflow"),
    "past-of-a-row": (model([n("MultiHeadAttention", ["x", "x", "x", "", "", "", "p", "p"], ["y"], name="q", domain="com.microsoft", num_heads=2)],
                            inputs=[("x", (1, 3, 8)), ("p", (2,))]), "needs past keys and values of rank 4"),
    "bias-of-a-number": (model([n("MultiHeadAttention", ["x", "x", "x", "b"], ["y"], name="q", domain="com.microsoft", num_heads=2)],
                               inputs=[("x", (1, 3, 8)), ("b", ())]), "takes elements of axis 0 of a tensor of rank 0"),
    "blocks-of-no-size": (model([n("GatherBlockQuantized", ["t", "i", "x"], ["y"], name="q", domain="com.microsoft", block_size=24)],
                                inputs=[("t", (4, 32), TensorProto.UINT8), ("i", (2,), TensorProto.INT64), ("x", (4, 2))]),
                          "has block_size = 24, expected a power of two from 16 on"),
    "blocks-of-nothing": (model([n("GatherBlockQuantized", ["t", "i", "x"], ["y"], name="q", domain="com.microsoft", block_size=16, bits=8)],
                                inputs=[("t", (4, 32), TensorProto.UINT8), ("i", (2, 3), TensorProto.INT64), ("x", (0, 2))]),
                          "node 'q' (com.microsoft.GatherBlockQuantized): (C2) gathers from an empty axis"),
    "within-bytes": (model([n("GatherBlockQuantized", ["t", "i", "x"], ["y"], name="q", domain="com.microsoft", block_size=16, gather_axis=1)],
                           inputs=[("t", (4, 32), TensorProto.UINT8), ("i", (2,), TensorProto.INT64), ("x", (4, 2))]),
                     "gathers along axis 1, within bytes or blocks of packed numbers, which is not supported"),
    "group-of-a-matrix": (model([n("MatMulNBits", ["x", "t", "x", "", "g"], ["y"], name="q", domain="com.microsoft", K=32, N=4, block_size=16)],
                                inputs=[("x", (4, 32)), ("t", (4, 2, 8), TensorProto.UINT8), ("g", (4, 2), TensorProto.INT32)]),
                          "needs g_idx of rank 1, the block of each column"),
    "groups-of-channels": (model([n("GroupNorm", ["x", "s", "s"], ["y"], name="q", domain="com.microsoft", groups=3, activation=0)],
                                 inputs=[("x", (1, 2, 2, 8)), ("s", (8,))]), "has groups = 3 for 8 channels"),
    "few-buckets": (model([n("RelativePositionBias", ["x", "l", "l"], ["y"], name="q", domain="com.microsoft", max_distance=2)],
                          inputs=[("x", (8, 2)), ("l", (1,), TensorProto.INT64)]), "has max_distance 2, expected more than 4"),
    "unknown-distance": (model([n("CDist", ["x", "x"], ["y"], name="q", domain="com.microsoft", metric="cosine")], inputs=[("x", (2, 3))]),
                         "has metric 'cosine', expected euclidean or sqeuclidean"),
    "shared-cache": (model([n("MultiHeadAttention", ["x", "x", "x", "", "", "", "", "", "l"], ["y"], name="q", domain="com.microsoft", num_heads=2)],
                           inputs=[("x", (1, 3, 8)), ("l", (1,), TensorProto.INT32)]),
                     "a cache that calls share is not supported, expected one that grows"),
    "scale-of-a-number": (model([n("QLinearMatMul", ["x", "f", "z", "x", "f", "z", "s", "z"], ["y"], name="q")],
                                inputs=[("x", (4,), TensorProto.UINT8), ("f", ()), ("s", (3,)), ("z", (), TensorProto.UINT8)]),
                          "an operand of rank 1 does not broadcast to rank 0"),
    "step-of-much": (model([n("Slice", ["x", "s", "e", "a", "t"], ["y"], name="q")],
                           initializers=[tensor(name, [1], number.to_bytes(8, "little", signed=True), TensorProto.INT64)
                                         for name, number in (("s", 0), ("e", 1), ("a", 0), ("t", -(1 << 63)))]),
                     "has a step of -9223372036854775808"),
    "axes-of-much": (model([n("ReverseSequence", ["x", "l"], ["y"], name="q", batch_axis=(1 << 63) - 1, time_axis=1)],
                           inputs=["x", ("l", (4,), TensorProto.INT64)]), "axes 0 and 1 as time and batch"),
    "block-of-nothing": (model([n("Col2Im", ["x", "s", "s"], ["y"], name="q")], inputs=[("x", (1, 4, 4))],
                               initializers=[tensor("s", [0], b"", TensorProto.INT64)]), "do not have one entry for each axis"),
    "block-of-much": (model([n("Col2Im", ["x", "s", "b"], ["y"], name="q")], inputs=[("x", (1, 4, 4))],
                            initializers=[tensor("s", [2], b"\4\0\0\0\0\0\0\0" * 2, TensorProto.INT64),
                                          tensor("b", [2], b"\0\0\0\0\0\1\0\0" * 2, TensorProto.INT64)]),
                      "its block and window attributes are no sizes from 1 to 2147483647"),
    "window-of-nothing": (model([n("DeformConv", ["x", "w", "o"], ["y"], name="q")], opset=19,
                                inputs=[("x", (1, 1, 4, 4)), ("w", (1, 1, 0, 2)), ("o", (1, 0, 4, 4))]), "a weight with elements"),
    **{f"convolution-{what}": (model([n(op, ["x", "w", "b"], ["y"], name="q", **more)], inputs=[("x", (1, "C", 8, 8)), ("w", weight), ("b", bias)]),
                               f"node 'q' ({op}): {message}")
       for what, op, more, weight, bias, message in (
           ("kernel", "Conv", {"kernel_shape": [3, 3]}, (4, 2, 3, 2), (4,), "its weight has an extent of 2 along axis 3, expected 3"),
           ("kernel-axes", "Conv", {"kernel_shape": [3]}, (4, 2, "K", "L"), (4,), "has 1 entries in kernel_shape, expected 2"),
           ("of-nothing", "Conv", {"kernel_shape": [0, 3]}, (4, 2, "K", "L"), (4,), "its window has an extent, stride or dilation of 0"),
           ("groups", "Conv", {"group": 3}, ("O", 2, 3, 3), (4,), "has 3 groups and 4 channels of the result"),
           ("no-groups", "Conv", {"group": 0}, ("O", 2, 3, 3), (4,), "has 0 groups"),
           ("transposed-groups", "ConvTranspose", {"group": 3}, (4, "O", 3, 3), (6,), "has 3 groups and 4 channels"),
           ("transposed-bias", "ConvTranspose", {"group": 3}, (6, "O", 3, 3), (4,), "has 3 groups and 4 elements of a bias"),
           ("bias", "Conv", {}, (4, 2, "K", 3), (5,), "has a bias of 5 elements for 4 channels of the result"),
           ("bias-rank", "Conv", {}, ("O", 2, "K", 3), (1, 4), "has a bias of rank 2, expected 1"))},
    "convolution-channels": (model([n("Conv", ["x", "w"], ["y"], name="q", group=2)], inputs=[("x", (1, 6, 8, 8)), ("w", ("O", 2, "K", "K"))]),
                             "node 'q' (Conv): its weight has an extent of 2 along axis 1, expected 3"),
    "offsets": (model([n("DeformConv", ["x", "w", "o"], ["y"], name="q")], opset=19,
                      inputs=[("x", (1, "C", 4, 4)), ("w", ("O", 1, 2, 2)), ("o", (1, 9, 3, 3))]), "has 9 offsets at each place, expected 8"),
    **{f"pads-{what}": (model([n("Pad", ["x", "p", "", "a"] if axes is not None else ["x", "p"], ["y"], name="q", **more)],
                              inputs=[("x", (4,)), ("p", pads, TensorProto.INT64), *([("a", axes, TensorProto.INT64)] if axes is not None else [])]), f"node 'q' (Pad): {message}")
       for what, pads, axes, more, message in (("few", (3,), None, {}, "has 3 pads for 1 axes"), ("no-list", (2, 1), None, {}, "its input 1 is no list of integers"),
                                               ("axes", (4,), (2,), {}, "pads along a list of 2 axes, expected a known number, 1 at most"),
                                               ("open-axes", ("P",), ("A",), {}, "pads along a list of A axes, expected a known number"),
                                               ("other-axes", (3,), (1,), {}, "has 3 pads for 1 axes"), ("mode", (2,), None, {"mode": "best"}, "pads in mode 'best'"))},
    "pads-of-much": (model([n("Pad", ["x", "p"], ["y"], name="q")], inputs=[("x", (4,))], initializers=[tensor("p", [2], b"\0" * 7 + b"\x80" + b"\0" * 8, TensorProto.INT64)]),
                     "node 'q' (Pad): its extents overflow"),
    "rows-of-blocks": (model([n("Col2Im", ["x", "s", "b"], ["y"], name="q")], inputs=[("x", (1, 6, 4))],
                             initializers=[tensor("s", [2], b"\4\0\0\0\0\0\0\0" * 2, TensorProto.INT64),
                                           tensor("b", [2], b"\2\0\0\0\0\0\0\0" * 2, TensorProto.INT64)]),
                       "has 6 rows for blocks of 4 elements"),
    "negative-cells": (model([n("RoiAlign", ["x", "r", "b"], ["y"], name="q", output_height=-3)],
                             inputs=[("x", (1, 1, 4, 4)), ("r", (2, 4)), ("b", (2,), TensorProto.INT64)]), "has a tensor with an extent of -3"),
    "negative-extent": (model([n("ConstantOfShape", ["s"], ["y"], name="q")], inputs=[],
                              initializers=[tensor("s", [1], b"\xff" * 8, TensorProto.INT64)]), "the shape has a negative extent, -1"),
    "scale-of-much": (model([n("Resize", ["x", "", "s"], ["y"], name="q")], inputs=[("x", (1 << 60,))],
                            initializers=[tensor("s", [1], b"\0\0\x80\x40")]), "node 'q' (Resize): its extents overflow"),
    "many-places": (model([n("MaxPool", ["x"], ["y", "z"], name="q", kernel_shape=[1 << 20])], inputs=[("x", (1, 1, 1 << 30))]),
                    "elements (kMaxWindow)"),
    "many-targets": (model([n("TreeEnsembleRegressor", ["x"], ["y"], name="q", domain="ai.onnx.ml", n_targets=1 << 40, nodes_treeids=[0],
                              nodes_nodeids=[0], nodes_featureids=[0], nodes_modes=["LEAF"], nodes_values=[0.0], nodes_truenodeids=[0],
                              nodes_falsenodeids=[0], target_treeids=[0], target_nodeids=[0], target_ids=[0], target_weights=[1.0])]),
                     "the limit is 65536 (kMaxTreeTargets)"),
    "number-of-no-size": (model([n("LabelEncoder", ["x"], ["y"], name="q", domain="ai.onnx.ml", keys_floats=[1.0], values_int64s=[1],
                                   default_tensor=tensor("d", [2], b"\0\0\x80\x7f" * 2))]), "a default_tensor that is not one value"),
    "mode-of-no-size": (model([n("TreeEnsemble", ["x"], ["y"], name="q", domain="ai.onnx.ml", n_targets=1, nodes_featureids=[0], nodes_truenodeids=[0],
                                 nodes_falsenodeids=[0], nodes_trueleafs=[1], nodes_falseleafs=[1], tree_roots=[0], leaf_targetids=[0],
                                 leaf_weights=tensor("w", [1], b"\0\0\x80\x3f"), nodes_splits=tensor("s", [1], b"\0\0\x80\x3f"),
                                 nodes_modes=tensor("m", [1], b"\0\0\x80\x7f"))]), "has node 0 of mode -1"),
    "sequence-of-sequences": (model([n("SequenceConstruct", ["x"], ["a"]), n("SequenceConstruct", ["a", "a"], ["b"], name="q"),
                                     n("ConcatFromSequence", ["a"], ["y"], axis=0)]),
                              "makes a sequence of which an element is a sequence of 1, expected tensors"),
    "ranks-of-a-sequence": (model([n("SplitToSequence", ["x", "l"], ["a"]), n("ReduceSum", ["x"], ["t"], keepdims=0),
                                   n("SequenceInsert", ["a", "t"], ["y"], name="q")], inputs=[("x", ("N", "M")), ("l", ("K",), TensorProto.INT64)]),
                            "node 'q' (SequenceInsert): makes a sequence of open length of elements of different ranks or types"),
    "axis-of-elements": (model([n("SplitToSequence", ["x", "l"], ["a"]), n("ConcatFromSequence", ["a"], ["y"], name="q", axis=-3)],
                               inputs=[("x", ("N", "M")), ("l", ("K",), TensorProto.INT64)]),
                         "node 'q' (ConcatFromSequence): axis -3 is not below the rank, 2"),
    "lengths-of-a-rank": (model([n("SplitToSequence", ["x", "l"], ["y"], name="q")],
                                inputs=[("x", ("N", "M")), ("l", ("K", 2), TensorProto.INT64)]),
                          "node 'q' (SplitToSequence): has lengths of rank 2, expected a number or a list"),
    "place-of-strings": (model([n("SplitToSequence", ["w"], ["a"]), n("SequenceInsert", ["a", "w"], ["s"]), n("SequenceAt", ["s", "p"], ["y"], name="q")],
                               inputs=[("w", ("N",), TensorProto.STRING), ("p", (), TensorProto.STRING)]),
                         "node 'q' (SequenceAt): its input 1 is a tensor of strings, which it does not take"),
    "indices-of-strings": (model([n("Gather", ["w", "p"], ["y"], name="q")],
                                 inputs=[("w", ("N",), TensorProto.STRING), ("p", (), TensorProto.STRING)]),
                           "node 'q' (Gather): its input 1 is a tensor of strings, which it does not take"),
    "place-in-nothing": (model([n("SequenceEmpty", [], ["a"]), n("SequenceAt", ["a", "l"], ["y"], name="q")],
                               inputs=["x", ("l", (), TensorProto.INT64)]),
                         "node 'q' (SequenceAt): asks for a position in an empty sequence"),
    "optional-in-a-sequence": (model([n("SplitToSequence", ["x"], ["a"]), n("Optional", ["x"], ["o"]), n("SequenceInsert", ["a", "o"], ["y"], name="q")],
                                     inputs=[("x", ("N", "M"))]),
                               "node 'q' (SequenceInsert): makes a sequence of open length, of which an element is an optional value"),
    "splits-a-sequence": (model([n("Cast", ["x"], ["t"], to=TensorProto.STRING), n("SplitToSequence", ["t"], ["a"]),
                                 n("SplitToSequence", ["a"], ["y"], name="q")], inputs=[("x", (3,), TensorProto.INT64)]),
                          "its input 'a' is a sequence of 3, which it does not take"),
    "asks-a-sequence": (model([n("SequenceConstruct", ["x"], ["a"]),
                               n("If", ["a"], ["y"], name="q", then_branch=graph([relu()], (), ["y"]), else_branch=graph([relu()], (), ["y"]))]),
                        "node 'q' (If): asks a sequence of 1, expected a bool"),
    "loops-while-strings": (model([n("Loop", ["", "c", "x"], ["y"], name="q",
                                     body=graph([n("Cast", ["i"], ["t"], to=TensorProto.STRING), relu("v", "w")],
                                                [("i", (), TensorProto.INT64), ("d", (), TensorProto.BOOL), "v"], ["t", "w"]))],
                                  inputs=["x", ("c", (), TensorProto.BOOL)]), "goes on as a tensor of strings says, expected a bool"),
    "scans-nothing": (model([n("Scan", ["x"], ["y"], name="q", num_scan_inputs=-(1 << 63), body=graph([relu("v", "w")], ["v"], ["w"]))]),
                      "at least one of them scanned"),
    "parts-of-much": (model([n("SplitToSequence", ["x", "l"], ["y"], name="q")], inputs=[("x", ((1 << 63) - 1,))],
                            initializers=[tensor("l", [], (1 << 62).to_bytes(8, "little"), TensorProto.INT64)], outputs=["z"]),
                      "output 'z' is defined nowhere"),
    "smallest-integer": (model([n("MaxRoiPool", ["x", "r"], ["y"], name="q", pooled_shape=[2, 2])],
                               inputs=[("x", (1, 1, 4, 4), TensorProto.INT32), ("r", (2, 5))]), "node 'q' (MaxRoiPool): its inputs 0 and 1"),
    "loop-of-numbers": (model([n("Loop", ["m", "x", "x"], ["y"], name="q",
                                 body=graph([relu("v", "w")], [("i", (), TensorProto.INT64), "d", "v"], ["d", "w"]))],
                              inputs=["x", ("m", (), TensorProto.INT64)]), "node 'q' (Loop): "),
}

# Sound models that look strange.
FINE = {
    "unused-constant": model([relu()], initializers=[tensor("unused", [2], b"12345678")]),
    "constant-as-input": model([n("Add", ["x", "c"], ["y"])], inputs=["x", "c"], initializers=[tensor("c", [1], b"1234")]),
    "names": model([relu("x y", "\u00fc '\"\n", "%s%n"), relu("\u00fc '\"\n", "a/b:0")], inputs=["x y"], outputs=["a/b:0"]),
    "unused-domain": changed(lambda m: m.opset_import.append(helper.make_opsetid("com.example", 1))),
    "nested": nested(20),
}


def compile_model(path, emit="graph"):
    return subprocess.run(["tessera-compile", path, "--emit", emit], capture_output=True, text=True, errors="replace")


def main():
    wrong = []
    for name, (content, expected) in CASES.items():
        path = os.path.join(sys.argv[1], name + ".onnx")
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.SerializeToString())
        result = compile_model(path)
        errors = result.stderr.splitlines()
        # One line that names the file and can be understood without Tessera's sources.
        if result.returncode != 1 or result.stdout or expected not in result.stderr or path not in errors[0] \
                or len(errors) != 1 or ".cpp" in result.stderr:
            wrong.append(f"{name}: status {result.returncode}, expected '{expected}', got:\n{result.stderr[:600]}")
    for name, made in FINE.items():
        path = os.path.join(sys.argv[1], name + ".onnx")
        with open(path, "wb") as file:
            file.write(made if isinstance(made, bytes) else made.SerializeToString())
        result = compile_model(path)
        if result.returncode or "graph.func" not in result.stdout:
            wrong.append(f"{name}: status {result.returncode}:\n{result.stderr[:600]}")
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
