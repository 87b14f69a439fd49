"""One name per thing: a pass, its flag, its file and its test are found from each other."""

import re

import pytest
import tree


def passes():
    """(folder, name, flag) of every pass that a Passes.td defines."""
    found = []
    for path in tree.files(".td"):
        if path.name == "Passes.td":
            for name, flag in re.findall(r'def (\w+)\s*:\s*Pass<\s*"([\w-]+)"', tree.text(path)):
                found.append((path.parent, name, flag))
    return found


def kebab(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def test_there_are_passes():
    assert len(passes()) >= 8


@pytest.mark.parametrize("folder, name, flag", passes(), ids=lambda value: str(value))
def test_pass_has_the_names_of_its_flag(folder, name, flag):
    assert kebab(name) == flag, f"{name} should have the flag {kebab(name)}"
    # The file and the test leave the level out when the folder says it.
    short = re.sub(r"^(Graph|Kernel|Schedule|Program)(?=[A-Z])", "", name)
    sources = {path.stem for path in tree.files(".cpp") if path.is_relative_to(folder)}
    assert {name, short} & sources, f"--{flag} is in no file {short}.cpp of {folder}"
    tests = {path.stem for path in tree.files(".mlir", ".py", ".test") if path.parts[0] == "test"}
    used = {flag, kebab(short)} & tests
    assert used, f"--{flag} has no test {kebab(short)}.mlir"
    assert any(f"--{flag}" in tree.text(path)
               for path in tree.files(".mlir", ".py", ".test")
               if path.parts[0] == "test" and path.stem in used), f"{used} do not run --{flag}"


def test_file_names_do_not_say_pass():
    assert not [path for path in tree.files(".cpp", ".h")
                if path.stem.endswith("Pass") and path.parts[0] != "test"]


def test_first_line_names_the_file():
    wrong = []
    for path in tree.files(".cpp", ".h", ".td"):
        lines = tree.text(path).splitlines()
        head = " ".join(lines[:1])
        if head.startswith("//===") and not re.search(rf"{re.escape(path.name)} - \S", head):
            wrong.append(f"{path}: {head}")
    assert not wrong, "\n".join(wrong)
