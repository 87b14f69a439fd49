"""Runs the unit tests of a sanitizer build, then its fuzz targets for a short, repeatable while.

A fuzz target first gets its seeds (made here by script) and the inputs that once failed, then mutations of
them from a fixed random seed. The last line printed is `N passed, N failed`.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

# MLIR's libraries are not instrumented: they do not take back the poison that LLVM's headers, compiled here, give
# to memory that they hand out; and they are loaded as shared libraries that define the same inline data.
OPTIONS = {
    "ASAN_OPTIONS": "allow_user_poisoning=0:detect_odr_violation=0:detect_container_overflow=0:"
                    "allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
    "ASAN_SYMBOLIZER_PATH": "/usr/lib/llvm-22/bin/llvm-symbolizer",
}

# name: runs, size of the largest input, how the seeds are made (a folder is the argument)
TARGETS = {
    "fuzz-image": (20000, 2048, "test/runtime/hostops/seeds.py"),
    "fuzz-module": (30000, 8192, None),
    "fuzz-onnx": (3000, 4096, "test/frontends/onnx/seeds.py"),
    "fuzz-text": (1500, 2048, "test/dialects/graph/seeds.py"),
}


def make_seeds(binary, environment, folder):
    """A folder within the given one, with what is made by script and what is in the tree."""
    seeds = folder / "seeds"
    seeds.mkdir()
    script = TARGETS[binary.name][2]
    if script:
        subprocess.run([sys.executable, ROOT / script, seeds], check=True)
    else:
        subprocess.run([binary], env={**environment, "TESSERA_SEEDS": str(seeds)}, check=True)
    for known in sorted((ROOT / "test" / "Inputs" / binary.name).glob("*")):
        shutil.copy(known, seeds)
    return seeds


def fuzz(binary, environment, runs):
    """Whether the target survived; what it printed is shown when it did not."""
    default, size, _ = TARGETS[binary.name]
    with tempfile.TemporaryDirectory() as folder:
        found = pathlib.Path(folder) / "found"
        found.mkdir()
        seeds = make_seeds(binary, environment, pathlib.Path(folder))
        command = [binary, f"-runs={runs or default}", "-seed=1", f"-max_len={size}", "-timeout=20",
                   "-rss_limit_mb=2048", "-malloc_limit_mb=1024", f"-artifact_prefix={binary.parent}/",
                   "-print_final_stats=1", found, seeds]
        done = subprocess.run([str(part) for part in command], env=environment, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        print(done.stdout[-6000:])
    last = [line for line in done.stdout.splitlines() if line.startswith("stat::number_of_executed_units")]
    print(f"{binary.name}: {'ok' if not done.returncode else 'FAILED'} {' '.join(last)}", flush=True)
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=0, help="of each fuzz target, instead of the short default")
    parser.add_argument("--only", default="", help="binaries whose name contains this")
    options = parser.parse_args()
    environment = {**os.environ, **OPTIONS}
    build, passed, failed = options.build.resolve(), 0, 0
    for binary in sorted((build / "bin" / "unit").glob("*")) + sorted((build / "bin" / "fuzz").glob("fuzz-*")):
        if options.only not in binary.name or not os.access(binary, os.X_OK) or binary.is_dir():
            continue
        if binary.parent.name == "fuzz":
            ok = fuzz(binary, environment, options.runs)
        else:
            ok = subprocess.run([binary, "--gtest_brief=1"], env=environment, check=False).returncode == 0
        passed += ok
        failed += not ok
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
