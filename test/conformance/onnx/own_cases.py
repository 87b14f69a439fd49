"""Cases of our own for what the suite has few of: operators of ai.onnx.ml, of com.microsoft on strings, and strings in those of ai.onnx, each
with every element type that its definition allows. What is expected is what onnxruntime gives; what it does not run is no case.
"""
import functools
import itertools
import unittest

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ML, MICROSOFT = "ai.onnx.ml", "com.microsoft"
STRING, F32, F64, I64, I32, BOOL = (TensorProto.STRING, TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32,
                                    TensorProto.BOOL)
NUMBERS = {"float": F32, "double": F64, "int64": I64, "int32": I32}
WORDS = ["b", "a", "äö", "", "b", "世界", "ab c", "a", "Zz", "😀", "ab", "b"]


def array(items, shape=None):
    made = np.array([*items, None], object)[:-1]
    return made.reshape(shape) if shape else made


WORDS_2D = array(WORDS, (3, 4))


def numbers(kind, shape=(5, 3)):
    made = np.random.default_rng(7).normal(0, 3, shape)
    made[0, 0] = 0
    return made.astype(helper.tensor_dtype_to_np_dtype(kind))


def tensor_info(name, kind, shape):
    """The first extent is not known."""
    return helper.make_tensor_value_info(name, kind, None if shape is None else [name.upper(), *shape[1:]][:len(shape)])


class Case:
    """A model of one node: named inputs are arrays, or dicts; `constants` are inputs that are known."""

    def __init__(self, name, operator, inputs, outputs, constants=None, domain="", order=None, versions=None, **attributes):
        self.name = f"own_{operator}_{name}".lower()
        infos = []
        for key, value in inputs.items():
            if isinstance(value, dict):
                (first, second), *_ = value.items()
                infos.append(helper.make_value_info(key, helper.make_map_type_proto(
                    STRING if isinstance(first, str) else I64,
                    helper.make_tensor_type_proto(STRING if isinstance(second, str) else F32, []))))
            else:
                infos.append(tensor_info(key, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape))
        constants = constants or {}
        node = helper.make_node(operator, order or [*inputs, *constants], [f"y{i}" for i in range(len(outputs))], domain=domain,
                                **attributes)
        graph = helper.make_graph([node], "g", infos, [tensor_info(f"y{i}", kind, None) for i, kind in enumerate(outputs)],
                                  [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()])
        opsets = {"": 21, ML: 3, MICROSOFT: 1, **(versions or {})}
        self.model = helper.make_model(graph, opset_imports=[helper.make_opsetid(*row) for row in opsets.items()], ir_version=10)
        self.feed = inputs


