# Shapes that the model computes from its data, against onnxruntime: one compilation, sizes that vary, results of size 0.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent / "Inputs"))
import numpy as np  # noqa: E402
import tessera.onnxruntime  # noqa: E402
from compare import Compiled, build  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

F, I = np.float32, np.int64
rng = np.random.default_rng(0)


def ints(*values):
    return np.array(values, I)


def shapes(folder):
    m = Compiled(folder, "reshape", build([helper.make_node("Reshape", ["x", "s"], ["y"])],
                                          [("x", F, ["A", "B"]), ("s", I, [3])], [("y", F, None)]))
    x = rng.standard_normal((4, 6)).astype(F)
    for shape in (ints(2, 3, 4), ints(-1, 2, 2), ints(0, 3, -1), ints(24, 1, 1)):
        m.check(x=x, s=shape)
    m = Compiled(folder, "expand", build([helper.make_node("Expand", ["x", "s"], ["y"])],
                                         [("x", F, ["A", 1]), ("s", I, [3])], [("y", F, None)]))
    for shape in (ints(2, 4, 5), ints(1, 1, 3), ints(2, 4, 0)):
        m.check(x=x[:, :1], s=shape)
    m = Compiled(folder, "constant", build([helper.make_node("ConstantOfShape", ["s"], ["y"])], [("s", I, [2])],
                                           [("y", F, None)]))
    for shape in (ints(2, 3), ints(0, 4)):
        m.check(s=shape)
    m = Compiled(folder, "tile", build([helper.make_node("Tile", ["x", "r"], ["y"])], [("x", F, ["A", "B"]), ("r", I, [2])],
                                       [("y", F, None)]))
    for repeats in (ints(2, 3), ints(1, 1), ints(0, 2)):
        m.check(x=x, r=repeats)


def squeezed(folder):
    """Which axes are left out depends on the sizes; maps of such results, too."""
    n = helper.make_node
    m = Compiled(folder, "squeezed", build([n("Squeeze", ["x"], ["s"]), n("Sigmoid", ["s"], ["p"]), n("Mul", ["p", "four"], ["m"]),
                                            n("Add", ["m", "one"], ["y"]), n("Add", ["s", "s"], ["z"]), n("Squeeze", ["x", "last"], ["all"])],
                                           [("x", F, ["N", "K", 1])], [("y", F, None), ("z", F, None), ("all", F, None), ("s", F, None)],
                                           [("four", F(4)), ("one", F(1)), ("last", ints(2))]))
    for shape in ((1, 4, 1), (2, 4, 1), (3, 1, 1), (1, 1, 1), (0, 1, 1)):
        x = rng.standard_normal(shape).astype(F)
        m.check(x=x)
        results = tessera.onnxruntime.InferenceSession(f"{folder}/squeezed.onnx").run(None, {"x": x})
        assert [r.shape for r in results] == [r.shape for r in m.session.run(None, {"x": x})], shape
        reference = subprocess.run(["tessera-run", "--reference", f"{folder}/squeezed.onnx", "-i", f"x=@{folder}/x.in.npy",
                                    "-o", f"y=@{folder}/squeezed.y.npy"], capture_output=True, text=True, check=True)
        assert np.load(f"{folder}/squeezed.y.npy").shape == results[0].shape, reference.stdout


