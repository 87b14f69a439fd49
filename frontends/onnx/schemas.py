"""Writes what the standard says of its operators' inputs, outputs and attributes: rows for Schemas.cpp, in the order of domain, name and
version. In the default domain every version has a row, of others the newest one is meant for all."""
import sys

from onnx import defs

OPTIONS = {defs.OpSchema.FormalParameterOption.Single: "", defs.OpSchema.FormalParameterOption.Optional: "?",
           defs.OpSchema.FormalParameterOption.Variadic: "*"}


def inputs(schema):
    """`T$ T1? T*`: names of types that are chosen; `-` for a type that stands there as such, or may differ from input to input. `$`: in some
    version it may be strings."""
    names = {constraint.type_param_str for constraint in schema.type_constraints}
    return " ".join((p.type_str if p.type_str in names and p.is_homogeneous else "-")
                    + "$" * (i in strings[schema.domain, schema.name]) + OPTIONS[p.option] for i, p in enumerate(schema.inputs))


def attributes(schema):
    """`axis=2 to=2!`: with the number of the type, and ! where it is required."""
    return " ".join(f"{name}={int(a.type)}{'!' * a.required}" for name, a in sorted(schema.attributes.items()))


rows = [s for s in defs.get_all_schemas_with_history() if not s.deprecated]
strings = {}
for s in rows:
    places = {i for i, p in enumerate(s.inputs) if any("string" in kind for kind in p.types)}
    strings[s.domain, s.name] = strings.get((s.domain, s.name), set()) | places
newest = {(s.domain, s.name): max(o.since_version for o in rows if (o.domain, o.name) == (s.domain, s.name)) for s in rows}
with open(sys.argv[1], "w", encoding="ascii") as file:
    file.write("static constexpr Schema kSchemas[] = {\n")
    for s in sorted(rows, key=lambda s: (s.domain, s.name, s.since_version)):
        if not s.domain or s.since_version == newest[s.domain, s.name]:
            file.write(f'    {{"{s.domain}", "{s.name}", {s.since_version if not s.domain else 1}, {s.min_input}, {s.max_input}, '
                       f'{s.min_output}, {s.max_output}, "{inputs(s)}", "{attributes(s)}"}},\n')
    file.write("};\n")
