# Results that hold what a condition selects: NonZero, Compress and NonMaxSuppression against onnxruntime, one module for
# all extents, with nothing and everything selected.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import sys

import numpy as np
from compare import Compiled, build
from onnx import helper

rng = np.random.default_rng(5)
folder = sys.argv[1]


def non_zero():
    for kind, rank in ((np.float32, 3), (np.bool_, 2), (np.int64, 1)):
        dims = ["A", 5, "B"][:rank]
        model = build([helper.make_node("NonZero", ["x"], ["y"])], [("x", kind, dims)], [("y", np.int64, None)])
        m = Compiled(folder, f"non_zero_{rank}", model)
        for shape in ((3, 5, 4), (1, 5, 1), (17, 5, 3)):
            x = rng.integers(0, 2, shape[:rank]).astype(kind)
            m.check(x=x)
            m.check(x=np.zeros_like(x))
            m.check(x=np.ones_like(x))
        if kind is np.float32:
            m.check(x=np.full((1, 5, 2), np.nan, np.float32))


def compress():
    for axis in (None, 0, -1):
        attributes = {} if axis is None else {"axis": axis}
        model = build([helper.make_node("Compress", ["x", "c"], ["y"], **attributes)],
                      [("x", np.float32, ["A", "B"]), ("c", np.bool_, ["C"])], [("y", np.float32, None)])
        m = Compiled(folder, f"compress_{axis}", model)
        x = rng.uniform(-1, 1, (7, 6)).astype(np.float32)
        for length in (6, 3):
            for share in (0.0, 0.5, 1.0):
                m.check(x=x, c=rng.uniform(0, 1, length) < share)


def boxes(count, corners):
    """Close to each other, so that many of them overlap."""
    low, side = rng.uniform(0, 2, (2, count, 2)), rng.uniform(0.2, 1, (2, count, 2))
    parts = [low, low + side] if corners else [low + side / 2, side]
    return np.concatenate(parts, axis=2).astype(np.float32)


def suppression():
    for corners in (True, False):
        node = helper.make_node("NonMaxSuppression", ["boxes", "scores", "limit", "overlap", "threshold"], ["y"],
                                center_point_box=0 if corners else 1)
        model = build([node], [("boxes", np.float32, ["N", "K", 4]), ("scores", np.float32, ["N", "C", "K"]),
                               ("limit", np.int64, [1]), ("overlap", np.float32, [1]), ("threshold", np.float32, [1])],
                      [("y", np.int64, None)])
        m = Compiled(folder, f"suppression_{corners}", model)
        for count in (1, 40):
            for limit, overlap, threshold in ((3, 0.5, 0.1), (100, 0.3, 0.0), (100, 0.0, 0.9), (0, 0.5, 0.0)):
                m.check(boxes=boxes(count, corners), scores=rng.uniform(0, 1, (2, 3, count)).astype(np.float32),
                        limit=np.array([limit]), overlap=np.array([overlap], np.float32),
                        threshold=np.array([threshold], np.float32))


def many_boxes():
    """Rows of kept boxes that are full, and not; nothing, few and all above the threshold; equal scores; NaN."""
    inputs = [("boxes", np.float32, ["N", "K", 4]), ("scores", np.float32, ["N", "C", "K"]),
              ("limit", np.int64, [1]), ("overlap", np.float32, [1]), ("threshold", np.float32, [1])]
    output = [("y", np.int64, None)]
    names = [name for name, _, _ in inputs]
    m = Compiled(folder, "many_boxes", build([helper.make_node("NonMaxSuppression", names, ["y"])], inputs, output))
    open_ended = Compiled(folder, "no_threshold",
                          build([helper.make_node("NonMaxSuppression", names[:4], ["y"])], inputs[:4], output))
    for batch, classes, count in ((1, 1, 1), (2, 3, 7), (2, 1, 33), (1, 5, 300), (2, 2, 1000), (1, 90, 65)):
        for power, threshold in ((1, 0.1), (1, 2.0), (20, 0.5)):
            scores = rng.uniform(0, 1, (batch, classes, count)).astype(np.float32) ** power
            data = dict(boxes=np.resize(boxes(count, True), (batch, count, 4)), scores=scores,
                        overlap=np.array([0.4], np.float32))
            m.check(**data, limit=np.array([count]), threshold=np.array([threshold], np.float32))
            m.check(**data, limit=np.array([32]), threshold=np.array([threshold], np.float32))
            open_ended.check(**data, limit=np.array([33]))
    far = np.arange(40, dtype=np.float32)[None, :, None] * 10 + np.array([0, 0, 1, 1], np.float32)
    equal = np.repeat(np.array([0.5, 0.7], np.float32), 20)[None, None]
    data = dict(boxes=far, limit=np.array([100]), overlap=np.array([0.5], np.float32),
                threshold=np.array([0.1], np.float32))
    m.check(**data, scores=equal)
    equal[..., ::3] = np.nan
    m.check(**data, scores=equal)


non_zero()
compress()
suppression()
many_boxes()
print("passed")
