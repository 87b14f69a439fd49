"""tessera.compile(precision=...): products of operands that are rounded, summed in f32; compared with NumPy's rounding and sums in
f64."""

import json
import subprocess

import numpy as np
import pytest
from conftest import BUILD

import tessera

CONTRACT = """
graph.func @main(%x: !graph.tensor<[M, 70], f32> {graph.name = "x"}, %w: !graph.tensor<[70, 33], f32> {graph.name = "w"})
    -> (!graph.tensor<[M, 33], f32> {graph.name = "y"}, !graph.tensor<[M, 70], f32> {graph.name = "z"}) {
  %y = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, 70], f32>, !graph.tensor<[70, 33], f32>) -> !graph.tensor<[M, 33], f32>
  %z = graph.add %x, %x : !graph.tensor<[M, 70], f32>
  graph.return %y, %z : !graph.tensor<[M, 33], f32>, !graph.tensor<[M, 70], f32>
}
"""
STORED = """
graph.func @main(%x: !graph.tensor<[M, 96], f32> {graph.name = "x"}) -> (!graph.tensor<[M, 64], f32> {graph.name = "y"}) {
  %w = graph.constant #graph.weight<"w.bin", 0, 24576 : !graph.tensor<[96, 64], f32>>
  %y = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, 96], f32>, !graph.tensor<[96, 64], f32>) -> !graph.tensor<[M, 64], f32>
  graph.return %y : !graph.tensor<[M, 64], f32>
}
"""
ATTENTION = """
graph.func @main(%q: !graph.tensor<[M, 16], f32> {graph.name = "q"}, %k: !graph.tensor<[K, 16], f32> {graph.name = "k"},
                 %v: !graph.tensor<[K, 16], f32> {graph.name = "v"}) -> (!graph.tensor<[M, 16], f32> {graph.name = "y"}) {
  %s = graph.contract "md,kd->mk" %q, %k : (!graph.tensor<[M, 16], f32>, !graph.tensor<[K, 16], f32>) -> !graph.tensor<[M, K], f32>
  %p = graph.softmax %s, axes = [1] : !graph.tensor<[M, K], f32>
  %y = graph.contract "mk,kd->md" %p, %v : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, 16], f32>) -> !graph.tensor<[M, 16], f32>
  graph.return %y : !graph.tensor<[M, 16], f32>
}
"""


def rounded(x, precision):
    """To nearest, ties to even; in f64."""
    if precision == "f16":
        with np.errstate(over="ignore"):
            return x.astype(np.float16).astype(np.float64)
    bits = x.view(np.uint32)
    near = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32)
    return np.where(np.isnan(x), x, near.view(np.float32)).astype(np.float64)


@pytest.mark.parametrize("precision", ["bf16", "f16"])
@pytest.mark.parametrize("rows", [1, 5, 64, 0])
def test_operands_are_rounded_and_nothing_else(precision, rows):
    rng = np.random.default_rng(rows)
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in ((rows, 70), (70, 33)))
    got = tessera.compile(CONTRACT.encode(), precision=precision).run({"x": x, "w": w})
    exact = rounded(x, precision) @ rounded(w, precision)
    np.testing.assert_allclose(got["y"], exact, rtol=0, atol=1e-5 * 70)
    np.testing.assert_array_equal(got["z"], x + x)
    if rows:
        assert np.abs(got["y"] - x.astype(np.float64) @ w).max() > 1e-4  # The rounding is there.


def test_what_is_beyond_f16_becomes_infinite_and_small_numbers_stay():
    x, w = np.zeros((6, 70), np.float32), np.zeros((70, 33), np.float32)
    w[0] = 1
    x[:, 0] = [65519, 65520, -1e6, 6e-8, np.nan, -np.inf]
    y = tessera.compile(CONTRACT.encode(), precision="f16").run({"x": x, "w": w})["y"][:, 0]
    np.testing.assert_array_equal(y, [65504, np.inf, -np.inf, np.float32(np.float16(6e-8)), np.nan, -np.inf])
    assert np.float16(6e-8) != 0


