# graph.stream in both forms of its lift, compared with NumPy in f64: odd sizes, an empty axis, large scores, and
# scratch memory that follows the length of the axis, never its product with the rows.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import json
import os
import subprocess
import sys

import numpy as np


def tensor(*dims, element="f32"):
    return f"!graph.tensor<[{', '.join(map(str, dims))}], {element}>"


IDENTITY = "[-1.0e30 : f32, 0.0 : f32, 0.0 : f32]"

LIFT_ELEMENT = f"""lift {{
  ^bb0(%x: {tensor("M")}, %w: {tensor("D")}):
    %c = graph.constant dense<1.0> : {tensor()}
    %one = graph.broadcast %c, dims = [] : {tensor()} -> {tensor("M")}
    %o = graph.broadcast %w, dims = [1] : {tensor("D")} -> {tensor("M", "D")}
    graph.yield %x, %one, %o : {tensor("M")}, {tensor("M")}, {tensor("M", "D")}
  }}"""

LIFT_BLOCK = f"""lift {{
  ^bb0(%x: {tensor("M", "T")}, %w: {tensor("T", "D")}):
    %m = graph.reduce max %x, axes = [1] : {tensor("M", "T")} -> {tensor("M")}
    %mb = graph.broadcast %m, dims = [0] : {tensor("M")} -> {tensor("M", "T")}
    %d = graph.sub %x, %mb : {tensor("M", "T")}
    %p = graph.exp %d : {tensor("M", "T")}
    %l = graph.reduce sum %p, axes = [1] : {tensor("M", "T")} -> {tensor("M")}
    %o = graph.contract "mt,td->md" %p, %w : ({tensor("M", "T")}, {tensor("T", "D")}) -> {tensor("M", "D")}
    graph.yield %m, %l, %o : {tensor("M")}, {tensor("M")}, {tensor("M", "D")}
  }}"""

MERGE = f"""merge {{
  ^bb0(%m0: {tensor("M")}, %l0: {tensor("M")}, %o0: {tensor("M", "D")},
       %m1: {tensor("M")}, %l1: {tensor("M")}, %o1: {tensor("M", "D")}):
    %m = graph.max %m0, %m1 : {tensor("M")}
    %d0 = graph.sub %m0, %m : {tensor("M")}
    %d1 = graph.sub %m1, %m : {tensor("M")}
    %a0 = graph.exp %d0 : {tensor("M")}
    %a1 = graph.exp %d1 : {tensor("M")}
    %l2 = graph.mul %l0, %a0 : {tensor("M")}
    %l3 = graph.mul %l1, %a1 : {tensor("M")}
    %l = graph.add %l2, %l3 : {tensor("M")}
    %b0 = graph.broadcast %a0, dims = [0] : {tensor("M")} -> {tensor("M", "D")}
    %b1 = graph.broadcast %a1, dims = [0] : {tensor("M")} -> {tensor("M", "D")}
    %o2 = graph.mul %o0, %b0 : {tensor("M", "D")}
    %o3 = graph.mul %o1, %b1 : {tensor("M", "D")}
    %o = graph.add %o2, %o3 : {tensor("M", "D")}
    graph.yield %m, %l, %o : {tensor("M")}, {tensor("M")}, {tensor("M", "D")}
  }}"""

FINALIZE = f"""finalize {{
  ^bb0(%m: {tensor("M")}, %l: {tensor("M")}, %o: {tensor("M", "D")}):
    %lb = graph.broadcast %l, dims = [0] : {tensor("M")} -> {tensor("M", "D")}
    %r = graph.div %o, %lb : {tensor("M", "D")}
    graph.yield %r, %m, %l : {tensor("M", "D")}, {tensor("M")}, {tensor("M")}
  }}"""


