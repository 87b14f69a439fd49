# NVIDIA's assembler takes the PTX of every class of kernels, for every processor, and none needs more registers than it did, spills, or keeps
# anything in local memory.
# REQUIRES: ptxas
# RUN: python3 %s %assembler %t
"""Arguments: the assembler, a folder, and --record to print the table anew."""
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ptxas, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)


def function(arguments, lines, result):
    inputs = ", ".join(f'%{name}: !graph.tensor<{kind}> {{graph.name = "{name}"}}' for name, kind in arguments.items())
    return f'graph.func @main({inputs}) -> (!graph.tensor<{result}> {{graph.name = "out"}}) {{\n{lines}\n  graph.return %out : !graph.tensor<{result}>\n}}\n'


def contraction(element, result=None, equation="mk,kn->mn", x="[B, 512]", w="[512, 1024]", y="[B, 1024]"):
    result = f"{y}, {result or element}"
    types = f"(!graph.tensor<{x}, {element}>, !graph.tensor<{w}, {element}>) -> !graph.tensor<{result}>"
    return function({"x": f"{x}, {element}", "w": f"{w}, {element}"}, f'  %out = graph.contract "{equation}" %x, %w : {types}', result)


def unary(op, kind, tail=""):
    return function({"x": kind}, f"  %out = graph.{op} %x{tail} : !graph.tensor<{kind}>", kind)


CONV = ("[2, 34, 34, 64], f16", "[3, 3, 64, 128], f16", "[2, 32, 32, 128], f16")
MODELS = {
    "elementwise f32": unary("gelu", "[B, 1000], f32"),
    "elementwise f16": unary("tanh", "[B, 1000], f16"),
    "rows f32": unary("softmax", "[B, 1000], f32", ", axes = [1]"),
    "tile f16": contraction("f16"),
    "tile f16 turned": contraction("f16", equation="km,nk->mn", x="[512, B]", w="[1024, 512]"),
    "large tile f16": contraction("f16", x="[4096, 512]", w="[512, 4096]", y="[4096, 4096]"),
    "large tile f32": contraction("f32", x="[4096, 512]", w="[512, 4096]", y="[4096, 4096]"),
    "large tile f16 turned": contraction("f16", equation="km,nk->mn", x="[512, 4096]", w="[4096, 512]", y="[4096, 4096]"),
    "large tile tf32": contraction("f32", x="[4096, 512]", w="[512, 4096]", y="[4096, 4096]"),
    "large tile tf32 along": contraction("f32", equation="mk,nk->mn", x="[4096, 512]", w="[4096, 512]", y="[4096, 4096]"),
    "large tile si8": contraction("si8", "si32", x="[4096, 512]", w="[512, 4096]", y="[4096, 4096]"),
    "largest tile f16": contraction("f16", x="[16384, 512]", w="[512, 8192]", y="[16384, 8192]"),
    "largest tile tf32 along": contraction("f32", equation="mk,nk->mn", x="[16384, 512]", w="[8192, 512]", y="[16384, 8192]"),
    "largest tile si8": contraction("si8", "si32", equation="mk,nk->mn", x="[16384, 512]", w="[8192, 512]", y="[16384, 8192]"),
    "large tile e4m3": contraction("f8E4M3FN", "f32", equation="mk,nk->mn", x="[4096, 512]", w="[4096, 512]", y="[4096, 4096]"),
    "large tile e4m3 turned": contraction("f8E4M3FN", "f32", x="[4096, 512]", w="[512, 4096]", y="[4096, 4096]"),
    "few rows e5m2": contraction("f8E5M2", "f32", equation="mk,nk->mn", x="[16, 512]", w="[4096, 512]", y="[16, 4096]"),
    "large tile e4m3 by f16": contraction("f8E4M3FN", "f32", equation="mk,nk->mn", x="[4096, 512]", w="[4096, 512]", y="[4096, 4096]"),
    "tile bf16": contraction("bf16"),
    "tile si8": contraction("si8", "si32"),
    "tile f32": contraction("f32"),
    "tile f64": contraction("f64"),
    "tile conv f16": function(
        {"x": CONV[0], "w": CONV[1]},
        "  %out = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [0, 0], hi = [0, 0], groups = 1, layout = \"NHWC,HWIO->NHWC\""
        f" : (!graph.tensor<{CONV[0]}>, !graph.tensor<{CONV[1]}>) -> !graph.tensor<{CONV[2]}>", CONV[2]),
}
MODELS["sum in parts f16"] = contraction("f16", x="[16, 4096]", w="[4096, 1024]", y="[16, 1024]")


