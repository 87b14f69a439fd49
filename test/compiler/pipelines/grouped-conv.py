# Convolutions in groups of several channels: rows of a register tile are channels of one group, of any size; beside NumPy.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import subprocess
import sys

import numpy as np
import tessera


def text(channels, groups, per_group, window, kind):
    def t(*dims):
        return f"!graph.tensor<[{', '.join(map(str, dims))}], {kind}>"
    x, y = t("N", groups * per_group, "T"), t("N", channels, f"T + {2 * (window // 2) + 1 - window}")
    w = t(channels, per_group, window)
    return f"""graph.func @main(%x: {x} {{graph.name = "x"}}, %w: {w} {{graph.name = "w"}}) -> ({y} {{graph.name = "y"}}) {{
  %0 = graph.conv %x, %w, strides = [1], dilations = [1], lo = [{window // 2}], hi = [{window // 2}], groups = {groups} : ({x}, {w}) -> {y}
  graph.return %0 : {y}
}}
"""


def reference(x, w, groups, window):
    pad = window // 2
    x = np.pad(x.astype("f8"), ((0, 0), (0, 0), (pad, pad)))
    views = np.lib.stride_tricks.sliding_window_view(x, window, axis=2)  # N C T K
    parts = [np.einsum("nctk,ock->not", a, b) for a, b in
             zip(np.split(views, groups, axis=1), np.split(w.astype("f8"), groups, axis=0))]
    return np.concatenate(parts, axis=1)


def main():
    rng = np.random.default_rng(0)
    path = sys.argv[1] + ".mlir"
    # Output channels of a group: 64, 6, 10 (rows of 8, 6, 5), 7, 3 (no rows), a multiplier of depthwise channels.
    for channels, groups, per_group, window in (256, 4, 64, 9), (12, 2, 6, 3), (40, 4, 2, 4), (14, 2, 5, 1), (9, 3, 3, 5), (32, 8, 1, 3):
        with open(path, "w") as file:
            file.write(text(channels, groups, per_group, window, "f32"))
        if channels == 256:
            schedule = subprocess.run(["tessera-compile", path, "--emit", "schedule", "--target", "x86-64-v4"], check=True,
                                      capture_output=True, text=True).stdout
            assert 'loop "i1" by 8' in schedule, schedule
        for level in "x86-64-v3", None:
            model = tessera.compile(path, **({"target": level} if level else {}))
            for batch, length in (1, 49), (2, 33), (1, 1), (3, 128), (1, 8), (0, 5):
                if length + 2 * (window // 2) < window:
                    continue
                x = rng.standard_normal((batch, groups * per_group, length), np.float32)
                w = rng.standard_normal((channels, per_group, window), np.float32)
                got = model.run({"x": x, "w": w})["y"]
                np.testing.assert_allclose(got, reference(x, w, groups, window), atol=2e-4, err_msg=f"{channels} {groups} {batch} {length}")
    print("passed")


main()
