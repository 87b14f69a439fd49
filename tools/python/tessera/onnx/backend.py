"""Tessera as a backend of the `onnx` package (`onnx.backend.base`): models as ModelProto, values as NumPy arrays.

    import tessera.onnx.backend as backend
    outputs = backend.prepare(onnx.load("model.onnx")).run([x])

A model is compiled once for all values of its inputs. Where that cannot be (axes, paddings or a body's choice that is
given as an input, a list of tensors whose length is not known), `run` compiles it for the small integers and the
structure that it is given, once for each.
"""

import collections.abc

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.base import Backend, BackendRep, Device, DeviceType

import tessera
from tessera import sequences

# More elements are data, not a parameter.
_MAX_PARAMETER = 64
# NumPy's types of what modules give as bits, or in a type of the next size that they have.
_BITS = {"bf16": ml_dtypes.bfloat16, "f8e4m3fn": ml_dtypes.float8_e4m3fn, "f8e5m2": ml_dtypes.float8_e5m2,
         "f8e4m3fnuz": ml_dtypes.float8_e4m3fnuz, "f8e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
         "f8e8m0fnu": ml_dtypes.float8_e8m0fnu, "f6e2m3fn": ml_dtypes.float6_e2m3fn, "f6e3m2fn": ml_dtypes.float6_e3m2fn,
         "f4e2m1fn": ml_dtypes.float4_e2m1fn, "i4": ml_dtypes.int4,
         "u4": ml_dtypes.uint4, "i2": ml_dtypes.int2, "u2": ml_dtypes.uint2}


def _as_given(array):
    """An array, or a map, as a module takes it."""
    if isinstance(array, dict):
        return array
    array = np.asarray(array)
    if array.dtype in [np.dtype(kind) for kind in _BITS.values()]:
        return array.view(f"u{array.dtype.itemsize}")
    return array


def _as_declared(array, kind, declared):
    """An output of a module in the type that the model declares."""
    if kind in _BITS:
        array = array.view(_BITS[kind])
    wanted = helper.tensor_dtype_to_np_dtype(declared) if declared else array.dtype
    return array if array.dtype == wanted else array.astype(wanted)


def _parameters(model, values):
    """Names of inputs that say how to compute: few numbers, none of them the first operand of a node."""
    data = _data(model)
    return [name for name, value in values.items()
            if isinstance(value, np.ndarray) and value.ndim <= 1 and value.size <= _MAX_PARAMETER
            and value.dtype.kind in "iubf" and name not in data]


def _data(model):
    """What nodes compute with first; a choice and a count of iterations are no data."""
    return {node.input[0] for node in model.graph.node if node.input and node.op_type not in ("If", "Loop")}


def _with_constants(model, values):
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    kept = [info for info in bound.graph.input if info.name not in values]
    del bound.graph.input[:]
    bound.graph.input.extend(kept)
    bound.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    return bound


class _Structure:
    """Lists and optional values of inputs, spelled out as tensors and nodes that put them together."""

    def __init__(self):
        self.inputs, self.nodes, self.values = [], [], {}

    def add(self, name, kind, value):
        if kind.HasField("tensor_type"):
            self.inputs.append(helper.make_value_info(name, kind))
            self.values[name] = np.asarray(value)
        elif kind.HasField("sequence_type"):
            parts = [f"{name}/{i}" for i in range(len(value))]
            for part, element in zip(parts, value):
                # Elements may differ in their extents, and in their rank.
                element = np.asarray(element)
                own = helper.make_tensor_type_proto(kind.sequence_type.elem_type.tensor_type.elem_type, [None] * element.ndim)
                self.add(part, own, element)
            if parts:
                self.nodes.append(helper.make_node("SequenceConstruct", parts, [name], name=name))
            else:
                element = kind.sequence_type.elem_type.tensor_type.elem_type
                self.nodes.append(helper.make_node("SequenceEmpty", [], [name], name=name, dtype=element))
        elif kind.HasField("optional_type"):
            inner = kind.optional_type.elem_type
            if value is None:
                self.nodes.append(helper.make_node("Optional", [], [name], name=name, type=inner))
            else:
                self.add(f"{name}/value", inner, value)
                self.nodes.append(helper.make_node("Optional", [f"{name}/value"], [name], name=name))
        else:
            raise TypeError(f"input '{name}' is neither a tensor nor a list or an optional value of tensors")


def _is_plain(model):
    return all(info.type.HasField("tensor_type") or info.type.HasField("map_type") for info in model.graph.input)


def _labels(graph, name):
    """The keys of the maps that ZipMap makes of a row each."""
    node = next(node for node in graph.node if name in node.output)
    lists = [[*attribute.strings] or [*attribute.ints] for attribute in node.attribute if attribute.name.startswith("classlabels_")]
    return [label.decode() if isinstance(label, bytes) else label for label in next(filter(None, lists), [])]


