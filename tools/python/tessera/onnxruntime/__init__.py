"""The interface of the `onnxruntime` package over Tessera: a program changes one import.

    import tessera.onnxruntime as onnxruntime
    session = onnxruntime.InferenceSession("model.onnx")
    (y,) = session.run(None, {"x": x})

Models compile when the session is made (with the cache of compiled kernels), for all sizes of their inputs. What has no
meaning here (providers other than the CPU's, execution mode, arenas, log levels) is taken and does nothing; what would
be missed (own operators, profiles, a file with the optimized model, adapters, sparse tensors) is refused with `NotImplemented`.
"""

from tessera import __version__

from . import capi
from .binding import IOBinding, OrtValue, copy_tensors
from .compiling import ModelCompiler, ModelPackageWriteMode, OrtCompileApiFlags
from .devices import (OrtAllocatorType, OrtArenaCfg, OrtDevice, OrtDeviceMemoryType, OrtDeviceVendorId, OrtEpDevice,
                      OrtExecutionProviderDevicePolicy, OrtHardwareDevice, OrtHardwareDeviceType, OrtMemoryInfo, OrtMemoryInfoDeviceType,
                      OrtMemType, OrtSparseFormat, OrtSyncStream)
from .options import ExecutionMode, ExecutionOrder, GraphOptimizationLevel, RunOptions, SessionOptions
from .refused import (AdapterFormat, LoraAdapter, ModelPackage, ModelPackageComponentContext, ModelPackageContext, ModelPackageOptions,
                      OrtEpAssignedNode, OrtEpAssignedSubgraph, OrtEpContextData, OrtEpContextDataBuffer,
                      OrtExternalInitializerInfo, SparseTensor, register_execution_provider_library, unregister_execution_provider_library)
from .session import InferenceSession, ModelMetadata, NodeArg

SessionIOBinding = IOBinding
_PROVIDERS = ["CPUExecutionProvider"]
package_name, version, cuda_version = "onnxruntime", __version__, ""


def get_available_providers():
    return list(_PROVIDERS)


def get_all_providers():
    return list(_PROVIDERS)


def get_device():
    return "CPU"


def get_ep_devices():
    return [OrtEpDevice()]


def get_version_string():
    return __version__


def get_build_info():
    return f"Tessera {__version__}"


def has_collective_ops():
    return False


def print_debug_info():
    print(get_build_info())


def set_seed(seed):
    """Operators that draw numbers have a seed of their own; without one they draw the same ones in each context."""


def set_default_logger_severity(severity):
    """Nothing is logged."""


def set_default_logger_verbosity(verbosity):
    """Nothing is logged."""


def set_default_logger_callback(callback, severity=2):
    """Nothing is logged."""


def set_global_thread_pool_sizes(intra_op_num_threads, inter_op_num_threads):
    """Sessions have threads of their own (`SessionOptions.intra_op_num_threads`)."""


def create_and_register_allocator(memory_info, arena_cfg):
    """Memory is planned when a model compiles."""


def create_and_register_allocator_v2(provider_type, memory_info, options, arena_cfg):
    """Memory is planned when a model compiles."""


def disable_telemetry_events():
    """Nothing is reported."""


def enable_telemetry_events():
    """Nothing is reported."""


def preload_dlls(cuda=True, cudnn=True, msvc=True, directory=None):
    """Nothing is needed."""


__all__ = [
    "AdapterFormat", "ExecutionMode", "ExecutionOrder", "GraphOptimizationLevel", "IOBinding", "InferenceSession", "LoraAdapter", "ModelCompiler",
    "ModelMetadata", "ModelPackage", "ModelPackageComponentContext", "ModelPackageContext", "ModelPackageOptions", "ModelPackageWriteMode",
    "NodeArg", "OrtAllocatorType", "OrtArenaCfg", "OrtCompileApiFlags", "OrtDevice", "OrtDeviceMemoryType", "OrtDeviceVendorId",
    "OrtEpAssignedNode", "OrtEpAssignedSubgraph", "OrtEpContextData", "OrtEpContextDataBuffer", "OrtEpDevice", "OrtExecutionProviderDevicePolicy",
    "OrtExternalInitializerInfo", "OrtHardwareDevice", "OrtHardwareDeviceType", "OrtMemType", "OrtMemoryInfo", "OrtMemoryInfoDeviceType",
    "OrtSparseFormat", "OrtSyncStream", "OrtValue", "RunOptions", "SessionIOBinding", "SessionOptions", "SparseTensor", "__version__", "capi",
    "copy_tensors", "create_and_register_allocator", "create_and_register_allocator_v2", "cuda_version", "disable_telemetry_events",
    "enable_telemetry_events", "get_all_providers", "get_available_providers", "get_build_info", "get_device", "get_ep_devices",
    "get_version_string", "has_collective_ops", "package_name", "preload_dlls", "print_debug_info", "register_execution_provider_library",
    "set_default_logger_callback", "set_default_logger_severity", "set_default_logger_verbosity", "set_global_thread_pool_sizes", "set_seed",
    "unregister_execution_provider_library", "version"]
