"""Results do not depend on the number of threads: kernels of every class give the same bits with one thread and with many."""

import numpy as np
import pytest

import tessera


def tensor(*extents):
    return f"!graph.tensor<[{', '.join(extents)}], f32>"


A, B, R, C = tensor("M", "K"), tensor("K", "N"), tensor("M"), tensor("K")
IMAGE, FILTER, PICTURE = tensor("1", "H", "W", "16"), tensor("3", "3", "16", "24"), tensor("1", "H - 2", "W - 2", "24")
CLASSES = {
    "product": (f'graph.contract "mk,kn->mn" %a, %b : ({A}, {B}) -> {tensor("M", "N")}', tensor("M", "N")),
    "long product": (f'graph.contract "mk,mn->kn" %a, %d : ({A}, {tensor("M", "N")}) -> {B}', B),
    "elementwise": (f"graph.gelu %a : {A}", A),
    "softmax": (f"graph.softmax %a, axes = [1] : {A}", A),
    "sum of rows": (f"graph.reduce sum %a, axes = [1] : {A} -> {R}", R),
    "sum of columns": (f"graph.reduce sum %a, axes = [0] : {A} -> {C}", C),
    "transpose": (f'graph.transpose %a, perm = [1, 0] : {A} -> {tensor("K", "M")}', tensor("K", "M")),
    "running sum": (f"graph.cumulative sum %a, axis = 1 : {A}", A),
    "convolution": (f'graph.conv %i, %f, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], layout = "NHWC,HWIO->NHWC" '
                    f": ({IMAGE}, {FILTER}) -> {PICTURE}", PICTURE),
}


@pytest.mark.parametrize("name", CLASSES)
def test_equal_bits(name):
    text, result = CLASSES[name]
    arguments = {"a": A, "b": B, "d": tensor("M", "N"), "i": IMAGE, "f": FILTER}
    used = {argument: kind for argument, kind in arguments.items() if f"%{argument}" in text}
    inputs = ", ".join(f'%{argument}: {kind} {{graph.name = "{argument}"}}' for argument, kind in used.items())
    module = tessera.compile(f'graph.func @main({inputs}) -> ({result} {{graph.name = "y"}}) {{\n  %y = {text}\n'
                             f"  graph.return %y : {result}\n}}\n".encode())
    rng = np.random.default_rng(0)
    shapes = {"a": (617, 389), "b": (389, 211), "d": (617, 211), "i": (1, 61, 47, 16), "f": (3, 3, 16, 24)}
    values = {argument: rng.standard_normal(shapes[argument], dtype=np.float32) * 100 for argument in used}
    results = {threads: module.context(threads=threads).run(values)["y"].tobytes() for threads in (1, 2, 3, 8)}
    assert len(set(results.values())) == 1, [threads for threads, bits in results.items() if bits != results[1]]