class TesseraRep(BackendRep):
    """A model that was prepared."""

    def __init__(self, model, options):
        self._model, self._options = model, options
        self._special = {}
        self._module, self._why = None, None
        if _is_plain(model):
            try:
                self._module = self._compile(model)
            except tessera.Error as error:
                self._why = error
                if all(info.name in _data(model) for info in model.graph.input):
                    raise

    def _compile(self, model):
        return tessera.compile(model.SerializeToString(), **self._options)

    def _specialised(self, inputs):
        """A module for these parameters and this structure, and the values that it takes."""
        structure = _Structure()
        for name, kind, value in inputs:
            structure.add(name, kind, value)
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        del model.graph.input[:]
        model.graph.input.extend(structure.inputs)
        nodes = [*structure.nodes, *self._model.graph.node]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        names = _parameters(model, structure.values) if self._why else []
        constants = {name: structure.values[name] for name in names}
        key = (tuple((name, value.ndim) for name, value in structure.values.items()), *((name, value.dtype.str, value.shape, value.tobytes())
                                          for name, value in constants.items()))
        if self._why and not constants and not structure.nodes:
            raise self._why
        module = self._special.get(key)
        if module is None:
            try:
                module = self._compile(_with_constants(model, constants))
            except tessera.Error:
                if self._why or not _parameters(model, structure.values):
                    raise
                # The structure is not enough: some of the numbers have to be known as well.
                self._why = True
                return self._specialised(inputs)
            self._special[key] = module
        return module, {name: value for name, value in structure.values.items() if name not in constants}

    def run(self, inputs, **kwargs):
        """Outputs in the model's order; `inputs` is a list in its order, or a mapping from names."""
        graph = self._model.graph
        given = {tensor.name for tensor in graph.initializer}
        infos = list(graph.input)
        if isinstance(inputs, collections.abc.Mapping):
            infos = [info for info in infos if info.name in inputs]
            inputs = [inputs[info.name] for info in infos]
        elif len(inputs) < len(infos):
            infos = [info for info in infos if info.name not in given]
        if len(inputs) != len(infos):
            raise ValueError(f"the model has {len(infos)} inputs, got {len(inputs)}")
        if self._module:
            module, values = self._module, {info.name: value for info, value in zip(infos, inputs)}
        else:
            module, values = self._specialised([(i.name, i.type, v) for i, v in zip(infos, inputs)])
        results = module.run({name: _as_given(value) for name, value in values.items()})
        kinds = {info.name: info.type for info in module.outputs}
        return tuple(self._output(info.name, info.type, results, kinds) for info in graph.output)

    def _output(self, name, kind, results, kinds):
        if kind.HasField("sequence_type"):
            parts, inner = [], kind.sequence_type.elem_type
            if inner.HasField("map_type"):
                labels = _labels(self._model.graph, name)
                return [dict(zip(labels, row)) for row in results[name].tolist()]
            if name in results:  # Its length was known only when it ran.
                shapes = results.get(f"{name}/shapes")
                elements = results[name] if shapes is None else sequences.to_list(results[name], shapes)
                if inner.tensor_type.elem_type == TensorProto.STRING:
                    return [np.asarray(element, object) for element in elements]
                return [_as_declared(element, kinds[name], inner.tensor_type.elem_type) for element in elements]
            while f"{name}/{len(parts)}" in results:
                parts.append(self._output(f"{name}/{len(parts)}", inner, results, kinds))
            return parts
        if kind.HasField("optional_type"):
            inner = kind.optional_type.elem_type
            present = name in results or f"{name}/0" in results
            return self._output(name, inner, results, kinds) if present else None
        if kind.tensor_type.elem_type == TensorProto.STRING:
            return results[name]
        return _as_declared(results[name], kinds[name], kind.tensor_type.elem_type)


class TesseraBackend(Backend):
    """`prepare` takes the options of `tessera.compile` as well."""

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        if not cls.supports_device(device):
            raise ValueError(f"device '{device}' is not supported, expected CPU")
        onnx.checker.check_model(model)
        return TesseraRep(model, kwargs)

    @classmethod
    def run_node(cls, node, inputs, device="CPU", outputs_info=None, **kwargs):
        opset = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())
        super().run_node(node, inputs, device, outputs_info, opset_version=opset)
        infos = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype),
                                               np.shape(value))
                 for name, value in zip([name for name in node.input if name], inputs)]
        outputs = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.output if name]
        for output in outputs:
            output.ClearField("type")
        graph = helper.make_graph([node], "node", infos, outputs)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid(node.domain, opset)])
        return cls.prepare(onnx.shape_inference.infer_shapes(model), device, **kwargs).run(inputs)

    @classmethod
    def supports_device(cls, device):
        return Device(device).type == DeviceType.CPU


prepare = TesseraBackend.prepare
run_model = TesseraBackend.run_model
run_node = TesseraBackend.run_node
is_compatible = TesseraBackend.is_compatible
supports_device = TesseraBackend.supports_device
