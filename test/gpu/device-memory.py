# Tensors in the device's memory and streams of the caller, in the C interface, with a driver whose GPU is the interpreter of
# PTX.
# RUN: python3 %s %builddir/lib %t
"""Arguments: the folder of libraries, a folder."""
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

libraries, folder = Path(sys.argv[1]), Path(sys.argv[2])
os.environ["TESSERA_CUDA_DRIVER"] = str(libraries / "test/libfake_cuda_driver.so")
driver = ctypes.CDLL(os.environ["TESSERA_CUDA_DRIVER"])
runtime = ctypes.CDLL(str(libraries / "libtessera_runtime.so"), mode=ctypes.RTLD_GLOBAL)
cuda = ctypes.CDLL(str(libraries / "libtessera_cuda.so"))


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("type", ctypes.c_uint32), ("rank", ctypes.c_uint32),
                ("dims", ctypes.c_int64 * 16), ("strides", ctypes.c_int64 * 16)]


class LoadOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("verify_all", ctypes.c_uint32), ("allocator", ctypes.c_void_p),
                ("variant", ctypes.c_char_p), ("device", ctypes.c_char_p), ("offset", ctypes.c_uint64), ("bytes", ctypes.c_uint64)]


class RunOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint32), ("reserved", ctypes.c_uint32), ("timeout", ctypes.c_uint64),
                ("stream", ctypes.c_void_p)]


class Record(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_uint32), ("function", ctypes.c_uint32), ("instruction", ctypes.c_uint32),
                ("kernel", ctypes.c_int32), ("thread", ctypes.c_uint32), ("reserved", ctypes.c_uint32),
                *((name, ctypes.c_int64) for name in ("start", "duration", "operations", "bytes"))]


runtime.tessera_error_message.restype = ctypes.c_char_p
runtime.tessera_profile_count.restype = ctypes.c_uint64


def call(name, *arguments, library=runtime):
    """The error's message, "" without one."""
    error = ctypes.c_void_p()
    code = getattr(library, name)(*arguments, ctypes.byref(error))
    return runtime.tessera_error_message(error).decode() if code else ""


def check(name, *arguments, library=runtime):
    assert call(name, *arguments, library=library) == "", call(name, *arguments, library=library)


def tensor(address, *dims):
    made = Tensor()
    runtime.tessera_tensor_init(ctypes.byref(made), 1, len(dims), (ctypes.c_int64 * len(dims))(*dims), ctypes.c_void_p(address))
    return made


def on_device(array):
    address = ctypes.c_uint64()
    assert driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(array.nbytes)) == 0
    assert driver.cuMemcpyHtoDAsync_v2(address, array.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(array.nbytes), None) == 0
    assert driver.cuStreamSynchronize(None) == 0
    return address.value


def from_device(address, shape):
    array = np.empty(shape, np.float32)
    assert driver.cuMemcpyDtoHAsync_v2(array.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint64(address),
                                       ctypes.c_size_t(array.nbytes), None) == 0
    assert driver.cuStreamSynchronize(None) == 0
    return array


folder.mkdir(parents=True, exist_ok=True)
(folder / "model.mlir").write_text("""
graph.func @main(%x: !graph.tensor<[N, 3], f32> {graph.name = "x"}) -> (!graph.tensor<[N, 3], f32> {graph.name = "y"}, !graph.tensor<[N], f32> {graph.name = "z"}) {
  %y = graph.mul %x, %x : !graph.tensor<[N, 3], f32>
  %z = graph.reduce sum %y, axes = [1] : !graph.tensor<[N, 3], f32> -> !graph.tensor<[N], f32>
  graph.return %y, %z : !graph.tensor<[N, 3], f32>, !graph.tensor<[N], f32>
}
""")
subprocess.run(["tessera-compile", folder / "model.mlir", "--target", "host,cuda:sm_80", "-o", folder / "model.tsm", "-q"], check=True)
check("tessera_cuda_enable", library=cuda)


def make(device):
    module, context = ctypes.c_void_p(), ctypes.c_void_p()
    options = LoadOptions(ctypes.sizeof(LoadOptions), device=device)
    check("tessera_module_load_file", str(folder / "model.tsm").encode(), ctypes.byref(options), ctypes.byref(module))
    check("tessera_context_create", module, None, ctypes.byref(context))
    return context


def output(context, number):
    found = Tensor()
    check("tessera_get_output", context, 0, number, ctypes.byref(found))
    return found


# A run begins with a context of the driver, and the memory of the caller in it.
gpu = make(b"cuda")
x = np.arange(12, dtype=np.float32).reshape(4, 3)
given, result = on_device(x), on_device(np.zeros((4, 3), np.float32))
stream = RunOptions(ctypes.sizeof(RunOptions), stream=0x1234)

# All on the device: an output of the caller, and one that the context owns.
check("tessera_set_device_input", gpu, 0, 0, ctypes.byref(tensor(given, 4, 3)))
check("tessera_set_device_output", gpu, 0, 0, ctypes.byref(tensor(result, 4, 3)))
check("tessera_set_device_output", gpu, 0, 1, None)
check("tessera_run", gpu, 0, ctypes.byref(stream))
np.testing.assert_array_equal(from_device(result, (4, 3)), x * x)
assert output(gpu, 0).data == result
np.testing.assert_array_equal(from_device(output(gpu, 1).data, (4,)), (x * x).sum(1))

# Beside the host's memory, in the default stream, with device times.
check("tessera_set_output", gpu, 0, 1, None)
check("tessera_profile_start", gpu, ctypes.c_uint64(100))
check("tessera_run", gpu, 0, None)
host = output(gpu, 1)
np.testing.assert_array_equal(np.ctypeslib.as_array(ctypes.cast(host.data, ctypes.POINTER(ctypes.c_float)), (4,)), (x * x).sum(1))
records = []
for i in range(runtime.tessera_profile_count(gpu)):
    record = Record()
    assert runtime.tessera_profile_get(gpu, ctypes.c_uint64(i), ctypes.byref(record)) == 0
    records.append((record.kind, record.duration))
launches, runs = [[d for kind, d in records if kind == wanted] for wanted in (0, 4)]
assert launches and len(runs) == 1 and all(d > 0 for d in launches) and sum(launches) <= runs[0], records

# What does not fit.
strided = tensor(given, 3, 3)
strided.strides[0] = 1
check("tessera_set_device_input", gpu, 0, 0, ctypes.byref(strided))
assert "'x' is in the device's memory and not dense row-major" in call("tessera_run", gpu, 0, None)
cpu = make(None)
check("tessera_set_device_input", cpu, 0, 0, ctypes.byref(tensor(x.ctypes.data, 4, 3)))  # The host's memory is this device's.
check("tessera_run", cpu, 0, None)
assert "device 'cpu' has no streams" in call("tessera_run", cpu, 0, ctypes.byref(stream))
