# A C program out of tree finds an installed Tessera, with CMake and with pkg-config.
# RUN: python3 %s %builddir %t | FileCheck %s
# CHECK: cmake: out.tsm for x86-64-v
# CHECK-NEXT: cmake: y[0][0] = 0, y[1][0] = 1.5
# CHECK-NEXT: cmake: cannot open 'none.tsm': No such file or directory
# CHECK-NEXT: cmake: cannot read 'none.mlir': No such file or directory
# CHECK-NEXT: pkg-config: y[0][0] = 0, y[1][0] = 1.5
# CHECK-NEXT: strict C89
"""Arguments: the build tree, a folder."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

build, folder = Path(sys.argv[1]), Path(sys.argv[2])
source = Path(__file__).resolve().parent / "consumer"
model = Path(__file__).resolve().parents[1] / "dense.mlir"
shutil.rmtree(folder, ignore_errors=True)
folder.mkdir(parents=True)
first, prefix, program = folder / "first", folder / "prefix", folder / "program"


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, cwd=folder,
                          **options).stdout


def say(how, text):
    print(f"{how}: {text.strip()}")


run("cmake", "--install", build, "--prefix", first, "--component", "development")
first.rename(prefix)  # An installed tree can be moved.
run("cmake", "-G", "Ninja", "-S", source, "-B", program, f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release")
run("ninja", "-C", program)
say("cmake", run(program / "compile", model, "out.tsm"))
say("cmake", run(program / "hello", "out.tsm"))
for name, argument in (("hello", "none.tsm"), ("compile", "none.mlir")):
    failed = subprocess.run([program / name, argument], capture_output=True, text=True, cwd=folder, check=False)
    assert failed.returncode == 1, failed
    say("cmake", failed.stderr)

environment = {**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")}
flags = run("pkg-config", "--cflags", "--libs", "tessera", env=environment).split()
run("cc", source / "hello.c", "-o", "hello", *flags, f"-Wl,-rpath,{prefix}/lib")
say("pkg-config", run(folder / "hello", "out.tsm"))
for name in ("tessera.h", "tessera_compiler.h"):
    (folder / "header.c").write_text(f"#include <{name}>\nint main(void) {{ return 0; }}\n")
    run("cc", "-std=c89", "-pedantic", "-Wall", "-Wextra", "-Werror", f"-I{prefix}/include", "-c", "header.c")
print("strict C89")
