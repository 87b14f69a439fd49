# Host operators of a program for a device with memory of its own: what they read comes from there, what they write goes there.
# RUN: python3 %s %S/../runtime/hostops %builddir/lib/test/libfake_cuda_driver.so %t
"""Arguments: the folder that makes images, the driver, a folder."""
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

os.environ["TESSERA_CUDA_DRIVER"] = sys.argv[2]
sys.path.insert(0, sys.argv[1])
import tessera  # noqa: E402
from seeds import encode, picture  # noqa: E402

folder = Path(sys.argv[3])
folder.mkdir(parents=True, exist_ok=True)
nodes = [helper.make_node("ImageDecoder", ["file"], ["image"], name="decoder"),
         helper.make_node("Cast", ["image"], ["f"], to=TensorProto.FLOAT),
         helper.make_node("ReduceMean", ["f"], ["rows"], axes=[1], keepdims=0)]
graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("file", TensorProto.UINT8, ["N"])],
                          [helper.make_tensor_value_info("image", TensorProto.UINT8, ["H", "W", 3]),
                           helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["H", 3])])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
model.graph.node[2].attribute.pop(0)  # Axes are an input since version 18.
model.graph.node[2].input.append("axes")
model.graph.initializer.append(helper.make_tensor("axes", TensorProto.INT64, [1], [1]))
(folder / "model.onnx").write_bytes(model.SerializeToString())
subprocess.run(["tessera-compile", folder / "model.onnx", "--target", "host,cuda:sm_80", "-o", folder / "model.tsm", "-q"], check=True)

on_host, on_gpu = tessera.load(folder / "model.tsm"), tessera.load(folder / "model.tsm", device="cuda")
for extents in ((3, 5), (8, 2)):
    pixels = picture(*extents, "RGB")
    file = np.frombuffer(encode(pixels, "png"), np.uint8)
    expected, actual = on_host.run({"file": file}), on_gpu.run({"file": file})
    assert np.array_equal(actual["image"], np.array(pixels)) and np.array_equal(expected["image"], np.array(pixels))
    assert np.allclose(actual["rows"], np.array(pixels).mean(1), rtol=1e-5)
try:
    on_gpu.run({"file": file[:40]})
except tessera.Error as error:
    assert "decoder" in str(error), error
else:
    raise AssertionError("half a file was decoded")
