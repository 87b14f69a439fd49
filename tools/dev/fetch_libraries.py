"""Installs the Python packages of a list, without what they ask for, into a folder of their own.

Usage: fetch_libraries.py FOLDER LIST. Quick when everything is there. Exits with 2 when the packages cannot be had.
"""
import fcntl
import subprocess
import sys
from pathlib import Path


def main():
    folder, listed = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    lock = open(folder / "lock", "w")  # Tests that run side by side ask for the same folder.
    fcntl.flock(lock, fcntl.LOCK_EX)
    done, wanted = folder / "done.txt", listed.read_text()
    if done.exists() and done.read_text() == wanted:
        return 0
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--upgrade", "--target", str(folder), "-r", str(listed)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        print(f"cannot install {listed.name}: {result.stderr.strip()[-300:]}", file=sys.stderr)
        return 2
    done.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
