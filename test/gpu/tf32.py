# Products of f32 are rounded to tf32 where that is asked, and only there: contractions and convolutions by instructions for matrices, on the
# device "cuda", give NumPy's products of rounded factors (mma.sync: to nearest; wgmma, which reads shared memory itself: cut off); both
# products of streams by mma.sync. CPUs, and everything that was not asked, multiply in f32.
# RUN: env FAKE_CUDA_CAPABILITY=90 TESSERA_CUDA_DRIVER=%builddir/lib/test/libfake_cuda_driver.so python3 %s %t
import subprocess
import sys
from pathlib import Path

import numpy as np
import tessera

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(0)


def contraction(spec, x, w, y):
    x, w, y = (f"!graph.tensor<[{', '.join(dims)}], f32>" for dims in (x, w, y))
    return (f'graph.func @main(%x: {x} {{graph.name = "x"}}, %w: {w} {{graph.name = "w"}}) -> ({y} {{graph.name = "y"}}) {{\n'
            f'  %y = graph.contract "{spec}" %x, %w : ({x}, {w}) -> {y}\n  graph.return %y : {y}\n}}\n')


def compiled(text, target, *options, emit=None):
    (folder / "model.mlir").write_text(text)
    command = ["tessera-compile", folder / "model.mlir", "--target", target, *options]
    if emit:
        return subprocess.run([*command, "--emit", emit], check=True, capture_output=True, text=True).stdout
    subprocess.run([*command, "-q", "-o", folder / "model.tsm"], check=True)
    return tessera.load(folder / "model.tsm", device="cuda" if target.startswith("cuda") else "cpu")


def rounded(x, isCut):
    bits = x.view(np.uint32)
    return ((bits if isCut else bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32).astype(np.float64)


def check(text, target, reference, shapes, instruction, isCut=False):
    code = compiled(text, target, "--precision", "tf32", emit="asm")
    assert instruction in code, code
    assert "tf32" not in compiled(text, target, emit="asm")
    module = compiled(text, target, "--precision", "tf32")
    for xShape, wShape in shapes:
        x, w = (rng.standard_normal(shape).astype(np.float32) for shape in (xShape, wShape))
        y = module.run({"x": x, "w": w})["y"]
        np.testing.assert_allclose(y, reference(rounded(x, isCut), rounded(w, isCut)), rtol=1e-5, atol=2e-5, err_msg=f"{target} {xShape}")
        if y.size > 1000:
            assert np.abs(y - reference(x.astype(np.float64), w.astype(np.float64))).max() > 1e-4


# Factors along the depth and across it, aligned or not; depths that are no multiple of a step.
MMA, WGMMA = "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", "wgmma.mma_async.sync.aligned.m64n"
for spec, x, w in (("mk,kn->mn", "MK", "KN"), ("mk,nk->mn", "MK", "NK"), ("km,kn->mn", "KM", "KN"), ("km,nk->mn", "KM", "NK")):
    shapes = [[[extents[d] for d in dims] for dims in (x, w)]
              for extents in ({"M": 67, "N": 52, "K": 40}, {"M": 5, "N": 139, "K": 77}, {"M": 3, "N": 4, "K": 0}, {"M": 1, "N": 1, "K": 1})]
    text = contraction(spec, x, w, "MN")
    check(text, "cuda:sm_80", lambda x, w: np.einsum(spec, x, w), shapes, MMA)
    # wgmma turns no words of 32 bits.
    isAlong = spec == "mk,nk->mn"
    check(text, "cuda:sm_90a", lambda x, w: np.einsum(spec, x, w), shapes, WGMMA if isAlong else MMA, isCut=isAlong)
# Few tiles and a deep sum: parts side by side.
check(contraction("mk,kn->mn", ["7", "1024"], ["1024", "20"], ["7", "20"]), "cuda:sm_80", lambda x, w: x @ w, [((7, 1024), (1024, 20))], MMA)

X, W, Y = ("!graph.tensor<[2, 9, 9, 16], f32>", "!graph.tensor<[3, 3, 16, 24], f32>", "!graph.tensor<[2, 7, 7, 24], f32>")
CONV = f"""graph.func @main(%x: {X} {{graph.name = "x"}}, %w: {W} {{graph.name = "w"}}) -> ({Y} {{graph.name = "y"}}) {{
  %y = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], groups = 1, layout = "NHWC,HWIO->NHWC" : ({X}, {W}) -> {Y}
  graph.return %y : {Y}
}}
"""


def convolution(x, w):
    return sum(np.einsum("nyxc,co->nyxo", x[:, i:i + 7, j:j + 7], w[i, j]) for i in range(3) for j in range(3))


check(CONV, "cuda:sm_80", convolution, [((2, 9, 9, 16), (3, 3, 16, 24))], MMA)
# CPUs have no such instructions, and round nothing.
x, w = (rng.standard_normal(shape).astype(np.float32) for shape in ((64, 96), (96, 40)))
text = contraction("mk,kn->mn", "MK", "KN", "MN")
exact = x.astype(np.float64) @ w
for module in (compiled(text, "host", "--precision", "tf32"), compiled(text, "cuda:sm_80")):
    np.testing.assert_allclose(module.run({"x": x, "w": w})["y"], exact, rtol=1e-5, atol=2e-5)
# Both products of attention: every lane has the same keys of weights and of values, whatever their order. Many queries and one, widths that are no
# multiple of a chunk, more columns than one warp has.
def attention(width):
    q, k, s = f"!graph.tensor<[H, M, {width}], f32>", f"!graph.tensor<[H, K, {width}], f32>", "!graph.tensor<[H, M, K], f32>"
    return f"""graph.func @main(%q: {q} {{graph.name = "q"}}, %k: {k} {{graph.name = "k"}}, %v: {k} {{graph.name = "v"}}) -> ({q} {{graph.name = "y"}}) {{
  %c = graph.contract "hmd,hkd->hmk" %q, %k : ({q}, {k}) -> {s}
  %p = graph.softmax %c, axes = [2] : {s}
  %y = graph.contract "hmk,hkd->hmd" %p, %v : ({s}, {k}) -> {q}
  graph.return %y : {q}
}}
"""


def softmax(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


for target in ("cuda:sm_80", "cuda:sm_90a"):
    for width in (16, 20, 5, 64, 128, 200) if target == "cuda:sm_80" else (16,):
        text = attention(width)
        code = compiled(text, target, "--precision", "tf32", emit="asm")
        assert code.count(MMA) > 1 and "fma.rn.f32" in code and "tf32" not in compiled(text, target, emit="asm"), code
        schedule = compiled(text, target, "--precision", "tf32", emit="schedule")
        assert "gpu_stream" in schedule and "by mma" in schedule and "gpu_tile" not in schedule, schedule
        module = compiled(text, target, "--precision", "tf32")
        for heads, rows, keys in ((2, 19, 37), (1, 70, 300), (1, 1, 90), (1, 0, 4)) if width < 64 else ((1, 33, 70),):
            q, k, v = (rng.standard_normal((heads, extent, width)).astype(np.float32) for extent in (rows, keys, keys))
            scores = np.einsum("hmd,hkd->hmk", rounded(q, False), rounded(k, False))
            wanted = np.einsum("hmk,hkd->hmd", softmax(scores), rounded(v, False))
            y = module.run({"q": q, "k": k, "v": v})["y"]
            # Weights are rounded as well: 2^-11 of each.
            np.testing.assert_allclose(y, wanted, rtol=5e-4, atol=5e-4, err_msg=f"{target} {width} {heads} {rows} {keys}")
