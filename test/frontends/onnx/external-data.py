# Weights in files beside the model: found, mapped, checked; never outside the model's folder. Sparse ones become dense.
# RUN: rm -rf %t && mkdir -p %t && python3 %s %t
"""Argument: a folder to write to."""
import hashlib
import os
import pathlib
import subprocess
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
folder = pathlib.Path(sys.argv[1]) / "model"
folder.mkdir(parents=True)
weights = np.arange(400, dtype=np.float32).reshape(100, 4) / 100
data = b"\0" * 64 + weights.tobytes()
x = np.ones((2, 100), np.float32)
np.save(folder / "x.npy", x)


def external(location="w.bin", kind=FLOAT, dims=(100, 4), **entries):
    tensor = TensorProto(name="w", data_type=kind, data_location=TensorProto.EXTERNAL)
    tensor.dims.extend(dims)
    entries = {"location": location, **entries}
    for key, text in entries.items():
        if text is not None:
            tensor.external_data.add(key=key, value=str(text))
    return tensor


def model(dense=(), sparse=()):
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"], name="m")], "g",
                              [helper.make_tensor_value_info("x", FLOAT, ["N", 100])],
                              [helper.make_tensor_value_info("y", FLOAT, None)], list(dense), sparse_initializer=list(sparse))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def sparse(values, indices, dims=(100, 4), kind=np.int64):
    return helper.make_sparse_tensor(numpy_helper.from_array(np.array(values, np.float32), "w"),
                                     numpy_helper.from_array(np.array(indices, kind), "i"), list(dims))


outside = pathlib.Path(sys.argv[1]) / "outside"
outside.mkdir()
for place in (folder, outside):
    (place / "w.bin").write_bytes(data)
(folder / "odd.bin").write_bytes(b"\0\0\0" + weights.tobytes())
(folder / "exact.bin").write_bytes(weights.tobytes())
(folder / "short.bin").write_bytes(data[:-1])
(folder / "sub").mkdir()
(folder / "sub" / "w.bin").write_bytes(data)
(folder / "%w.bin").write_bytes(data)
os.symlink("w.bin", folder / "link.bin")
os.symlink(outside, folder / "linked")
os.symlink("sub", folder / "inner")
os.symlink("../w.bin", folder / "sub" / "up.bin")
os.symlink("../outside/w.bin", folder / "parent.bin")
os.symlink(folder / "w.bin", folder / "absolute.bin")
os.symlink("circle.bin", folder / "circle.bin")
os.mkfifo(folder / "pipe")
os.symlink("/dev/zero", folder / "zero")
sha1 = hashlib.sha1(data).hexdigest()

