# What synchronizes a kernel is needed, each instruction of it: without them the interpreter of PTX finds races, memory that nothing has
# come to, registers that are still written, warps apart, places that are aligned by accident; and says in which stage.
# RUN: python3 %s %builddir/bin/test/tessera-run-ptx %t
"""Arguments: tessera-run with the device "ptx", a folder."""
import os
import re
import subprocess
import sys
from pathlib import Path

tool, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)


def function(inputs, lines, result):
    arguments = ", ".join(f'%{name}: !graph.tensor<{kind}> {{graph.name = "{name}"}}' for name, kind in inputs.items())
    return f'graph.func @main({arguments}) -> (!graph.tensor<{result}> {{graph.name = "out"}}) {{\n{lines}\n  graph.return %out : !graph.tensor<{result}>\n}}\n'


def product(m, k, n):
    x, w, y = f"[{m}, {k}], f16", f"[{k}, {n}], f16", f"[{m}, {n}], f16"
    return function({"x": x, "w": w}, f'  %out = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<{x}>, !graph.tensor<{w}>) -> !graph.tensor<{y}>', y)


def attention(rows, keys, depth):
    q, k, s, r = f"[1, {rows}, {depth}], f16", f"[1, {keys}, {depth}], f16", f"[1, {rows}, {keys}], f32", f"[1, {rows}, {keys}], f16"
    t = [f"!graph.tensor<{kind}>" for kind in (q, k, s, r)]
    return function({"q": q, "k": k, "v": k}, f"""  %c = graph.contract "bqd,bkd->bqk" %q, %k : ({t[0]}, {t[1]}) -> {t[2]}
  %s = graph.neg %c : {t[2]}
  %p = graph.softmax %s, axes = [2] : {t[2]}
  %r = graph.convert %p : {t[2]} -> {t[3]}
  %out = graph.contract "bqk,bkd->bqd" %r, %v : ({t[3]}, {t[1]}) -> {t[0]}""", q)


ROWS, PLACES = "[3, 200], f32", "[3, 200], si64"
MODELS = {
    "softmax": function({"x": ROWS}, f"  %out = graph.softmax %x, axes = [1] : !graph.tensor<{ROWS}>", ROWS),
    "sort": function({"x": ROWS}, f"  %out, %i = graph.sort %x, axis = 1 : !graph.tensor<{ROWS}> -> !graph.tensor<{ROWS}>, !graph.tensor<{PLACES}>", ROWS),
    "product": product(64, 192, 64),
    "large product": product(256, 448, 256),
    "odd product": product(256, 448, 250),
    "attention": attention(64, 600, 64),
    "long attention": attention(128, 1200, 64),
}
INPUTS = {}
for name, text in MODELS.items():
    (folder / f"{name}.mlir").write_text(text)
    INPUTS[name] = [f"--input={key}={'x'.join(re.findall('[0-9]+', dims))}x{kind}"
                    for key, dims, kind in re.findall(r'%(\w+): !graph.tensor<(\[[^]]*\]), (\w+)> {', text)]


def run(name, processor, changed):
    """`changed`: what is left out, or "old>new"."""
    module = folder / f"{name} {processor}.tsm"
    if not module.exists():
        subprocess.run(["tessera-compile", folder / f"{name}.mlir", "--target", f"cuda:{processor}", "-q", "-o", module], check=True)
    done = subprocess.run([tool, module, "--device", "ptx", *INPUTS[name]], capture_output=True, text=True,
                          env=os.environ | ({f"TESSERA_PTX_{'INSTEAD' if '>' in changed else 'WITHOUT'}": changed} if changed else {}))
    return done.returncode, done.stderr


for name, processor, changed, expected in (
        ("softmax", "sm_80", "bar.sync", "never written"),
        ("sort", "sm_80", "bar.sync", "races with"),
        ("product", "sm_80", "bar.sync", "races with"),
        ("product", "sm_80", "cp.async.wait_group", "never written"),
        ("attention", "sm_80", "bar.sync", "races with"),
        ("attention", "sm_80", "cp.async.wait_group", "never written"),
        ("large product", "sm_90a", "wgmma.wait_group", "being written by a wgmma"),
        ("large product", "sm_90a", "wgmma.fence", "no wgmma.fence since"),
        ("large product", "sm_90a", "bar.sync", "races with"),
        ("large product", "sm_90a", "mbarrier.arrive.expect_tx", "the phase of this mbarrier never ends"),
        ("large product", "sm_90a", "fence.mbarrier_init", "no fence.mbarrier_init since"),
        ("large product", "sm_90a", ".shared .align 1024>.shared .align 128", "is no multiple of 1024"),
        ("long attention", "sm_90a", ".shared .align 1024>.shared .align 128", "is no multiple of 1024"),
        ("odd product", "sm_90a", "fence.proxy.async", "no fence.proxy.async since"),
        ("odd product", "sm_90a", "cp.async.wait_group", "never written"),
        ("long attention", "sm_90a", "wgmma.wait_group", "being written by a wgmma"),
        ("long attention", "sm_90a", "wgmma.fence", "no wgmma.fence since"),
        ("long attention", "sm_90a", "mbarrier.arrive.shared", "the phase of this mbarrier never ends"),
        ("long attention", "sm_90a", "fence.proxy.async", "no fence.proxy.async since"),
):
    code, error = run(name, processor, None)
    assert not code, (name, processor, error)
    code, error = run(name, processor, changed)
    assert code and expected in error, (name, processor, changed, error)
    assert re.search(r"line \d+, stage '\w+', block \(\d+, \d+, \d+\), thread", error), error
