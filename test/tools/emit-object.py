# Models become objects and libraries: a C function, no allocation, no runtime.
# RUN: python3 %s %S/dense.mlir %t
"""Arguments: a model, a folder."""
import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import tessera

dense, folder = sys.argv[1], Path(sys.argv[2])
shutil.rmtree(folder, ignore_errors=True)
folder.mkdir(parents=True)


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)


def compiled(*arguments):
    result = run("tessera-compile", *arguments)
    assert result.returncode == 0, result
    return result


def refused(message, *arguments, **options):
    result = run("tessera-compile", *arguments, **options)
    assert result.returncode == 1 and message in result.stderr, result


# A C89 program calls an object while every allocation is a trap.
PROGRAM = r"""
#include "dense.h"
#include <stdio.h>
#include <stdlib.h>

static int is_trapped;
static char heap[1 << 16];
static unsigned long used;
void *malloc(size_t size) {
  void *memory = heap + used;
  if (is_trapped)
    abort();
  used += (size + 15) / 16 * 16;
  return memory;
}
void *calloc(size_t count, size_t size) { return malloc(count * size); }
void *realloc(void *memory, size_t size) { (void)memory; return malloc(size); }
void free(void *memory) { (void)memory; }

int main(void) {
  static const float x[8] = {1, 2, 3, 4, 5, 6, 7, 9};
  static float y[6];
  int i, code;
  is_trapped = 1;
  code = dense_main(x, y, (void *)0);
  is_trapped = 0;
  for (i = 0; i < 6; ++i)
    printf("%g ", (double)y[i]);
  printf("[%d%s%s]\n", code, dense_message(code), dense_message(12345));
  return DENSE_ARENA_BYTES != 0;
}
"""
compiled(dense, "--emit", "object", "--dim", "B=2", "-o", folder / "dense.o", "--no-cache")
(folder / "main.c").write_text(PROGRAM)
for compiler in ("clang-22 -std=c89", "gcc -std=c89", "g++"):
    if shutil.which(compiler.split()[0]) is None:
        continue
    subprocess.run([*compiler.split(), "-pedantic", "-Wall", "-Werror", "main.c", "dense.o", "-o", "main"], cwd=folder,
                   check=True)
    expected = run("tessera-run", dense, "--input", "x=2x4xf32=1,2,3,4,5,6,7,9", "--print", "6").stdout.split("\n")[1]
    assert run(folder / "main").stdout.split("[") == [expected.strip() + " ", "0]\n"], run(folder / "main")
undefined = {line.split()[-1] for line in run("nm", "-u", folder / "dense.o").stdout.splitlines()}
assert undefined <= {"memcpy", "memmove", "memset"}, undefined

# In a root that holds nothing else: the object in a program that is linked statically, the library beside the C library.
compiled(dense, "--emit", "library", "--dim", "B=2", "-o", folder / "libdense.so", "--no-cache")
(folder / "plain.c").write_text(re.sub(r"static int is_trapped;.*?(?=int main)", "", PROGRAM, flags=re.DOTALL).replace("is_trapped = 1;", "")
                                .replace("is_trapped = 0;", ""))
compiler = "clang-22" if shutil.which("clang-22") else "gcc"
for name, options in (("static", ["-static", "dense.o"]), ("shared", ["-L.", "-ldense", "-Wl,-rpath,/"])):
    root = folder / f"root-{name}"
    root.mkdir()
    subprocess.run([compiler, "plain.c", "-o", root / "main", *options], cwd=folder, check=True)
    if name == "shared":
        shutil.copy(folder / "libdense.so", root)
        for path in re.findall(r"(/\S+) \(0x", run("ldd", root / "main", env=os.environ | {"LD_LIBRARY_PATH": str(folder)}).stdout):
            if not Path(path).is_relative_to(folder):
                target = root / path.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
    command = ["chroot", root, "/main"]
    alone = run(*(command if os.geteuid() == 0 else ["unshare", "-r", *command]))
    assert alone.stdout.split("[") == [expected.strip() + " ", "0]\n"], (name, alone)

