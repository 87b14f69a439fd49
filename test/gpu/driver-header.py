# What the runtime says of the CUDA driver's interface is what NVIDIA's header says, where that is installed: parameters of every function, the
# layout of what is passed by address, numbers.
# REQUIRES: cuda-header, g++
# RUN: python3 %s %cuda_include %t
"""Arguments: the folder of cuda.h, a folder."""
import re
import subprocess
import sys
from pathlib import Path

include, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
source = Path(__file__).resolve().parents[2]
text = (source / "runtime/device/cuda/Driver.h").read_text().replace("\\\n", " ")
functions = re.findall(r'X\(\s*(\w+),\s*"(\w+)",', text)
assert len(functions) > 50, functions

# Old versions of what has newer ones are declared only so.
BEGIN = """#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>
#include "runtime/device/cuda/Driver.h"
#include <cstddef>
#include <type_traits>
using namespace tessera::rt::cuda;
template <typename A, typename B> constexpr bool isAlike() {
  return sizeof(A) == sizeof(B) && std::is_pointer_v<A> == std::is_pointer_v<B>;
}
template <typename A, typename B> struct Same : std::false_type {};
template <typename... A, typename... B> requires (sizeof...(A) == sizeof...(B))
struct Same<Result (*)(A...), CUresult (*)(B...)> : std::bool_constant<(isAlike<A, B>() && ...)> {};
"""
STRUCTS = {
    ("KernelNode", "CUDA_KERNEL_NODE_PARAMS_v1"): "function func gridX gridDimX gridY gridDimY gridZ gridDimZ blockX blockDimX blockY blockDimY blockZ"
                                                  " blockDimZ sharedBytes sharedMemBytes parameters kernelParams extra extra",
    ("FillShape", "CUDA_MEMSET_NODE_PARAMS_v1"): "to dst pitch pitch value value elementBytes elementSize width width height height",
    ("CopyNode", "CUDA_MEMCPY3D_v2"): "from.x srcXInBytes from.y srcY from.z srcZ from.level srcLOD from.memoryType srcMemoryType from.host srcHost"
                                      " from.device srcDevice from.array srcArray from.reserved reserved0 from.pitch srcPitch from.height srcHeight"
                                      " to.x dstXInBytes to.y dstY to.z dstZ to.level dstLOD to.memoryType dstMemoryType to.host dstHost to.device dstDevice"
                                      " to.array dstArray to.reserved reserved1 to.pitch dstPitch to.height dstHeight width WidthInBytes height Height depth Depth",
}
NUMBERS = """kSuccess CUDA_SUCCESS kOutOfMemory CUDA_ERROR_OUT_OF_MEMORY kNoDevice CUDA_ERROR_NO_DEVICE kNoBinaryForGpu CUDA_ERROR_NO_BINARY_FOR_GPU
kInvalidPtx CUDA_ERROR_INVALID_PTX kUnsupportedPtxVersion CUDA_ERROR_UNSUPPORTED_PTX_VERSION kDeviceMemoryType CU_MEMORYTYPE_DEVICE
kAttributeMajor CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR kAttributeMinor CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR
kNonBlocking CU_STREAM_NON_BLOCKING kNoTiming CU_EVENT_DISABLE_TIMING kMemoryTypeAttribute CU_POINTER_ATTRIBUTE_MEMORY_TYPE
kHostMemoryType CU_MEMORYTYPE_HOST kMaxDynamicSharedBytes CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
kJitErrorLog CU_JIT_ERROR_LOG_BUFFER kJitErrorLogBytes CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES""".split()


def pairs(words):
    return zip(words[::2], words[1::2])


def check(changed=lambda text: text):
    lines = [f'static_assert(Same<decltype(Driver::{name}), decltype(&::{symbol})>::value, "{symbol}");' for name, symbol in functions]
    for (own, theirs), members in STRUCTS.items():
        lines.append(f"static_assert(sizeof({own}) == sizeof({theirs}));")
        lines += [f"static_assert(offsetof({own}, {a}) == offsetof({theirs}, {b}));" for a, b in pairs(members.split())]
    lines += [f"static_assert(long({own}) == long({theirs}));" for own, theirs in pairs(NUMBERS)]
    # Values that are no constants, because they are addresses; and those of cuTensorMapEncodeTiled, which CudaDevice.cpp has.
    lines += ["static_assert(CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT == 1 && CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT == 2);",
              "static_assert(CU_TENSOR_MAP_DATA_TYPE_UINT8 == 0 && CU_TENSOR_MAP_DATA_TYPE_UINT16 == 1 && CU_TENSOR_MAP_DATA_TYPE_UINT32 == 2);",
              "static_assert(CU_TENSOR_MAP_INTERLEAVE_NONE == 0 && CU_TENSOR_MAP_SWIZZLE_32B == 1 && CU_TENSOR_MAP_SWIZZLE_64B == 2);",
              "static_assert(CU_TENSOR_MAP_SWIZZLE_128B == 3 && CU_TENSOR_MAP_L2_PROMOTION_L2_128B == 2 && CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE == 0);"]
    program = folder / "header.cpp"
    program.write_text(changed(BEGIN + "\n".join(lines) + "\n"))
    return subprocess.run(["g++", "-std=c++20", "-Wno-invalid-offsetof", "-fsyntax-only", f"-I{include}", f"-I{source}", program], capture_output=True, text=True)


done = check()
assert done.returncode == 0, done.stderr
# What differs is seen.
for old, new in (("decltype(Driver::fill8)", "decltype(Driver::fill32)"), ("(kJitErrorLog)", "(kJitErrorLogBytes)"), ("offsetof(KernelNode, gridY)", "offsetof(KernelNode, gridZ)")):
    done = check(lambda text: text.replace(old, new))
    assert done.returncode and "static assertion failed" in done.stderr, (old, done.stderr)
