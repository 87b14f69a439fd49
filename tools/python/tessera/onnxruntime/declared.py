"""What an ONNX file says of itself: producer, metadata, declared inputs and outputs.

Only these fields are read, straight from the bytes (the format is protobuf's: a key, then a number or a length and
that many bytes), so that a session needs neither the `onnx` package nor a second copy of the weights. The compiler has
read the model before, and refused what is no model.
"""

import numpy as np

# Numbers of fields in onnx.proto.
_MODEL = {2: "producer_name", 3: "producer_version", 4: "domain", 5: "version", 6: "description", 7: "graph",
          14: "metadata_props"}
_GRAPH_NODE, _GRAPH_NAME, _GRAPH_DOC, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 2, 10, 11, 12
_NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE = 2, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INTS, _ATTRIBUTE_STRINGS = 1, 8, 9
_TYPE_TENSOR, _TYPE_SEQUENCE, _TYPE_MAP = 1, 4, 5

# Numbers of element types: the name within tensor(...), and NumPy's type.
_TYPES = {1: ("float", "float32"), 2: ("uint8", "uint8"), 3: ("int8", "int8"), 4: ("uint16", "uint16"),
          5: ("int16", "int16"), 6: ("int32", "int32"), 7: ("int64", "int64"), 8: ("string", None), 9: ("bool", "bool"),
          10: ("float16", "float16"), 11: ("double", "float64"), 12: ("uint32", "uint32"), 13: ("uint64", "uint64"),
          16: ("bfloat16", None), 17: ("float8e4m3fn", None), 18: ("float8e4m3fnuz", None), 19: ("float8e5m2", None),
          20: ("float8e5m2fnuz", None), 21: ("uint4", None), 22: ("int4", None), 23: ("float4e2m1", None),
          24: ("float8e8m0", None), 25: ("uint2", None), 26: ("int2", None), 27: ("float6e2m3", None), 28: ("float6e3m2", None)}
_NUMBERS = {name: number for number, (name, _) in _TYPES.items()}
# Names of a module's types.
TYPE_NAMES = {"f64": "double", "f32": "float", "f16": "float16", "bf16": "bfloat16", "f8e4m3fn": "float8e4m3fn",
              "f8e5m2": "float8e5m2", "f8e4m3fnuz": "float8e4m3fnuz", "f8e5m2fnuz": "float8e5m2fnuz", "i8": "int8",
              "i16": "int16", "i32": "int32", "i64": "int64", "u8": "uint8", "u16": "uint16", "u32": "uint32",
              "u64": "uint64", "bool": "bool", "f8e8m0fnu": "float8e8m0", "f4e2m1fn": "float4e2m1", "i4": "int4",
              "u4": "uint4", "i2": "int2", "u2": "uint2", "f6e2m3fn": "float6e2m3", "f6e3m2fn": "float6e3m2", "string": "string"}


def type_name(number):
    """What the element type with that number in onnx.proto is called, or None."""
    return _TYPES.get(number, (None,))[0]


def type_number(name):
    return _NUMBERS.get(name, 0)