ROWS, PLACES = "[B, N], f32", "[B, N], si64"
MODELS["sort"] = function({"x": ROWS}, f"  %out, %i = graph.sort %x, axis = 1 : !graph.tensor<{ROWS}> -> !graph.tensor<{ROWS}>, !graph.tensor<{PLACES}>", ROWS)
MODELS["running sum"] = unary("cumulative sum", ROWS, ", axis = 1")
MODELS["scatter"] = function(
    {"x": ROWS, "i": "[K], si64", "u": "[B, K], f32"},
    f"  %out = graph.scatter add %x, %i, %u, axis = 1 : (!graph.tensor<{ROWS}>, !graph.tensor<[K], si64>, !graph.tensor<[B, K], f32>)"
    f" -> !graph.tensor<{ROWS}>", ROWS)
MODELS["scatter of integers"] = function(
    {"x": "[B, N], si32", "i": "[K], si64", "u": "[B, K], si32"},
    "  %out = graph.scatter add %x, %i, %u, axis = 1 : (!graph.tensor<[B, N], si32>, !graph.tensor<[K], si64>, !graph.tensor<[B, K], si32>)"
    " -> !graph.tensor<[B, N], si32>", "[B, N], si32")
LARGEST = "!graph.tensor<[B, 1024], f32>"
MODELS["chain of reductions"] = function(
    {"x": "[B, 512], f32", "w": "[512, 1024], f32"},
    f"""  %c = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[B, 512], f32>, !graph.tensor<[512, 1024], f32>) -> {LARGEST}
  %p = graph.log_softmax %c, axes = [1] : {LARGEST}
  %out = graph.reduce max %p, axes = [1] : {LARGEST} -> !graph.tensor<[B], f32>""", "[B], f32")
NUMBERS = "".join(("003C", "00B8", "0040", "00C2")[n % 7 % 4] for n in range(256 * 128))  # Of f16: 1, -0.5, 2, -3.
for kind in ("int4", "int8-weights", "nf4", "mxfp4", "fp8-e4m3"):
    MODELS[f"weights {kind} f16"] = function(
        {"x": "[B, 256], f16"},
        f"""  %w = graph.constant dense<"0x{NUMBERS}"> : !graph.tensor<[256, 128], f16>
  %out = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[B, 256], f16>, !graph.tensor<[256, 128], f16>) -> !graph.tensor<[B, 128], f16>""",
        "[B, 128], f16")


def attention(depth, mask=False, element="f32"):
    q, k, s = f"[8, Q, {depth}], {element}", f"[8, S, {depth}], {element}", f"[8, Q, S], {element}"
    t = [f"!graph.tensor<{kind}>" for kind in (q, k, s)]
    return function({"q": q, "k": k, "v": k} | ({"m": s} if mask else {}), f"""  %c = graph.contract "bqd,bkd->bqk" %q, %k : ({t[0]}, {t[1]}) -> {t[2]}
  %s = graph.{"add %c, %m" if mask else "neg %c"} : {t[2]}
  %p = graph.softmax %s, axes = [2] : {t[2]}
  %out = graph.contract "bqk,bkd->bqd" %p, %v : ({t[2]}, {t[1]}) -> {t[0]}""", q)


