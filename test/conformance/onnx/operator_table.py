"""Operators x element types x how many cases passed, from the models of the cases that ran.

An operator's element types are those of its inputs which may be of several (of all, where none may); of what has no such input (Constant),
and where outputs have a choice of their own (Cast), those of its outputs. A case of one node counts for its operator whether it passed or not;
one of several nodes counts for each where it passed, as a failure does not say which of them it is.
"""
import collections

import onnx
from onnx import TensorProto, defs

ORDER = ["float", "double", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool", "string"]


def element_of(kind):
    if kind.HasField("tensor_type"):
        return TensorProto.DataType.Name(kind.tensor_type.elem_type).lower()
    for field in ("sequence_type", "optional_type"):
        if kind.HasField(field):
            return element_of(getattr(kind, field).elem_type)
    if kind.HasField("map_type"):  # That of its values.
        return element_of(kind.map_type.value_type)
    return ""


def elements_by_name(graph):
    elements = {info.name: element_of(info.type) for info in [*graph.input, *graph.output, *graph.value_info]}
    elements |= {tensor.name: TensorProto.DataType.Name(tensor.data_type).lower() for tensor in graph.initializer}
    return elements


def of_variables(formals, names, schema, elements):
    """Element types by the schema's type variable, of those that may be several types."""
    choices = {constraint.type_param_str for constraint in schema.type_constraints if len(constraint.allowed_type_strs) > 1}
    found = {}
    for position, name in enumerate(names):
        formal = formals[min(position, len(formals) - 1)]  # The last one may stand for many.
        if formal.type_str in choices and elements.get(name):
            found.setdefault(formal.type_str, set()).add(elements[name])
    return found


def uses_of(model):
    """What the model's nodes are: domain, operator, the version that defines it, element types."""
    try:
        model = onnx.shape_inference.infer_shapes(model)
    except Exception:  # Types of what lies between two nodes stay unknown.
        pass
    elements = elements_by_name(model.graph)
    versions = {imported.domain: imported.version for imported in model.opset_import}
    uses = []
    for node in model.graph.node:
        try:
            schema = defs.get_schema(node.op_type, versions.get(node.domain, 1), node.domain)
        except defs.SchemaError:
            if node.domain == "com.microsoft":  # Whose operators are not in the package.
                uses.append([node.domain, node.op_type, 1, sorted({elements[name] for name in node.input if elements.get(name)})])
            continue  # Else a function of the model.
        given = of_variables(schema.inputs, node.input, schema, elements)
        made = of_variables(schema.outputs, node.output, schema, elements)
        kinds = set().union(*given.values(), *(kinds for variable, kinds in made.items() if variable not in given))
        kinds = kinds or {elements[name] for name in node.input if elements.get(name)}
        uses.append([node.domain or "ai.onnx", node.op_type, schema.since_version, sorted(kinds)])
    return uses


def write_table(results, path):
    cells = collections.defaultdict(lambda: [0, 0])
    versions = collections.defaultdict(set)
    for row in results.values():
        passed = not row["failure"]
        if not passed and len(row["uses"]) > 1:
            continue
        # Each operator once for a case, however many nodes of it there are.
        for operator, kind in {((domain, name), kind) for domain, name, _, kinds in row["uses"] for kind in kinds or ["other"]}:
            cells[operator, kind][0] += passed
            cells[operator, kind][1] += 1
        for domain, name, version, _ in row["uses"]:
            if passed:
                versions[domain, name].add(version)
    latest = {(schema.domain or "ai.onnx", schema.name) for schema in defs.get_all_schemas() if not schema.deprecated}
    kinds = sorted({kind for _, kind in cells}, key=lambda kind: (ORDER.index(kind) if kind in ORDER else len(ORDER), kind))
    passed = sum(not row["failure"] for row in results.values())
    with open(path, "w") as file:
        file.write(f"# Operators of ONNX and what was seen of them\n\nFrom {len(results)} cases, of which {passed} passed: those of the test suite "
                   f"of onnx {onnx.__version__}, and our own beside onnxruntime (ai.onnx.ml, strings); `./dev conformance` writes this. A cell says how many cases of an operator with that "
                   "element type passed, of how many; of a model of several nodes only passing is counted. Versions are "
                   "those of the operator of which a case passed.\n\n"
                   f"| domain | operator | versions | {' | '.join(kinds)} |\n|---|---|---|{'---|' * len(kinds)}\n")
        seen = {operator for operator, _ in cells}
        for operator in sorted(seen):
            row = ["/".join(map(str, cells[operator, kind])) if (operator, kind) in cells else "" for kind in kinds]
            file.write(f"| {operator[0]} | {operator[1]} | {', '.join(map(str, sorted(versions[operator])))} | {' | '.join(row)} |\n")
        rest = collections.defaultdict(list)
        for domain, name in sorted(latest - seen):
            rest[domain].append(name)
        file.write("\nWithout a case that ran: " + "; ".join(f"{domain}: {', '.join(names)}" for domain, names in rest.items()) + ".\n")