def test_constant_weights_are_stored_rounded(tmp_path):
    w = np.random.default_rng(0).standard_normal((96, 64)).astype(np.float32)
    w.tofile(tmp_path / "w.bin")
    (tmp_path / "m.mlir").write_text(STORED)
    x = np.random.default_rng(1).standard_normal((7, 96)).astype(np.float32)
    for precision in ("bf16", "f16"):
        y = tessera.compile(tmp_path / "m.mlir", precision=precision).run({"x": x})["y"]
        np.testing.assert_allclose(y, rounded(x, precision) @ rounded(w, precision), rtol=0, atol=1e-3)
    sizes = []
    for options in ([], ["--precision", "bf16"]):
        command = [str(BUILD / "bin/tessera-compile"), str(tmp_path / "m.mlir"), "-o", str(tmp_path / "m.tsm"), "-q",
                   "--target", "x86-64-v3", *options]
        subprocess.run(command, check=True)
        sizes.append((tmp_path / "m.tsm").stat().st_size)
    assert sizes[0] - sizes[1] > 96 * 64  # Two bytes less of each, but for what the kernels differ.


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_streams(precision):
    rng = np.random.default_rng(3)
    arrays = {name: rng.standard_normal((rows, 16)).astype(np.float32) for name, rows in (("q", 21), ("k", 300), ("v", 300))}
    y = tessera.compile(ATTENTION.encode(), precision=precision).run(arrays)["y"]
    q, k, v = (rounded(arrays[name], precision) for name in "qkv")
    s = q @ k.T
    p = np.exp(s - s.max(1, keepdims=True))
    epsilon = {"bf16": 2.0**-8, "f16": 2.0**-11}[precision]  # The weights of a block are rounded, too.
    np.testing.assert_allclose(y, p @ v / p.sum(1, keepdims=True), rtol=0, atol=4 * epsilon)


def kernel_types(tmp_path, text, *options):
    """What tessera-compile and tessera-dump say of the kernels: (reads, sums, writes)."""
    (tmp_path / "m.mlir").write_text(text)
    module = tmp_path / "m.tsm"
    done = subprocess.run([BUILD / "bin/tessera-compile", tmp_path / "m.mlir", "-o", module, "--json", "-q", *options], check=True,
                          capture_output=True, text=True)
    said = [(row["reads"], row["sums"] or "-", row["writes"]) for row in json.loads(done.stdout)["types"]]
    done = subprocess.run([BUILD / "bin/tessera-dump", module, "--json"], check=True, capture_output=True, text=True)
    kernels = json.loads(done.stdout)["variants"][0]["kernels"]
    assert said == [(k["types"]["reads"], k["types"]["sums in"], k["types"]["writes"]) for k in kernels]
    return said


def products_in(kinds, precision, sums):
    """The kernels that multiply in this precision; one may copy an operand into tiles first."""
    return [kind for kind in kinds if kind in ((precision, sums, sums), (precision, sums, f"{sums} {precision}"))]


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_the_report_says_in_what_types_kernels_compute(tmp_path, precision):
    kinds = kernel_types(tmp_path, CONTRACT, "--precision", precision)
    assert products_in(kinds, precision, "f32") and ("f32", "-", "f32") in kinds
    assert all(sums in ("f32", "-") for _, sums, _ in kinds)
    # Nothing is rounded in f64 but operands, and attention keeps all of its sums.
    assert products_in(kernel_types(tmp_path, CONTRACT.replace("f32", "f64"), "--precision", precision), precision, "f64")
    # One kernel for each form that its stream has.
    assert {sums for reads, sums, _ in kernel_types(tmp_path, ATTENTION, "--precision", precision) if precision in reads} == {"f32"}


