"""The suite's cases of one node with every other element type that the operator's definition allows, and with every older version of the
operator. What is expected is what onnxruntime or the package's reference gives, of floats of less than 32 bits what they give
in f32; where they differ, either. What none of them computes is named in WITHOUT.
"""
import collections
import contextlib
import functools
import io
import itertools
import re
import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, defs, helper, numpy_helper
from onnx.backend.test.loader import load_model_tests
from onnx.reference import ReferenceEvaluator

# So many cases of each operator are varied.
PER_OPERATOR = 2
# Numbers of a narrow type are within this of those in f32; all others within the last.
PRECISION = {TensorProto.FLOAT16: 8e-3, TensorProto.BFLOAT16: 6.4e-2, None: 8e-6}
# Patterns of names, and why nothing is expected of them.
WITHOUT = {
    r"_(bernoulli|castlike_float|training_dropout)": "random numbers, and numbers out of the range of a type",
    r"_gridsample.*_t1_u?int": "the reference cuts weights between elements to integers",
    r"_melweightmatrix.*_t1_": "the reference leaves its matrix for these sizes",
    r"_onehot.*_t3_bool": "neither has values that are bools",
    r"_resize_.*_t1_bool": "neither resizes bools (Upsample's are)",
    r"_qlinearmatmul.*float32_t3_float8": "neither has products of 8-bit floats",
}
INTEGERS = {getattr(TensorProto, name.upper()): np.iinfo(name)
            for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")}
SHORT_INTEGERS = {TensorProto.INT4: (-8, 7), TensorProto.UINT4: (0, 15), TensorProto.INT2: (-2, 1), TensorProto.UINT2: (0, 3)}
OTHER_KINDS = {TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.COMPLEX128}


def range_of(kind):
    if kind in SHORT_INTEGERS:
        return SHORT_INTEGERS[kind]
    return (int(INTEGERS[kind].min), int(INTEGERS[kind].max)) if kind in INTEGERS else None


def is_short_float(kind):
    return kind in (TensorProto.FLOAT16, TensorProto.BFLOAT16) or (kind > TensorProto.BFLOAT16 and kind not in SHORT_INTEGERS)


def element_kind(name):
    """The number of what is called "tensor(NAME)"; None of what is no tensor."""
    found = re.fullmatch(r"tensor\((\w+)\)", name)
    return getattr(TensorProto, found[1].upper()) if found else None


def in_kind(array, kind):
    """The numbers of an array in another type: small ones, as most operators have them."""
    numbers = np.asarray(array, np.float64)
    if kind == TensorProto.BOOL:
        return numbers > 0.5
    if bounds := range_of(kind):
        numbers = np.rint(numbers * 3) if array.dtype.kind not in "iub" else numbers
        numbers = np.nan_to_num(numbers, nan=0, posinf=5, neginf=-5)
        numbers = np.clip(np.abs(numbers) if bounds[0] == 0 else numbers, max(bounds[0], -100), min(bounds[1], 100))
    return numbers.astype(helper.tensor_dtype_to_np_dtype(kind))


class Sample:
    """A model of one node, its inputs by name, and the names of the inputs and outputs whose type was changed."""

    def __init__(self, name, model, feed, changed=()):
        self.name, self.model, self.feed, self.changed = name, model, feed, changed

    def is_valid(self):
        with contextlib.suppress(Exception):
            onnx.checker.check_model(self.model, full_check=True)
            return True
        return False


def samples():
    """Cases of the suite whose model is one node on tensors."""
    counts = collections.Counter()
    for case in load_model_tests(kind="node"):
        graph = case.model.graph if case.model else None
        if graph is None or len(graph.node) != 1 or case.model.functions or any(a.HasField("g") for a in graph.node[0].attribute):
            continue
        if not all(info.type.HasField("tensor_type") for info in [*graph.input, *graph.output]):
            continue
        key = graph.node[0].domain, graph.node[0].op_type
        counts[key] += 1
        if counts[key] <= PER_OPERATOR:
            arrays = [numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)
                      for value in case.data_sets[0][0]]
            yield Sample(case.name, case.model, dict(zip([info.name for info in graph.input], arrays, strict=True)))


def schema_of(model, version=None):
    """How the version of its node is defined; None where there is none."""
    node = model.graph.node[0]
    versions = {imported.domain: imported.version for imported in model.opset_import}
    try:
        return defs.get_schema(node.op_type, version or versions.get(node.domain, 1), node.domain)
    except defs.SchemaError:
        return None


def of_other_types(sample):
    schema, node = schema_of(sample.model), sample.model.graph.node[0]
    if not schema:
        return
    # The last formal one may stand for many.
    inputs = [(name, schema.inputs[min(i, len(schema.inputs) - 1)]) for i, name in enumerate(node.input) if name]
    outputs = [(name, schema.outputs[min(i, len(schema.outputs) - 1)]) for i, name in enumerate(node.output) if name]
    infos = {info.name: info.type.tensor_type.elem_type for info in sample.model.graph.input}
    for constraint in schema.type_constraints:
        variable = constraint.type_param_str
        own = [name for name, formal in inputs if formal.type_str == variable]
        if not own or not all(name in infos and sample.feed[name].dtype != object for name in own):
            continue
        changed = own + [name for name, formal in outputs if formal.type_str == variable]
        for kind in sorted(filter(None, map(element_kind, constraint.allowed_type_strs))):
            if kind == infos[own[0]] or kind in OTHER_KINDS:
                continue
            feed = sample.feed | {name: in_kind(sample.feed[name], kind) for name in own}
            for name, formal in inputs:  # The zero of floats is 0.
                if "zero_point" in formal.name and kind > TensorProto.BFLOAT16 and kind not in SHORT_INTEGERS:
                    feed[name] = np.zeros_like(feed[name])
            model = onnx.ModelProto()
            model.CopyFrom(sample.model)
            for info in [*model.graph.input, *model.graph.output]:
                if info.name in changed:
                    info.type.tensor_type.elem_type = kind
            yield Sample(f"{sample.name}_{variable}_{TensorProto.DataType.Name(kind)}".lower(), model, feed, changed)


