"""Arrays of results: memory that was dropped comes back, what is held is nobody else's."""
import gc

import numpy as np
import pytest

import tessera

DYNAMIC = b"""graph.func @main(%x: !graph.tensor<[N, M], f32> {graph.name = "x"}) -> (!graph.tensor<[N, M], f32> {graph.name = "y"}) {
  %0 = graph.neg %x : !graph.tensor<[N, M], f32>
  graph.return %0 : !graph.tensor<[N, M], f32>
}
"""
FIXED = DYNAMIC.replace(b"[N, M]", b"[700, 1000]")


def place(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("text", [DYNAMIC, FIXED], ids=["dynamic", "fixed"])
def test_dropped_memory_is_used_again(text):
    context = tessera.compile(text).context(1)
    x = np.random.default_rng(0).standard_normal((700, 1000)).astype(np.float32)
    places = set()
    y = None
    for scale in range(8):
        y = context.run({"x": x * scale})["y"]
        np.testing.assert_array_equal(y, -x * scale)
        assert place(y) % 64 == 0
        places.add(place(y))
    assert len(places) <= 2, "each run asks for memory of its own, though that of the last but one is free"


def test_arrays_that_are_held_keep_their_values():
    context = tessera.compile(DYNAMIC).context(1)
    rng = np.random.default_rng(1)
    held = []
    for shape in [(700, 1000), (1, 1), (0, 5), (700, 1000), (690, 1000), (20, 7), (1400, 1000), (700, 1000)]:
        x = rng.standard_normal(shape).astype(np.float32)
        held.append((x, context.run({"x": x})["y"]))
        context.run({"x": x + 1})  # dropped at once
    for x, y in held:
        np.testing.assert_array_equal(y, -x)


def test_arrays_outlive_what_made_them():
    module = tessera.compile(DYNAMIC)
    x = np.ones((700, 1000), np.float32)
    views = [module.run({"x": x})["y"][::2] for _ in range(3)]
    del module
    gc.collect()
    for view in views:
        view += 1
        assert (view == 0).all()
