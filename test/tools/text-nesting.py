# Text that nests deeper than any model is refused with its line and column, and errors in text point at their place.
# RUN: rm -rf %t && mkdir -p %t && python3 %s %t
"""Argument: a folder to write to."""
import subprocess
import sys

HEAD = 'graph.func @main(%x: !graph.tensor<[B, 4], f32> {graph.name = "x"}) -> (!graph.tensor<[B, 4], f32> {graph.name = "y"}) {\n'
TAIL = "  graph.return %x : !graph.tensor<[B, 4], f32>\n}\n"
deep = 100000
# name: (text, what the error says)
CASES = {
    "parentheses": ("// graph.func\n" + "(" * deep, ":2:201: brackets are nested more than 200 deep (kMaxTextNesting)"),
    "regions": (HEAD + '  "graph.if"(%x) ({\n' * deep, ":101:19: brackets are nested more than 200 deep"),
    "types": ("\n!graph.tensor<" + "[" * deep, ":2:214: brackets are nested"),
    "dims": (HEAD + "  %0 = graph.relu %x : !graph.tensor<[" + "(" * deep, "brackets are nested"),
    "attributes": (HEAD + "  graph.return %x {a = " + "[" * deep, "brackets are nested"),
    "not-closed": (HEAD, ":1:"),
    "unknown-op": (HEAD + "  %0 = graph.reluu %x : !graph.tensor<[B, 4], f32>\n" + TAIL, ":2:8: "),
    "unknown-value": (HEAD + "  %0 = graph.relu %z : !graph.tensor<[B, 4], f32>\n" + TAIL, ":2:19: "),
    "wrong-type": (HEAD + "  %0 = graph.relu %x : !graph.tensor<[B, 5], f32>\n" + TAIL, ":2:19: "),
    "bad-string": (HEAD + '  graph.return "never closed\n', ":2:"),
    "latin-1": ("graph.f\xfcnc", ":1:"),
}
# Brackets in strings and comments are text; arrows close nothing.
FINE = "// " + "(" * 500 + "\n" + HEAD.replace('"y"', '"' + "(" * 500 + '\\22"') + "  // ]]]]" + "{" * 500 + "\n" + TAIL


def main():
    wrong = []
    for name, (text, expected) in CASES.items():
        path = f"{sys.argv[1]}/{name}.mlir"
        with open(path, "w", encoding="latin-1") as file:
            file.write(text)
        done = subprocess.run(["tessera-compile", path, "--emit", "graph"], capture_output=True, text=True, errors="replace")
        first = (done.stderr.splitlines() or [""])[0]
        if done.returncode != 1 or expected not in first or not first.startswith(path):
            wrong.append(f"{name}: status {done.returncode}, expected '{expected}', got:\n{done.stderr[:400]}")
    path = f"{sys.argv[1]}/fine.mlir"
    with open(path, "w") as file:
        file.write(FINE)
    done = subprocess.run(["tessera-compile", path, "--emit", "graph"], capture_output=True, text=True)
    if done.returncode:
        wrong.append(f"fine: {done.stderr[:400]}")
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
