"""Runs the models of one category compiled and by the interpreter, for several extents of one compilation each.

usage: compare.py [--ptx[=PROCESSOR]] CATEGORY FOLDER ELEMENT...; --ptx: compiled for CUDA devices (sm_80), interpreted; prints what differs, and a line at the end.
"""
import sys

import numpy as np

from cases import report, run
from models import CATEGORIES

# Odd, one and none; windows need something to slide over.
EXTENTS = {"window": (6, 9, 3), "control": (3, 1, 0)}


def main(category, folder, *elements, how="compiled", processor="sm_80"):
    make, allowed = CATEGORIES[category]
    wrong = outputs = 0
    for element in elements:
        assert element in allowed, f"{category} has no model of {element}"
        for extent in EXTENTS.get(category, (13, 1, 0)):
            model = make(np.random.default_rng(extent), element, extent)
            found, expected = (run(model, f"{folder}/{element}", which, processor) for which in (how, "reference"))
            wrong += report(f"{category} of {element}, extent {extent}", found, expected, model)
            outputs += len(expected)
    print(f"{outputs} outputs, {wrong} wrong")


arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--ptx")]
target = next((argument for argument in sys.argv[1:] if argument.startswith("--ptx")), None)
main(*arguments, how="ptx" if target else "compiled", processor=(target or "").partition("=")[2] or "sm_80")