dense = np.zeros((100, 4), np.float32)
dense[0, 1], dense[3, 0] = 5, 7
GOOD = {
    "offset": (model([external(offset=64, length=1600)]), weights),
    "no-length": (model([external(offset=64)]), weights),
    "no-offset": (model([external("exact.bin")]), weights),
    "unaligned": (model([external("odd.bin", offset=3)]), weights),
    "subfolder": (model([external("sub/w.bin", offset=64)]), weights),
    "dot": (model([external("./w.bin", offset=64)]), weights),
    "link": (model([external("link.bin", offset=64)]), weights),
    "linked-folder": (model([external("inner/w.bin", offset=64)]), weights),
    "link-up": (model([external("sub/up.bin", offset=64)]), weights),
    "percent": (model([external("%w.bin", offset=64)]), weights),
    "checksum": (model([external(offset=64, checksum=sha1)]), weights),
    "sparse": (model(sparse=[sparse([5, 7], [1, 12])]), dense),
    "sparse-rows": (model(sparse=[sparse([5, 7], [[0, 1], [3, 0]])]), dense),
    "sparse-empty": (model(sparse=[sparse([], np.zeros((0,)))]), 0 * dense),
}
link = "is reached through a link that leaves the model's folder, which is not followed"
leaves = "is not inside the model's folder"
BAD = {
    "parent": (model([external("../outside/w.bin")]), leaves),
    "parent-inside": (model([external("sub/../w.bin")]), leaves),
    "absolute": (model([external(str(outside / "w.bin"))]), leaves),
    "link-to-parent": (model([external("parent.bin")]), link),
    "link-by-path": (model([external("absolute.bin")]), link),
    "linked-outside": (model([external("linked/w.bin")]), link),
    "link-to-itself": (model([external("circle.bin")]), link),
    "device": (model([external("zero")]), link),
    "fifo": (model([external("pipe")]), "is not a regular file"),
    "folder": (model([external("sub")]), "is not a regular file"),
    "missing": (model([external("none.bin")]), "weight file 'none.bin' cannot be read: No such file"),
    "nameless": (model([external(None)]), "is in an external file without a name"),
    "empty-name": (model([external("")]), "is in an external file without a name"),
    "short": (model([external("short.bin", offset=64)]), "has 1663 bytes, 1600 bytes from byte 64 on are needed"),
    "offset-far": (model([external(offset=1 << 62)]), "bytes from byte 4611686018427387904 on are needed"),
    "offset-negative": (model([external(offset=-1)]), "has the offset '-1' in its external file, which is no size"),
    "offset-text": (model([external(offset="1e3")]), "has the offset '1e3' in its external file, which is no size"),
    "offset-huge": (model([external(offset=1 << 80)]), "which is no size"),
    "length": (model([external(length=1599)]), "has 1599 bytes in file 'w.bin', its shape needs 1600"),
    "huge": (model([external(dims=(1 << 40, 4))]), "bytes, 17592186044416 bytes from byte 0 on are needed"),
    "checksum": (model([external(offset=64, checksum="0" * 40)]), f"its SHA1 is {sha1}, expected '0000"),
    "string": (model([external(kind=TensorProto.STRING)]), "has element type STRING, which is not supported"),
    "sparse-outside": (model(sparse=[sparse([1], [400])]), "is sparse and has index number 0 outside its shape"),
    "sparse-negative": (model(sparse=[sparse([1], [-1])]), "index number 0 outside its shape"),
    "sparse-row": (model(sparse=[sparse([1], [[0, 4]])]), "index number 0 outside its shape"),
    "sparse-order": (model(sparse=[sparse([1, 2], [7, 7])]), "index number 1 outside its shape or not above the one before it"),
    "sparse-count": (model(sparse=[sparse([1, 2], [7])]), "has 2 values but indices of another number, type or rank"),
    "sparse-type": (model(sparse=[sparse([1], [7], kind=np.int32)]), "indices of another number, type or rank"),
    "sparse-huge": (model(sparse=[sparse([1], [7], dims=(1 << 40,))]), "the limit is 1073741824 (kMaxSparseBytes)"),
    "sparse-overflow": (model(sparse=[sparse([1], [7], dims=(1 << 40, 1 << 40))]), "more bytes than 64 bits can count"),
}


def main():
    wrong = []
    for name, (made, expected) in GOOD.items():
        path, out = folder / f"good-{name}.onnx", folder / f"{name}.npy"
        path.write_bytes(made.SerializeToString())
        done = subprocess.run(["tessera-run", path, "--input", f"x=@{folder}/x.npy", "--output", f"y=@{out}"],
                              capture_output=True, text=True)
        if done.returncode or not np.allclose(np.load(out), x @ expected, 1e-5):
            wrong.append(f"{name}: {done.stderr[:500]}")
    for name, (made, expected) in BAD.items():
        path = folder / f"bad-{name}.onnx"
        path.write_bytes(made.SerializeToString())
        done = subprocess.run(["tessera-compile", path, "--emit", "graph"], capture_output=True, text=True, timeout=60)
        if done.returncode != 1 or expected not in done.stderr or "constant 'w'" not in done.stderr:
            wrong.append(f"{name}: status {done.returncode}, expected '{expected}', got:\n{done.stderr[:500]}")
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