def squeezed_and_read(folder):
    """What goes along other axes gives the same numbers; what goes along an axis that may be dropped runs where it is not."""
    n = helper.make_node
    after = {"softmax": ([n("Softmax", ["s"], ["y"], axis=-1)], True), "last": ([n("Slice", ["s", "one", "three", "minus"], ["y"])], True),
             "sum": ([n("ReduceMax", ["s"], ["t"], axes=[-1], keepdims=1), n("Sub", ["s", "t"], ["y"])], None),
             "cut": ([n("Slice", ["s", "zero", "one", "zero"], ["y"])], False), "joined": ([n("Concat", ["s", "s"], ["y"], axis=0)], False),
             "running": ([n("Sigmoid", ["s"], ["t"]), n("CumSum", ["t", "zero0"], ["y"])], False), "first": ([n("Gather", ["s", "zero0"], ["y"], axis=0)], False),
             "most": ([n("ReduceMax", ["s"], ["y"], axes=[0], keepdims=0)], False), "padded": ([n("Softmax", ["s"], ["t"], axis=-1), n("Slice", ["t", "zero", "two", "zero"], ["y"])], False)}
    for name, (nodes, alike) in after.items():
        model = build([n("Squeeze", ["x"], ["s"]), *nodes], [("x", F, ["N", 1, 4])], [("y", F, None)],
                      [("zero", ints(0)), ("one", ints(1)), ("two", ints(2)), ("three", ints(3)), ("minus", ints(-1)), ("zero0", I(0))], opset=17)
        m = Compiled(folder, f"squeezed_{name}", model)
        for rows in (2, 5):
            m.check(x=rng.standard_normal((rows, 1, 4)).astype(F))
        one = {"x": rng.standard_normal((1, 1, 4)).astype(F)}
        if alike:
            m.check(**one)
        elif alike is None:  # The numbers; a rank of them is not known.
            assert np.allclose(m.run(one)["y"].ravel(), m.session.run(None, one)[0].ravel())
        else:
            failed = subprocess.run(["tessera-run", m.module, "--input", "x=1x1x4xf32"], capture_output=True, text=True)
            assert failed.returncode == 1 and "node 'Squeeze:s' (Squeeze): whether axis 0 is longer than 1" in failed.stderr, failed
            assert "compile with --dim N=1" in failed.stderr, failed.stderr
            subprocess.run(["tessera-compile", f"{folder}/squeezed_{name}.onnx", "--dim", "N=1", "-o", m.module], check=True, stderr=subprocess.DEVNULL)
            m.check(**one)


def exported_lists(folder):
    """Lists of extents as exporters put them together: PyTorch turns those of a Pad around, TensorFlow casts them; a 1 among data is a 1."""
    n = helper.make_node
    turned = [n("ConstantOfShape", ["four"], ["zeros"], value=helper.make_tensor("v", TensorProto.INT64, [1], [0])),
              n("Concat", ["pads", "zeros"], ["eight"], axis=0), n("Reshape", ["eight", "pairs"], ["table"]),
              n("Slice", ["table", "last", "first", "zero", "last"], ["back"]), n("Transpose", ["back"], ["rows"], perm=[1, 0]),
              n("Reshape", ["rows", "last"], ["list"]), n("Cast", ["list"], ["list64"], to=TensorProto.INT64),
              n("Pad", ["x", "list64"], ["y"], mode="reflect")]
    m = Compiled(folder, "turned", build(turned, [("x", F, [1, 1, "A", "B"])], [("y", F, None)],
                                         [("four", ints(4)), ("pads", ints(2, 1, 0, 3)), ("pairs", ints(-1, 2)), ("last", ints(-1)),
                                          ("first", ints(-(1 << 63) + 1)), ("zero", ints(0))]))
    m.check(x=rng.standard_normal((1, 1, 5, 4)).astype(F))
    frames = [n("Div", ["length", "hop"], ["count"]), n("Reshape", ["count", "one"], ["count1"]), n("Concat", ["count1", "one32"], ["list"], axis=0),
              n("Cast", ["list"], ["list64"], to=TensorProto.INT64), n("Range", ["start", "count", "step"], ["r"]),
              n("Reshape", ["r", "list64"], ["column"]), n("Add", ["column", "row"], ["y"])]
    m = Compiled(folder, "frames", build(frames, [("length", np.int32, [])], [("y", np.int32, None)],
                                         [("hop", np.int32(3)), ("one", ints(1)), ("one32", np.array([1], np.int32)), ("start", np.int32(0)),
                                          ("step", np.int32(1)), ("row", np.array([[10, 20, 30, 40, 50]], np.int32))]))
    for length in (15, 3, 0):
        m.check(length=np.array(length, np.int32))


