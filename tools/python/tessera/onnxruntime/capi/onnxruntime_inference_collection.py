"""Where programs look for onnxruntime's classes, too."""

from ..binding import IOBinding, OrtValue, copy_tensors
from ..compiling import ModelCompiler
from ..devices import OrtDevice
from ..refused import AdapterFormat, SparseTensor
from ..session import InferenceSession

Session = InferenceSession
__all__ = ["AdapterFormat", "IOBinding", "InferenceSession", "ModelCompiler", "OrtDevice", "OrtValue", "Session", "SparseTensor", "copy_tensors"]