TREE = {"nodes_treeids": [0] * 5, "nodes_nodeids": list(range(5)), "nodes_featureids": [0, 0, 1, 0, 0],
        "nodes_values": [0.5, 0, 1, 0, 0], "nodes_modes": ["BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 0, 3, 0, 0], "nodes_falsenodeids": [2, 0, 4, 0, 0]}
CLASSES = {**TREE, "class_treeids": [0] * 3, "class_nodeids": [1, 3, 4], "class_ids": [0, 1, 2], "class_weights": [1.0, 0.5, 2.0]}
TARGETS = {**TREE, "n_targets": 2, "target_treeids": [0] * 3, "target_nodeids": [1, 3, 4], "target_ids": [0, 1, 1],
           "target_weights": [1.5, -2.0, 0.25]}
LABELS = {"strings": {"strings": ["rot", "grün", "世"]}, "ints": {"ints": [7, -2, 11]}}
SUPPORT = {"coefficients": [0.5, -1, 1.5, 0.25, -0.75, 1], "support_vectors": [0.5, 1, -1, 2, 0, 1, -1, -1, 0.5], "rho": [0.1, 0.2, -0.3],
           "vectors_per_class": [1, 1, 1], "kernel_type": "RBF", "kernel_params": [0.3, 0, 3]}


def of_features():
    """Operators of ai.onnx.ml that read a table of numbers."""
    weights = np.random.default_rng(3).normal(size=9).astype(np.float32).tolist()
    for name, kind in NUMBERS.items():
        x = {"x": numbers(kind)}
        isFloat = kind in (F32, F64)
        yield Case(name, "Binarizer", x, [kind], domain=ML, threshold=0.5)
        yield Case(name, "Scaler", x, [F32], domain=ML, offset=[0.5, 1, -2], scale=[2.0, 3, 0.25])
        yield Case(name, "FeatureVectorizer", {"x": numbers(kind), "z": numbers(kind)}, [F32], domain=ML, inputdimensions=[3, 3])
        yield Case(name, "ArrayFeatureExtractor", x, [kind], {"at": np.array([2, 0], np.int64)}, domain=ML)
        missing = {"imputed_value_floats": [1.5], "replaced_value_float": 0.0} if isFloat else {"imputed_value_int64s": [5, 6, 7],
                                                                                                "replaced_value_int64": 0}
        yield Case(name, "Imputer", x, [kind], domain=ML, **missing)
        for norm in ("MAX", "L1", "L2"):
            yield Case(f"{norm}_{name}", "Normalizer", x, [F32], domain=ML, norm=norm)
        yield Case(name, "OneHotEncoder", {"x": np.abs(numbers(kind)).astype(np.int64).astype(x["x"].dtype)}, [F32], domain=ML,
                   cats_int64s=[0, 2, 3], zeros=1)
        yield Case(name, "LinearRegressor", x, [F32], domain=ML, coefficients=weights[:6], intercepts=[0.5, -1], targets=2)
        yield Case(name, "SVMRegressor", x, [F32], domain=ML, coefficients=[0.5, -1, 1.5], support_vectors=SUPPORT["support_vectors"],
                   rho=[0.5], n_supports=3, kernel_type="POLY", kernel_params=[0.3, 1, 2])
        yield Case(name, "TreeEnsembleRegressor", x, [F32], domain=ML, **TARGETS)
        for (label, given), transform in itertools.product(LABELS.items(), ("NONE", "SOFTMAX")):
            out = [STRING if label == "strings" else I64, F32]
            common = {"domain": ML, "post_transform": transform}
            yield Case(f"{label}_{transform}_{name}", "LinearClassifier", x, out, coefficients=weights, intercepts=[0.5, -1, 0.25],
                       multi_class=1, **{f"classlabels_{key}": value for key, value in given.items()}, **common)
            yield Case(f"{label}_{transform}_{name}", "SVMClassifier", x, out,
                       **{f"classlabels_{key}": value for key, value in given.items()}, **SUPPORT, **common)
            key = "classlabels_strings" if label == "strings" else "classlabels_int64s"
            yield Case(f"{label}_{transform}_{name}", "TreeEnsembleClassifier", x, out, **{key: given[label]}, **CLASSES, **common)
    for kind, label in ((np.float32, "float"), (np.float64, "double")):
        def typed(values, kind=kind):
            return numpy_helper.from_array(np.array(values, kind))
        yield Case(label, "TreeEnsemble", {"x": numbers(NUMBERS[label])}, [NUMBERS[label]], domain=ML, versions={ML: 5},
                   tree_roots=[0], nodes_featureids=[0, 1], nodes_splits=typed([0.5, 1]), n_targets=2,
                   nodes_modes=numpy_helper.from_array(np.array([0, 0], np.uint8)), nodes_truenodeids=[0, 1], nodes_trueleafs=[1, 1],
                   nodes_falsenodeids=[1, 2], nodes_falseleafs=[0, 1], leaf_targetids=[0, 1, 1], leaf_weights=typed([1.5, -2, 0.25]))


def of_labels():
    """Operators of ai.onnx.ml that map strings and numbers."""
    sides = {"string": (array(["a", "世", "b"]), array(["a", "b", "none", "世", ""])), "int64": (np.array([5, -7, 2**40]), None),
             "float": (np.array([1.5, np.nan, -2], np.float32), None), "int32": (np.array([5, -7, 2**30], np.int32), None),
             "int16": (np.array([5, -7, 300], np.int16), None), "double": (np.array([1.5, np.nan, -2]), None)}
    names = {"string": STRING, "int64": I64, "float": F32, "int32": I32, "int16": TensorProto.INT16, "double": F64}
    for (key, (known, given)), (value, (values, _)) in itertools.product(sides.items(), repeat=2):
        x = {"x": given if given is not None else np.concatenate([known, known[:1], np.array([9], known.dtype)])}
        default = array(["?"]) if value == "string" else np.array([9], values.dtype)
        yield Case(f"{key}_to_{value}", "LabelEncoder", x, [names[value]], domain=ML, versions={ML: 4},
                   keys_tensor=numpy_helper.from_array(known), values_tensor=numpy_helper.from_array(values),
                   default_tensor=numpy_helper.from_array(default))
        listed = {"string": "strings", "int64": "int64s", "float": "floats"}
        if key == "float":  # Of lists onnxruntime finds no NaN.
            x, known, values = {"x": x["x"][[0, 2, 3, 4]]}, known[[0, 2]], values[[0, 2]]
        if key in listed and value in listed:
            yield Case(f"lists_{key}_to_{value}", "LabelEncoder", x, [names[value]], domain=ML, versions={ML: 2},
                       **{f"keys_{listed[key]}": known.tolist(), f"values_{listed[value]}": values.tolist()})
    words = {"x": array(["a", "b", "none", "世", ""])}
    for name, x, out in (("string", words, I64), ("int64", {"x": np.array([1, 5, 2])}, STRING)):
        yield Case(name, "CategoryMapper", x, [out], domain=ML, cats_strings=["a", "世"], cats_int64s=[5, 2], default_string="?",
                   default_int64=-3)
    yield Case("string", "OneHotEncoder", words, [F32], domain=ML, cats_strings=["a", "世", "b"], zeros=1)
    yield Case("string", "ArrayFeatureExtractor", {"x": WORDS_2D}, [STRING], {"at": np.array([3, 0], np.int64)}, domain=ML)
    for keys in (["a", "c", "x"], [3, 5, 9]):
        name, given = ("string", {"string_vocabulary": ["c", "b", "a"]}) if keys[0] == "a" else ("int64", {"int64_vocabulary": [5, 4, 3]})
        yield Case(f"{name}_to_float", "DictVectorizer", {"x": dict(zip(keys, [1.5, 2.0, 3.25]))}, [F32], domain=ML, **given)
    for to, out in (("TO_FLOAT", F32), ("TO_INT64", I64), ("TO_STRING", STRING)):
        for form in ("DENSE", "SPARSE"):
            yield Case(f"{to}_{form}", "CastMap", {"x": {5: 2.75, 1: -1.25, 3: 1e10}}, [out], domain=ML, cast_to=to, map_form=form,
                       max_map=7 if form == "SPARSE" else 1)


def of_strings():
    """Strings in operators of ai.onnx, and those of com.microsoft."""
    x, at = {"x": WORDS_2D}, np.array([2, 0], np.int64)
    places = np.array([[0, 2, 1, 0]], np.int64)
    for name, constants, attributes in (
            ("Gather", {"at": at}, {"axis": 1}), ("GatherElements", {"at": places}, {}), ("GatherND", {"at": np.array([[0, 1], [2, 3]])}, {}),
            ("Reshape", {"to": np.array([2, 6])}, {}), ("Flatten", {}, {"axis": 0}), ("Transpose", {}, {"perm": [1, 0]}),
            ("Squeeze", {"axes": np.array([0])}, {}), ("Unsqueeze", {"axes": np.array([0, 2])}, {}), ("Expand", {"to": np.array([2, 3, 4])}, {}),
            ("Tile", {"by": np.array([2, 1])}, {}), ("Identity", {}, {}), ("Concat", {"z": WORDS_2D[:1]}, {"axis": 0}),
            ("Slice", {"from": np.array([0, 1]), "to": np.array([3, 3])}, {}), ("Trilu", {}, {}),
            ("ScatterElements", {"at": places, "z": WORDS_2D[1:2]}, {"axis": 0}), ("ScatterND", {"at": np.array([[2]]), "z": WORDS_2D[:1]}, {}),
            ("Compress", {"which": np.array([True, False, True])}, {"axis": 0}), ("CenterCropPad", {"to": np.array([4, 2])}, {}),
            ("Pad", {"by": np.array([0, 1, 1, 0]), "with": np.array("pad", object)}, {}), ("StringConcat", {"z": array(["-", "é", "", "x"])}, {}),
            ("ReverseSequence", {"lengths": np.array([1, 3, 2, 0])}, {"time_axis": 0, "batch_axis": 1})):
        shaped = {"x": WORDS_2D[:1]} if name == "Squeeze" else x
        yield Case("string", name, shaped, [STRING], constants, **attributes)
    yield Case("string", "DepthToSpace", {"x": array(WORDS[:8], (1, 4, 1, 2))}, [STRING], blocksize=2)
    yield Case("string", "SpaceToDepth", {"x": array(WORDS[:8], (1, 1, 2, 4))}, [STRING], blocksize=2)
    yield Case("string", "Split", x, [STRING, STRING], {"parts": np.array([1, 3])}, axis=1)
    yield Case("string", "Where", {"c": np.arange(12).reshape(3, 4) % 3 == 0, "x": WORDS_2D, "z": WORDS_2D[::-1]}, [STRING], order=["c", "x", "z"])
    yield Case("string", "OneHot", {"x": at, "values": array(["off", "on"])}, [STRING], {"depth": np.array(3)}, order=["x", "depth", "values"])
    yield Case("string", "Equal", {"x": WORDS_2D, "z": array(["b", "äö", "", "b"])}, [BOOL])
    yield Case("string", "Shape", x, [I64])
    yield Case("string", "Size", x, [I64])
    yield Case("string", "NonZero", x, [I64])
    for options in ({}, {"sorted": 0}, {"axis": 1}, {"axis": 0, "sorted": 0}):
        name = "_".join(f"{key}{value}" for key, value in options.items())
        yield Case(f"string_{name}", "Unique", x, [STRING, I64, I64, I64], **options)
    yield Case("string", "RegexFullMatch", {"x": array(WORDS)}, [BOOL], pattern="[ab]+|世.")
    yield Case("string", "StringSplit", {"x": array(["a,b", ",", "x", "世,界,c"])}, [STRING, I64], delimiter=",")
    yield Case("string", "StringNormalizer", {"x": array(["Ab", "b", "C", "ab"])}, [STRING], case_change_action="UPPER", stopwords=["b", "AB"],
               locale="C")
    for mode in ("TF", "IDF", "TFIDF"):
        yield Case(f"string_{mode}", "TfIdfVectorizer", x, [F32], mode=mode, min_gram_length=1, max_gram_length=2, max_skip_count=1,
                   ngram_counts=[0, 3], ngram_indexes=[2, 0, 1, 3], pool_strings=["a", "b", "äö", "b", "a"], weights=[0.5, 2.0, 3.0, 0.25])
    texts = {"x": array(["0.5", "-3", "1e2", "nan", "INF"])}
    for name, kind in {"float": F32, "double": F64, "float16": TensorProto.FLOAT16}.items():
        yield Case(f"string_to_{name}", "Cast", texts, [kind], to=kind)
        yield Case(f"{name}_to_string", "Cast", {"x": numbers(kind)}, [STRING], to=STRING)
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"):
        kind = getattr(TensorProto, name.upper())
        yield Case(f"string_to_{name}", "Cast", {"x": array(["0", "7", "100"])}, [kind], to=kind)
        yield Case(f"{name}_to_string", "Cast", {"x": np.abs(numbers(F32)).astype(helper.tensor_dtype_to_np_dtype(kind))}, [STRING], to=STRING)
    common = {"domain": MICROSOFT, "pad_value": "#", "mincharnum": 1}
    for name, own in (("tokenexp", {"tokenexp": "[a-zé世]+"}), ("separators", {"separators": [" ", "b"]}), ("characters", {"tokenexp": "."})):
        for mark in (0, 1):
            yield Case(f"string_{name}_{mark}", "Tokenizer", x, [STRING], mark=mark, **own, **common)
    for name in ("string", "int32", "uint32", "int64", "uint64", "float", "double"):
        kind = getattr(TensorProto, name.upper())
        given = WORDS_2D if name == "string" else np.abs(numbers(F32)).astype(helper.tensor_dtype_to_np_dtype(kind))
        for positive in (0, 1):
            yield Case(f"{name}_{positive}", "MurmurHash3", {"x": given}, [TensorProto.UINT32 if positive else I32], domain=MICROSOFT,
                       positive=positive)


def expected_of(case):
    """What onnxruntime gives, whose ranks become those of the outputs; None where it does not run the model."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(case.model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        results = session.run(None, case.feed)
    except Exception as problem:
        if __name__ == "__main__":
            print(f"{case.name}: onnxruntime: {' '.join(str(problem).split())[:200]}")
        return None
    for info, result in zip(case.model.graph.output, results, strict=True):
        info.CopyFrom(tensor_info(info.name, info.type.tensor_type.elem_type, result.shape))
    return results


def check(backend, case, expected):
    for found, wanted in zip(backend.prepare(case.model).run(case.feed), expected, strict=True):
        assert found.dtype == wanted.dtype or wanted.dtype.kind == "O", f"is {found.dtype}, expected {wanted.dtype}"
        if wanted.dtype.kind == "f":
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
        else:
            assert found.shape == wanted.shape and found.tolist() == wanted.tolist(), f"{found.tolist()}, expected {wanted.tolist()}"


def own_cases(backend):
    """By name: test cases for a backend. What onnxruntime does not run is left out."""
    cases = {}
    for case in itertools.chain(of_features(), of_labels(), of_strings()):
        assert case.name not in cases, case.name
        if (expected := expected_of(case)) is not None:
            cases[case.name] = unittest.FunctionTestCase(functools.partial(check, backend, case, expected))
    return cases


if __name__ == "__main__":  # What fails, and what is no case.
    from tessera.onnx.backend import TesseraBackend
    for name, test in own_cases(TesseraBackend).items():
        result = unittest.TestResult()
        test.run(result)
        for _, trace in [*result.errors, *result.failures]:
            print(f"{name}: {' '.join(trace.split())[-500:]}")
