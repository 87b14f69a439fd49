"""The Python package: compile, load, run, errors, threads."""
import gc
import threading
import time

import numpy as np
import pytest
from conftest import DENSE, ROOT

import tessera

ONES = np.ones((2, 4), np.float32)
EXPECTED = np.array([[1, 0, 1.5], [1, 0, 1.5]], np.float32)


def text_model(inputs, result, body):
    """A one-function model; inputs: name to type; the result's type; the body defines %y."""
    arguments = ", ".join(f'%{name}: !graph.tensor<{type}> {{graph.name = "{name}"}}' for name, type in inputs.items())
    return (f'graph.func @main({arguments}) -> (!graph.tensor<{result}> {{graph.name = "y"}}) {{\n{body}\n'
            f'  graph.return %y : !graph.tensor<{result}>\n}}\n').encode()


def test_run_by_mapping_place_and_keyword(dense):
    for outputs in (dense.run({"x": ONES}), dense(ONES), dense(x=ONES)):
        assert list(outputs) == ["y"]
        np.testing.assert_array_equal(outputs["y"], EXPECTED)
        assert outputs["y"].dtype == np.float32 and outputs["y"].flags.writeable


def test_signature(dense):
    assert repr(dense).startswith("<tessera.Module (x: f32[B, 4]) -> (y: f32[B, 3]), x86-64-v")
    (x,) = dense.inputs
    assert (x.name, x.type, x.shape, repr(x)) == ("x", "f32", ("B", 4), "x: f32[B, 4]")
    assert dense.functions == ["main"] and dense.variables == []


def test_bytes_dims_and_targets():
    module = tessera.compile(DENSE.read_bytes(), dims={"B": 3}, target=["x86-64-v2"])
    assert module.outputs[0].shape == (3, 3) and "x86-64-v2" in repr(module)
    np.testing.assert_allclose(module(np.ones((3, 4), np.float32))["y"][0], EXPECTED[0], rtol=1e-6)


def test_save_and_load(dense, tmp_path):
    path = tmp_path / "dense.tsm"
    dense.save(path)
    for module in (tessera.load(path), tessera.load(str(path)), tessera.load(path.read_bytes())):
        np.testing.assert_array_equal(module(ONES)["y"], EXPECTED)
    tessera.load(path).save(tmp_path / "copy.tsm")
    assert path.read_bytes() == (tmp_path / "copy.tsm").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy.tsm", "dense.tsm"]


def test_inputs_need_not_be_contiguous(dense):
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    for view in (x[::2, 1:5], x[:2, :4][::-1], np.asfortranarray(x[:2, :4])):
        np.testing.assert_array_equal(dense(view)["y"], dense(np.ascontiguousarray(view))["y"])
    x.flags.writeable = False
    dense(x[:, :4])


def test_outputs_in_given_memory(dense):
    y = np.full((2, 3), 7, np.float32)
    outputs = dense.run({"x": ONES}, outputs={"y": y})
    assert outputs["y"] is y
    np.testing.assert_array_equal(y, EXPECTED)
    wrong = np.zeros((3, 3), np.float32)
    with pytest.raises(tessera.Error, match="output 'y'") as caught:
        dense.run({"x": ONES}, outputs={"y": wrong})
    assert caught.value.code == "WRONG_SHAPE"
    np.testing.assert_array_equal(dense(ONES)["y"], EXPECTED)


def test_results_outlive_everything():
    module = tessera.compile(DENSE)
    first, second = module(ONES)["y"], module(ONES * 2)["y"]
    del module
    gc.collect()
    np.testing.assert_array_equal(first, EXPECTED)
    assert second[0, 0] != first[0, 0]


def test_empty_extents():
    body = "  %y = graph.relu %x : !graph.tensor<[N, 2], f32>"
    model = text_model({"x": "[N, 2], f32"}, "[N, 2], f32", body)
    assert tessera.compile(model)(np.zeros((0, 2), np.float32))["y"].shape == (0, 2)