def numpy_type(kind):
    """NumPy's type of what is called "tensor(NAME)", or None."""
    name = kind.removeprefix("tensor(").rstrip(")")
    known = _TYPES[_NUMBERS[name]][1] if name in _NUMBERS else None
    return np.dtype(known) if known else None


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _fields(data):
    """Pairs of a field's number and its value: an int, or a view of bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            size = 8 if kind == 1 else 4
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def _integers(value):
    """A signed number, or several that are packed."""
    numbers, at = [value] if isinstance(value, int) else [], 0
    while not isinstance(value, int) and at < len(value):
        number, at = _varint(value, at)
        numbers.append(number)
    return [number - (1 << 64) if number >= 1 << 63 else number for number in numbers]


def _text(value):
    return bytes(value).decode("utf-8", "replace")


def _first(data, number, default=None):
    return next((value for found, value in _fields(data) if found == number), default)


def _type_name(data):
    """What onnxruntime calls a type: "tensor(float)", "map(string,tensor(float))"; None where it is not known."""
    for number, value in _fields(data):
        if number == _TYPE_TENSOR and _first(value, 1) in _TYPES:
            return f"tensor({_TYPES[_first(value, 1)][0]})"
        if number == _TYPE_SEQUENCE:
            inner = _type_name(_first(value, 1, b""))
            return inner and f"seq({inner})"
        if number == _TYPE_MAP:
            key, inner = _TYPES.get(_first(value, 1), (None,))[0], _type_name(_first(value, 2, b""))
            return key and inner and f"map({key},{inner})"
    return None


class Value:
    """A declared input or output; type and shape may be None."""

    def __init__(self, data):
        self.name, self.type, self.shape = "", None, None
        for number, value in _fields(data):
            if number == 1:
                self.name = _text(value)
            elif number == 2:
                self.type = _type_name(value)
                if (tensor := _first(value, _TYPE_TENSOR)) is not None:
                    self._read_shape(tensor)

    def _read_shape(self, tensor):
        for number, value in _fields(tensor):
            if number == 2:
                self.shape = [self._extent(dim) for found, dim in _fields(value) if found == 1]

    @staticmethod
    def _extent(dim):
        for number, value in _fields(dim):
            if number == 1:
                return value if value < 1 << 63 else None
            if number == 2:
                return _text(value) or None
        return None


class Declared:
    """Empty where the bytes are of something else (a module, or the textual IR)."""

    def __init__(self, data=b""):
        self.producer_name = self.domain = self.description = self.graph_name = self.graph_description = ""
        self.version, self.custom_metadata_map, self.inputs, self.outputs, self.labels = 0, {}, {}, {}, {}
        for number, value in _fields(memoryview(data)):
            name = _MODEL.get(number)
            if name == "graph":
                self._read_graph(value)
            elif name == "metadata_props":
                self.custom_metadata_map[_text(_first(value, 1, b""))] = _text(_first(value, 2, b""))
            elif name == "version":
                self.version = value - (1 << 64) if value >= 1 << 63 else value
            elif name:
                setattr(self, name, _text(value))

    def _read_graph(self, graph):
        for number, value in _fields(graph):
            if number == _GRAPH_NAME:
                self.graph_name = _text(value)
            elif number == _GRAPH_DOC:
                self.graph_description = _text(value)
            elif number in (_GRAPH_INPUT, _GRAPH_OUTPUT):
                read = Value(value)
                (self.inputs if number == _GRAPH_INPUT else self.outputs)[read.name] = read
        if any((output.type or "").startswith("seq(map(") for output in self.outputs.values()):
            self._read_labels(graph)

    def _read_labels(self, graph):
        """`labels` of outputs that ZipMap makes: the keys of each map."""
        for number, node in _fields(graph):
            if number != _GRAPH_NODE or bytes(_first(node, _NODE_OPERATOR, b"")) != b"ZipMap":
                continue
            output, labels = _text(_first(node, _NODE_OUTPUT, b"")), []
            for found, attribute in _fields(node):
                name = bytes(_first(attribute, _ATTRIBUTE_NAME, b"")) if found == _NODE_ATTRIBUTE else b""
                for kind, value in _fields(attribute) if name in (b"classlabels_int64s", b"classlabels_strings") else ():
                    if kind == _ATTRIBUTE_STRINGS:
                        labels.append(_text(value))
                    elif kind == _ATTRIBUTE_INTS:
                        labels += _integers(value)
            self.labels[output] = labels


def looks_like_onnx(data):
    """As the compiler decides: the file begins with its format's version."""
    return len(data) > 8 and data[0] == 0x08 and 0 < data[1] < 64 and data[2] in (0x12, 0x1A, 0x22, 0x3A, 0x42)
