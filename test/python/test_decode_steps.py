"""A decoder whose keys and values are variables takes steps with weights in every packed format: the numbers of the interpreter for the
same format, which is handed the cache and gives it back."""

import subprocess

import numpy as np
import pytest
from conftest import BUILD

import tessera

HEADS, PLACES, HEAD, STEPS = 2, 8, 32, 4
WIDTH = HEADS * HEAD
MODES = ["int8-weights", "int8-weights-asymmetric", "int4", "int4-asymmetric", "nf4", "mxfp4", "fp8-e4m3", "fp8-e5m2", "bf16-weights", "f16-weights"]


def tensor(*dims, element="f32"):
    return f"!graph.tensor<[{', '.join(map(str, dims))}], {element}>"


def decoder(with_variables):
    """One token: its key and value go to their place in the cache, then it looks at all up to there."""
    row, square, head = tensor(1, WIDTH), tensor(WIDTH, WIDTH), tensor(HEADS, HEAD)
    cache, scores, number = tensor(HEADS, PLACES, HEAD), tensor(HEADS, PLACES), tensor(element="si32")
    cache_places, score_places = tensor(HEADS, PLACES, HEAD, element="si32"), tensor(HEADS, PLACES, element="si32")
    arguments = [f'%x: {row} {{graph.name = "x"}}', f'%at: {number} {{graph.name = "at"}}']
    results, returned = [f'{row} {{graph.name = "y"}}'], ["%y"]
    lines = []
    if with_variables:
        lines += [f"graph.variable @{n} : {cache} = dense<0.0> : {cache}" for n in "kv"]
    else:
        arguments += [f'%{n}old: {cache} {{graph.name = "{n}old"}}' for n in "kv"]
        results += [f'{cache} {{graph.name = "{n}"}}' for n in "kv"]
        returned += ["%k", "%v"]
    lines.append(f"graph.func @main({', '.join(arguments)}) -> ({', '.join(results)}) {{")
    for number_of, n in enumerate("qkvo"):
        size = 4 * WIDTH * WIDTH
        lines.append(f'  %w{n} = graph.constant #graph.weight<"w.bin", {number_of * size}, {size} : {square}>')
    for n in "qkv":
        lines += [f'  %{n}0 = graph.contract "md,de->me" %x, %w{n} : ({row}, {square}) -> {row}',
                  f"  %{n}1 = graph.reshape %{n}0 : {row} -> {head}"]
    lines += [f"  %i = graph.iota axis = 1 : {cache_places}",
              f"  %j = graph.broadcast %at, dims = [] : {number} -> {cache_places}",
              f"  %here = graph.compare eq %i, %j : {cache_places}"]
    for n in "kv":
        if with_variables:
            lines.append(f"  %{n}old = graph.read_variable @{n} : {cache}")
        lines += [f"  %{n}new = graph.broadcast %{n}1, dims = [0, 2] : {head} -> {cache}",
                  f"  %{n} = graph.select %here, %{n}new, %{n}old : {cache}"]
        if with_variables:
            lines.append(f"  graph.write_variable @{n}, %{n} : {cache}")
    lines += [f'  %s = graph.contract "hd,hkd->hk" %q1, %k : ({head}, {cache}) -> {scores}',
              f"  %p = graph.iota axis = 1 : {score_places}",
              f"  %last = graph.broadcast %at, dims = [] : {number} -> {score_places}",
              f"  %seen = graph.compare le %p, %last : {score_places}",
              f"  %low = graph.constant dense<0xFF800000> : {tensor()}",
              f"  %none = graph.broadcast %low, dims = [] : {tensor()} -> {scores}",
              f"  %m = graph.select %seen, %s, %none : {scores}",
              f"  %a = graph.softmax %m, axes = [1] : {scores}",
              f'  %o = graph.contract "hk,hkd->hd" %a, %v : ({scores}, {cache}) -> {head}',
              f"  %o1 = graph.reshape %o : {head} -> {row}",
              f'  %o2 = graph.contract "md,de->me" %o1, %wo : ({row}, {square}) -> {row}',
              f"  %y = graph.add %x, %o2 : {row}",
              f"  graph.return {', '.join(returned)} : {', '.join([row] + [cache] * (len(returned) - 1))}", "}"]
    return "\n".join(lines) + "\n"


@pytest.fixture(name="folder", scope="module")
def write_models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decoder")
    weights = np.random.default_rng(0).standard_normal((4, WIDTH, WIDTH)) / 8
    weights.astype(np.float32).tofile(folder / "w.bin")
    (folder / "variables.mlir").write_text(decoder(True))
    (folder / "inputs.mlir").write_text(decoder(False))
    return folder


def interpret(folder, mode, inputs):
    command = [str(BUILD / "bin/tessera-run"), str(folder / "inputs.mlir"), "--quantize", mode, "--reference"]
    for name, value in inputs.items():
        np.save(folder / f"{name}.npy", value)
        command += ["-i", f"{name}=@{folder}/{name}.npy"]
    for name in "ykv":
        command += ["-o", f"{name}=@{folder}/{name}.npy"]
    subprocess.run(command, check=True, capture_output=True)
    return [np.load(folder / f"{name}.npy") for name in "ykv"]


@pytest.mark.parametrize("mode", MODES)
def test_steps_give_the_numbers_of_the_interpreter(folder, mode):
    rng = np.random.default_rng(1)
    module = tessera.compile(folder / "variables.mlir", quantize=mode)
    exact = tessera.compile(folder / "variables.mlir")
    k, v = (np.zeros((HEADS, PLACES, HEAD), np.float32) for _ in "kv")
    lost = 0
    for place in range(STEPS):
        x, at = rng.standard_normal((1, WIDTH)).astype(np.float32), np.array(place, np.int32)
        expected, k, v = interpret(folder, mode, {"x": x, "at": at, "kold": k, "vold": v})
        actual = module.run({"x": x, "at": at})["y"]
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4, err_msg=f"step {place}")
        lost = max(lost, np.abs(exact.run({"x": x, "at": at})["y"] - actual).max())
    np.testing.assert_allclose(module.read("k"), k, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(module.read("v"), v, rtol=1e-4, atol=1e-4)
    assert 0 < lost < 1  # The weights are packed, and nearly the same.
