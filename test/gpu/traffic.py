# What warps ask of memory, counted by the interpreter of PTX: of each class of kernels the sectors of 32 bytes that accesses to the device's
# memory touch, and the passes that those to shared memory take through its banks, beside what their bytes need.
# RUN: env TESSERA_RUN_PTX=%builddir/bin/test/tessera-run-ptx python3 %s %t
"""Arguments: a folder; classes (default: all); --show prints all figures, and the worst instructions."""
import collections
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SHOW = "--show" in sys.argv
arguments = [a for a in sys.argv[1:] if a != "--show"]
folder = Path(arguments[0])
folder.mkdir(parents=True, exist_ok=True)


def function(inputs, lines, result):
    given = ", ".join(f'%{name}: !graph.tensor<{kind}> {{graph.name = "{name}"}}' for name, kind in inputs.items())
    return f'graph.func @main({given}) -> (!graph.tensor<{result}> {{graph.name = "out"}}) {{\n{lines}\n  graph.return %out : !graph.tensor<{result}>\n}}\n'


def unary(op, kind, tail="", result=None):
    into = f" -> !graph.tensor<{result}>" if result else ""
    return function({"x": kind}, f"  %out = graph.{op} %x{tail} : !graph.tensor<{kind}>{into}", result or kind)


def contraction(element, x, w, y, equation="mk,kn->mn", result=None):
    result = f"{y}, {result or element}"
    return function({"x": f"{x}, {element}", "w": f"{w}, {element}"},
                    f'  %out = graph.contract "{equation}" %x, %w : (!graph.tensor<{x}, {element}>, !graph.tensor<{w}, {element}>) -> !graph.tensor<{result}>', result)


def attention(element, queries, keys, depth):
    q, k, s = f"[2, {queries}, {depth}], {element}", f"[2, {keys}, {depth}], {element}", f"[2, {queries}, {keys}], {element}"
    t = [f"!graph.tensor<{kind}>" for kind in (q, k, s)]
    return function({"q": q, "k": k, "v": k}, f"""  %c = graph.contract "bqd,bkd->bqk" %q, %k : ({t[0]}, {t[1]}) -> {t[2]}
  %s = graph.neg %c : {t[2]}
  %p = graph.softmax %s, axes = [2] : {t[2]}
  %out = graph.contract "bqk,bkd->bqd" %p, %v : ({t[2]}, {t[1]}) -> {t[0]}""", q)


ROWS, ROW = "!graph.tensor<[48, 500], f32>", "!graph.tensor<[48], f32>"
LOGARITHMS = function({"x": "[48, 500], f32"}, f"""  %m = graph.reduce max %x, axes = [1] : {ROWS} -> {ROW}
  %b = graph.broadcast %m, dims = [0] : {ROW} -> {ROWS}
  %d = graph.sub %x, %b : {ROWS}
  %e = graph.exp %d : {ROWS}
  %s = graph.reduce sum %e, axes = [1] : {ROWS} -> {ROW}
  %l = graph.log %s : {ROW}
  %out = graph.add %l, %m : {ROW}""", "[48], f32")
CONV = ("[1, 18, 18, 32], f16", "[3, 3, 32, 64], f16", "[1, 16, 16, 64], f16")
conv = function({"x": CONV[0], "w": CONV[1]},
                "  %out = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], groups = 1, layout = \"NHWC,HWIO->NHWC\""
                f" : (!graph.tensor<{CONV[0]}>, !graph.tensor<{CONV[1]}>) -> !graph.tensor<{CONV[2]}>", CONV[2])
SQUARE = ("[256, 128]", "[128, 256]", "[256, 256]")
ALONG = ("[256, 128]", "[256, 128]", "[256, 256]")
def places(element, equation, keys):
    """Where the largest of products is."""
    x, k, s, i = f"[256, 64], {element}", f"[{keys}], {element}", "[256, 640], f32", "[256], si64"
    t = [f"!graph.tensor<{kind}>" for kind in (x, k, f"[256, 640], {element}", s, i)]
    return function({"x": x, "k": k}, f"""  %c = graph.contract "{equation}" %x, %k : ({t[0]}, {t[1]}) -> {t[2]}
  %s = graph.convert %c : {t[2]} -> {t[3]}
  %out = graph.arg_reduce max %s, axis = 1 : {t[3]} -> {t[4]}""", i)


