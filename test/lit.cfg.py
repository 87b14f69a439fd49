"""Configuration of the lit suite: *.mlir, *.test and *.py files, run with the tools of the build tree."""

import importlib.util
import os
import shutil
import sys

import lit.formats

config.name = "tessera"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test", ".py"]
config.test_source_root = os.path.join(config.source, "test")
config.test_exec_root = os.path.join(config.build, "test")
config.excludes = ["Inputs", "lit.cfg.py", "conformance.py", "operator_table.py", "own_cases.py", "varied_cases.py", "repository", "python"]  # the last two: pytest
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.build, "bin"), config.llvm_bin, os.environ["PATH"]])
config.environment["TESSERA_RUN_PTX"] = os.path.join(config.build, "bin", "test", "tessera-run-ptx")
config.environment["PYTHONPATH"] = os.path.join(config.build, "python")
config.environment["TESSERA_CACHE_DIR"] = os.path.join(config.build, "test", "cache")

with open("/proc/cpuinfo") as info:
    flags = set(next((line for line in info if line.startswith("flags")), "").split())
for feature in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile"):
    if feature in flags:
        config.available_features.add(feature)
# On PATH, of a CUDA toolkit, or of the package nvidia-cuda-nvcc-cu12 in the virtual environment.
assembler = shutil.which("ptxas", path=os.pathsep.join(
    [os.environ["PATH"], "/usr/local/cuda/bin",
     *(os.path.join(folder, "nvidia", "cuda_nvcc", "bin") for folder in sys.path)]))
if assembler:
    config.available_features.add("ptxas")
    config.substitutions.append(("%assembler", assembler))
header = next((folder for folder in ("/usr/local/cuda/include", "/usr/include") if os.path.exists(os.path.join(folder, "cuda.h"))), None)
if header:
    config.available_features.add("cuda-header")
    config.substitutions.append(("%cuda_include", header))
if importlib.util.find_spec("torch") and importlib.util.find_spec("onnxscript"):
    config.available_features.add("torch")
if shutil.which("g++"):
    config.available_features.add("g++")
config.substitutions.append(("%tessera_lib", os.path.join(config.build, "lib")))
config.substitutions.append(("%builddir", config.build))
