"""OrtValue and IOBinding over NumPy arrays: memory is the CPU's."""

import ctypes

import numpy as np

from .capi.onnxruntime_pybind11_state import InvalidArgument, raised


def _check_device(device):
    if device.lower() != "cpu":
        raise raised(InvalidArgument, "INVALID_ARGUMENT", f"device '{device}': expected 'cpu'")


class OrtValue:
    """A tensor; made from an array, whose memory it shares."""

    def __init__(self, array):
        self._array = np.asarray(array)

    @staticmethod
    def ortvalue_from_numpy(numpy_obj, /, device_type="cpu", device_id=0, vendor_id=-1):
        _check_device(device_type)
        return OrtValue(numpy_obj)

    @staticmethod
    def ortvalue_from_shape_and_type(shape, element_type, device_type="cpu", device_id=0, vendor_id=-1):
        _check_device(device_type)
        return OrtValue(np.empty(shape, element_type))

    def numpy(self):
        return self._array

    def __array__(self, dtype=None, copy=None):
        return self._array if dtype is None else self._array.astype(dtype)

    def shape(self):
        return list(self._array.shape)

    def data_type(self):
        names = {"float32": "float", "float64": "double"}
        if self._array.dtype.kind in "OSU":
            return "tensor(string)"
        return f"tensor({names.get(self._array.dtype.name, self._array.dtype.name)})"

    def device_name(self):
        return "cpu"

    def data_ptr(self):
        return self._array.ctypes.data

    def tensor_size_in_bytes(self):
        return self._array.nbytes

    def has_value(self):
        return True

    def is_tensor(self):
        return True

    def is_sparse_tensor(self):
        return False

    def is_tensor_sequence(self):
        return False

    def update_inplace(self, np_arr):
        np.copyto(self._array, np_arr, casting="no")


def _at(pointer, element_type, shape):
    """The array of somebody else's memory."""
    kind = np.dtype(element_type)
    size = kind.itemsize * int(np.prod(shape, dtype=np.int64))
    memory = (ctypes.c_char * size).from_address(pointer) if size else b""
    return np.frombuffer(memory, kind).reshape(shape)


class IOBinding:
    """Inputs and outputs of a session by name, for `InferenceSession.run_with_iobinding`."""

    def __init__(self, session):
        self._session, self._inputs, self._targets, self._results = session, {}, {}, {}

    def bind_cpu_input(self, name, arr_on_cpu):
        self._inputs[name] = arr_on_cpu

    def bind_input(self, name, device_type, device_id, element_type, shape, buffer_ptr):
        _check_device(device_type)
        self._inputs[name] = _at(buffer_ptr, element_type, shape)

    def bind_ortvalue_input(self, name, ortvalue):
        self._inputs[name] = ortvalue.numpy()

    def bind_output(self, name, device_type="cpu", device_id=0, element_type=None, shape=None, buffer_ptr=None):
        """Without a pointer the run makes the array."""
        _check_device(device_type)
        self._session._names([name])
        self._targets[name] = None if buffer_ptr is None else _at(buffer_ptr, element_type, shape)

    def bind_ortvalue_output(self, name, ortvalue):
        self._session._names([name])
        self._targets[name] = ortvalue.numpy()

    def synchronize_inputs(self):
        """Nothing is under way."""

    def synchronize_outputs(self):
        """Nothing is under way."""

    def get_outputs(self):
        return [OrtValue(array) for array in self._results.values()]

    def copy_outputs_to_cpu(self):
        return list(self._results.values())

    def clear_binding_inputs(self):
        self._inputs.clear()

    def clear_binding_outputs(self):
        self._targets.clear()
        self._results.clear()
