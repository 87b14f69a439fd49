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


def test_calibrates_with_arrays(model):
    rng = np.random.default_rng(2)
    samples = [{"x": rng.standard_normal((rows, 96)).astype(np.float32)} for rows in (5, 9)]
    x = samples[1]["x"]
    exact = tessera.compile(model).run({"x": x})["y"]
    y = tessera.compile(model, quantize="int8", calibration=samples, max_error=0.1).run({"x": x})["y"]
    assert 0 < np.sqrt(((exact - y)**2).sum() / (exact**2).sum()) < 0.05
    with pytest.raises(tessera.Error, match="elements of type f64, input 'x' has f32"):
        tessera.compile(model, quantize="int8", calibration=[{"x": x.astype(np.float64)}])
    with pytest.raises(tessera.Error, match="needs samples of the inputs"):
        tessera.compile(model, quantize="int8", calibration=[])
    with pytest.raises(tessera.Error, match="no input 'z'"):
        tessera.compile(model, quantize="int8", calibration=[{"z": x}])


def test_what_calibration_found_is_there_for_callers(model):
    rng = np.random.default_rng(3)
    samples = [{"x": rng.standard_normal((rows, 96)).astype(np.float32)} for rows in (5, 9)]
    samples[0]["x"][0, 0] = 40  # Far out: percentiles leave it.
    exact = [tessera.compile(model).run(sample)["y"] for sample in samples]
    errors = {}
    for options in ({}, {"calibration_method": "percentile=99"}, {"weights_per_tensor": True}):
        module = tessera.compile(model, quantize="int8", calibration=samples, **options)
        [row] = [row for row in module.report["accuracy"] if row["output"] == "y"]
        difference = np.concatenate([(module.run(sample)["y"] - y).ravel() for sample, y in zip(samples, exact)])
        np.testing.assert_allclose(row["largest_error"], np.abs(difference).max(), rtol=1e-5)
        [layer] = [layer for layer in module.report["layers"] if not layer["left"]]
        assert layer["cost"] > 0
        errors[str(options)] = row["relative_error"]
        assert any("i32" in kernel["sums"] for kernel in module.report["types"])
    assert len(set(errors.values())) == 3, errors
    with pytest.raises(tessera.Error, match="unknown method 'mean'"):
        tessera.compile(model, quantize="int8", calibration=samples, calibration_method="mean")
    assert tessera.compile(model, quantize="int4").report["weights"][0]["new_bytes"] > 0