def places(element, depth):
    """Where the largest of products is, and how many are above 0: states of three types."""
    x, w, s = (f"!graph.tensor<[{dims}], {kind}>" for dims, kind in ((f"N, {depth}", element), (f"V, {depth}", element), ("N, V", "f32")))
    flags, ones = "!graph.tensor<[N, V], i1>", "!graph.tensor<[N, V], si32>"
    return function({"x": f"[N, {depth}], {element}", "w": f"[V, {depth}], {element}"}, f"""  %p = graph.contract "nd,vd->nv" %x, %w : ({x}, {w}) -> !graph.tensor<[N, V], {element}>
  %s = graph.convert %p : !graph.tensor<[N, V], {element}> -> {s}
  %i = graph.arg_reduce max %s, axis = 1 : {s} -> !graph.tensor<[N], si64>
  %z = graph.constant dense<0.0> : !graph.tensor<[], f32>
  %b = graph.broadcast %z, dims = [] : !graph.tensor<[], f32> -> {s}
  %g = graph.compare gt %s, %b : {s}
  %o = graph.convert %g : {flags} -> {ones}
  %c = graph.reduce sum %o, axes = [1] : {ones} -> !graph.tensor<[N], si32>
  %l = graph.convert %c : !graph.tensor<[N], si32> -> !graph.tensor<[N], si64>
  %out = graph.add %i, %l : !graph.tensor<[N], si64>""", "[N], si64")


for depth in (64, 128, 256):
    for element in ("f32", "bf16", "tf32"):
        MODELS[f"attention {depth} {element}"] = attention(depth)
        MODELS[f"attention {depth} {element} mask"] = attention(depth, mask=True)
for element in ("f16", "f32", "f64"):
    for depth in (24, 128):
        MODELS[f"places {depth} {element}"] = places(element, depth)
for depth in (32, 64, 128):
    MODELS[f"attention {depth} f64"] = attention(depth, element="f64")
