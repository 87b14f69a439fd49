"""Where programs look for onnxruntime's functions and exceptions, too."""

from .. import *  # noqa: F403 - all of them
from .onnxruntime_pybind11_state import *  # noqa: F403