# Two compilations give the same bytes, and a module gives what its model does.
compiled(dense, "-o", folder / "dense.tsm")
first = (folder / "dense.o").read_bytes(), (folder / "dense.h").read_bytes()
compiled(folder / "dense.tsm", "--emit", "object", "--dim", "B=2", "-o", folder / "dense.o")
again = (folder / "dense.o").read_bytes(), (folder / "dense.h").read_bytes()
assert first[1] == again[1], again[1]

# Branches, loops, temporaries, variables, several types; one module, several sizes.
STEPS = """
graph.variable @calls : !graph.tensor<[], si64> = dense<0> : !graph.tensor<[], si64>
graph.variable @total : !graph.tensor<[3], f64> = dense<1.0> : !graph.tensor<[3], f64>
graph.func @steps(%x: !graph.tensor<[N, 3], f64> {graph.name = "x"}, %n: !graph.tensor<[], si64> {graph.name = "int"},
                  %c: !graph.tensor<[], i1> {graph.name = "is good?"})
    -> (!graph.tensor<[N, 3], f64> {graph.name = "y"}, !graph.tensor<[3], f64> {graph.name = "state"},
        !graph.tensor<[], si64> {graph.name = "long"}) {
  %b = graph.if %c : !graph.tensor<[], i1> -> !graph.tensor<[N, 3], f64> {
    %e = graph.exp %x : !graph.tensor<[N, 3], f64>
    graph.yield %e : !graph.tensor<[N, 3], f64>
  } else {
    graph.yield %x : !graph.tensor<[N, 3], f64>
  }
  %zero = graph.constant dense<0> : !graph.tensor<[], si64>
  %one = graph.constant dense<1> : !graph.tensor<[], si64>
  %w:2 = graph.while (%i = %zero, %acc = %b) : !graph.tensor<[], si64>, !graph.tensor<[N, 3], f64> {
    %go = graph.compare lt %i, %n : !graph.tensor<[], si64>
    graph.condition %go : !graph.tensor<[], i1>
  } do (%j, %a) {
    %next = graph.add %j, %one : !graph.tensor<[], si64>
    %d = graph.add %a, %x : !graph.tensor<[N, 3], f64>
    graph.yield %next, %d : !graph.tensor<[], si64>, !graph.tensor<[N, 3], f64>
  }
  %old = graph.read_variable @total : !graph.tensor<[3], f64>
  %s = graph.reduce sum %w#1, axes = [0] : !graph.tensor<[N, 3], f64> -> !graph.tensor<[3], f64>
  %new = graph.add %old, %s : !graph.tensor<[3], f64>
  graph.write_variable @total, %new : !graph.tensor<[3], f64>
  %calls = graph.read_variable @calls : !graph.tensor<[], si64>
  %more = graph.add %calls, %w#0 : !graph.tensor<[], si64>
  graph.write_variable @calls, %more : !graph.tensor<[], si64>
  graph.return %w#1, %old, %more : !graph.tensor<[N, 3], f64>, !graph.tensor<[3], f64>, !graph.tensor<[], si64>
}
"""
(folder / "steps.mlir").write_text(STEPS)
module = folder / "steps.tsm"
compiled(folder / "steps.mlir", "-o", module)
runtime = tessera.load(module)


