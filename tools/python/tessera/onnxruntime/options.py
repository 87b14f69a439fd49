"""SessionOptions and RunOptions: what they hold, and which of it matters here."""

import enum

from .capi.onnxruntime_pybind11_state import NotImplemented as Unsupported
from .capi.onnxruntime_pybind11_state import raised


class GraphOptimizationLevel(enum.IntEnum):
    """Taken and without effect: there is one way of compiling."""

    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_LAYOUT = 3
    ORT_ENABLE_ALL = 99


class ExecutionMode(enum.IntEnum):
    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


class ExecutionOrder(enum.IntEnum):
    DEFAULT = 0
    PRIORITY_BASED = 1


class _Options:
    """Attributes with defaults; a name that is not among them is a mistake of the program."""

    _DEFAULTS = {}

    def __init__(self):
        self.__dict__.update(self._DEFAULTS)
        self._entries = {}

    def __setattr__(self, name, value):
        if not name.startswith("_") and name not in self._DEFAULTS:
            raise AttributeError(f"{type(self).__name__} has no '{name}'; it has {', '.join(sorted(self._DEFAULTS))}")
        object.__setattr__(self, name, value)

    def _get_entry(self, key):
        if key not in self._entries:
            raise raised(Unsupported, "UNKNOWN_NAME", f"no entry '{key}' was added")
        return self._entries[key]


class SessionOptions(_Options):
    """`intra_op_num_threads` and overrides of free extents matter; `optimized_model_filepath` and `enable_profiling`
    are refused when the session is made."""

    _DEFAULTS = {
        "enable_cpu_mem_arena": True, "enable_mem_pattern": True, "enable_mem_reuse": True, "enable_profiling": False,
        "execution_mode": ExecutionMode.ORT_SEQUENTIAL, "execution_order": ExecutionOrder.DEFAULT,
        "graph_optimization_level": GraphOptimizationLevel.ORT_ENABLE_ALL, "inter_op_num_threads": 0,
        "intra_op_num_threads": 0, "log_severity_level": -1, "log_verbosity_level": 0, "logid": "",
        "optimized_model_filepath": "", "profile_file_prefix": "onnxruntime_profile_",
        "use_deterministic_compute": False, "use_per_session_threads": True}

    def __init__(self):
        super().__init__()
        self._dims = {}

    def add_free_dimension_override_by_name(self, dim_name, dim_value):
        """The model is compiled for this value of a symbolic extent."""
        self._dims[dim_name] = int(dim_value)

    def add_session_config_entry(self, key, value):
        """Kept, and without effect."""
        self._entries[key] = value

    get_session_config_entry = _Options._get_entry

    def register_custom_ops_library(self, path):
        raise raised(Unsupported, "UNSUPPORTED", f"the operators of '{path}' are machine code for onnxruntime, which "
                     "Tessera cannot run; describe them in the textual IR")

    def _check(self):
        if self.optimized_model_filepath:
            raise raised(Unsupported, "UNSUPPORTED", "optimized_model_filepath: there is no optimized ONNX model; "
                         "tessera-compile MODEL -o MODULE.tsm keeps what was compiled")
        if self.enable_profiling:
            raise raised(Unsupported, "UNSUPPORTED", "enable_profiling: profiles are made by tessera-bench and "
                         "tessera-run --profile")


class RunOptions(_Options):
    """`terminate = True` ends the runs that were given these options, from any thread."""

    _DEFAULTS = {"log_severity_level": -1, "log_verbosity_level": 0, "logid": "", "only_execute_path_to_fetches": False,
                 "terminate": False}

    def __init__(self):
        self._running = []
        super().__init__()

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "terminate" and value:
            for context in list(self._running):
                context.cancel()

    def add_run_config_entry(self, key, value):
        """Kept, and without effect."""
        self._entries[key] = value

    get_run_config_entry = _Options._get_entry