def float_extents(folder):
    """Extents computed in f32, as detectors pad pictures to multiples of 32 and halve them, depend on no data."""
    n = helper.make_node
    nodes = [n("Shape", ["x"], ["s"])]
    for axis, name in ((0, "c"), (1, "h"), (2, "w")):
        nodes += [n("Gather", ["s", f"at{axis}"], [name], axis=0), n("Unsqueeze", [name, "zero"], [f"{name}1"]), n("Cast", [f"{name}1"], [f"{name}f"], to=TensorProto.FLOAT),
                  n("ReduceMax", [f"{name}f"], [f"{name}most"], keepdims=0), n("Div", [f"{name}most", "four"], [f"{name}q"]), n("Ceil", [f"{name}q"], [f"{name}up"]),
                  n("Mul", [f"{name}up", "four"], [f"{name}4"]), n("Cast", [f"{name}4" if axis else f"{name}most"], [f"{name}all"], to=TensorProto.INT64),
                  n("Sub", [f"{name}all", name], [f"{name}pad"]), n("Unsqueeze", [f"{name}pad", "zero"], [f"{name}pad1"])]
    nodes += [n("Concat", ["zeros", "cpad1", "hpad1", "wpad1"], ["pads"], axis=0), n("Pad", ["x", "pads"], ["padded"]), n("Unsqueeze", ["padded", "zero"], ["one"]),
              n("Conv", ["one", "weight"], ["y"]), n("Mul", ["hf", "half"], ["hhalf"]), n("Mul", ["half", "wf"], ["whalf"]), n("Floor", ["hhalf"], ["hdown"]),
              n("Cast", ["hdown"], ["hint"], to=TensorProto.INT64), n("Cast", ["whalf"], ["wint"], to=TensorProto.INT64),
              n("Concat", ["hint", "wint"], ["sizes"], axis=0), n("Expand", ["one1", "sizes"], ["z"])]
    model = build(nodes, [("x", F, [3, "H", "W"])], [("y", F, None), ("z", F, None)],
                  [("zero", ints(0)), ("zeros", ints(0, 0, 0)), ("four", F(4)), ("half", F(0.5)), ("one1", np.ones((1, 1), F)), *((f"at{i}", I(i)) for i in range(3)),
                   ("weight", rng.standard_normal((2, 3, 1, 1)).astype(F))])
    m = Compiled(folder, "float_extents", model)
    for shape in ((3, 5, 8), (3, 4, 1), (3, 7, 11)):
        m.check(x=rng.standard_normal(shape).astype(F))
    graph = subprocess.run(["tessera-compile", f"{folder}/float_extents.onnx", "--emit", "graph"], capture_output=True, text=True, check=True).stdout
    assert "bind_dim" not in graph and "floordiv(H, 2)" in graph, graph


def last_elements(folder):
    """What is taken from the end of an axis is one element, which broadcasts (places of pictures divided by the last one)."""
    n = helper.make_node
    nodes = [n("CumSum", ["x", "axis"], ["sums"]), n("Slice", ["sums", "last", "end", "ones"], ["total"]), n("Div", ["sums", "total"], ["y"]),
             n("Slice", ["x", "zeros", "ones", "ones"], ["first"]), n("Sub", ["first", "x"], ["z"])]
    m = Compiled(folder, "last_elements", build(nodes, [("x", F, ["A", "B"])], [("y", F, None), ("z", F, None)],
                                                [("axis", I(1)), ("last", ints(-1)), ("end", ints(1 << 62)), ("ones", ints(1)), ("zeros", ints(0))]))
    for shape in ((3, 5), (2, 1), (1, 4)):
        m.check(x=rng.random(shape).astype(F) + 1)


def ranges(folder):
    for kind, cases in ((I, ((0, 5, 1), (10, 0, -3), (3, 3, 1), (0, -4, 1))),
                        (F, ((0, 1, 0.3), (2, -1, -0.5), (1, 0, 1)))):
        m = Compiled(folder, f"range_{np.dtype(kind).name}",
                     build([helper.make_node("Range", ["a", "b", "c"], ["y"])],
                           [("a", kind, []), ("b", kind, []), ("c", kind, [])], [("y", kind, None)]))
        for a, b, c in cases:
            m.check(a=np.array(a, kind), b=np.array(b, kind), c=np.array(c, kind))


def slices(folder):
    x = rng.standard_normal((7, 5)).astype(F)
    for step, cases in ((1, ((0, 3), (-4, 100), (5, 2), (-100, -1))), (3, ((1, 7), (-3, 100))), (-2, ((6, 0), (-1, -100), (2, 4)))):
        m = Compiled(folder, f"slice_{step}",
                     build([helper.make_node("Slice", ["x", "a", "b", "axes", "steps"], ["y"])],
                           [("x", F, ["A", "B"]), ("a", I, [1]), ("b", I, [1])], [("y", F, None)],
                           [("axes", ints(0)), ("steps", ints(step))]))
        for a, b in cases:
            m.check(x=x, a=ints(a), b=ints(b))
            m.check(x=x[:3], a=ints(a), b=ints(b))


