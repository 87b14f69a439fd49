# A transformer block of any batch and length, and steps of a decoder whose keys and values are variables, on the device "cuda" with a
# driver whose GPU is the interpreter of PTX: code for sm_80 and for sm_90a gives what NumPy gives in f64.
# RUN: env TESSERA_CUDA_DRIVER=%builddir/lib/test/libfake_cuda_driver.so python3 %s %t
"""Arguments: a folder; an architecture (default: every one, each in a process of its own, since a driver has one device)."""
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import tessera

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "compiler/pipelines"))
import transformer  # noqa: E402

HEADS, PLACES, HEAD = 2, 40, 16
WIDTH = HEADS * HEAD


def step():
    """One token: its key and value go to their place in the cache, then it looks at all up to there."""
    kinds = {"x": ([WIDTH], "f32"), "at": ([], "si32")} | {f"w{n}": ([WIDTH, WIDTH], "f32") for n in "qkvo"}
    kinds |= {"head": ([HEADS, HEAD], "f32"), "cache": ([HEADS, PLACES, HEAD], "f32"), "scores": ([HEADS, PLACES], "f32")}
    t = {name: f"!graph.tensor<[{', '.join(map(str, dims))}], {element}>" for name, (dims, element) in kinds.items()}
    places = {name: t[name].replace("f32", "si32") for name in ("cache", "scores")}
    lines = [f"graph.variable @{n} : {t['cache']} = dense<0.0> : {t['cache']}" for n in "kv"]
    arguments = ", ".join(f'%{n}: {t[n]} {{graph.name = "{n}"}}' for n in ("x", "at", "wq", "wk", "wv", "wo"))
    lines.append(f"graph.func @main({arguments}) -> ({t['x']} {{graph.name = \"y\"}}) {{")
    for n in "qkv":
        lines += [f'  %{n}0 = graph.contract "d,de->e" %x, %w{n} : ({t["x"]}, {t["wq"]}) -> {t["x"]}',
                  f"  %{n}1 = graph.reshape %{n}0 : {t['x']} -> {t['head']}"]
    lines += [f"  %i = graph.iota axis = 1 : {places['cache']}",
              f"  %j = graph.broadcast %at, dims = [] : {t['at']} -> {places['cache']}",
              f"  %here = graph.compare eq %i, %j : {places['cache']}"]
    for n in "kv":
        lines += [f"  %{n}old = graph.read_variable @{n} : {t['cache']}",
                  f"  %{n}new = graph.broadcast %{n}1, dims = [0, 2] : {t['head']} -> {t['cache']}",
                  f"  %{n} = graph.select %here, %{n}new, %{n}old : {t['cache']}",
                  f"  graph.write_variable @{n}, %{n} : {t['cache']}"]
    lines += [f'  %s = graph.contract "hd,hkd->hk" %q1, %k : ({t["head"]}, {t["cache"]}) -> {t["scores"]}',
              f"  %p = graph.iota axis = 1 : {places['scores']}",
              f"  %last = graph.broadcast %at, dims = [] : {t['at']} -> {places['scores']}",
              f"  %seen = graph.compare le %p, %last : {places['scores']}",
              "  %low = graph.constant dense<0xFF800000> : !graph.tensor<[], f32>",
              f"  %none = graph.broadcast %low, dims = [] : !graph.tensor<[], f32> -> {t['scores']}",
              f"  %m = graph.select %seen, %s, %none : {t['scores']}",
              f"  %a = graph.softmax %m, axes = [1] : {t['scores']}",
              f'  %o = graph.contract "hk,hkd->hd" %a, %v : ({t["scores"]}, {t["cache"]}) -> {t["head"]}',
              f"  %o1 = graph.reshape %o : {t['head']} -> {t['x']}",
              f'  %o2 = graph.contract "d,de->e" %o1, %wo : ({t["x"]}, {t["wo"]}) -> {t["x"]}',
              f"  %y = graph.add %x, %o2 : {t['x']}", f"  graph.return %y : {t['x']}", "}"]
    return "\n".join(lines) + "\n"


def compiled(folder, name, text, architecture):
    (folder / f"{name}.mlir").write_text(text)
    module = folder / f"{name}-{architecture}.tsm"
    subprocess.run(["tessera-compile", folder / f"{name}.mlir", "--target", f"cuda:{architecture}", "-o", module, "-q"], check=True)
    loaded = tessera.load(module, device="cuda")
    assert f"cuda:{architecture}" in repr(loaded), loaded
    return loaded


def check_block(folder, architecture):
    rng = np.random.default_rng(1)
    names, text = transformer.model()
    block = compiled(folder, "block", text, architecture)
    d, f = transformer.D, transformer.F
    shapes = {"w1": (d, f), "w2": (f, d)} | {name: (d, d) for name in ("wq", "wk", "wv", "wo")}
    weights = {name: rng.standard_normal(shapes.get(name, (d,))) / 4 for name in names if name != "x"}
    for batch, length in ((2, 5), (1, 19)):
        values = weights | {"x": rng.standard_normal((batch, length, d))}
        actual = block.run({name: value.astype(np.float32) for name, value in values.items()})["y"]
        np.testing.assert_allclose(actual, transformer.reference(values), rtol=2e-4, atol=2e-4, err_msg=architecture)


def check_steps(folder, architecture):
    rng = np.random.default_rng(2)
    decoder = compiled(folder, "step", step(), architecture)
    w = {name: rng.standard_normal((WIDTH, WIDTH)) / 6 for name in ("wq", "wk", "wv", "wo")}
    cache = {name: np.zeros((HEADS, PLACES, HEAD)) for name in "kv"}
    for place in range(4):
        x = rng.standard_normal(WIDTH)
        q, cache["k"][:, place], cache["v"][:, place] = ((x @ w["w" + n]).reshape(HEADS, HEAD) for n in "qkv")
        p = np.exp(np.einsum("hd,hkd->hk", q, cache["k"][:, :place + 1]))
        o = np.einsum("hk,hkd->hd", p / p.sum(1, keepdims=True), cache["v"][:, :place + 1])
        inputs = {name: value.astype(np.float32) for name, value in (w | {"x": x}).items()}
        actual = decoder.run(inputs | {"at": np.array(place, np.int32)})["y"]
        np.testing.assert_allclose(actual, x + o.reshape(WIDTH) @ w["wo"], rtol=2e-4, atol=2e-4, err_msg=f"{architecture} {place}")
    np.testing.assert_allclose(decoder.read("k"), cache["k"], rtol=1e-5, atol=1e-5)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    if len(sys.argv) > 2:
        check_block(folder, sys.argv[2])
        check_steps(folder, sys.argv[2])
        return
    for architecture in ("sm_80", "sm_90a"):
        capability = "".join(c for c in architecture if c.isdigit())
        subprocess.run([sys.executable, __file__, folder, architecture], check=True,
                       env=os.environ | {"FAKE_CUDA_CAPABILITY": capability})


if __name__ == "__main__":
    main()