def as_attribute(array, definition):
    """An input's numbers as the attribute that it was before; None where an empty list says nothing of its type."""
    kinds = defs.OpSchema.AttrType
    value = array.ravel().tolist()
    if definition.type not in (kinds.INTS, kinds.FLOATS):
        value = float(value[0]) if definition.type == kinds.FLOAT else value[0]
    return None if value == [] else helper.make_attribute(definition.name, value)


def of_older_versions(sample):
    node, now = sample.model.graph.node[0], schema_of(sample.model)
    if not now:
        return
    oldest = 1 if node.domain else 7
    history = {max(schema.since_version, oldest) for schema in defs.get_all_schemas_with_history()
               if (schema.name, schema.domain) == (node.op_type, node.domain) and schema.since_version < now.since_version}
    for version in sorted(history):
        if not (then := schema_of(sample.model, version)):
            continue
        model, feed = onnx.ModelProto(), dict(sample.feed)
        model.CopyFrom(sample.model)
        for imported in model.opset_import:
            if imported.domain == node.domain:
                imported.version = version
        changed, kept = model.graph.node[0], []
        for i, name in enumerate(node.input):
            formal = now.inputs[min(i, len(now.inputs) - 1)].name
            if name and formal in then.attributes and formal not in [other.name for other in then.inputs]:
                if attribute := as_attribute(feed.pop(name), then.attributes[formal]):
                    changed.attribute.append(attribute)
            else:
                kept.append(name)
        while kept and not kept[-1]:
            kept.pop()
        changed.input[:] = kept
        # What an attribute that came later says must have been the rule before.
        attributes = [attribute for attribute in changed.attribute if attribute.name in then.attributes]
        later = [attribute for attribute in changed.attribute if attribute.name not in then.attributes]
        if any(attribute != now.attributes[attribute.name].default_value for attribute in later if attribute.name in now.attributes):
            continue
        del changed.attribute[:]
        changed.attribute.extend(attributes)
        infos = [info for info in model.graph.input if info.name in feed]
        del model.graph.input[:]
        model.graph.input.extend(infos)
        yield Sample(f"{sample.name}_version_{version}", model, feed)


def by_onnxruntime(sample):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    model = onnx.ModelProto()
    model.CopyFrom(sample.model)
    model.ir_version = min(model.ir_version, 11)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, sample.feed)


def by_reference(sample):
    with contextlib.redirect_stdout(io.StringIO()):
        return ReferenceEvaluator(sample.model).run(None, sample.feed)


def in_f32(sample):
    """What short floats are: rounded from f32, of numbers that are short floats."""
    kinds = [info.type.tensor_type.elem_type for info in sample.model.graph.input if info.name in sample.changed]
    assert any(map(is_short_float, kinds)), "no short floats"
    model = onnx.ModelProto()
    model.CopyFrom(sample.model)
    for info in [*model.graph.input, *model.graph.output]:
        if info.name in sample.changed:
            info.type.tensor_type.elem_type = TensorProto.FLOAT
    wide = Sample(sample.name, model, {name: array.astype(np.float32) if name in sample.changed else array
                                       for name, array in sample.feed.items()})
    assert wide.is_valid(), "the operator takes no f32"
    try:
        return by_onnxruntime(wide)
    except Exception:
        return by_reference(wide)


def expectations(sample):
    """What those give who compute it, in the types that the model declares."""
    for oracle in (in_f32, by_onnxruntime, by_reference):
        try:
            results = oracle(sample)
        except Exception:
            continue
        yield [np.asarray(result) if np.asarray(result).dtype == object else
               np.asarray(result).astype(helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type))
               for info, result in zip(sample.model.graph.output, results, strict=True)]


def compare(found, wanted, tolerance):
    assert found.shape == wanted.shape and (found.dtype == wanted.dtype or wanted.dtype == object), \
        f"is {found.dtype}{found.shape}, expected {wanted.dtype}{wanted.shape}"
    if wanted.dtype == object or wanted.dtype.kind in "iub":
        assert found.tolist() == wanted.tolist(), f"{found.ravel()[:9].tolist()}, expected {wanted.ravel()[:9].tolist()}"
    else:
        np.testing.assert_allclose(found.astype(np.float64), wanted.astype(np.float64), rtol=tolerance, atol=tolerance)


def check(backend, sample):
    found = backend.prepare(sample.model).run(sample.feed)
    kinds = {info.type.tensor_type.elem_type for info in [*sample.model.graph.input, *sample.model.graph.output]}
    tolerance = max(PRECISION[kind] for kind in kinds | {None} if kind in PRECISION)
    problems = []
    with np.errstate(all="ignore"):
        for wanted in expectations(sample):
            try:
                for own, theirs in zip(found, wanted, strict=True):
                    compare(own, theirs, tolerance)
                return
            except AssertionError as problem:
                problems.append(str(problem))
    raise AssertionError(problems[0] if problems else "neither onnxruntime nor the reference computes it")


def varied_cases(backend):
    """By name: test cases for a backend."""
    cases = {}
    for sample in samples():
        for variant in itertools.chain(of_other_types(sample), of_older_versions(sample)):
            name = "varied_" + variant.name.removeprefix("test_")
            if name not in cases and variant.is_valid() and not any(re.search(pattern, name) for pattern in WITHOUT):
                cases[name] = unittest.FunctionTestCase(functools.partial(check, backend, variant))
    return cases
