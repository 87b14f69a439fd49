"""The files of the repository, as its own tests see them."""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = (".cpp", ".h", ".td", ".fbs", ".py", ".mlir", ".cmake", ".sh")


def files(*suffixes):
    """Paths relative to the root, of files that git knows or will know, with one of the suffixes."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = [pathlib.PurePosixPath(name) for name in listed.split("\0") if name]
    return sorted(path for path in paths
                  if (ROOT / path).is_file() and (not suffixes or path.suffix in suffixes))


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")
