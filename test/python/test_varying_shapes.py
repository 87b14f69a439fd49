"""Long runs over varying shapes hold no more memory than their largest shapes need."""
import resource

import numpy as np

import tessera

MODEL = b"""graph.func @main(%x: !graph.tensor<[N, M], f32> {graph.name = "x"}) -> (!graph.tensor<[N, M], f32> {graph.name = "y"}) {
  %0 = graph.softmax %x, axes = [1] : !graph.tensor<[N, M], f32>
  %1 = graph.transpose %0, perm = [1, 0] : !graph.tensor<[N, M], f32> -> !graph.tensor<[M, N], f32>
  %2 = graph.softmax %1, axes = [1] : !graph.tensor<[M, N], f32>
  %3 = graph.transpose %2, perm = [1, 0] : !graph.tensor<[M, N], f32> -> !graph.tensor<[N, M], f32>
  graph.return %3 : !graph.tensor<[N, M], f32>
}
"""


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def test_ten_thousand_random_sizes():
    context = tessera.compile(MODEL).context(1)
    rng = np.random.default_rng(0)
    data = rng.standard_normal(128 * 128).astype(np.float32)

    def run(calls):
        for n, m in rng.integers(1, 129, (calls, 2)):
            x = data[:n * m].reshape(n, m)
            y = context.run({"x": x})["y"]
        np.testing.assert_allclose(y, softmax(softmax(x.astype(np.float64), 1), 0), rtol=1e-5)

    run(2000)
    held, used = context.memory, resident()
    run(8000)
    # What a context holds may follow the largest shape, which the first calls have seen nearly.
    assert context.memory <= 1.25 * held
    assert resident() - used < 8 << 20
