"""InferenceSession: compiles when it is made, and runs."""

import mmap
import os
import threading
import warnings

import numpy as np

import tessera
from tessera import sequences

from . import declared
from .binding import IOBinding, OrtSequence, OrtValue
from .capi.onnxruntime_pybind11_state import Fail, InvalidArgument, NoSuchFile, raised, translated
from .capi.onnxruntime_pybind11_state import NotImplemented as Unsupported
from .devices import OrtEpDevice, cpu_memory
from .options import SessionOptions
from .refused import refuse

_CPU = "CPUExecutionProvider"


class NodeArg:
    """An input or output: `name`, `type` ("tensor(float)") and `shape` (numbers, names, None for unnamed extents)."""

    def __init__(self, name, kind, shape):
        self.name, self.type, self.shape = name, kind, shape

    def __repr__(self):
        return f"NodeArg(name='{self.name}', type='{self.type}', shape={self.shape})"


class ModelMetadata:
    """What the file says of itself."""

    def __init__(self, said):
        for name in ("custom_metadata_map", "description", "domain", "graph_description", "graph_name", "producer_name",
                     "version"):
            setattr(self, name, getattr(said, name))


def _bytes_of(model):
    """Files are mapped: their weights are not read here."""
    if isinstance(model, bytes):
        return model
    with open(model, "rb") as file:
        isEmpty = os.fstat(file.fileno()).st_size == 0
        return b"" if isEmpty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _asks_for_more(model):
    """Whether a model that was refused is sound, and has operators that are not supported."""
    try:
        return bool(tessera.check(model))
    except tessera.Error:
        return False


def _argument(info, said):
    kind = said.type if said and said.type else f"tensor({declared.TYPE_NAMES[info.type]})"
    shape = said.shape if said and said.shape is not None and len(said.shape) == len(info.shape) else list(info.shape)
    return NodeArg(info.name, kind, shape if kind.startswith("tensor(") else [])


def _inputs_of(infos, said):
    """The inputs, and of sequences whose elements have shapes of their own the rank: what stands side by side, the two lists of a
    map, or values and shapes, is one argument."""
    arguments, ranks, infos = [], {}, list(infos)
    while infos:
        info = infos.pop(0)
        name = info.name.removesuffix("/keys")
        if name != info.name and info.name not in said and infos and infos[0].name == f"{name}/values":
            kinds = [declared.TYPE_NAMES[part.type] for part in (info, infos.pop(0))]
            arguments.append(NodeArg(name, f"map({kinds[0]},tensor({kinds[1]}))", []))
        else:
            if infos and infos[0].name == f"{info.name}/shapes" and infos[0].name not in said:
                ranks[info.name] = infos.pop(0).shape[1]
            arguments.append(_argument(info, said.get(info.name)))
    return arguments, ranks


def _outputs_of(infos, said):
    """The outputs, and of those that are sequences the names of their elements' tensors; None where one tensor has them all, the name of
    their shapes where it has their values."""
    infos, arguments, parts = {info.name: info for info in infos}, [], {}
    for name, value in said.items():
        if (value.type or "").startswith("seq(tensor("):
            if not infos.pop(name, None):
                count = next(i for i in range(len(infos) + 1) if f"{name}/{i}" not in infos)
                parts[name] = [infos.pop(f"{name}/{i}").name for i in range(count)]
            else:
                shapes = infos.pop(f"{name}/shapes", None) if f"{name}/shapes" not in said else None
                parts[name] = shapes and shapes.name
            arguments.append(NodeArg(name, value.type, []))
        elif name in infos:
            arguments.append(_argument(infos.pop(name), value))
    return arguments + [_argument(info, None) for info in infos.values()], parts


def _provider_names(providers):
    return [provider if isinstance(provider, str) else provider[0] for provider in providers or ()]


