"""Runs every test suite and sums them up.

The suites are lit (test/), GoogleTest binaries (BUILD/bin/unit) and the checks the repository makes
on itself (test/repository). The last line printed is `N passed, N failed`; the tests that were skipped
stand above it, with their reasons. A filter is a regular expression of test names
(for GoogleTest binaries: alternatives of plain text).
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Totals:
    def __init__(self):
        self.passed = self.failed = 0
        self.skipped = []

    def add(self, suite, passed, failed, skipped=()):
        self.passed += passed
        self.failed += failed
        self.skipped += [f"{suite}: {reason}" for reason in skipped]
        print(f"{suite}: {passed} passed, {failed} failed, {len(skipped)} skipped", flush=True)


def run_lit(build, totals, filter_):
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = ["lit", "-q", "-o", report.name, str(build / "test")]
        if filter_:
            command += ["--filter", filter_, "--allow-empty-runs"]
        code = subprocess.run(command, check=False).returncode
        try:
            tests = json.load(open(report.name))["tests"]
        except (ValueError, KeyError):
            # Without a test that matches, lit writes no report.
            return totals.add("lit", 0, int(code != 0 or not filter_))
    codes = [test["code"] for test in tests]
    for test in tests:
        if test["code"] not in ("PASS", "UNSUPPORTED", "SKIPPED"):
            print(f"=== {test['code']}: {test['name']}\n{test['output']}", flush=True)
    skipped = [test["name"] + " (" + (test["output"].strip() or "unsupported here") + ")"
               for test in tests if test["code"] in ("UNSUPPORTED", "SKIPPED")]
    passed = sum(code in ("PASS", "XFAIL", "FLAKYPASS") for code in codes)
    totals.add("lit", passed, len(codes) - passed - len(skipped), skipped)


def run_unit(build, totals, filter_):
    for binary in sorted((build / "bin" / "unit").glob("*")):
        if not os.access(binary, os.X_OK) or binary.is_dir():
            continue
        with tempfile.NamedTemporaryFile(suffix=".xml") as report:
            # As XML: GoogleTest's JSON does not say why a test was skipped.
            command = [str(binary), "--gtest_brief=1", f"--gtest_output=xml:{report.name}"]
            if filter_:
                # No name of GoogleTest has a hyphen, with which its filters begin what to leave out.
                parts = [f"*{part}*" for part in filter_.split("|") if "-" not in part]
                command.append("--gtest_filter=" + (":".join(parts) or "none"))
            code = subprocess.run(command, check=False).returncode
            try:
                tests = list(ElementTree.parse(report.name).iter("testcase"))
            except ElementTree.ParseError:
                totals.add(binary.name, 0, 1)
                continue
        reasons = {t: t.find("skipped").get("message", "").strip() for t in tests if t.find("skipped") is not None}
        skipped = [f"{t.get('classname')}.{t.get('name')} ({(reason.splitlines() or ['unsupported here'])[-1]})" for t, reason in reasons.items()]
        failed = sum(t.find("failure") is not None for t in tests)
        done = sum(t.get("status") == "run" for t in tests)
        if code and not failed:
            failed = 1  # A crash after the last test is a failure as well.
        totals.add(binary.name, max(done - failed - len(skipped), 0), failed, skipped)


class Collector:
    """A pytest plugin that runs what the filter names, and counts."""

    def __init__(self, filter_):
        self.filter = re.compile(filter_)
        self.passed = self.failed = 0
        self.skipped = []

    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if self.filter.search(item.nodeid)]

    def pytest_runtest_logreport(self, report):
        if report.skipped:
            self.skipped.append(f"{report.nodeid} ({report.longrepr[2]})")
        elif report.failed:
            self.failed += 1
        elif report.when == "call":
            self.passed += 1

    def pytest_collectreport(self, report):
        self.failed += report.failed


def run_pytest(build, totals, filter_):
    import pytest

    os.environ["TESSERA_BUILD"] = str(build)
    for suite in ("repository", "python"):
        if not (ROOT / "test" / suite).is_dir():
            continue
        collector = Collector(filter_)
        options = ["-q", "--no-header", "-p", "no:cacheprovider", str(ROOT / "test" / suite)]
        pytest.main(options, plugins=[collector])
        totals.add(suite, collector.passed, collector.failed, collector.skipped)


SUITES = {"lit": run_lit, "unit": run_unit, "pytest": run_pytest}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("filter", nargs="?", default="")
    parser.add_argument("--only", choices=SUITES, help="run one kind of suite")
    options = parser.parse_args()
    totals = Totals()
    for name, run in SUITES.items():
        if options.only in (None, name):
            run(options.build.resolve(), totals, options.filter)
    for reason in totals.skipped:
        print(f"skipped: {reason}")
    if not totals.passed + totals.failed + len(totals.skipped):
        print(f"no test has a name that matches '{options.filter}'")
    print(f"{totals.passed} passed, {totals.failed} failed", flush=True)
    return 0 if totals.passed and not totals.failed else 1


if __name__ == "__main__":
    sys.exit(main())
