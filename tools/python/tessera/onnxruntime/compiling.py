"""ModelCompiler: a model becomes a module of Tessera, which sessions and tessera-run load."""

import enum
import os
import tempfile

import tessera

from .capi.onnxruntime_pybind11_state import Fail, InvalidArgument, NoSuchFile, raised, translated
from .options import SessionOptions
from .refused import _CONTEXT, refuse


class OrtCompileApiFlags(enum.IntEnum):
    NONE = 0
    ERROR_IF_NO_NODES_COMPILED = 1
    ERROR_IF_OUTPUT_FILE_EXISTS = 2


class ModelPackageWriteMode(enum.IntEnum):
    """Of packages, which are refused (`refused.py`)."""

    PRESERVE = 0
    DENSE = 1


class ModelCompiler:
    """Of what onnxruntime takes, weights in a file of their own and levels of optimization have no meaning for a module."""

    def __init__(self, sess_options, input_model_path_or_bytes, embed_compiled_data_into_model=False,
                 external_initializers_file_path=None, external_initializers_size_threshold=1024, flags=OrtCompileApiFlags.NONE,
                 graph_optimization_level=None, get_initializer_location_func=None):
        if not isinstance(sess_options, SessionOptions):
            raise TypeError(f"sess_options: expected SessionOptions, found {type(sess_options).__name__}")
        if not isinstance(input_model_path_or_bytes, (str, bytes, os.PathLike)):
            raise TypeError(f"Unable to load from type '{type(input_model_path_or_bytes)}'")
        if not isinstance(input_model_path_or_bytes, bytes) and not os.path.isfile(input_model_path_or_bytes):
            raise raised(NoSuchFile, "FILE_ERROR", f"{os.fspath(input_model_path_or_bytes)} does not exist")
        for name, value in (("external_initializers_file_path", external_initializers_file_path),
                            ("get_initializer_location_func", get_initializer_location_func)):
            if value is not None:
                refuse(name, "a module holds its weights")
        sess_options._check()
        self._options, self._model, self._flags = sess_options, input_model_path_or_bytes, flags

    def compile_to_file(self, output_model_path=None):
        """Without a path: beside the model, NAME_ctx.tsm."""
        if output_model_path is None:
            if isinstance(self._model, bytes):
                raise raised(InvalidArgument, "INVALID_ARGUMENT", "output_model_path: expected a path for a model that is bytes")
            output_model_path = os.path.splitext(os.fspath(self._model))[0] + "_ctx.tsm"
        if self._flags & OrtCompileApiFlags.ERROR_IF_OUTPUT_FILE_EXISTS and os.path.exists(output_model_path):
            raise raised(Fail, "FILE_ERROR", f"{output_model_path} exists, which ERROR_IF_OUTPUT_FILE_EXISTS forbids")
        try:
            tessera.compile(self._model, dims=self._options._dims or None).save(output_model_path)
        except tessera.Error as error:
            raise translated(error) from None

    def compile_to_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            self.compile_to_file(os.path.join(folder, "model.tsm"))
            with open(os.path.join(folder, "model.tsm"), "rb") as file:
                return file.read()

    def compile_to_stream(self, write_function):
        write_function(self.compile_to_bytes())

    def set_ep_context_binary_information(self, output_directory, model_name):
        """Names nothing here: a module is one file."""

    def set_ep_context_data_write_func(self, write_func):
        refuse("set_ep_context_data_write_func", _CONTEXT)

    def clear_ep_context_data_write_func(self):
        """None was set."""
