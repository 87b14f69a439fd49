# CumSum, TopK, OneHot, Trilu, Einsum, Scan and the operators that gather and scatter by place, against onnxruntime.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from one_node import check

folder = Path(sys.argv[1])
rng = np.random.default_rng(11)


def f32(*shape):
    return rng.uniform(-1, 1, shape).astype(np.float32)


def i64(low, high, *shape):
    return rng.integers(low, high, shape).astype(np.int64)


def cum_sum():
    good = True
    for axis, shape in [(0, (7,)), (1, (3, 5, 4)), (-1, (2, 9)), (0, (5, 17))]:
        for exclusive in (0, 1):
            for reverse in (0, 1):
                good &= check(f"CumSum {axis} {shape} {exclusive}{reverse}", folder, "CumSum",
                              {"x": f32(*shape), "axis": np.array(axis, np.int32)}, ["y"], constants=["axis"],
                              attributes={"exclusive": exclusive, "reverse": reverse}, dynamic=[("x", 0)])
    for dtype in (np.float64, np.int32, np.int64):
        good &= check(f"CumSum {dtype.__name__}", folder, "CumSum",
                      {"x": (f32(4, 6) * 100).astype(dtype), "axis": np.array(1, np.int64)}, ["y"],
                      constants=["axis"])
    return good


def top_k():
    x = f32(3, 37)
    x[0, 5] = x[0, 9] = x[0, 1]
    good = True
    for largest in (0, 1):
        good &= check(f"TopK largest={largest}", folder, "TopK", {"x": x, "k": np.array([5], np.int64)}, ["v", "i"],
                      constants=["k"], attributes={"largest": largest}, dynamic=[("x", 1)])
    good &= check("TopK all, first axis", folder, "TopK", {"x": f32(6, 3), "k": np.array([6], np.int64)}, ["v", "i"],
                  constants=["k"], attributes={"axis": 0})
    good &= check("TopK integers", folder, "TopK", {"x": i64(-3, 3, 2, 20), "k": np.array([7], np.int64)}, ["v", "i"],
                  constants=["k"])
    return good


def places():
    good = True
    x = f32(4, 5, 3)
    for axis, high in [(0, 4), (1, 5), (2, 3)]:
        index = i64(-high, high, 3, 4, 2)
        good &= check(f"GatherElements {axis}", folder, "GatherElements", {"x": x, "i": index}, ["y"],
                      attributes={"axis": axis}, dynamic=[("x", axis)])
        for reduction in ("none", "add", "mul", "max", "min"):
            # Duplicates make "none" depend on the order, which onnxruntime keeps too.
            good &= check(f"ScatterElements {axis} {reduction}", folder, "ScatterElements",
                          {"x": x, "i": index, "u": f32(3, 4, 2)}, ["y"],
                          attributes={"axis": axis, "reduction": reduction})
    good &= check("GatherND pairs", folder, "GatherND", {"x": x, "i": i64(-4, 4, 6, 2, 2)}, ["y"])
    good &= check("GatherND batched", folder, "GatherND", {"x": x, "i": i64(0, 5, 4, 7, 1)}, ["y"],
                  attributes={"batch_dims": 1})
    good &= check("GatherND elements", folder, "GatherND", {"x": x, "i": i64(0, 3, 5, 3)}, ["y"], dynamic=[("i", 0)])
    for reduction in ("none", "add", "mul", "max", "min"):
        good &= check(f"ScatterND rows {reduction}", folder, "ScatterND",
                      {"x": x, "i": i64(-4, 4, 6, 1), "u": f32(6, 5, 3)}, ["y"], attributes={"reduction": reduction})
    good &= check("ScatterND elements", folder, "ScatterND", {"x": i64(0, 9, 4, 5), "i": i64(0, 4, 3, 2),
                                                              "u": i64(0, 9, 3)}, ["y"])
    return good


def patterns():
    good = check("OneHot", folder, "OneHot", {"i": i64(-5, 7, 3, 4), "d": np.array(5, np.int64), "v": f32(2)}, ["y"],
                 constants=["d"])
    good &= check("OneHot first axis", folder, "OneHot",
                  {"i": i64(0, 4, 3), "d": np.array([4], np.int64), "v": np.array([2, 7], np.int64)}, ["y"],
                  constants=["d"], attributes={"axis": 0})
    for upper in (0, 1):
        for k in (-2, 0, 1):
            good &= check(f"Trilu {upper} {k}", folder, "Trilu", {"x": f32(2, 5, 6), "k": np.array(k, np.int64)},
                          ["y"], constants=["k"], attributes={"upper": upper})
    return good


def einsum():
    good = True
    for equation, shapes in [("ij,jk->ik", [(3, 4), (4, 5)]), ("bij,bkj->bki", [(2, 3, 4), (2, 5, 4)]),
                             ("ij->ji", [(3, 4)]), ("ij->i", [(3, 4)]), ("i,j", [(3,), (4,)]), ("ij,ij->", [(3, 4)] * 2),
                             ("...ij,...jk->...ik", [(2, 3, 4), (2, 4, 5)]), ("ab,bc,cd->ad", [(2, 3), (3, 4), (4, 5)]),
                             ("bhwc,hkc->bhwk", [(2, 3, 4, 5), (3, 6, 5)])]:
        inputs = {f"x{i}": f32(*shape) for i, shape in enumerate(shapes)}
        good &= check(f"Einsum {equation}", folder, "Einsum", inputs, ["y"], attributes={"equation": equation})
    return good


def scan():
    """A running weighted sum and its square, from the right, outputs in another axis."""
    def info(name, *dims):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
    body = helper.make_graph(
        [helper.make_node("Mul", ["s", "half"], ["d"]), helper.make_node("Add", ["d", "e"], ["n"]),
         helper.make_node("Mul", ["n", "n"], ["q"])], "body", [info("s", 3), info("e", 3)],
        [info("n", 3), info("q", 3)], [helper.make_tensor("half", TensorProto.FLOAT, [], [0.5])])
    return check("Scan", folder, "Scan", {"s0": f32(3), "x": f32(3, 6)}, ["last", "all"],
                 attributes={"body": body, "num_scan_inputs": 1, "scan_input_axes": [1],
                             "scan_input_directions": [1], "scan_output_axes": [1], "scan_output_directions": [1]})


good = all([cum_sum(), top_k(), places(), patterns(), einsum(), scan()])
print("passed" if good else "failed")
