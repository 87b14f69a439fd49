"""README's table of what CUDA code was checked by: each claim has a test, and each of these tests its claim."""

import re

import tree

ASSEMBLED = "test/compiler/codegen/nvgpu/resources.py"
# By the beginning of a row: models that are assembled for both architectures, and tests that interpret, for the one or for both.
ROWS = {
    "elementwise": (["elementwise f32", "elementwise f16"], ["ops-elementwise.test", "ops-movement.test"]),
    "reductions": (["rows f32"], ["rows.py", "ops-reduction.test"]),
    "contractions": (["tile f32", "tile f64", "tile si8", "tile f16", "tile bf16", "large tile tf32", "tile conv f16"], ["tiles.py", "tf32.py"]),
    "the same of 8-bit": (["large tile e4m3", "large tile e4m3 by f16", "few rows e5m2"], ["byte-floats.py"]),
    "the same with weights": ([f"weights {kind} f16" for kind in ("int4", "int8-weights", "nf4", "mxfp4", "fp8-e4m3")], ["weights.py"]),
    "attention": ([f"attention {depth} {kind}" for depth in (64, 128, 256) for kind in ("f32", "tf32", "bf16")], ["attention.py"]),
    "places of largest scores": ([f"places {depth} {kind}" for depth in (24, 128) for kind in ("f16", "f32", "f64")], ["stream-states.py"]),
    "other chains": (["chain of reductions"], ["rows.py"]),
    "sorts": (["sort", "scatter", "scatter of integers", "running sum"], ["sequential.py", "ops-sequential.test"]),
}


def table():
    text = tree.text("README.md")
    rows = text[text.index("| kernels | sm_80 | sm_90a | real GPU |"):].split("\n\n")[0].split("\n")[2:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def test_every_row_has_tests_and_every_claim_is_one_of_them():
    recorded = set(re.findall(r'\("([^"]+)", "(sm_\w+)"\)', tree.text(ASSEMBLED)))
    wrong, seen = [], set()
    for name, *claims in table():
        key = next((key for key in ROWS if name.startswith(key + " ") or name.startswith(key + ",")), None)
        if key is None or len(claims) != 3:
            wrong.append(f"{name}: no test is known for this row")
            continue
        seen.add(key)
        models, tests = ROWS[key]
        texts = [tree.text(f"test/gpu/{test}") for test in tests]
        for processor, claim in zip(("sm_80", "sm_90a"), claims):
            is_assembled = all((model, processor) in recorded for model in models)
            is_interpreted = any(processor in text or (processor == "sm_80" and "--ptx " in text) for text in texts)
            found = ", ".join(word for word, is_true in (("assembled", is_assembled), ("interpreted", is_interpreted)) if is_true)
            if claim.split(" (")[0] != (found or "-"):
                wrong.append(f"{name}, {processor}: README says '{claim}', tests say '{found}'")
        results = tree.text("test/gpu/RESULTS.md").strip().split("\n")
        has_run = not results[-1].startswith("|---")
        if claims[2] == "-" and has_run or claims[2] != "-" and not has_run:
            wrong.append(f"{name}: README says '{claims[2]}' of a real GPU, test/gpu/RESULTS.md has {'lines' if has_run else 'none'}")
    assert not wrong, "\n".join(wrong)
    assert seen == set(ROWS), set(ROWS) - seen