def bags(folder):
    """x[offsets[i]:offsets[i + 1]] where i is data, as PyTorch exports bags of embeddings: each list is a slice of one element at most."""
    n = helper.make_node
    nodes = [n("Add", ["i", "one"], ["j"]), n("Add", ["j", "one"], ["k"]), n("Slice", ["offsets", "i", "j"], ["start"]),
             n("Slice", ["offsets", "j", "k"], ["end"]), n("Slice", ["x", "start", "end"], ["rows"]), n("ReduceSum", ["rows", "zero"], ["y"], keepdims=0),
             n("Slice", ["x", "start", "end", "one"], ["columns"])]
    m = Compiled(folder, "bags", build(nodes, [("x", F, ["N", 5]), ("offsets", I, ["B"]), ("i", I, [1])],
                                       [("y", F, None), ("rows", F, None), ("columns", F, None)], [("one", ints(1)), ("zero", ints(0))]))
    x = rng.standard_normal((9, 5)).astype(F)
    for i in range(4):
        m.check(x=x, offsets=ints(0, 2, 2, 5, 9), i=ints(i))
    for name, array in (("x", x), ("offsets", ints(0, 2)), ("i", ints(1))):
        np.save(f"{folder}/bags.{name}.npy", array)
    failed = subprocess.run(["tessera-run", m.module, *(part for name in ("x", "offsets", "i") for part in ("--input", f"{name}=@{folder}/bags.{name}.npy"))],
                            capture_output=True, text=True)
    assert failed.returncode == 1 and "elements, which these input extents do not give" in failed.stderr, failed.stderr
    # What is open in one list is known of another.
    m = Compiled(folder, "bags_axes", build([n("NonZero", ["m"], ["p"]), n("Reshape", ["p", "minus"], ["start"]), n("Slice", ["x", "start", "ends", "axes"], ["y"])],
                                            [("x", F, ["N", 5]), ("m", F, ["L"])], [("y", F, None)], [("minus", ints(-1)), ("ends", ints(8, 4)), ("axes", ints(0, 1))]))
    for mask in ([0, 1, 1], [1, 0, 0, 1], [0, 0, 1, 1]):
        m.check(x=x, m=np.array(mask, F))


def branches(folder):
    """The branches differ in shape; both depend on the inputs' extents."""
    def branch(name, nodes):
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, None)])

    first = branch("t", [helper.make_node("Concat", ["x", "x"], ["t_y"], axis=0)])
    second = branch("e", [helper.make_node("Neg", ["x"], ["e_y"])])
    model = build([helper.make_node("If", ["c"], ["y"], then_branch=first, else_branch=second)],
                  [("c", np.bool_, []), ("x", F, ["A", 3])], [("y", F, None)])
    m = Compiled(folder, "if", model)
    x = rng.standard_normal((4, 3)).astype(F)
    for condition in (True, False):
        m.check(c=np.array(condition), x=x)
        m.check(c=np.array(condition), x=x[:1])


def branches_by_extents(folder):
    """A rank that an extent decides, as torch exports x.squeeze(1); an extent that a branch within a branch decides."""
    def branch(name, nodes):
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, None)])

    def extent(axis, name):
        return [helper.make_node("Shape", ["x"], [f"{name}_shape"]),
                helper.make_node("Gather", [f"{name}_shape", axis], [f"{name}_extent"])]

    constants = [("0", np.array(0, I)), ("1", np.array(1, I)), ("3", np.array(3, I)), ("axis", ints(1)),
                 ("bias", rng.standard_normal((5, 3)).astype(F))]
    squeeze = helper.make_node("If", ["is_one"], ["s"],
                               then_branch=branch("t", [helper.make_node("Squeeze", ["x", "axis"], ["t_y"])]),
                               else_branch=branch("e", [helper.make_node("Identity", ["x"], ["e_y"])]))
    nodes = extent("1", "one") + [helper.make_node("Equal", ["one_extent", "1"], ["is_one"]), squeeze,
                                  helper.make_node("MatMul", ["s", "bias"], ["y"])]
    m = Compiled(folder, "squeeze", build(nodes, [("x", F, ["A", "B", 5])], [("y", F, None)], constants))
    for rows in (1, 4):
        m.check(x=rng.standard_normal((rows, 1, 5)).astype(F))
    try:
        m.run({"x": np.ones((2, 3, 5), F)})
        raise AssertionError("an extent of 3 was squeezed")
    except subprocess.CalledProcessError:
        pass

    inner = extent("0", "few") + [
        helper.make_node("Less", ["few_extent", "3"], ["is_few"]),
        helper.make_node("If", ["is_few"], ["t_y"],
                         then_branch=branch("tt", [helper.make_node("Concat", ["x", "x"], ["tt_y"], axis=0)]),
                         else_branch=branch("te", [helper.make_node("Neg", ["x"], ["te_y"])]))]
    outer = helper.make_node("If", ["c"], ["y"], then_branch=branch("t", inner),
                             else_branch=branch("e", [helper.make_node("Abs", ["x"], ["e_y"])]))
    m = Compiled(folder, "if_if", build([outer], [("c", np.bool_, []), ("x", F, ["A", 3])], [("y", F, None)], constants))
    for condition in (True, False):
        for rows in (2, 4):
            m.check(c=np.array(condition), x=rng.standard_normal((rows, 3)).astype(F))