class InferenceSession:
    """`path_or_bytes`: an ONNX model, the textual IR, or a compiled module (.tsm). May be used by several threads."""

    def __init__(self, path_or_bytes, sess_options=None, providers=None, provider_options=None, **kwargs):
        if not isinstance(path_or_bytes, (str, bytes, os.PathLike)):
            raise TypeError(f"Unable to load from type '{type(path_or_bytes)}'")
        self._options = sess_options if sess_options is not None else SessionOptions()
        if not isinstance(self._options, SessionOptions):
            raise TypeError("sess_options: expected tessera.onnxruntime.SessionOptions, found "
                            f"{type(self._options).__module__}.{type(self._options).__name__}")
        self._options._check()
        self._warn_of_others([*(providers or ()), *self._options._providers])
        isFile = not isinstance(path_or_bytes, bytes)
        if isFile and not os.path.isfile(path_or_bytes):
            raise raised(NoSuchFile, "FILE_ERROR", f"Load model from {os.fspath(path_or_bytes)} failed: "
                         "the file does not exist")
        threads, data = self._options.intra_op_num_threads, _bytes_of(path_or_bytes)
        try:
            if data[:4] == b"\x89TSM":
                self._module = tessera.load(path_or_bytes, threads=threads)
            else:
                self._module = tessera.compile(path_or_bytes, threads=threads, dims=self._options._dims or None)
        except tessera.Error as error:
            if error.code == "INVALID_MODEL" and _asks_for_more(path_or_bytes):
                raise raised(Unsupported, "UNSUPPORTED", str(error)) from None
            raise translated(error) from None
        # A model was read by now, so that its fields can be believed.
        said = declared.Declared(data if declared.looks_like_onnx(data) else b"")
        self._threads, self._idle, self._lock = threads, [], threading.Lock()
        (self._inputs, self._ranks), self._labels = _inputs_of(self._module.inputs, said.inputs), said.labels
        self._outputs, self._parts = _outputs_of(self._module.outputs, said.outputs)
        self._meta = ModelMetadata(said)

    @staticmethod
    def _warn_of_others(providers):
        others = [name for name in _provider_names(providers) if name != _CPU]
        if others:
            warnings.warn(f"providers {', '.join(others)} are not available, {_CPU} is used", stacklevel=3)

    def get_inputs(self):
        return list(self._inputs)

    def get_outputs(self):
        return list(self._outputs)

    def get_overridable_initializers(self):
        """None: initial values of inputs are constants here."""
        return []

    def get_modelmeta(self):
        return self._meta

    def get_session_options(self):
        return self._options

    def get_providers(self):
        return [_CPU]

    def get_provider_options(self):
        return {_CPU: {}}

    def set_providers(self, providers=None, provider_options=None):
        self._warn_of_others(providers)

    def get_input_memory_infos(self):
        return [cpu_memory() for _ in self._inputs]

    def get_output_memory_infos(self):
        return [cpu_memory() for _ in self._outputs]

    def get_input_epdevices(self):
        return [OrtEpDevice() for _ in self._inputs]

    def get_provider_graph_assignment_info(self):
        refuse("get_provider_graph_assignment_info", "there is one provider, which runs everything; tessera-dump MODULE lists kernels and nodes")

    def create_ortvalue_from_shape_and_type(self, shape, element_type, device_type, device_id=0, vendor_id=-1):
        return OrtValue.ortvalue_from_shape_and_type(shape, element_type, device_type, device_id, vendor_id)

    def end_profiling(self):
        """The name of no file: `enable_profiling` was refused when the session was made."""
        return ""

    def get_profiling_start_time_ns(self):
        return 0

    def get_tuning_results(self):
        """None: tessera-tune keeps what it finds beside the model."""
        return []

    def set_tuning_results(self, results, *, error_on_invalid=False):
        if results:
            refuse("set_tuning_results", "they are of other kernels; tessera-tune keeps what it finds beside the model")

    def set_ep_dynamic_options(self, options):
        """There is one provider, without such options."""

    def release_captured_graph(self, graph_annotation_id=0):
        """Nothing was captured."""

    def disable_fallback(self):
        """There is one provider."""

    def enable_fallback(self):
        """There is one provider."""

    def run(self, output_names, input_feed, run_options=None):
        """The outputs that are named (all for None or []), as NumPy arrays in that order."""
        return self._run(self._names(output_names), self._feed(input_feed), {}, run_options)

    def run_async(self, output_names, input_feed, callback, user_data, run_options=None):
        """Calls `callback(results, user_data, error)` from a thread of its own; error is "" for success."""
        def work():
            try:
                results, problem = self.run(output_names, input_feed, run_options), ""
            except Exception as error:  # Handed over: there is nobody to raise it to.
                results, problem = [], str(error)
            callback(results, user_data, problem)
        threading.Thread(target=work, daemon=True).start()

    def run_with_ort_values(self, output_names, input_dict_ort_values, run_options=None):
        feed = {name: value.numpy() for name, value in input_dict_ort_values.items()}
        names = self._names(output_names)
        return [self._value(name, array) for name, array in zip(names, self.run(names, feed, run_options))]

    def run_with_ortvaluevector(self, run_options, feed_names, feeds, fetch_names, fetches, fetch_devices):
        """The results become elements of `fetches`, in the memory of those that it has already."""
        feed = {name: value.numpy() for name, value in zip(feed_names, feeds, strict=True)}
        targets = {name: value.numpy() for name, value in zip(fetch_names, fetches)}
        names = self._names(fetch_names)
        results = self._run(names, self._feed(feed), targets, run_options)
        fetches[:] = [self._value(name, array) for name, array in zip(names, results)]

    def _value(self, name, result):
        if isinstance(result, list):
            return OrtSequence(result, next(output.type for output in self._outputs if output.name == name))
        kind = next(output.type for output in self._outputs if output.name == name).removeprefix("tensor(").rstrip(")")
        return OrtValue(result, kind=None if declared.numpy_type(f"tensor({kind})") or kind == "string" else kind)

    def io_binding(self):
        return IOBinding(self)

    def run_with_iobinding(self, iobinding, run_options=None):
        names = list(iobinding._targets)
        targets = {name: array for name, array in iobinding._targets.items() if array is not None}
        arrays = self._run(names, self._feed(iobinding._inputs), targets, run_options)
        iobinding._results = dict(zip(names, arrays))

    def _names(self, output_names):
        known = [output.name for output in self._outputs]
        for name in output_names or ():
            if name not in known:
                raise raised(InvalidArgument, "UNKNOWN_NAME",
                             f"Invalid output name: {name}; the model has {', '.join(known)}")
        return list(output_names) if output_names else known

    def _feed(self, given):
        missing = [argument.name for argument in self._inputs if argument.name not in given]
        if missing:
            raise ValueError(f"Required inputs ({missing}) are missing from input feed ({list(given)}).")
        types = {argument.name: argument.type for argument in self._inputs}
        for name in given:
            if name not in types:
                raise raised(InvalidArgument, "UNKNOWN_NAME",
                             f"Invalid input name: {name}; the model has {', '.join(types)}")
        # Lists and numbers get the input's type; arrays keep theirs, and are refused if it is another one.
        feed = {name: self._array(value, types[name]) for name, value in given.items() if name not in self._ranks}
        for name, rank in self._ranks.items():
            feed[name], feed[f"{name}/shapes"] = self._ragged(name, given[name], rank, types[name])
        return feed

    @staticmethod
    def _ragged(name, value, rank, kind):
        elements = [part.numpy() if isinstance(part, OrtValue) else part for part in (value.numpy() if isinstance(value, OrtValue) else value)]
        try:
            return sequences.from_list(elements, rank, None if all(isinstance(part, np.ndarray) for part in elements) and elements else
                                       declared.numpy_type(kind.removeprefix("seq(")) or object)
        except ValueError as error:
            raise raised(InvalidArgument, "INVALID_ARGUMENT", f"input '{name}': {error}") from None

    @staticmethod
    def _array(value, kind):
        if isinstance(value, OrtValue):
            return value.numpy()
        if isinstance(value, dict):
            return value
        if isinstance(value, np.ndarray):
            # Types that NumPy was taught (ml_dtypes) travel as bits.
            return value.view(f"u{value.dtype.itemsize}") if value.dtype.kind == "V" else value
        if hasattr(value, "__dlpack__"):
            return value
        element = kind.removeprefix("seq(")
        if element != kind and len({np.shape(part) for part in value}) > 1:
            raise raised(InvalidArgument, "INVALID_ARGUMENT",
                         f"a list of arrays of shapes {', '.join(str(np.shape(part)) for part in value)}: expected elements of one shape")
        return np.asarray(value, declared.numpy_type(element))

    def _run(self, names, feed, targets, run_options):
        try:
            if run_options is None:
                results = self._module.run(feed, outputs=targets or None)
            else:
                results = self._run_stoppable(feed, targets, run_options)
        except tessera.Error as error:
            raise translated(error) from None
        types = {output.name: declared.numpy_type(output.type.removeprefix("seq(")) for output in self._outputs}
        return [self._gathered(name, results, types[name]) for name in names]

    def _gathered(self, name, results, kind):
        if name not in self._parts:
            return self._as_declared(name, results[name], kind)
        parts = self._parts[name]
        if isinstance(parts, str):
            elements = sequences.to_list(results[name], results[parts])
        else:
            elements = results[name] if parts is None else [results[part] for part in parts]
        return [self._as_declared(None, np.asarray(element), kind) for element in elements]

    def _as_declared(self, name, array, kind):
        if labels := self._labels.get(name):
            return [dict(zip(labels, row)) for row in array.tolist()]
        return array if kind is None or array.dtype == kind else array.astype(kind)

    def _run_stoppable(self, feed, targets, run_options):
        with self._lock:
            context = self._idle.pop() if self._idle else self._module.context(self._threads)
        run_options._running.append(context)
        try:
            # After the context stands where `terminate` finds it: what is set later cancels it.
            if run_options.terminate:
                raise raised(Fail, "CANCELLED", "the run was ended by RunOptions.terminate")
            return context.run(feed, outputs=targets or None)
        except tessera.Error as error:
            if error.code == "CANCELLED":
                raise raised(Fail, "CANCELLED", "the run was ended by RunOptions.terminate") from None
            raise
        finally:
            run_options._running.remove(context)
            # A context that was told to end would end the next run, too.
            if not run_options.terminate:
                with self._lock:
                    self._idle.append(context)
