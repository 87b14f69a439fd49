"""OrtValue, OrtValueVector and IOBinding over NumPy arrays: memory is the CPU's."""

import ctypes

import numpy as np

from . import declared
from .capi.onnxruntime_pybind11_state import InvalidArgument, raised
from .devices import check_device
from .refused import sparse


class OrtValue:
    """A tensor; made from an array, whose memory it shares. `kind`: its name where NumPy has no such type and the array has bits."""

    def __init__(self, ortvalue, numpy_obj=None, session=None, *, kind=None):
        self._array = ortvalue._array if isinstance(ortvalue, OrtValue) else np.asarray(ortvalue)
        self._kind = ortvalue._kind if isinstance(ortvalue, OrtValue) else kind

    def _get_c_value(self):
        return self

    @property
    def _ortvalue(self):
        return self

    @classmethod
    def ortvalue_from_numpy(cls, numpy_obj, /, device_type="cpu", device_id=0, vendor_id=-1):
        check_device(device_type)
        return cls(numpy_obj)

    @classmethod
    def ortvalue_from_numpy_with_onnx_type(cls, data, /, onnx_element_type):
        """The array has the bits of elements of that type (of onnx.TensorProto)."""
        name = declared.type_name(onnx_element_type)
        if name is None:
            raise raised(InvalidArgument, "INVALID_ARGUMENT", f"onnx_element_type {onnx_element_type}: expected a number of TensorProto.DataType")
        return cls(data, kind=name)

    @classmethod
    def ortvalue_from_shape_and_type(cls, shape, element_type, device_type="cpu", device_id=0, vendor_id=-1, memory_info=None):
        """element_type: NumPy's, or the number of onnx.TensorProto."""
        check_device(device_type)
        if isinstance(element_type, int):
            name = declared.type_name(element_type)
            kind = name and declared.numpy_type(f"tensor({name})")
            if kind is None:
                raise raised(InvalidArgument, "INVALID_ARGUMENT", f"element_type {element_type}: expected the number of a type that NumPy has")
            element_type = kind
        return cls(np.empty(shape, element_type))

    @classmethod
    def from_dlpack(cls, data, /):
        return cls(np.from_dlpack(data))

    @classmethod
    def ort_value_from_sparse_tensor(cls, sparse_tensor):
        sparse("ort_value_from_sparse_tensor")

    def as_sparse_tensor(self):
        sparse("as_sparse_tensor")

    def numpy(self):
        return self._array

    def __array__(self, dtype=None, copy=None):
        return self._array if dtype is None else self._array.astype(dtype)

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()

    def shape(self):
        return list(self._array.shape)

    def _type_name(self):
        names = {"float32": "float", "float64": "double"}
        if self._array.dtype.kind in "OSU":
            return "string"
        return self._kind or names.get(self._array.dtype.name, self._array.dtype.name)

    def data_type(self):
        return f"tensor({self._type_name()})"

    def element_type(self):
        return declared.type_number(self._type_name())

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

    def update_inplace(self, data):
        np.copyto(self._array, data, casting="no")


class OrtSequence(OrtValue):
    """A sequence, as an output: its elements are a list."""

    def __init__(self, parts, kind):
        super().__init__(np.empty(0), kind=kind)
        self._parts = parts

    def numpy(self):
        return self._parts

    def data_type(self):
        return self._kind

    def is_tensor(self):
        return False

    def is_tensor_sequence(self):
        return self._kind.startswith("seq(tensor(")


class OrtValueVector(list):
    """A list of OrtValue with onnxruntime's other names."""

    push_back = list.append

    def push_back_batch(self, ortvalues, data_ptrs=None, *rest):
        if data_ptrs is not None:
            raise raised(InvalidArgument, "INVALID_ARGUMENT", "push_back_batch: expected a list of OrtValue alone")
        self.extend(ortvalues)

    def reserve(self, count):
        """A list grows by itself."""

    def shrink_to_fit(self):
        """A list shrinks by itself."""

    def element_type_at(self, index):
        return self[index].element_type()

    def dlpack_at(self, index):
        return self[index].__dlpack__()

    def to_dlpacks(self, to_tensor=None):
        return [value.__dlpack__() if to_tensor is None else to_tensor(value.__dlpack__()) for value in self]


def copy_tensors(src, dst, stream=None):
    """Each of src into the memory of its counterpart."""
    if len(src) != len(dst):
        raise raised(InvalidArgument, "INVALID_ARGUMENT", f"copy_tensors: {len(src)} sources for {len(dst)} targets")
    for one, other in zip(src, dst):
        if one.shape() != other.shape() or one.data_type() != other.data_type():
            raise raised(InvalidArgument, "INVALID_ARGUMENT", f"copy_tensors: a source of {one.data_type()} {one.shape()} for a target of "
                         f"{other.data_type()} {other.shape()}")
        other.update_inplace(one.numpy())


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
        check_device(device_type)
        self._inputs[name] = _at(buffer_ptr, element_type, shape)

    def bind_ortvalue_input(self, name, ortvalue):
        self._inputs[name] = ortvalue.numpy()

    def bind_output(self, name, device_type="cpu", device_id=0, element_type=None, shape=None, buffer_ptr=None):
        """Without a pointer the run makes the array."""
        check_device(device_type)
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
        return [self._session._value(name, array) for name, array in self._results.items()]

    def get_outputs_as_ortvaluevector(self):
        return OrtValueVector(self.get_outputs())

    def copy_outputs_to_cpu(self):
        return list(self._results.values())

    def clear_binding_inputs(self):
        self._inputs.clear()

    def clear_binding_outputs(self):
        self._targets.clear()
        self._results.clear()
