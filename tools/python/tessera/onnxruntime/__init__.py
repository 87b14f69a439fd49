"""The interface of the `onnxruntime` package over Tessera: a program changes one import.

    import tessera.onnxruntime as onnxruntime
    session = onnxruntime.InferenceSession("model.onnx")
    (y,) = session.run(None, {"x": x})

Models compile when the session is made (with the cache of compiled kernels), for all sizes of their inputs. What has no
meaning here (providers other than the CPU's, execution mode, arenas, log levels) is taken and does nothing; what would
be missed (own operators, profiles, a file with the optimized model) is refused with `NotImplemented`.
"""

from tessera import __version__

from . import capi
from .binding import IOBinding, OrtValue
from .options import ExecutionMode, ExecutionOrder, GraphOptimizationLevel, RunOptions, SessionOptions
from .session import InferenceSession, ModelMetadata, NodeArg

_PROVIDERS = ["CPUExecutionProvider"]


def get_available_providers():
    return list(_PROVIDERS)


def get_all_providers():
    return list(_PROVIDERS)


def get_device():
    return "CPU"


def set_default_logger_severity(severity):
    """Nothing is logged."""


def set_default_logger_verbosity(verbosity):
    """Nothing is logged."""


__all__ = ["ExecutionMode", "ExecutionOrder", "GraphOptimizationLevel", "IOBinding", "InferenceSession", "ModelMetadata",
           "NodeArg", "OrtValue", "RunOptions", "SessionOptions", "__version__", "capi", "get_all_providers",
           "get_available_providers", "get_device", "set_default_logger_severity", "set_default_logger_verbosity"]