def aligned(size):
    memory = np.full(size + 64, 0xAA, np.uint8)
    return memory, ctypes.c_void_p(-(-memory.ctypes.data // 64) * 64)


def pointers(arrays):
    return [ctypes.c_void_p(array.ctypes.data) for array in arrays]


rng = np.random.default_rng(0)
for extent in (0, 1, 5, 64):
    library = folder / f"libs{extent}.so"
    compiled(module, "--emit", "library", "--dim", f"N={extent}", "-o", library)
    header = (folder / f"s{extent}.h").read_text()
    assert f"f64[{extent}][3] 'x'" in header and "'is good_'" not in header and "const long *int_" in header, header
    sizes = dict(re.findall(r"#define (\w+)_BYTES (\d+)ul", header))
    arena, arena_at = aligned(int(sizes[f"S{extent}_ARENA"]))
    state, state_at = aligned(int(sizes[f"S{extent}_STATE"]))
    loaded = ctypes.CDLL(str(library))
    entry, message = getattr(loaded, f"s{extent}_steps"), getattr(loaded, f"s{extent}_message")
    message.restype = ctypes.c_char_p
    getattr(loaded, f"s{extent}_reset")(state_at)
    total = getattr(loaded, f"s{extent}_variable_total")
    total.restype = ctypes.POINTER(ctypes.c_double)
    assert total(state_at)[2] == 1.0
    runtime.reset()
    for count, choice in ((3, True), (0, False), (1, True)):
        x = rng.standard_normal((extent, 3))
        inputs = [x, np.array(count, np.int64), np.array(choice)]
        expected = runtime.run(dict(zip(("x", "int", "is good?"), inputs)))
        actual = [np.full_like(expected[name], 7) for name in ("y", "state", "long")]
        code = entry(*pointers(inputs), *pointers(actual), state_at, arena_at)
        assert code == 0, message(code)
        for name, array in zip(("y", "state", "long"), actual):
            assert np.array_equal(array, expected[name]), (extent, name, array, expected[name])
        assert np.array_equal(total(state_at)[0:3], runtime.read("total"))
    code = entry(*pointers(inputs), *pointers(actual), ctypes.c_void_p(state_at.value + 8), arena_at)
    assert message(code) == b"the arena or the state is not aligned to 64 bytes", message(code)

# What cannot be.
target = ["--emit", "object", "-o", folder / "x.o"]
refused("function 'main' has extents without a value: B; the memory of an object is fixed, so give each one: --dim B=1",
        dense, *target)
refused("the module has no open extent 'C'; it has N", module, *target, "--dim", "C=1")
refused("extent B is 65, the model takes 1 to 64", folder / "dense.tsm", *target, "--dim", "B=65")
refused("no variant 'x86-64-v9'", module, *target, "--dim", "N=1", "--target", "x86-64-v9")
refused("is where the header goes", dense, "--emit", "object", "--dim", "B=1", "-o", folder / "x.h")
refused("--emit object takes one --target", dense, *target, "--dim", "B=1", "--target", "x86-64-v2,x86-64-v3")
refused("--quantize is for models", module, *target, "--dim", "N=1", "--quantize", "int4")
refused("the module has code for 'cuda' alone, and an object is for CPUs; --emit exe makes a program",
        dense, *target, "--dim", "B=1", "--target", "cuda:sm_80")
refused("did you mean 'object'", dense, "--emit", "objekt", "-o", folder / "x.o")
refused("say where to write the object", dense, "--emit", "object")
refused("cannot create", dense, "--emit", "object", "--dim", "B=1", "-o", "/none/x.o")
refused("extents depend on data, and the memory of an object is fixed; --emit exe",
        Path(__file__).parents[1] / "compiler/conversion/data-dependent.mlir", *target)
broken = bytearray((folder / "dense.tsm").read_bytes())
broken[200] ^= 1
(folder / "broken.tsm").write_bytes(broken)
refused("is damaged", folder / "broken.tsm", *target)
library = ["--emit", "library", "-o", folder / "libx.so", "--dim", "B=1"]
refused("needs a linker, and there is none", dense, *library, env=os.environ | {"TESSERA_LINKER": "/none"})
refused("false cannot link the library: it ended with status 1", dense, *library,
        env=os.environ | {"TESSERA_LINKER": "false"})
assert not [p for p in folder.iterdir() if p.stem in ("x", "libx") or ".tmp" in p.name], list(folder.iterdir())
