"""Runs one fuzz target, or each in turn, for some minutes: `./dev fuzz [TARGET] [MINUTES]`.

Begins with the seeds, the inputs in test/Inputs/TARGET and what earlier runs found (.cache/fuzz/TARGET), and adds to the last.
A crash, a leak, a run of more than a minute or more than 2 GB end a target with status 1; the input lies beside the binary.
`--keep` writes the smallest inputs that reach new code to test/Inputs/TARGET.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import warnings

from run_sanitized import OPTIONS, ROOT, TARGETS, make_seeds

# What test/Inputs/TARGET may hold.
MAX_KEPT_BYTES, MAX_KEPT_INPUT = 24 << 10, 700


def package_models(folder, largest):
    """Models of the onnx package's own tests: every operator is among them."""
    warnings.simplefilter("ignore")  # The package makes arrays that overflow on purpose.
    from onnx.backend.test.case.node import collect_testcases

    for case in collect_testcases(None):
        content = case.model.SerializeToString() if case.model else b""
        if 0 < len(content) <= largest:
            (folder / case.name).write_bytes(content)


def fuzz(binary, minutes, seed, jobs):
    _, size, _ = TARGETS[binary.name]
    found = ROOT / ".cache" / "fuzz" / binary.name
    found.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **OPTIONS}
    with tempfile.TemporaryDirectory() as folder:
        seeds = make_seeds(binary, environment, pathlib.Path(folder))
        if binary.name == "fuzz-onnx":
            package_models(seeds, size)
        command = [binary, f"-max_total_time={int(60 * minutes)}", f"-seed={seed}", f"-max_len={size}", "-timeout=60",
                   "-rss_limit_mb=2048", "-malloc_limit_mb=1024", f"-artifact_prefix={binary.parent}/", "-print_final_stats=1",
                   *([f"-fork={jobs}"] if jobs > 1 else []), found, seeds]
        print(f"{binary.name}: {minutes:g} minutes, random seed {seed}", flush=True)
        done = subprocess.run([str(part) for part in command], env=environment, text=True, errors="replace", check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = done.stdout.splitlines()
    if done.returncode:
        print("\n".join(line[:300] for line in lines[-120:]))
    for line in lines:
        if line.startswith("stat::") or (line == lines[-1] and jobs > 1):
            print(line)
    print(f"{binary.name}: {'FAILED' if done.returncode else 'ok'}", flush=True)
    return done.returncode == 0


def keep(binary):
    """The inputs that libFuzzer's merge needs for all the code that is reached, the smallest first."""
    found, target = ROOT / ".cache" / "fuzz" / binary.name, ROOT / "test" / "Inputs" / binary.name
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        merged, small = pathlib.Path(folder) / "merged", pathlib.Path(folder) / "small"
        merged.mkdir()
        small.mkdir()
        for path in found.iterdir():
            if path.stat().st_size <= MAX_KEPT_INPUT:
                shutil.copy(path, small)
        subprocess.run([binary, "-merge=1", "-rss_limit_mb=2048", merged, target, small], env={**os.environ, **OPTIONS}, check=True,
                       capture_output=True)
        total = sum(path.stat().st_size for path in target.iterdir())
        for path in sorted(merged.iterdir(), key=lambda path: (path.stat().st_size, path.name)):
            total += path.stat().st_size
            if total > MAX_KEPT_BYTES:
                break
            shutil.copy(path, target / path.name[:12])
    print(f"{target}: {len(list(target.iterdir()))} inputs")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("target", nargs="?", default="all", help="module, onnx, text, image or all")
    parser.add_argument("minutes", nargs="?", type=float, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1000000)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--keep", action="store_true", help="put what was found before into the tree, and run nothing")
    options = parser.parse_args()
    names = [name for name in TARGETS if options.target in ("all", name, name.removeprefix("fuzz-"))]
    if not names:
        parser.error(f"no target '{options.target}'; there are {', '.join(name.removeprefix('fuzz-') for name in TARGETS)}")
    binaries = [options.build.resolve() / "bin" / "fuzz" / name for name in names]
    if options.keep:
        for binary in binaries:
            keep(binary)
        return 0
    passed = [fuzz(binary, options.minutes, options.seed, options.jobs) for binary in binaries]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
