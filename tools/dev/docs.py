"""Generates the reference documentation into BUILD/docs: dialects, passes, errors of elementary functions.

Nothing of it is typed by hand: definitions are the source (mlir-tblgen), figures are measured.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIALECTS = {"graph": "Graph.td", "kernel": "KernelOps.td", "schedule": "ScheduleOps.td", "program": "ProgramOps.td"}
LLVM_INCLUDE = "/usr/lib/llvm-22/include"
FUNCTIONS = "test/compiler/transforms/elementary-functions.py"


def tablegen(path, *flags):
    return subprocess.run(["mlir-tblgen", *flags, "-I", str(ROOT), "-I", LLVM_INCLUDE, str(path)], check=True,
                          capture_output=True, text=True).stdout


def body(text):
    """Without the generator's notes to itself."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("<!--") and line != "[TOC]").strip()


def dialects():
    for name, file in DIALECTS.items():
        text = tablegen(ROOT / "dialects" / name / file, "-gen-dialect-doc", f"-dialect={name}")
        yield f"dialect-{name}.md", body(text) + "\n", f"The `{name}` dialect"


def passes():
    parts = ["# Passes\n\nEvery one is a flag of `tessera-opt`; their order stands in `compiler/pipelines`."]
    for path in sorted((ROOT / "compiler").rglob("Passes.td")):
        parts.append(f"## {path.parent.relative_to(ROOT)}\n\n" + body(tablegen(path, "-gen-pass-doc")))
    return "passes.md", "\n\n".join(parts) + "\n", "Passes"


def functions(target):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(ROOT / FUNCTIONS), folder, "--table", str(target)], check=True,
                       stdout=subprocess.DEVNULL)
    return target.name, "Errors of elementary functions"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--no-measurements", action="store_true", help="leave out what takes measuring")
    options = parser.parse_args()
    folder = options.build / "docs"
    folder.mkdir(parents=True, exist_ok=True)
    index = ["# Tessera: reference\n"]
    for name, text, title in [*dialects(), passes()]:
        (folder / name).write_text(text)
        index.append(f"- [{title}]({name})")
    if not options.no_measurements:
        name, title = functions(folder / "elementary-functions.md")
        index.append(f"- [{title}]({name})")
    if (folder / "onnx-operators.md").exists():  # A run of all cases of `./dev conformance` writes it.
        index.append("- [Operators of ONNX](onnx-operators.md)")
    (folder / "index.md").write_text("\n".join(index) + "\n")
    print(folder / "index.md")


if __name__ == "__main__":
    main()
