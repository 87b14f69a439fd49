"""`pip wheel .` gives a wheel that works elsewhere."""
import os
import subprocess
import sys
import venv

import pytest
from conftest import DENSE, ROOT


@pytest.mark.skipif(not os.environ.get("TESSERA_TEST_WHEEL"),
                    reason="builds everything a second time; TESSERA_TEST_WHEEL=1 runs it")
def test_wheel(tmp_path):
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("tessera-*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", str(wheel)], check=True)
    code = f"import tessera, numpy; print(tessera.compile({str(DENSE)!r})(numpy.ones((2, 4), 'f4'))['y'][0, 2])"
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "TESSERA_KERNELC")}
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path,
                          env=environment)
    assert done.stdout.strip() == "1.5"
