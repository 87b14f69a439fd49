# What a driver refuses, so does the one of the tests: shared memory that was not asked for or that no block has, static memory counted,
# and grids and blocks beyond the limits of their axes.
# RUN: env FAKE_CUDA_CAPABILITY=90 python3 %s %builddir/lib/test/libfake_cuda_driver.so
import ctypes
import sys

driver = ctypes.CDLL(sys.argv[1])
INVALID, KB = 1, 1 << 10
context, module, function = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()


def call(name, *arguments, expected=0):
    result = getattr(driver, name)(*arguments)
    assert result == expected, (name, arguments, result)


def load(static):
    text = f""".version 8.0
.target sm_90
.address_size 64
.visible .entry k(
  .param .u64 k_param_0
)
{{
  .reg .b32 %r<4>;
  .shared .align 16 .b8 s[{static}];
  mov.u32 %r0, s;
  ret;
}}
"""
    call("cuModuleLoadDataEx", ctypes.byref(module), text.encode(), 0, None, None)
    call("cuModuleGetFunction", ctypes.byref(function), module, b"k")


def launch(grid=(1, 1, 1), block=(1, 1, 1), shared=0, expected=0):
    parameters, size = ctypes.c_uint64(0), ctypes.c_size_t(8)
    extra = (ctypes.c_void_p * 5)(1, ctypes.addressof(parameters), 2, ctypes.addressof(size), None)
    call("cuLaunchKernel", function, *grid, *block, shared, None, None, extra, expected=expected)
    call("cuStreamSynchronize", None)


call("cuInit", 0)
call("cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)
call("cuCtxSetCurrent", context)
ASK = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
load(40 * KB)
launch(shared=8 * KB)
launch(shared=8 * KB + 1, expected=INVALID)
call("cuFuncSetAttribute", function, ASK, 187 * KB)
launch(shared=187 * KB)
launch(shared=187 * KB + 1, expected=INVALID)
call("cuFuncSetAttribute", function, ASK, 187 * KB + 1, expected=INVALID)
for axis, (most, threads) in enumerate(((70000, 1024), (65535, 1024), (65535, 64))):
    at = [1, 1, 1]
    at[axis] = threads
    launch(block=at)
    at[axis] = threads + 1
    launch(block=at, expected=INVALID)
    if axis:
        at[axis] = most + 1
        launch(grid=at, expected=INVALID)
    at[axis] = 0
    launch(grid=at, expected=INVALID)
