"""C++ looks as .clang-format says; `./dev format` makes it so."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

import tree


def test_sources_are_formatted():
    paths = [str(path) for path in tree.files(".cpp", ".h")]
    groups = [paths[i:i + 40] for i in range(0, len(paths), 40)]

    def check(group):
        done = subprocess.run(["clang-format-22", "--dry-run", "-Werror", *group], cwd=tree.ROOT, capture_output=True,
                              text=True, check=False)
        return [line for line in done.stderr.splitlines() if "error:" in line] if done.returncode else []

    with ThreadPoolExecutor(2) as pool:
        wrong = [line for lines in pool.map(check, groups) for line in lines]
    assert not wrong, "run ./dev format:\n" + "\n".join(wrong[:20])