def open_products(folder):
    """Inner extents that only the weight tells."""
    x, weight = rng.standard_normal((4, 6)).astype(F), rng.standard_normal((6, 5)).astype(F)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Gemm", ["x", "v"], ["z"], transB=1)]
    m = Compiled(folder, "products", build(nodes, [("x", F, ["A", "B"])], [("y", F, None), ("z", F, None)],
                                           [("w", weight), ("v", np.ascontiguousarray(weight.T))]))
    m.check(x=x)
    m.check(x=x[:1])


def loops(folder):
    """Trip counts from data, an early end, carried values and scan outputs."""
    def body(goes_on):
        info = helper.make_tensor_value_info
        nodes = [helper.make_node("Add", ["v", "x"], ["next"]), helper.make_node("Identity", ["next"], ["scan"])] + goes_on
        return helper.make_graph(nodes, "body", [info("i", TensorProto.INT64, []), info("c", TensorProto.BOOL, []),
                                                 info("v", TensorProto.FLOAT, ["N"])],
                                 [info("more", TensorProto.BOOL, []), info("next", TensorProto.FLOAT, ["N"]),
                                  info("scan", TensorProto.FLOAT, ["N"])])

    always = [helper.make_node("Identity", ["c"], ["more"])]
    early = [helper.make_node("ReduceSum", ["next"], ["total"], keepdims=0),
             helper.make_node("Less", ["total", "limit"], ["more"])]
    x = np.array([1, 2, 3], F)
    for name, goes_on in (("loop", always), ("loop_early", early)):
        model = build([helper.make_node("Loop", ["m", "", "x"], ["last", "all"], body=body(goes_on))],
                      [("m", I, []), ("x", F, ["N"])], [("last", F, None), ("all", F, None)],
                      [("limit", np.array(20, F))])
        m = Compiled(folder, name, model)
        for trips in (1, 5):
            m.check(m=np.array(trips, I), x=x)
        # Without iterations onnxruntime gives no slice's extents; a scan output has them.
        nothing = m.run({"m": np.array(0, I), "x": x})
        assert np.array_equal(nothing["last"], x) and nothing["all"].shape == (0, 3)
    while_only = helper.make_graph(
        [helper.make_node("Add", ["v", "v"], ["next"]), helper.make_node("ReduceMax", ["next"], ["top"], keepdims=0),
         helper.make_node("Less", ["top", "limit"], ["more"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("c", TensorProto.BOOL, []),
         helper.make_tensor_value_info("v", TensorProto.FLOAT, ["N"])],
        [helper.make_tensor_value_info("more", TensorProto.BOOL, []), helper.make_tensor_value_info("next", TensorProto.FLOAT, ["N"])])
    model = build([helper.make_node("Loop", ["", "c0", "x"], ["y"], body=while_only)], [("c0", np.bool_, []), ("x", F, ["N"])],
                  [("y", F, None)], [("limit", np.array(20, F))])
    m = Compiled(folder, "while", model)
    m.check(c0=np.array(True), x=x)
    m.check(c0=np.array(False), x=x)


if __name__ == "__main__":
    for test in (shapes, squeezed, squeezed_and_read, exported_lists, float_extents, last_elements, ranges, slices, bags, branches, branches_by_extents, open_products, loops):
        test(sys.argv[1])
    print("passed")
