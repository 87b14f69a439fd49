"""The reference documentation is complete: it is generated from definitions that say what they define."""

import re
import subprocess
import sys

import pytest
import tree


@pytest.fixture(scope="module")
def docs(tmp_path_factory):
    build = tmp_path_factory.mktemp("build")
    subprocess.run([sys.executable, str(tree.ROOT / "tools/dev/docs.py"), str(build), "--no-measurements"], check=True)
    return {path.name: path.read_text() for path in (build / "docs").iterdir()}


def test_every_file_is_in_the_index(docs):
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", docs["index.md"])) == set(docs) - {"index.md"}


@pytest.mark.parametrize("dialect", ["graph", "kernel", "schedule", "program"])
def test_every_op_has_a_summary(docs, dialect):
    text = docs[f"dialect-{dialect}.md"]
    ops = re.findall(rf"^### `{dialect}\.([\w.]+)` \(.*\)\n\n(.?)", text, re.MULTILINE)
    assert len(ops) >= 3
    assert not [name for name, start in ops if start != "_"], "ops without a summary"


def test_every_pass_has_a_summary(docs):
    passes = re.findall(r"^### `-([\w-]+)`\n\n(.?)", docs["passes.md"], re.MULTILINE)
    assert len(passes) >= 8
    assert not [name for name, start in passes if start != "_"], "passes without a summary"


def test_constraints_are_numbered():
    """(C1), (C2), ... of a definition are consecutive."""
    wrong = []
    for path in tree.files(".td"):
        for name, rest in re.findall(r"^def (\w+)(.*?)(?=^def |\Z)", tree.text(path), re.MULTILINE | re.DOTALL):
            description = re.search(r"description = \[\{(.*?)\}\]", rest, re.DOTALL)
            numbers = [int(n) for n in re.findall(r"^\s*[*-] \(C(\d+)\)", description.group(1), re.MULTILINE)] \
                if description else []
            if numbers != list(range(1, len(numbers) + 1)):
                wrong.append(f"{path}: {name} numbers its constraints {numbers}")
    assert not wrong, "\n".join(wrong)