def model(form):
    block = ', block = "T"' if form == "block" else ""
    lift = LIFT_BLOCK if form == "block" else LIFT_ELEMENT
    return f"""graph.func @main(%s: {tensor("M", "K")} {{graph.name = "s"}}, %v: {tensor("K", "D")} {{graph.name = "v"}})
    -> ({tensor("M", "D")} {{graph.name = "o"}}, {tensor("M")} {{graph.name = "m"}}, {tensor("M")} {{graph.name = "l"}})
    attributes {{dims = {{T = #graph.range<1, ?>}}}} {{
  %o, %m, %l = graph.stream %s, %v axes = [1, 0], identity = {IDENTITY}{block}
      : ({tensor("M", "K")}, {tensor("K", "D")}) -> ({tensor("M", "D")}, {tensor("M")}, {tensor("M")})
  {lift} {MERGE} {FINALIZE}
  graph.return %o, %m, %l : {tensor("M", "D")}, {tensor("M")}, {tensor("M")}
}}
"""


def reference(s, v):
    s, v = s.astype(np.float64), v.astype(np.float64)
    m = s.max(1, initial=-1e30)
    p = np.exp(s - m[:, None])
    with np.errstate(invalid="ignore"):
        return {"o": p @ v / p.sum(1)[:, None], "m": m, "l": p.sum(1)}


def run(module, folder, arrays, threads):
    command = ["tessera-run", module, "--threads", str(threads)]
    for name, array in arrays.items():
        np.save(f"{folder}/{name}.npy", array)
        command += ["--input", f"{name}=@{folder}/{name}.npy"]
    for name in "oml":
        command += ["--output", f"{name}=@{folder}/{name}.npy"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return {name: np.load(f"{folder}/{name}.npy") for name in "oml"}


def memory(module, **shapes):
    """Bytes of temporaries of one call."""
    inputs = [f"-i{name}={'x'.join(map(str, shape))}xf32" for name, shape in shapes.items()]
    text = subprocess.run(["tessera-bench", module, "--json", "--time", "0.001", "--threads", "1", *inputs], check=True,
                          capture_output=True, text=True).stdout
    return json.loads(text)["memory_bytes"]


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(0)
    for form in ("element", "block"):
        path = f"{folder}/{form}"
        with open(f"{path}.mlir", "w") as file:
            file.write(model(form))
        subprocess.run(["tessera-compile", f"{path}.mlir", "-o", f"{path}.tsm"], check=True)
        for rows, length, width, scale in ((1, 1, 1, 1), (3, 127, 5, 1), (4, 128, 16, 1e4), (7, 129, 33, 1), (2, 0, 3, 1),
                                           (5, 1000, 17, 1e4), (3, 40, 0, 1)):
            s = (rng.standard_normal((rows, length)) * scale).astype(np.float32)
            v = rng.standard_normal((length, width)).astype(np.float32)
            results = [run(f"{path}.tsm", folder, {"s": s, "v": v}, threads) for threads in (1, 2)]
            expected = reference(s, v)
            for name, wanted in expected.items():
                got = results[0][name]
                assert got.shape == wanted.shape, (form, name, got.shape, wanted.shape)
                assert got.tobytes() == results[1][name].tobytes(), "bits differ between 1 and 2 threads"
                if not np.allclose(got, wanted, rtol=3e-5, atol=3e-6, equal_nan=True):
                    print(form, rows, length, width, scale, name, "differs by", np.abs(got - wanted).max())
                    return 1
        # What the kernel keeps in memory follows the axis, and is less than rows x axis (columns are known).
        subprocess.run(["tessera-compile", f"{path}.mlir", "-o", f"{path}8.tsm", "--dim", "D=8"], check=True)
        rows, lengths = 512, (2048, 4096, 8192)
        bytes_of = [memory(f"{path}8.tsm", s=(rows, length), v=(length, 8)) for length in lengths]
        assert bytes_of[2] < 2.2 * bytes_of[1] < 4.9 * bytes_of[0] + 1, f"{form}: {bytes_of} bytes"
        assert bytes_of[2] < rows * lengths[2] * 4 / 4, f"{form}: {bytes_of} bytes"
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
