"""What every file and folder keeps to."""

import re

import tree

MAX_LINES = 600
ROOT_FOLDERS = {"compiler", "dialects", "frontends", "runtime", "test", "tools"}


def test_files_can_be_read_in_a_sitting():
    long = [f"{path}: {count} lines; split it by subject"
            for path in tree.files(".cpp", ".h", ".td", ".py", ".cmake")
            if (count := len(tree.text(path).splitlines())) > MAX_LINES]
    assert not long, "\n".join(long)


def test_top_level_folders_are_fixed():
    folders = {path.parts[0] for path in tree.files() if len(path.parts) > 1}
    assert {folder for folder in folders if not folder.startswith(".")} == ROOT_FOLDERS


def test_folders_say_what_they_hold():
    """A folder with sources has a README, or its parent does and it is a part of that one's subject."""
    silent = set()
    for path in tree.files(".cpp", ".h", ".td", ".fbs"):
        folder = tree.ROOT / path.parent
        if path.parts[0] != "test" and not ((folder / "README.md").exists() or
                                            (folder.parent / "README.md").exists()):
            silent.add(str(path.parent))
    assert not silent, f"no README.md in {sorted(silent)}"


def test_readmes_name_files_that_exist():
    """`Name.cpp` in a README is a file of the repository, `folder/Name.cpp` one at that path, near or from the root."""
    names = {path.name for path in tree.files()}
    missing = []
    for path in tree.files(".md"):
        for name in re.findall(r"`([\w/.-]+\.(?:cpp|h|td|fbs|py|md))`", tree.text(path)):
            near = tree.ROOT / path.parent / name
            if not (name in names or near.exists() or (tree.ROOT / name).exists()):
                missing.append(f"{path} names {name}")
    assert not missing, "\n".join(missing)


def test_every_source_is_built():
    """A file that no CMakeLists.txt names is dead."""
    dead = []
    for path in tree.files(".cpp"):
        folder, named = path.parent, False
        while not named and folder != folder.parent:
            lists = tree.ROOT / folder / "CMakeLists.txt"
            named = lists.exists() and (path.name in lists.read_text() or
                                        f"{path.stem};" in lists.read_text())
            folder = folder.parent
        if not named:
            dead.append(str(path))
    assert not dead, "\n".join(dead)


def test_text_is_tidy():
    wrong = []
    for path in tree.files(*tree.SOURCES, ".md", ".txt"):
        content = tree.text(path)
        if content and not content.endswith("\n"):
            wrong.append(f"{path}: no newline at the end")
        for number, line in enumerate(content.splitlines(), 1):
            if line != line.rstrip():
                wrong.append(f"{path}:{number}: space at the end of the line")
            if "\t" in line:
                wrong.append(f"{path}:{number}: tab")
    assert not wrong, "\n".join(wrong[:40])


def test_no_generated_or_large_files():
    large = [f"{path}: {size} bytes" for path in tree.files()
             if (size := (tree.ROOT / path).stat().st_size) > 256 * 1024]
    generated = [str(path) for path in tree.files()
                 if path.name.endswith((".inc", "_generated.h", ".pb.h", ".pb.cc", ".o", ".tsm"))]
    assert not large + generated, "\n".join(large + generated)


def test_the_runtime_keeps_its_promises():
    """runtime/README.md: no exceptions, no output, no way to end the process, no standard containers."""
    banned = {
        r"\b(?:std::)?(?:abort|exit|_exit|quick_exit)\s*\(": "return a Status",
        r"\bassert\s*\(": "return a Status, or prove it at load",
        r"\b(?:printf|fprintf|puts|putchar|std::cout|std::cerr)\b": "return a Status; tools print",
        r"\bthrow\b|\btry\s*\{": "return a Status",
        r"\bstd::(?:vector|string|map|unordered_map|function|shared_ptr|unique_ptr)\b":
            "they throw when memory ends: use List, Block, Arena",
        r"\bsetlocale\s*\(|\bsignal\s*\(|\bsigaction\s*\(": "the process belongs to its host",
    }
    wrong = []
    for path in tree.files(".cpp", ".h"):
        if path.parts[0] != "runtime":
            continue
        code = re.sub(r'//.*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', "", tree.text(path), flags=re.S)
        for pattern, instead in banned.items():
            if match := re.search(pattern, re.sub(r"//.*", "", code)):
                wrong.append(f"{path}: {match.group()}: {instead}")
    assert not wrong, "\n".join(wrong)
