# The runtime and its public header compile without a warning with g++ and gcc as well.
# REQUIRES: g++
# RUN: python3 %s %S/../.. %tessera_lib/..
"""Arguments: the source and the build folder."""
import pathlib
import subprocess
import sys

source, build = map(pathlib.Path, sys.argv[1:])
files = sorted((source / "runtime").rglob("*.cpp"))
assert len(files) > 10
flags = ["-std=c++20", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-fno-exceptions", "-fno-rtti", "-fsyntax-only"]
flags += subprocess.run(["pkg-config", "--cflags", "libopenjp2", "libwebp"], capture_output=True, text=True, check=True).stdout.split()
subprocess.run(["g++", *flags, f"-I{source}", f"-I{build}", *files], check=True)
header = "#include \"runtime/api/tessera.h\"\nint main(void) { return tessera_api_version() != TESSERA_API_VERSION; }\n"
for language in ("c -std=c89", "c -std=c11", "c++ -std=c++11"):
    subprocess.run(["gcc", "-x", *language.split(), "-Wall", "-Wextra", "-pedantic-errors", "-Werror", "-fsyntax-only",
                    f"-I{source}", "-"], input=header, text=True, check=True)
