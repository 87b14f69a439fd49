"""Maps as modules have them: a list of keys and a list of values, two inputs that are called NAME/keys and NAME/values."""
import numpy as np


def _array(items, kind, what):
    """A list in a module's type: numbers get it, if they are of its kind."""
    if kind == "string":
        isWrong = lambda item: not isinstance(item, (str, bytes))  # noqa: E731
    elif kind[0] in "fb":
        isWrong = lambda item: isinstance(item, (str, bytes)) or np.ndim(item)  # noqa: E731
    else:
        isWrong = lambda item: not isinstance(item, (int, np.integer))  # noqa: E731
    for item in items:
        if isWrong(item):
            raise TypeError(f"{what}: expected {kind}, found {item!r}")
    if kind == "string":
        array = np.empty(len(items), object)
        array[:] = items
        return array
    return np.array(items, kind if kind == "bool" else {"f": "float", "i": "int", "u": "uint"}[kind[0]] + kind[1:])


def split(given, names, kinds):
    """The inputs with the lists of a map in place of each dict; `kinds` are the types of the inputs `names` ("f32", "string")."""
    kinds, result = dict(zip(names, kinds)), {}
    for name, value in given.items():
        if not isinstance(value, dict):
            result[name] = value
            continue
        if f"{name}/keys" not in kinds or f"{name}/values" not in kinds:
            raise TypeError(f"input '{name}': found a dict, but it is no map")
        for part, items in (("keys", value.keys()), ("values", value.values())):
            result[f"{name}/{part}"] = _array(list(items), kinds[f"{name}/{part}"], f"input '{name}': {part}")
    return result