def test_accumulators_that_a_model_asks_for_are_reported(tmp_path):
    short = CONTRACT.replace('%x, %w :', '%x, %w acc bf16 :')
    assert short != CONTRACT and ("f32", "bf16", "f32") in kernel_types(tmp_path, short)
    integers = CONTRACT.replace("f32", "si8").replace("-> !graph.tensor<[M, 33], si8>\n  %z", "-> !graph.tensor<[M, 33], si32>\n  %z")
    integers = integers.replace('[M, 33], si8> {graph.name = "y"}', '[M, 33], si32> {graph.name = "y"}')
    integers = integers.replace("graph.return %y, %z : !graph.tensor<[M, 33], si8>", "graph.return %y, %z : !graph.tensor<[M, 33], si32>")
    assert ("i8", "i32", "i32") in [(reads, sums, writes.split()[0]) for reads, sums, writes in kernel_types(tmp_path, integers)]


def run_tool(path, arrays, folder, *options):
    command = [str(BUILD / "bin/tessera-run"), str(path), "-q", *options, "--output", f"y=@{folder}/y.npy"]
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
        command += ["--input", f"{name}=@{folder}/{name}.npy"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return np.load(folder / "y.npy")


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_the_reference_rounds_alike(tmp_path, precision):
    """Only the order of sums in f32 differs; without the rounding it would be far off."""
    rng = np.random.default_rng(5)
    contract = {"x": rng.standard_normal((9, 70)).astype(np.float32), "w": rng.standard_normal((70, 33)).astype(np.float32)}
    attention = {name: rng.standard_normal((rows, 16)).astype(np.float32) for name, rows in (("q", 21), ("k", 300), ("v", 300))}
    for text, arrays in ((CONTRACT, contract), (ATTENTION, attention)):
        path = tmp_path / "m.mlir"
        path.write_text(text)
        full = run_tool(path, arrays, tmp_path, "--reference")
        wanted = run_tool(path, arrays, tmp_path, "--reference", "--precision", precision)
        got = run_tool(path, arrays, tmp_path, "--precision", precision)
        scale = np.abs(full).max()
        rounding = np.abs(wanted - full).max() / scale
        # What is rounded in a stream may lie at a tie of numbers that differ in their last bits.
        assert np.abs(got - wanted).max() / scale < (2e-6 if text is CONTRACT else rounding / 4)
        assert rounding > 1e-5


@pytest.mark.parametrize("quantize", ["int4", "bf16-weights", "int8-dynamic"])
def test_together_with_quantize(tmp_path, quantize):
    """Weights keep the format that they were given, and what else is multiplied is rounded."""
    np.random.default_rng(0).standard_normal((96, 64)).astype(np.float32).tofile(tmp_path / "w.bin")
    path = tmp_path / "m.mlir"
    path.write_text(STORED)
    arrays = {"x": np.random.default_rng(1).standard_normal((7, 96)).astype(np.float32)}
    options = ("--quantize", quantize, "--precision", "bf16")
    wanted = run_tool(path, arrays, tmp_path, "--reference", *options)
    got = run_tool(path, arrays, tmp_path, *options)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=(2e-3 if "dynamic" in quantize else 1e-5) * np.abs(wanted).max())


def test_a_target_without_f16_is_refused_before_kernels_are_compiled(tmp_path):
    where = "x86-64-v2 has no instructions that convert"
    with pytest.raises(tessera.Error, match=f"--precision f16: {where} f16 .F16C, from x86-64-v3 on.; bf16 needs none"):
        tessera.compile(CONTRACT.encode(), precision="f16", target=["x86-64-v3", "x86-64-v2"])
    tessera.compile(CONTRACT.encode(), precision="bf16", target="x86-64-v2")
    with pytest.raises(tessera.Error, match=f"f16 is computed here, and {where} it"):
        tessera.compile(CONTRACT.replace("f32", "f16").encode(), target="x86-64-v2")
    with pytest.raises(tessera.Error, match="unknown target 'cuda:8'"):
        tessera.compile(CONTRACT.encode(), target="cuda:8")


def test_the_report_is_there_for_callers():
    report = tessera.compile(CONTRACT.encode(), precision="bf16").report
    assert {"bf16", "f32"} == {row["reads"] for row in report["types"]} and not report["layers"]


def test_refuses_what_it_does_not_know():
    with pytest.raises(tessera.Error, match="unknown --precision 'bf61'"):
        tessera.compile(CONTRACT.encode(), precision="bf61")
