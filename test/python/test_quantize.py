"""tessera.compile(quantize=...)."""

import subprocess

import numpy as np
import pytest
from conftest import BUILD

import tessera

MODEL = """
graph.func @main(%x: !graph.tensor<[M, 96], f32> {graph.name = "x"}) -> (!graph.tensor<[M, 64], f32> {graph.name = "y"}) {
  %w = graph.constant #graph.weight<"w.bin", 0, 24576 : !graph.tensor<[96, 64], f32>>
  %y = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, 96], f32>, !graph.tensor<[96, 64], f32>) -> !graph.tensor<[M, 64], f32>
  graph.return %y : !graph.tensor<[M, 64], f32>
}
"""


@pytest.fixture(name="model")
def write_model(tmp_path):
    np.random.default_rng(0).standard_normal(96 * 64).astype(np.float32).tofile(tmp_path / "w.bin")
    (tmp_path / "m.mlir").write_text(MODEL)
    return tmp_path / "m.mlir"


def test_gives_the_numbers_of_the_interpreter(model, tmp_path):
    x = np.random.default_rng(1).standard_normal((3, 96)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    y = tessera.compile(model, quantize="int4").run({"x": x})["y"]
    subprocess.run([str(BUILD / "bin/tessera-run"), str(model), "--quantize", "int4", "--reference", "-i", f"x=@{tmp_path}/x.npy",
                    "-o", f"y=@{tmp_path}/y.npy"], check=True, capture_output=True)
    np.testing.assert_allclose(y, np.load(tmp_path / "y.npy"), rtol=1e-4, atol=1e-4)
    exact = tessera.compile(model).run({"x": x})["y"]
    assert 0 < np.abs(exact - y).max() < 0.25 * np.abs(exact).max()


def test_refuses_what_it_does_not_know(model):
    with pytest.raises(tessera.Error, match="did you mean 'int4'") as caught:
        tessera.compile(model, quantize="int4x")
    assert caught.value.code == "INVALID_OPTION"
