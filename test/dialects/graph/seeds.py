# Seeds of the fuzz target of the textual IR: the graph functions of the tests.
# RUN: mkdir -p %t && python3 %s %t && ls %t | FileCheck %s
# CHECK: 0
"""Argument: the folder to write to."""
import pathlib
import re
import sys


def main():
    tests = pathlib.Path(__file__).resolve().parents[2]
    seeds = set()
    for path in sorted(tests.rglob("*.mlir")):
        for piece in re.split(r"(?m)^// -----.*$", path.read_text()):
            text = "\n".join(line for line in piece.splitlines() if not line.lstrip().startswith("//")).strip()
            if "graph.func" in text and len(text) < 2000:
                seeds.add(text)
    for i, text in enumerate(sorted(seeds)):
        (pathlib.Path(sys.argv[1]) / str(i)).write_text(text)


if __name__ == "__main__":
    main()
