"""SessionOptions and RunOptions: what they hold, and which of it matters here."""

import enum

from .capi.onnxruntime_pybind11_state import ModelLoadCanceled
from .capi.onnxruntime_pybind11_state import NotImplemented as Unsupported
from .capi.onnxruntime_pybind11_state import raised
from .refused import refuse


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
    MEMORY_EFFICIENT = 2


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
        self._dims, self._providers, self._is_cancelled = {}, [], False

    def add_free_dimension_override_by_name(self, dim_name, dim_value):
        """The model is compiled for this value of a symbolic extent."""
        self._dims[dim_name] = int(dim_value)

    def add_session_config_entry(self, key, value):
        """Kept, and without effect."""
        self._entries[key] = value

    get_session_config_entry = _Options._get_entry

    def add_free_dimension_override_by_denotation(self, dim_denotation, dim_value):
        raise raised(Unsupported, "UNSUPPORTED", f"add_free_dimension_override_by_denotation: '{dim_denotation}' is the kind of an axis, which is "
                     "not looked at; name the extent (add_free_dimension_override_by_name)")

    def add_initializer(self, name, ortvalue):
        refuse("add_initializer", f"the weights of '{name}' are taken from the model's own files")

    def add_external_initializers(self, names, ortvalues):
        refuse("add_external_initializers", "weights are taken from the model's own files")

    def add_external_initializers_from_files_in_memory(self, file_names, buffers, lengths):
        refuse("add_external_initializers_from_files_in_memory", "a model that is bytes holds its weights; give the path of the model else")

    def add_provider(self, provider_name, provider_options):
        """The CPU's is there anyway; others are not available, which a warning says."""
        self._providers.append(provider_name)

    def add_provider_for_devices(self, ep_devices, provider_options):
        self._providers += [device.ep_name for device in ep_devices]

    def has_providers(self):
        return bool(self._providers)

    def set_provider_selection_policy(self, policy):
        """There is one provider."""

    def set_provider_selection_policy_delegate(self, delegate):
        """There is one provider."""

    def set_ep_context_data_read_func(self, read_func, max_data_size=0):
        refuse("set_ep_context_data_read_func", "there are no other providers whose compiled parts a model could hold")

    def clear_ep_context_data_read_func(self):
        """None was set."""

    def set_load_cancellation_flag(self, is_cancelled):
        """Sessions are not made then."""
        self._is_cancelled = bool(is_cancelled)

    def register_custom_ops_library(self, path):
        raise raised(Unsupported, "UNSUPPORTED", f"the operators of '{path}' are machine code for onnxruntime, which "
                     "Tessera cannot run; describe them in the textual IR")

    def _check(self):
        if self._is_cancelled:
            raise raised(ModelLoadCanceled, "CANCELLED", "the session was not made: SessionOptions.set_load_cancellation_flag")
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

    def add_active_adapter(self, adapter):
        refuse("add_active_adapter", "adapters (LoRA) are not supported; merge their weights into the model")
