# --check names everything of a model that is not supported, in one table.
# RUN: python3 %s %t.onnx
# RUN: not tessera-compile %t.onnx --check | FileCheck %s
# RUN: not tessera-compile %t.onnx --check --json | FileCheck %s --check-prefix=JSON
# RUN: not tessera-compile %t.onnx -o %t.tsm 2>&1 | FileCheck %s --check-prefix=ERROR
# RUN: tessera-compile %S/dense.mlir --check | FileCheck %s --check-prefix=GOOD

# CHECK: operator {{ *}}opset count first node reason
# CHECK-NEXT: NoSuchOp 17 2 first operator 'NoSuchOp' of version 17 is not supported
# CHECK-NEXT: com.example.Own 1 1 own operators of domain 'com.example' are not supported
# CHECK-NEXT: Reshape 17 1 shape
# CHECK-NEXT: Hidden 17 1 within operator 'Hidden' of version 17 is not supported
# CHECK-NEXT: 5 nodes are not supported of {{[0-9]+}}; 2 more read what these compute and were not looked at
# JSON: "supported": false
# JSON: "unexamined": 2
# JSON: "first_node": "first"
# ERROR: node 'first' (NoSuchOp): operator 'NoSuchOp' of version 17 is not supported; 1 more such nodes
# ERROR: node 'own' (com.example.Own): operators of domain 'com.example' are not supported
# ERROR: node 'within' (Hidden): operator 'Hidden' of version 17 is not supported
# GOOD: everything is supported
import sys

from onnx import TensorProto, helper

node = helper.make_node
x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])
shape = helper.make_tensor_value_info("s", TensorProto.INT64, ["K"])
branch = helper.make_graph([node("Hidden", ["x"], ["h"], name="within")], "branch", [],
                           [helper.make_tensor_value_info("h", TensorProto.FLOAT, None)])
other = helper.make_graph([node("Relu", ["x"], ["r"], name="fine")], "other", [],
                          [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)])
condition = helper.make_tensor("condition", TensorProto.BOOL, [], [True])
nodes = [
    node("NoSuchOp", ["x"], ["a"], name="first"),
    node("Relu", ["a"], ["b"], name="after"),
    node("NoSuchOp", ["x"], ["c"], name="second"),
    node("Own", ["x"], ["d"], name="own", domain="com.example"),
    node("Reshape", ["x", "s"], ["e"], name="shape"),
    node("If", ["condition"], ["f"], name="if", then_branch=branch, else_branch=other),
    node("Add", ["f", "x"], ["g"], name="last"),
    node("Relu", ["x"], ["y"], name="good"),
]
graph = helper.make_graph(nodes, "g", [x, shape], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
                          [condition])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)])
model.ir_version = 8
open(sys.argv[1], "wb").write(model.SerializeToString())