class Dlpack:
    """Memory that can do nothing but DLPack, as a tensor of another library."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_dlpack_in_and_out(dense):
    y = dense(x=Dlpack(ONES.copy()))["y"]
    np.testing.assert_array_equal(y, EXPECTED)
    back = np.from_dlpack(y)
    assert back.ctypes.data == y.ctypes.data
    again = dense(x=Dlpack(np.pad(np.from_dlpack(y), ((0, 0), (0, 1)))))["y"]
    assert again.shape == (2, 3)


def test_contiguous_inputs_are_not_copied():
    """The context would hold a copy: its memory does not grow with the input."""
    body = '  %y = graph.reduce sum %x, axes = [0] : !graph.tensor<[N], f32> -> !graph.tensor<[], f32>'
    module = tessera.compile(text_model({"x": "[N], f32"}, "[], f32", body))
    context = module.context(threads=1)
    x = np.ones(1 << 20, np.float32)
    assert context(x)["y"] == x.size
    assert context.memory < x.nbytes / 2
    context(x[::-1])
    assert context.memory >= x.nbytes


@pytest.mark.parametrize("type, dtype", [("f64", "f8"), ("f16", "f2"), ("si8", "i1"), ("si16", "i2"), ("si32", "i4"),
                                         ("si64", "i8"), ("ui8", "u1"), ("ui16", "u2"), ("ui32", "u4"), ("ui64", "u8")])
def test_element_types(type, dtype):
    body = f"  %y = graph.add %x, %x : !graph.tensor<[N], {type}>"
    module = tessera.compile(text_model({"x": f"[N], {type}"}, f"[N], {type}", body))
    x = np.arange(5).astype(dtype)
    y = module(x)["y"]
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, x + x)
    other = np.float32 if dtype != "f4" else np.float64
    with pytest.raises(tessera.Error, match=r"input 'x': expected .*\[N\], got f32\[5\]; types are never converted"):
        module(x.astype(other))


def test_bf16_travels_as_its_bits():
    body = "  %y = graph.add %x, %x : !graph.tensor<[N], bf16>"
    module = tessera.compile(text_model({"x": "[N], bf16"}, "[N], bf16", body))
    x = np.array([1.0, -2.5, 0.375], np.float32)
    y = module((x.view(np.uint32) >> 16).astype(np.uint16))["y"]
    assert y.dtype == np.uint16
    np.testing.assert_array_equal((y.astype(np.uint32) << 16).view(np.float32), 2 * x)


def test_numpy_scalars_have_no_dimension():
    body = "  %y = graph.add %x, %x : !graph.tensor<[], f32>"
    module = tessera.compile(text_model({"x": "[], f32"}, "[], f32", body))
    assert module(np.float32(3))["y"] == 6


@pytest.mark.parametrize("inputs, code, message", [
    ({}, "WRONG_COUNT", "input 'x' is missing: expected f32[B, 4]"),
    ({"X": ONES}, "UNKNOWN_NAME", "the model has no input 'X'; known are x"),
    ({"x": [[1.0] * 4]}, "WRONG_TYPE", "got list"),
    ({"x": ONES.astype(">f4")}, "WRONG_TYPE", "in the machine's byte order"),
    ({"x": ONES.astype(complex)}, "WRONG_TYPE", "elements of a type that Tessera does not have"),
    ({"x": ONES.astype(np.float64)}, "WRONG_TYPE", "expected f32[B, 4], got f64[2, 4]; types are never converted"),
    ({"x": ONES[0]}, "WRONG_RANK", "expected f32[B, 4], got f32[4]"),
    ({"x": np.ones((2, 5), np.float32)}, "WRONG_SHAPE", "input 'x' has extent 5 in dimension 1, expected 4"),
    ({"x": np.ones((70, 4), np.float32)}, "WRONG_SHAPE", "'B' must be from 1 to 64"),
    (3, "INVALID_ARGUMENT", "expected a mapping from names to arrays"),
])
def test_wrong_inputs(dense, inputs, code, message):
    with pytest.raises(tessera.Error) as caught:
        dense.run(inputs)
    assert caught.value.code == code and message in str(caught.value)
    np.testing.assert_array_equal(dense(ONES)["y"], EXPECTED)  # The module is as good as before.


def test_wrong_models(tmp_path):
    for source, options, code, message in [
            ("/no/such/model.onnx", {}, "FILE_ERROR", "cannot read '/no/such/model.onnx'"),
            (b"\0\0", {}, "NOT_A_MODEL", "'model' is no model that Tessera reads"),
            (b"graph.func @main(", {}, "INVALID_MODEL", "model:1:"),
            (DENSE, {"target": "z80"}, "INVALID_OPTION", "unknown target 'z80'"),
            (DENSE, {"dims": {"B": 1000}}, "INVALID_OPTION", "outside the range"),
            (DENSE, {"dims": {"Q": 1}}, "INVALID_OPTION", "no symbol of this name")]:
        with pytest.raises(tessera.Error) as caught:
            tessera.compile(source, **options)
        assert caught.value.code == code and message in str(caught.value), (caught.value.code, str(caught.value))
    with pytest.raises(tessera.Error) as caught:
        tessera.load(DENSE)
    assert caught.value.code == "NOT_A_MODULE"
    with pytest.raises(TypeError):
        tessera.compile(3)


def test_check():
    assert tessera.check(DENSE) == []


def test_progress(dense):
    seen = []
    tessera.compile(DENSE, progress=lambda stage, fraction: seen.append((stage, fraction)))
    fractions = [fraction for _, fraction in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1 and any("kernels" in stage for stage, _ in seen)


STATE = b"""
graph.variable @total : !graph.tensor<[3], f32> = dense<1.0> : !graph.tensor<[3], f32>
graph.func @main(%x: !graph.tensor<[3], f32> {graph.name = "x"}) -> (!graph.tensor<[3], f32> {graph.name = "y"}) {
  %old = graph.read_variable @total : !graph.tensor<[3], f32>
  %y = graph.add %old, %x : !graph.tensor<[3], f32>
  graph.write_variable @total, %y : !graph.tensor<[3], f32>
  graph.return %y : !graph.tensor<[3], f32>
}
"""


def test_state_is_read_written_and_reset():
    module = tessera.compile(STATE)
    x = np.array([1, 2, 3], np.float32)
    assert repr(module.variables) == "[total: f32[3]]" and "state (total: f32[3])" in repr(module)
    for runner in (module, module.context(threads=1)):  # A context has a state of its own.
        np.testing.assert_array_equal(runner(x)["y"], 1 + x)
        np.testing.assert_array_equal(runner(x)["y"], 1 + 2 * x)
        np.testing.assert_array_equal(runner.read("total"), 1 + 2 * x)
        runner.write("total", x)
        np.testing.assert_array_equal(runner(x)["y"], 2 * x)
        runner.reset()
        np.testing.assert_array_equal(runner.read("total"), np.ones(3, np.float32))
        for name, value, code in (("tota", x, "UNKNOWN_NAME"), ("total", x[:2], "WRONG_SHAPE"),
                                  ("total", x.astype(np.float64), "WRONG_TYPE")):
            with pytest.raises(tessera.Error) as caught:
                runner.write(name, value)
            assert caught.value.code == code
    with pytest.raises(tessera.Error, match="did you mean 'total'"):
        module.read("totla")


def test_two_threads_at_once(dense):
    """Right results in all of them, and contexts of their own."""
    x = [np.full((8, 4), i, np.float32) for i in range(4)]
    expected = [dense(a)["y"] for a in x]
    wrong = []

    def work(i):
        for _ in range(200):
            if not np.array_equal(dense(x[i])["y"], expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# Four products of large matrices: a second or so.
LONG = text_model({"x": "[N, 512], f32", "w": "[512, 512], f32"}, "[N, 512], f32", "\n".join(
    f'  %{result} = graph.contract "mk,kn->mn" %{x}, %w : (!graph.tensor<[N, 512], f32>, '
    "!graph.tensor<[512, 512], f32>) -> !graph.tensor<[N, 512], f32>"
    for x, result in (("x", "a"), ("a", "b"), ("b", "c"), ("c", "y"))))


def test_the_interpreter_runs_meanwhile():
    """Python code of another thread goes on while a model runs; it can cancel the run."""
    module = tessera.compile(LONG)
    context = module.context(threads=1)
    inputs = {"w": np.zeros((512, 512), np.float32), "x": np.zeros((60000, 512), np.float32)}
    caught = []

    def work():
        try:
            context.run(inputs)
        except tessera.Error as error:
            caught.append(error.code)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.05)
    ticks = 0
    with pytest.raises(tessera.Error) as busy:
        while thread.is_alive():
            ticks += 1
            context.run(inputs)
    assert busy.value.code == "BUSY"
    context.cancel()
    thread.join(timeout=60)
    assert caught == ["CANCELLED"]
    with pytest.raises(tessera.Error) as late:
        context.run(inputs, timeout=0.001)
    assert late.value.code == "DEADLINE_EXCEEDED"


def test_stub_is_complete():
    from conftest import BUILD

    stub = (BUILD / "python" / "tessera" / "_tessera.pyi").read_text()
    for name in set(tessera.__all__) - {"__version__"}:
        assert name in stub, name
    compile(stub, "stub", "exec")
