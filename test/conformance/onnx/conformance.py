"""Runs the test suite of the `onnx` package (onnx.backend.test), and cases of our own (own_cases.py, varied_cases.py), with Tessera as their
backend.

Cases run side by side in processes of their own; one that takes too long, or ends its process, has failed. Written to the
output folder: results.json, failures.txt (failed cases by cause) and table.md (operators x element types x how
many cases passed; of a run of all cases in build/docs/onnx-operators.md, too). The last line is `N passed, N failed`.
"""
import argparse
import collections
import json
import multiprocessing
import multiprocessing.connection
import re
import sys
import time
import unittest
import warnings
import zlib
from pathlib import Path

import onnx

warnings.filterwarnings("ignore")  # The suite makes arrays that overflow on purpose.
from onnx.backend.test import BackendTest  # noqa: E402

from operator_table import uses_of, write_table  # noqa: E402
from own_cases import own_cases  # noqa: E402
from varied_cases import varied_cases  # noqa: E402

from tessera.onnx.backend import TesseraBackend  # noqa: E402

HERE = Path(__file__).parent
DOCS = HERE.parents[2] / "build" / "docs"
# Of the cases in the fast part: one of so many.
SHARE = 19


class Recorder(TesseraBackend):
    """Keeps what model a case is about."""

    model = None

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        Recorder.model = model
        return super().prepare(model, device, jobs=1, threads=1, **kwargs)


def listed(name):
    """Lines of a file beside this one: a name or pattern, and why."""
    lines = [line.split("#")[0].split(None, 1) for line in (HERE / name).read_text().splitlines()]
    return {line[0]: line[1].strip() if len(line) > 1 else "" for line in lines if line}


def collect():
    """Cases by name. Models that would have to be fetched are left out."""
    cases = {}
    for group, tests in BackendTest(Recorder, __name__).test_cases.items():
        if "Real" not in group:
            for name in unittest.defaultTestLoader.getTestCaseNames(tests):
                if name.endswith("_cpu"):
                    cases[name.removesuffix("_cpu")] = tests(name)
    return cases | own_cases(Recorder) | varied_cases(Recorder)


def run_case(case):
    """How a case went: text of the failure or nothing, and what its model uses."""
    Recorder.model = None
    result = unittest.TestResult()
    case.run(result)
    text = ""
    for _, trace in [*result.errors, *result.failures]:
        text = trace.strip()
        # Where a comparison failed says less than what it said.
        at = max(text.rfind(f"\n{kind}: ") for kind in ("AssertionError", "Error", "ValueError", "TypeError"))
        text = text[at:].strip() if at >= 0 else text.splitlines()[-1]
    for _, reason in result.skipped:
        text = f"skipped: {reason}"
    return text[:2000], uses_of(Recorder.model) if Recorder.model else []


def work(cases, pipe):
    sys.stdout = sys.stderr = open("/dev/null", "w")
    while (name := pipe.recv()) is not None:
        pipe.send(run_case(cases[name]))


class Worker:
    """A process that runs one case after the other."""

    def __init__(self, cases):
        self.cases = cases
        self.name = None
        self.start()

    def start(self):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=work, args=(self.cases, other), daemon=True)
        self.process.start()
        other.close()

    def give(self, name):
        self.name, self.since = name, time.monotonic()
        self.pipe.send(name)

    def take(self, limit):
        """What came of the case; nothing while it runs."""
        try:
            if self.pipe.poll():
                return self.pipe.recv()
        except EOFError:
            self.process.join()
            code = self.process.exitcode
            self.start()
            return f"ended the process with exit code {code}", []
        if time.monotonic() - self.since < limit:
            return None
        self.process.kill()
        self.process.join()
        self.start()
        return f"took longer than {limit} seconds", []

    def stop(self):
        self.pipe.send(None)
        self.process.join()


def run(cases, names, options):
    todo, results = list(reversed(names)), {}
    workers = [Worker(cases) for _ in range(min(options.jobs, len(names)))]
    idle = list(workers)
    while todo or len(idle) < len(workers):
        while todo and idle:
            idle.pop().give(todo.pop())
        busy = [worker for worker in workers if worker not in idle]
        multiprocessing.connection.wait([worker.pipe for worker in busy], timeout=0.5)
        for worker in busy:
            if (outcome := worker.take(options.time_limit)) is None:
                continue
            text, uses = outcome
            seconds = time.monotonic() - worker.since
            results[worker.name] = {"failure": text, "uses": uses, "seconds": round(seconds, 2)}
            idle.append(worker)
            if not options.quiet and len(results) % 100 == 0:
                print(f"{len(results)} of {len(names)}", flush=True)
    for worker in workers:
        worker.stop()
    return results


def cause(text):
    """What failures have in common: the message without names and numbers."""
    line = next((line for line in text.splitlines() if line.strip() and line.strip() != "AssertionError:"), text)
    line = re.sub(r"node '[^']*' ", "", line)
    return re.sub(r"-?\d+(\.\d+)?(e[-+]\d+)?", "N", line)[:160]


def write_failures(results, path):
    causes = collections.defaultdict(list)
    for name, row in results.items():
        if row["failure"]:
            causes[cause(row["failure"])].append(name)
    with open(path, "w") as file:
        for text, names in sorted(causes.items(), key=lambda row: (-len(row[1]), row[0])):
            file.write(f"{len(names):4} {text}\n       {' '.join(sorted(names))}\n")


def choose(cases, options):
    excluded, missing = listed("excluded.txt"), listed("missing.txt")
    names = [name for name in cases if name not in excluded and re.search(options.filter, name)]
    if options.fast:
        names = [name for name in names if name not in missing and zlib.crc32(name.encode()) % SHARE == 0]
    left_out = {name: why for name, why in excluded.items() if re.search(options.filter, name)}
    return sorted(names), {} if options.fast else left_out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("filter", nargs="?", default="", help="a regular expression of names of cases")
    parser.add_argument("--output", type=Path, default=Path("build/conformance/onnx"))
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time")
    parser.add_argument("--time-limit", type=float, default=60, help="seconds for a case")
    parser.add_argument("--fast", action="store_true", help=f"one of {SHARE} cases, of those that are known to pass")
    parser.add_argument("--quiet", action="store_true", help="the failures and the last line only")
    parser.add_argument("--write-missing", action="store_true", help="write the failed cases to missing.txt")
    options = parser.parse_args()
    cases = collect()
    names, excluded = choose(cases, options)
    start = time.monotonic()
    results = run(cases, names, options)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "results.json").write_text(json.dumps(results, indent=1, sort_keys=True))
    write_failures(results, options.output / "failures.txt")
    write_table(results, options.output / "table.md")
    if not options.filter and not options.fast:
        DOCS.mkdir(parents=True, exist_ok=True)
        write_table(results, DOCS / "onnx-operators.md")
    failed = sorted(name for name, row in results.items() if row["failure"])
    for name in failed:
        print(f"{name}: {' '.join(results[name]['failure'].split())[:300]}")
    for name, why in excluded.items():
        print(f"excluded: {name} ({why})")
    if options.write_missing:
        (HERE / "missing.txt").write_text("# Cases that do not pass yet; conformance.py --write-missing writes this.\n"
                                          + "".join(f"{name}\n" for name in failed))
    if not options.quiet:
        print(f"onnx {onnx.__version__}, {time.monotonic() - start:.0f} seconds; tables in {options.output}")
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