# name: model, processor, options
CLASSES = {
    "elementwise f32": (unary("gelu", "[50, 1000], f32"), "sm_80", ()),
    "elementwise f16": (unary("tanh", "[50, 1000], f16"), "sm_80", ()),
    "transpose f32": (unary("transpose", "[200, 320], f32", ", perm = [1, 0]", "[320, 200], f32"), "sm_80", ()),
    "transpose f16": (unary("transpose", "[2, 64, 15, 16], f16", ", perm = [0, 2, 3, 1]", "[2, 15, 16, 64], f16"), "sm_80", ()),
    "transpose u8": (unary("transpose", "[3, 64, 96], ui8", ", perm = [2, 1, 0]", "[96, 64, 3], ui8"), "sm_80", ()),
    "softmax": (unary("softmax", "[20, 1000], f32", ", axes = [1]"), "sm_80", ()),
    "softmax of columns": (unary("softmax", "[200, 96], f32", ", axes = [0]"), "sm_80", ()),
    "sums of rows": (unary("reduce sum", "[40, 1000], f32", ", axes = [1]", "[40], f32"), "sm_80", ()),
    "sums of short rows": (unary("reduce sum", "[500, 100], f32", ", axes = [1]", "[500], f32"), "sm_80", ()),
    "sums of columns": (unary("reduce sum", "[1000, 64], f32", ", axes = [0]", "[64], f32"), "sm_80", ()),
    "sum of all": (unary("reduce sum", "[256, 512], f32", ", axes = [0, 1]", "[], f32"), "sm_80", ()),
    "logarithms of sums": (LOGARITHMS, "sm_80", ()),
    "product of one row": (contraction("f16", "[512]", "[512, 256]", "[256]", "k,kn->n"), "sm_80", ()),
    "product of one row, along": (contraction("f16", "[512]", "[256, 512]", "[256]", "k,nk->n"), "sm_80", ()),
    "mma f16": (contraction("f16", *SQUARE), "sm_80", ()),
    "mma f16 along": (contraction("f16", *ALONG, "mk,nk->mn"), "sm_80", ()),
    "mma f16 turned": (contraction("f16", "[128, 256]", "[256, 128]", "[256, 256]", "km,nk->mn"), "sm_80", ()),
    "mma f16 odd": (contraction("f16", "[100, 75]", "[75, 99]", "[100, 99]"), "sm_80", ()),
    "mma f16 words": (contraction("f16", "[100, 74]", "[74, 98]", "[100, 98]"), "sm_80", ()),
    "mma si8 odd": (contraction("si8", "[100, 75]", "[99, 75]", "[100, 99]", "mk,nk->mn", "si32"), "sm_80", ()),
    "fma f32 odd": (contraction("f32", "[100, 75]", "[75, 99]", "[100, 99]"), "sm_80", ()),
    "wgmma f16 odd": (contraction("f16", "[100, 75]", "[75, 99]", "[100, 99]"), "sm_90a", ()),
    "mma si8": (contraction("si8", *SQUARE, result="si32"), "sm_80", ()),
    "mma si8 along": (contraction("si8", *ALONG, "mk,nk->mn", "si32"), "sm_80", ()),
    "mma tf32": (contraction("f32", *SQUARE), "sm_80", ("--precision", "tf32")),
    "mma tf32 along": (contraction("f32", *ALONG, "mk,nk->mn"), "sm_80", ("--precision", "tf32")),
    "mma e4m3": (contraction("f8E4M3FN", *ALONG, "mk,nk->mn", "f32"), "sm_89", ("--precision", "f8-sums")),
    "fma f32": (contraction("f32", *SQUARE), "sm_80", ()),
    "fma f32 along": (contraction("f32", "[2, 64, 64]", "[2, 256, 64]", "[2, 64, 256]", "bmk,bnk->bmn"), "sm_80", ()),
    "fma f64": (contraction("f64", *SQUARE), "sm_80", ()),
    "convolution f16": (conv, "sm_80", ()),
    "wgmma f16": (contraction("f16", *SQUARE), "sm_90a", ()),
    "wgmma f16 along": (contraction("f16", *ALONG, "mk,nk->mn"), "sm_90a", ()),
    "wgmma si8 along": (contraction("si8", *ALONG, "mk,nk->mn", "si32"), "sm_90a", ()),
    "wgmma tf32 along": (contraction("f32", *ALONG, "mk,nk->mn"), "sm_90a", ("--precision", "tf32")),
    "attention f16": (attention("f16", 128, 640, 64), "sm_80", ()),
    "attention f16 words": (attention("f16", 128, 640, 60), "sm_80", ()),
    "attention f16 odd": (attention("f16", 128, 640, 61), "sm_80", ()),
    "attention f16 odd, four warps": (attention("f16", 128, 640, 61), "sm_90a", ()),
    "attention f32": (attention("f32", 128, 640, 64), "sm_80", ()),
    "attention f64": (attention("f64", 128, 640, 32), "sm_80", ()),
    "attention tf32": (attention("f32", 128, 640, 64), "sm_80", ("--precision", "tf32")),
    "attention f16, four warps": (attention("f16", 128, 640, 64), "sm_90a", ()),
    "places f16": (places("f16", "mk,nk->mn", "640, 64"), "sm_80", ()),
    "places f16, four warps": (places("f16", "mk,nk->mn", "640, 64"), "sm_90a", ()),
    "places f32, keys across": (places("f32", "mk,kn->mn", "64, 640"), "sm_80", ()),
    "one query f16": (attention("f16", 1, 256, 64), "sm_80", ()),
}


