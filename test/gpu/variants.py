# Of a module's code for several architectures each device runs the best: that for it alone, then that for its family, then the newest
# that all later ones run. A device that none of it fits is told what there is.
# RUN: env TESSERA_CUDA_DRIVER=%builddir/lib/test/libfake_cuda_driver.so python3 %s %t
"""Arguments: a folder."""
import os
import subprocess
import sys
from pathlib import Path

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
T = "!graph.tensor<[N], f32>"
(folder / "model.mlir").write_text(f"""
graph.func @main(%x: {T} {{graph.name = "x"}}) -> ({T} {{graph.name = "y"}}) {{
  %0 = graph.add %x, %x : {T}
  graph.return %0 : {T}
}}""")

# Modules, and which of their levels a device of a compute capability gets.
ALL = "80 86 89 90a 100a 100f"
MODULES = {
    ALL: {80: "80", 86: "86", 89: "89", 90: "90a", 100: "100a", 103: "100f", 120: "89", 75: None},
    "host 100f 80 100a": {100: "100a", 103: "100f", 110: "80", 120: "80", 75: None},
    "80 90a": {80: "80", 86: "80", 90: "90a", 100: "80", 103: "80"},
    "host 90 90a 103 100f": {90: "90a", 100: "100f", 103: "100f", 110: "103", 120: "103", 89: None},
    "90a": {90: "90a", 89: None, 100: None, 103: None, 120: None},
}


def run(module, capability):
    settings = {"FAKE_CUDA_CAPABILITY": str(capability), "FAKE_CUDA_VERSION": "13000"}
    load = "import sys, numpy, tessera; session = tessera.load(sys.argv[1], device='cuda'); print(repr(session)); print(session.run({'x': numpy.full(5, 1.5, 'f4')})['y'])"
    result = subprocess.run([sys.executable, "-c", load, module], capture_output=True, text=True, env=os.environ | settings)
    return result.returncode, result.stdout + result.stderr


for number, (levels, expected) in enumerate(MODULES.items()):
    names = [level if level == "host" else f"cuda:sm_{level}" for level in levels.split()]
    module = folder / f"{number}.tsm"
    subprocess.run(["tessera-compile", folder / "model.mlir", "--target", ",".join(names), "-o", module, "-q"], check=True)
    for capability, level in expected.items():
        code, output = run(module, capability)
        if level:
            assert code == 0 and f"cuda:sm_{level}'" in output.replace('"', "'").replace(",", "'").replace(">", "'").replace(" ", "'"), (levels, capability, output)
            assert "[3. 3. 3. 3. 3.]" in output, output
            continue
        also = " (the module also runs on 'cpu')" if "host" in names else ""
        wanted = [f"device 'cuda'{also}: this device (interpreter of PTX, sm_{capability}) cannot run the module: ",
                  *(f"{name} needs {name[5:]}" for name in names if name != "host"), "compile the model for this machine"]
        assert code != 0 and all(part in output for part in wanted), (levels, capability, output)
