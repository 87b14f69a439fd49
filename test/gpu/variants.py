# Of a module's code for several architectures each device runs the best: that for it alone, then that for its family, then the newest
# that all later ones run. A device that none of it fits is told what there is. A driver that is too old for the best gets the next; one
# that is too old for all is told what each asks for, which is the oldest PTX that knows the architecture.
# RUN: env TESSERA_CUDA_DRIVER=%builddir/lib/test/libfake_cuda_driver.so python3 %s %t
"""Arguments: a folder."""
import json
import os
import re
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


def run(module, capability, version="13000", **settings):
    settings |= {"FAKE_CUDA_CAPABILITY": str(capability), "FAKE_CUDA_VERSION": version}
    load = "import sys, numpy, tessera; session = tessera.load(sys.argv[1], device='cuda'); print(repr(session)); print('note:', session.note); print(session.run({'x': numpy.full(5, 1.5, 'f4')})['y'])"
    result = subprocess.run([sys.executable, "-c", load, module], capture_output=True, text=True, env=os.environ | settings)
    return result.returncode, result.stdout + result.stderr


for number, (levels, expected) in enumerate(MODULES.items()):
    names = [level if level == "host" else f"cuda:sm_{level}" for level in levels.split()]
    module = folder / f"{number}.tsm"
    subprocess.run(["tessera-compile", folder / "model.mlir", "--target", ",".join(names), "-o", module, "-q"], check=True)
    for capability, level in expected.items():
        code, output = run(module, capability)
        if level:
            assert "note: \n" in output, output
            assert code == 0 and f"cuda:sm_{level}'" in output.replace('"', "'").replace(",", "'").replace(">", "'").replace(" ", "'"), (levels, capability, output)
            assert "[3. 3. 3. 3. 3.]" in output, output
            continue
        also = " (the module also runs on 'cpu')" if "host" in names else ""
        wanted = [f"device 'cuda'{also}: this device (interpreter of PTX, sm_{capability}) cannot run the module: ",
                  *(f"{name} needs {name[5:]}" for name in names if name != "host"), "compile the model for this machine"]
        assert code != 0 and all(part in output for part in wanted), (levels, capability, output)


# The first PTX that knows each ("PTX ISA", release notes).
OLDEST = {"80": "7.0", "86": "7.1", "89": "7.8", "90a": "8.0", "100a": "8.6", "100f": "8.8"}
everything = folder / "0.tsm"
text = subprocess.run(["tessera-compile", folder / "model.mlir", "--target", ",".join(f"cuda:sm_{level}" for level in OLDEST), "--emit", "asm", "-o", "-", "-q"],
                      check=True, capture_output=True, text=True).stdout
versions = re.findall(r"\.version (\S+)\n\.target sm_(\w+)", text)
assert {level: version for version, level in versions} == OLDEST, versions

# A driver of a version, on a device: what it runs, and what it had to leave.
OLD = {
    (12090, 100): ("100a", []),
    (12070, 100): ("100a", []),
    (12060, 100): ("89", ["100a: {}is too old for its PTX 8.6, which needs one for CUDA 12.7", "100f: {}is too old for its PTX 8.8, which needs one for CUDA 12.9"]),
    (12080, 103): ("89", ["100f"]),
    (12000, 90): ("90a", []),
    (11080, 90): ("89", ["90a: {}is too old for its PTX 8.0, which needs one for CUDA 12.0"]),
    (11040, 90): ("86", ["90a", "89: {}is too old for its PTX 7.8, which needs one for CUDA 11.8"]),
    (11000, 90): ("80", ["90a", "89", "86"]),
    (11000, 80): ("80", []),
}
for (version, capability), (level, left) in OLD.items():
    code, output = run(everything, capability, str(version))
    noted = output.partition("note: ")[2].partition("\n")[0]
    assert code == 0 and f"cuda:sm_{level}>" in output and "[3. 3. 3. 3. 3.]" in output, (version, capability, output)
    assert noted.count("its PTX") == len(left) and noted.endswith(f"; it runs cuda:sm_{level}" if left else ""), (version, capability, noted)
    for each in left:
        name, _, why = each.partition(": ")
        assert f"cuda:sm_{name}: kernel " in noted and why.format(f"the CUDA driver, for CUDA {version // 1000}.{version % 1000 // 10}, ") in noted, (each, noted)

# Another refusal is one, too; and tools say what was left, also in a trace.
code, output = run(everything, 90, FAKE_CUDA_NO_BINARY="sm_90a")
assert code == 0 and "cuda:sm_90a: kernel " in output and "does not take its PTX 8.0 for sm_90a; it runs cuda:sm_89" in output, output
trace = folder / "trace.json"
old = os.environ | {"FAKE_CUDA_CAPABILITY": "90", "FAKE_CUDA_VERSION": "11000"}
told = subprocess.run(["tessera-run", everything, "--device", "cuda", "--profile", trace], check=True, capture_output=True, text=True, env=old).stderr
assert told.startswith("tessera-run: cuda:sm_90a: kernel ") and told.endswith("; it runs cuda:sm_80\n"), told
assert json.loads(trace.read_text())["otherData"]["note"] in told
quiet = subprocess.run(["tessera-run", everything, "--device", "cuda", "-q"], check=True, capture_output=True, text=True, env=old).stderr
assert not quiet, quiet

# Nothing is left: what each of them asks for, and the CPU's program. One that was asked for by name is the only one tried.
module = folder / "new.tsm"
subprocess.run(["tessera-compile", folder / "model.mlir", "--target", "host,cuda:sm_90a,cuda:sm_89", "-o", module, "-q"], check=True)
code, output = run(module, 90, "11040")
for part in ("device 'cuda' (the module also runs on 'cpu'): this device (interpreter of PTX, sm_90) takes none of the module's code: cuda:sm_90a: kernel ",
             "the CUDA driver, for CUDA 11.4, is too old for its PTX 8.0, which needs one for CUDA 12.0; cuda:sm_89: kernel ", "PTX 7.8, which needs one for CUDA 11.8"):
    assert code and part in output, output
named = subprocess.run(["tessera-run", everything, "--device", "cuda", "--target", "cuda:sm_90a"], capture_output=True, text=True, env=old)
assert named.returncode and "takes none of the module's code: cuda:sm_90a: kernel " in named.stderr and "sm_89" not in named.stderr, named.stderr
