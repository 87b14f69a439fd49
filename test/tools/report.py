# --report writes a page that says of every kernel what it computes of the model, moves and saves, its schedule and loops, why, and how
# long it takes; --emit loops prints the loops alone. What is wrong with the options is said before anything is compiled.
# RUN: python3 %s %t
import json
import re
import subprocess
import sys
from pathlib import Path

import onnx
from onnx import TensorProto, helper

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
MODEL = """graph.func @main(%x: !graph.tensor<[B, 128], f32> {graph.name = "x"}, %w: !graph.tensor<[128, 64], f32> {graph.name = "w"})
    -> (!graph.tensor<[B, 64], f32> {graph.name = "y"}) {
  %0 = graph.exp %x : !graph.tensor<[B, 128], f32>
  %1 = graph.contract "mk,kn->mn" %0, %w : (!graph.tensor<[B, 128], f32>, !graph.tensor<[128, 64], f32>) -> !graph.tensor<[B, 64], f32>
  %2 = graph.relu %1 : !graph.tensor<[B, 64], f32>
  %3 = graph.neg %2 : !graph.tensor<[B, 64], f32>
  graph.return %3 : !graph.tensor<[B, 64], f32>
}
"""


def compiled(model, *options):
    return subprocess.run(["tessera-compile", model, "-o", folder / "model.tsm", *options], capture_output=True, text=True)


def data_of(page):
    # One file: nothing is loaded from elsewhere.
    assert not re.search(r"(src|href)\s*=", page) and "@import" not in page
    script = page.split("const data = ", 1)[1].split(";\n", 1)[0]
    assert "</" not in script
    return json.loads(script)


(folder / "model.mlir").write_text(MODEL)
page = folder / "page.html"
done = compiled(folder / "model.mlir", "--report", page, "--input", "x=7x128xf32")
assert done.returncode == 0, done.stderr
data = data_of(page.read_text())
(function,) = data["report"]["functions"]
launches = [node for node in function["nodes"] if node["op"] == "launch"]
assert [node["kernel"] for node in launches] == ["k0_exp", "k1_contract"], launches
assert function["symbols"] == ["B"] and data["measured"]["sizes"] == {"B": 7}
exp, product = launches
assert exp["sources"] == ["line 3"] and set(product["sources"]) == {"line 4", "line 5", "line 6"}
assert function["nodes"][product["inputs"][0]]["kernel"] == "k0_exp", product
# The product and its maximum with 0 are neither written nor read again: twice two tensors of [B, 64] f32.
assert product["saved"] == "1024 * B" and "saved" not in exp, product
assert product["bytes"] == "768 * B + 32768", product
reasons = {decision["place"]: decision["text"] for decision in data["report"]["decisions"]}
assert "reads graph.exp from memory: a product reads each operand several times" in reasons["line 4"], reasons
(variant,) = data["report"]["variants"]
for kernel in variant["kernels"]:
    assert "linalg.generic" in kernel["ir"] and "schedule.func" in kernel["schedule"] and "vectorized" in kernel["loops"], kernel
times = {kernel["name"]: kernel for kernel in data["measured"]["kernels"]}
assert times["k1_contract"]["seconds"] > 0 and times["k1_contract"]["bytes"] == 768 * 7 + 32768
assert data["measured"]["seconds"]["runs"] >= 3 and data["measured"]["machine"]["flops_per_core"] > 1e8

# The same kernels as without a page.
compiled(folder / "model.mlir", "-q")
plain = (folder / "model.tsm").read_bytes()
compiled(folder / "model.mlir", "-q", "--report", page)
assert (folder / "model.tsm").read_bytes() == plain

# Names of any kind, of nodes and of extents.
odd = "</script><b>&\"'\\ \u2026"
nodes = [helper.make_node("Exp", ["x"], ["y"], odd), helper.make_node("Softmax", ["y"], ["z"], "n2")]
onnx.save(helper.make_model(helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows of x", 5])],
                                              [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["rows of x", 5])]),
                            opset_imports=[helper.make_opsetid("", 17)], ir_version=10), folder / "odd.onnx")
assert compiled(folder / "odd.onnx", "--report", page, "-i", "x=3x5xf32").returncode == 0
data = data_of(page.read_text())
assert data["measured"]["sizes"] == {"rows of x": 3}, data["measured"]["sizes"]
assert any(odd in node.get("sources", []) for node in data["report"]["functions"][0]["nodes"])

# Code for another device is not measured, and the page says why.
assert compiled(folder / "model.mlir", "--report", page, "--target", "cuda:sm_80").returncode == 0
data = data_of(page.read_text())
assert data["measured"] is None and "no code for device 'cpu'" in data["unmeasured"], data["unmeasured"]
assert data["report"]["functions"][0]["device"] == "cuda" and data["report"]["variants"][0]["target"] == "cuda:sm_80"

loops = subprocess.run(["tessera-compile", folder / "model.mlir", "--emit", "loops"], capture_output=True, text=True, check=True).stdout
assert re.search(r"^k1_contract for x86-64\S*:$", loops, re.M) and "produce stage_" in loops, loops

for options, message in [(["--report", page, "--emit", "kernel"], "leave out --emit"), (["--report", page, "--check"], "leave out --check"),
                         (["-i", "x=7x128xf32"], "--input is for --report"), (["--report", folder / "none/page.html"], "none/page.html"),
                         (["--report", page, "-i", "x=7x127xf32"], "127"), (["--report", page, "-i", "z=7xf32"], "z")]:
    done = compiled(folder / "model.mlir", *options)
    assert done.returncode and message in done.stderr, (options, done.stderr)