# What sectors and passes may be, as a multiple of what is needed; rows that begin within a sector touch one more. By what is not mentioned: LIMIT.
LIMIT = 1.02
LIMITS = {
    "logarithms of sums": {"global load": 1.03},
    # Rows that begin anywhere: pieces of 64 bytes (sums: 32) lie in 3 sectors, those of 32 bytes in 2.
    "mma f16 odd": {"global load": 1.47, "global store": 1.45},
    "attention f16 words": {"global load": 1.12, "global store": 1.12},
    "attention f16 odd": {"global load": 1.33, "global store": 1.26},
    "attention f16 odd, four warps": {"global load": 1.29, "global store": 1.26, "shared load": 1.13},
    "mma f16 words": {"global load": 1.18, "global store": 1.4},
    "mma si8 odd": {"global load": 1.62, "global store": 1.25},
    "fma f32 odd": {"global load": 1.38, "global store": 1.25},
    # Of each row two parts of a stream have a state each, one behind the other in memory.
    "places f16": {"global store": 1.76},
    "places f16, four warps": {"global load": 1.04, "global store": 1.76},
    "places f32, keys across": {"global store": 1.76},
    "wgmma f16 odd": {"global load": 1.53, "global store": 1.96},
}


def measure(name):
    text, processor, options = CLASSES[name]
    path = folder / name.replace(" ", "-").replace(",", "")
    model, module, counts = (path.with_suffix(suffix) for suffix in (".mlir", ".tsm", ".json"))
    model.write_text(text)
    counts.unlink(missing_ok=True)
    subprocess.run(["tessera-compile", model, "--target", f"cuda:{processor}", "-o", module, "-q", *options], check=True)
    given = []
    for part in text.split("(", 1)[1].split(") ->")[0].split("%")[1:]:
        dims, element = part.split("<[")[1].split(">")[0].split("], ")
        given += ["--input", part.split(":")[0] + "=" + "".join(f"{d.strip()}x" for d in dims.split(",") if d.strip()) + {"ui8": "u8", "si8": "i8"}.get(element, element.lower())]
    subprocess.run([os.environ["TESSERA_RUN_PTX"], module, "--device", "ptx", *given], check=True, stdout=subprocess.DEVNULL,
                   env=os.environ | {"TESSERA_PTX_TRAFFIC": str(counts)})
    return name, [json.loads(line) for line in counts.read_text().splitlines()]


names = arguments[1:] or list(CLASSES)
wrong = 0
with ThreadPoolExecutor(2) as pool:
    for name, counts in pool.map(measure, names):
        sums = collections.defaultdict(lambda: [0, 0])
        for count in counts:
            of = sums[count["kind"]]
            of[0] += count["done"]
            of[1] += count["needed"]
        ratios = {kind: done / needed for kind, (done, needed) in sums.items()}
        # wgmma reads shared memory itself, and boxes of tensors, where rows let them, find their own way.
        isGroup = "wgmma" in name or "four warps" in name
        assert isGroup == ("shared operand" in ratios) and (isGroup and "odd" not in name) == ("global bulk" in ratios), (name, ratios)
        assert any(kind.startswith("global store") for kind in ratios), f"{name}: nothing was counted"
        over = [f"{kind} {ratio:.2f}" for kind, ratio in ratios.items() if ratio > LIMITS.get(name, {}).get(kind, LIMIT)]
        if SHOW or over:
            print(f"{name:28}", ", ".join(f"{kind} {ratio:.2f}" for kind, ratio in sorted(ratios.items())))
            for count in sorted(counts, key=lambda c: c["needed"] - c["done"])[:5]:
                if count["done"] > count["needed"]:
                    print("      ", count)
        if over:
            print(f"{name}: {', '.join(over)} times what is needed, more than before; --show says where")
            wrong += 1
sys.exit(wrong != 0)