# Registers and bytes of shared memory, by ptxas 13.0; none where the launch asks for what it needs. Warps that copy leave registers to others: 168
# for each of 384 threads are what a block of both begins with.
EXPECTED = {
    ("elementwise f32", "sm_80"): (31, 0),
    ("elementwise f32", "sm_90a"): (30, 0),
    ("elementwise f16", "sm_80"): (22, 0),
    ("elementwise f16", "sm_90a"): (22, 0),
    ("rows f32", "sm_80"): (27, 128),
    ("rows f32", "sm_90a"): (29, 128),
    ("tile f16", "sm_80"): (112, 24576),
    ("tile f16", "sm_90a"): (168, 0),
    ("tile f16 turned", "sm_80"): (95, 24576),
    ("tile f16 turned", "sm_90a"): (168, 0),
    ("large tile f16", "sm_80"): (228, 49152),
    ("large tile f16", "sm_90a"): (168, 0),
    ("large tile f32", "sm_80"): (199, 49152),
    ("large tile f32", "sm_90a"): (243, 49152),
    ("large tile f16 turned", "sm_80"): (226, 49152),
    ("large tile f16 turned", "sm_90a"): (168, 0),
    ("large tile tf32", "sm_80"): (224, 49152),
    ("large tile tf32", "sm_90a"): (226, 49152),
    ("large tile tf32 along", "sm_80"): (201, 49152),
    ("large tile tf32 along", "sm_90a"): (168, 0),
    ("large tile si8", "sm_80"): (213, 49152),
    ("large tile si8", "sm_90a"): (168, 0),
    ("largest tile f16", "sm_80"): (222, 0),
    ("largest tile f16", "sm_90a"): (168, 0),
    ("largest tile tf32 along", "sm_80"): (198, 0),
    ("largest tile tf32 along", "sm_90a"): (168, 0),
    ("largest tile si8", "sm_80"): (191, 0),
    ("largest tile si8", "sm_90a"): (168, 0),
    ("large tile e4m3", "sm_80"): (242, 49152),
    ("large tile e4m3", "sm_89"): (170, 49152),
    ("large tile e4m3", "sm_90a"): (168, 0),
    ("large tile e4m3 turned", "sm_80"): (248, 49152),
    ("large tile e4m3 turned", "sm_89"): (210, 49152),
    ("large tile e4m3 turned", "sm_90a"): (168, 0),
    ("few rows e5m2", "sm_80"): (107, 27648),
    ("few rows e5m2", "sm_89"): (76, 27648),
    ("few rows e5m2", "sm_90a"): (64, 27648),
    ("large tile e4m3 by f16", "sm_80"): (242, 49152),
    ("large tile e4m3 by f16", "sm_89"): (242, 49152),
    ("large tile e4m3 by f16", "sm_90a"): (168, 0),
    ("tile bf16", "sm_80"): (112, 24576),
    ("tile bf16", "sm_90a"): (168, 0),
    ("tile si8", "sm_80"): (80, 24576),
    ("tile si8", "sm_90a"): (168, 0),
    ("tile f32", "sm_80"): (148, 24576),
    ("tile f32", "sm_90a"): (162, 24576),
    ("tile f64", "sm_80"): (168, 24576),
    ("tile f64", "sm_90a"): (166, 24576),
    ("tile conv f16", "sm_80"): (96, 24576),
    ("tile conv f16", "sm_90a"): (64, 0),
    ("sum in parts f16", "sm_80"): (95, 27648),
    ("sum in parts f16", "sm_90a"): (64, 27648),
    ("sort", "sm_80"): (40, 0),
    ("sort", "sm_90a"): (40, 0),
    ("running sum", "sm_80"): (26, 0),
    ("running sum", "sm_90a"): (26, 0),
    ("scatter", "sm_80"): (26, 0),
    ("scatter", "sm_90a"): (32, 0),
    ("attention 64 f32", "sm_80"): (156, 41984),
    ("attention 64 f32", "sm_90a"): (168, 41984),
    ("attention 64 f32 mask", "sm_80"): (160, 41984),
    ("attention 64 f32 mask", "sm_90a"): (168, 41984),
    ("attention 64 bf16", "sm_80"): (141, 34816),
    ("attention 64 bf16", "sm_90a"): (168, 34816),
    ("attention 64 bf16 mask", "sm_80"): (140, 34816),
    ("attention 64 bf16 mask", "sm_90a"): (168, 34816),
    ("attention 64 tf32", "sm_80"): (179, 49152),
    ("attention 64 tf32", "sm_90a"): (156, 49152),
    ("attention 64 tf32 mask", "sm_80"): (180, 49152),
    ("attention 64 tf32 mask", "sm_90a"): (160, 49152),
    ("attention 128 f32", "sm_80"): (220, 43520),
    ("attention 128 f32", "sm_90a"): (250, 43520),
    ("attention 128 f32 mask", "sm_80"): (224, 43520),
    ("attention 128 f32 mask", "sm_90a"): (252, 43520),
    ("attention 128 bf16", "sm_80"): (232, 49152),
    ("attention 128 bf16", "sm_90a"): (175, 36864),
    ("attention 128 bf16 mask", "sm_80"): (238, 49152),
    ("attention 128 bf16 mask", "sm_90a"): (177, 36864),
    ("attention 128 tf32", "sm_80"): (220, 40960),
    ("attention 128 tf32", "sm_90a"): (210, 40960),
    ("attention 128 tf32 mask", "sm_80"): (207, 40960),
    ("attention 128 tf32 mask", "sm_90a"): (211, 40960),
    ("attention 256 f32", "sm_80"): (222, 34304),
    ("attention 256 f32", "sm_90a"): (242, 34304),
    ("attention 256 f32 mask", "sm_80"): (228, 34304),
    ("attention 256 f32 mask", "sm_90a"): (246, 34304),
    ("attention 256 bf16", "sm_80"): (211, 40960),
    ("attention 256 bf16", "sm_90a"): (215, 40960),
    ("attention 256 bf16 mask", "sm_80"): (213, 40960),
    ("attention 256 bf16 mask", "sm_90a"): (215, 40960),
    ("attention 256 tf32", "sm_80"): (185, 49152),
    ("attention 256 tf32", "sm_90a"): (212, 49152),
    ("attention 256 tf32 mask", "sm_80"): (188, 49152),
    ("attention 256 tf32 mask", "sm_90a"): (211, 49152),
    ("places 24 f16", "sm_80"): (151, 9216),
    ("places 24 f16", "sm_90a"): (168, 41096),
    ("places 128 f16", "sm_80"): (148, 36864),
    ("places 128 f16", "sm_90a"): (168, 36864),
    ("places 24 f32", "sm_80"): (96, 13824),
    ("places 24 f32", "sm_90a"): (108, 13824),
    ("places 128 f32", "sm_80"): (112, 49152),
    ("places 128 f32", "sm_90a"): (108, 49152),
    ("places 24 f64", "sm_80"): (115, 15360),
    ("places 24 f64", "sm_90a"): (137, 15360),
    ("places 128 f64", "sm_80"): (116, 49152),
    ("places 128 f64", "sm_90a"): (141, 49152),
    ("attention 32 f64", "sm_80"): (177, 46080),
    ("attention 32 f64", "sm_90a"): (211, 46080),
    ("attention 64 f64", "sm_80"): (180, 29184),
    ("attention 64 f64", "sm_90a"): (180, 29184),
    ("attention 128 f64", "sm_80"): (200, 37888),
    ("attention 128 f64", "sm_90a"): (188, 37888),
    ("scatter of integers", "sm_80"): (24, 0),
    ("scatter of integers", "sm_90a"): (26, 0),
    ("chain of reductions", "sm_80"): (148, 24576),
    ("chain of reductions", "sm_90a"): (162, 24576),
    ("weights int4 f16", "sm_80"): (128, 27648),
    ("weights int4 f16", "sm_90a"): (112, 49152),
    ("weights int8-weights f16", "sm_80"): (128, 27648),
    ("weights int8-weights f16", "sm_90a"): (166, 49152),
    ("weights nf4 f16", "sm_80"): (128, 27648),
    ("weights nf4 f16", "sm_90a"): (100, 49152),
    ("weights mxfp4 f16", "sm_80"): (128, 27648),
    ("weights mxfp4 f16", "sm_90a"): (106, 49152),
    ("weights fp8-e4m3 f16", "sm_80"): (128, 27648),
    ("weights fp8-e4m3 f16", "sm_90a"): (162, 49152),
}


