"""What Tessera is measured beside: onnxruntime, and openvino, iree and torch where they are installed.

A peer is a function that runs a model once with given inputs, or nothing where the peer is not there or does not take the model (it
says why, once). `install` puts those of requirements-peers.txt into an environment of their own, which comes last on Python's path:
what Tessera needs is never taken from there.
"""

import hashlib
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".cache" / "peers"
PACKAGES = FOLDER / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
REQUIREMENTS = Path(__file__).with_name("requirements-peers.txt")
PEERS = ["openvino", "iree", "torch"]
WANTED = set(PEERS)
said = set()


def install():
    """Installs what is missing; without a network, the peers are left out."""
    lines = [line.strip() for line in REQUIREMENTS.read_text().splitlines() if line[:1] not in ("", "#")]
    wanted = [line for line in lines if line.split("==")[0].split("-")[0] in WANTED]
    there = {"==".join(path.name.removesuffix(".dist-info").replace("_", "-").rsplit("-", 1)) for path in PACKAGES.glob("*.dist-info")}
    missing = [line for line in wanted if line not in there]
    if missing:
        print(f"installing the peers {', '.join(missing)} into {FOLDER}", flush=True)
        if not (FOLDER / "bin" / "pip").exists():
            subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
        if subprocess.run([FOLDER / "bin" / "pip", "install", "-q", "--disable-pip-version-check", *missing, f"numpy=={np.__version__}"],
                          check=False).returncode:
            print("bench: they cannot be installed; those that are not there are left out")
    sys.path.append(str(PACKAGES))


def has(name):
    return name in WANTED and importlib.util.find_spec(name) is not None


def refused(peer, what, problem):
    """Says once that a peer does not take a model, and why."""
    text = next((line for line in str(problem).strip().splitlines() if "rror" in line), str(problem).strip() or type(problem).__name__)
    if (peer, what) not in said:
        print(f"{peer} does not run {what}: {text.strip()[:110]}", flush=True)
    said.add((peer, what))


def versions():
    """Name and version of each that is there."""
    found = [f"onnxruntime {onnxruntime.__version__}"]
    for name in PEERS:
        for path in sorted(PACKAGES.glob(f"{name}*.dist-info")) if has(name) else []:
            if path.name.split("-")[0] in (name, "iree_base_runtime"):
                found.append(f"{name} {path.name.removesuffix('.dist-info').rsplit('-', 1)[1]}")
    return ", ".join(found)


def onnxruntime_session(model, threads):
    """A session for a file or a model's bytes. Its threads spin while it runs, as they would, but not on while others do: they would
    keep from those a processor that they count on."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # what it removes from a model is no matter here
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"])


def model_bytes(model):
    return model if isinstance(model, bytes) else Path(model).read_bytes()


def openvino_model(model, inputs, threads, precision="f32", title=""):
    """A function of inputs."""
    if not has("openvino"):
        return None
    import openvino
    core = openvino.Core()
    try:
        read = core.read_model(model_bytes(model))
        read.reshape({name: list(value.shape) for name, value in inputs.items()})
        compiled = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads,
                                                    "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"})
        request = compiled.create_infer_request()
        request.infer(inputs)
    except RuntimeError as problem:
        refused("openvino", title or "the model", problem)
        return None
    return request.infer


def with_extents(model, inputs):
    """The model's bytes with the extents that the inputs have, and with what follows from them folded by onnxruntime: iree's importer
    takes more models so."""
    proto = onnx.load_from_string(model_bytes(model))
    for value in proto.graph.input:
        if value.name in inputs:
            shape = value.type.tensor_type.shape
            del shape.dim[:]
            for extent in inputs[value.name].shape:
                shape.dim.add().dim_value = extent
    del proto.graph.value_info[:]
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as name:
        options.optimized_model_filepath = str(Path(name) / "folded.onnx")
        onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        folded = onnx.load(options.optimized_model_filepath)
    return onnx.shape_inference.infer_shapes(folded, data_prop=True).SerializeToString()


def iree_module(model, inputs, title=""):
    """The path of what iree's compiler makes of a model for this machine; it is kept, since compiling takes minutes."""
    text = with_extents(model, inputs)
    folder = FOLDER / "compiled"
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / hashlib.sha256(text).hexdigest()[:24]
    out, refusal = base.with_suffix(".vmfb"), base.with_suffix(".refused")
    if refusal.exists():
        refused("iree", title or "the model", refusal.read_text())
        return None
    if out.exists():
        return out
    base.with_suffix(".onnx").write_bytes(text)
    tool = [sys.executable, "-c", f"import sys; sys.path.append({str(PACKAGES)!r}); import runpy; sys.argv[0] = 'iree'; "
            "runpy.run_module(sys.argv.pop(1), run_name='__main__')"]
    commands = [[*tool, "iree.compiler.tools.import_onnx", str(base.with_suffix(".onnx")), "-o", str(base.with_suffix(".mlir")), "--opset-version", "17"],
                [str(FOLDER / "bin" / "iree-compile"), str(base.with_suffix(".mlir")), "-o", str(out), "--iree-hal-target-device=local",
                 "--iree-hal-local-target-device-backends=llvm-cpu", "--iree-llvmcpu-target-cpu=host", "--iree-opt-level=O3"]]
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
            problem = done.stderr if done.returncode else ""
        except subprocess.TimeoutExpired:
            problem = "error: compiling takes more than 300 s"
        if problem:
            refusal.write_text(problem)
            refused("iree", title or "the model", problem)
            return None
    base.with_suffix(".mlir").unlink()
    base.with_suffix(".onnx").unlink()
    return out


def iree_model(model, inputs, threads, title=""):
    """A function of nothing: inputs lie where the device reads them, results stay there."""
    if not has("iree"):
        return None
    path = iree_module(model, inputs, title)
    return path and iree_loaded(path, [inputs[value.name] for value in onnx.load_from_string(model_bytes(model)).graph.input
                                       if value.name in inputs], threads, title)


def iree_loaded(path, arrays, threads, title=""):
    import iree.runtime
    try:
        # A pool is made with a device, and looks at these.
        iree.runtime.flags.parse_flags(f"--task_topology_group_count={threads}")
        device = iree.runtime.get_driver("local-sync" if threads == 1 else "local-task").create_default_device()
        config = iree.runtime.Config(device=device)
        module = iree.runtime.load_vm_module(iree.runtime.VmModule.mmap(config.vm_instance, str(path)), config)
        names = [name for name in module.vm_module.function_names if not name.startswith("__")]
        function = module[next(name for name in names if not name.endswith("$async"))]
        placed = [iree.runtime.asdevicearray(device, array) for array in arrays]
        function(*placed)
    except Exception as problem:  # Whatever it raises, it does not run.
        refused("iree", title or "the model", problem)
        return None
    return lambda: function(*placed)


def torch_function(function, arrays, threads, title=""):
    """A function of nothing: torch's compiled form of `function` on tensors of the arrays."""
    if not has("torch"):
        return None
    import torch
    tensors = [torch.from_numpy(array) if isinstance(array, np.ndarray) else array for array in arrays]
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            compiled = torch.compile(function)
            compiled(*tensors)
    except Exception as problem:  # Its compiler wants a C++ compiler, and raises what it likes.
        refused("torch.compile", title or "the function", problem)
        compiled = function

    def run():
        torch.set_num_threads(threads)
        with torch.no_grad():
            return compiled(*tensors)
    return run