def measure(job):
    """The most that a kernel of the model needs."""
    name, processor = job
    model, text = folder / f"{name}.mlir", folder / f"{name} {processor}.ptx"
    asked = next((kind for kind in ("tf32", "bf16") if kind in name.split() and (kind == "tf32" or name.startswith("attention"))), None)
    if ("e4m3" in name or "e5m2" in name) and "f16" not in name and not name.startswith("weights"):
        asked = "f8-sums"
    options = ["--precision", asked] if asked else []
    if name.startswith("weights"):
        options = ["--quantize", name.split()[1]]
    subprocess.run(["tessera-compile", model, "--target", f"cuda:{processor}", "--emit", "asm", "-o", text, *options], check=True)
    registers = shared = 0
    for kernel in re.split(r"(?=^\.version)", text.read_text(), flags=re.MULTILINE)[1:]:
        text.write_text(kernel)
        done = subprocess.run([ptxas, f"-arch={processor}", "-v", text, "-o", text.with_suffix(".cubin")], capture_output=True, text=True)
        assert done.returncode == 0, f"{job}: {done.stderr}"
        clean = done.stderr.count("0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads")
        assert clean == kernel.count(".entry"), f"{job}: {done.stderr}"
        # It says so where it cannot keep instructions of four warps apart from what uses their registers, or ignores setmaxnreg.
        assert not any(word in done.stderr for word in ("wgmma", "setmaxnreg", "warning")), f"{job}: {done.stderr}"
        registers = max([registers, *map(int, re.findall(r"Used (\d+) registers", done.stderr))])
        shared = max([shared, *map(int, re.findall(r"(\d+) bytes smem", done.stderr))])
    return job, (registers, shared)


for name, text in MODELS.items():
    (folder / f"{name}.mlir").write_text(text)
with ThreadPoolExecutor(2) as pool:
    found = dict(pool.map(measure, [(name, processor) for name in MODELS for processor in (("sm_80", "sm_90a") if name.startswith("weights") or "e4m3" not in name and "e5m2" not in name else ("sm_80", "sm_89", "sm_90a"))]))
if "--record" in sys.argv:
    for job, figures in found.items():
        print(f"    {job}: {figures},")
else:
    for job, (registers, shared) in found.items():
        most, expected = EXPECTED[job]
        # Another version allocates a little differently.
        assert registers <= most * 1.1 + 4, f"{job}: {registers} registers, {most} were recorded"
        assert shared == expected, f"{job}: {shared} bytes of shared memory, {expected} were recorded"
