# Attention in many spellings, on the device "cuda" with a driver whose GPU is the interpreter of PTX: one launch that stores no scores
# (where the number of queries is not known also in parts of the keys, merged by a second one) gives what NumPy gives in f64, at odd sizes.
# On sm_90a products of f16 are wgmma's, of 64 rows by four warps, to which four others bring keys and values: by boxes, or by chunks where
# the driver makes no maps.
# RUN: env TESSERA_CUDA_DRIVER=%builddir/lib/test/libfake_cuda_driver.so python3 %s %t sm_80
# RUN: env TESSERA_CUDA_DRIVER=%builddir/lib/test/libfake_cuda_driver.so FAKE_CUDA_CAPABILITY=90 python3 %s %t sm_90a
# RUN: env TESSERA_CUDA_DRIVER=%builddir/lib/test/libfake_cuda_driver.so FAKE_CUDA_CAPABILITY=90 FAKE_CUDA_MAPS=0 python3 %s %t sm_90a \
# RUN:   plain heads_last cache
"""Arguments: a folder, the processor, names of variants (default: all)."""
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import tessera

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
from attention_models import VARIANTS  # noqa: E402
from attention_models import arrays, inputs_of, plain64  # noqa: E402
from paged_models import PAGES, USED, change, paged  # noqa: E402

# By matrices as well: what differs in places, states and results.
MATRICES = {"plain", "grouped", "heads_last", "keys_first", "one_query", "with_statistics", "log_sum_exp", "from_here_on", "sink", "cache", "latent"}
# Fewer rows than a block has, and more; several steps, and more than there is memory for; whole steps, whose boxes fit.
GROUP_SIZES = ({"H": 2, "M": 19, "K": 37}, {"H": 1, "M": 131, "K": 300}, {"H": 1, "M": 65, "K": 768}, {"H": 1, "M": 0, "K": 4})
SIZES = ({"H": 2, "M": 19, "K": 37}, {"H": 3, "M": 1, "K": 1}, {"H": 1, "M": 0, "K": 4}, {"H": 1, "M": 67, "K": 300}, {"H": 2, "M": 1, "K": 600})



def check(variant, width, options, sizes, tolerance, isMerged=True, change=None, isGroup=False):
    name = " ".join([variant.__name__, str(width), *options[1:]])
    text, reference = variant(width)
    model, module = folder / f"{name}.mlir", folder / f"{name}.tsm"
    model.write_text(text)
    subprocess.run(["tessera-compile", model, "--target", f"cuda:{processor}", "-o", module, "-q", *options], check=True)
    schedule = subprocess.run(["tessera-compile", model, "--target", f"cuda:{processor}", "--emit", "schedule", *options], check=True,
                              capture_output=True, text=True).stdout
    assert not isGroup or "by wgmma" in schedule, schedule
    streams = schedule.count("gpu_stream")
    assert bool(streams) == isMerged and (not isMerged or "gpu_tile" not in schedule), schedule
    loaded = tessera.load(module, device="cuda")
    for extents in sizes:
        values = arrays(inputs_of(text), extents, seed=sum(extents.values()))
        if change:
            change(values)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            wanted = reference({key: value.astype(bool if value.dtype == bool else np.float64) for key, value in values.items()})
        got = loaded.run(values)
        for number, expected in enumerate(wanted if isinstance(wanted, tuple) else (wanted,)):
            np.testing.assert_allclose(got[f"o{number}"], expected, rtol=tolerance, atol=tolerance / 4, err_msg=f"{name} {extents}")


folder, processor, only = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
folder.mkdir(parents=True, exist_ok=True)
boxes = ctypes.CDLL(os.environ["TESSERA_CUDA_DRIVER"]).fakeCudaCalls
for variant in VARIANTS:
    if only and variant.__name__ not in only:
        continue
    if processor == "sm_90a":
        # One query is none for 64 rows.
        if variant.__name__ in MATRICES:
            check(variant, 16, ("--precision", "f16"), GROUP_SIZES, 2e-2, isGroup=variant.__name__ != "one_query")
        continue
    check(variant, 16, (), SIZES, 1e-11 if variant.__name__ == "plain64" else 2e-4)
    if variant.__name__ in MATRICES:
        check(variant, 16, ("--precision", "f16"), SIZES, 2e-2)
if processor == "sm_90a":
    # More columns than registers hold are those of two times four warps.
    for width in () if only else (5, 40, 64, 128, 200, 256):
        check(VARIANTS[0], width, ("--precision", "bf16"), ({"H": 1, "M": 130, "K": 512}, {"H": 1, "M": 20, "K": 290}), 1e-1, isGroup=True)
    assert bool(boxes(b"cp.async.bulk.tensor")) == (os.environ.get("FAKE_CUDA_MAPS") != "0")
    sys.exit()
# Heads that take more memory and registers, and such that are no multiple of a chunk.
if not only:
    for width in (5, 64, 128, 200):
        check(VARIANTS[0], width, (), ({"H": 1, "M": 17, "K": 33}, {"H": 1, "M": 20, "K": 290}), 5e-4)
        # More columns of f64 than the registers of four warps hold take a row of launches.
        check(plain64, width, (), ({"H": 1, "M": 17, "K": 33}, {"H": 1, "M": 20, "K": 290}), 1e-11, isMerged=width <= 128)
        check(VARIANTS[0], width, ("--precision", "bf16"), ({"H": 1, "M": 17, "K": 33}, {"H": 1, "M": 20, "K": 290}), 1e-1)


def pages_keys_first(_):
    return paged(8, heads_first=False)


def pages_heads_first(_):
    return paged("S", heads_first=True)


for variant in (pages_keys_first, pages_heads_first):
    for options, tolerance in (((), 2e-4), (("--precision", "f16"), 2e-2)):
        if not only or variant.__name__ in only:
            check(variant, 16, options, [{"H": 2, "M": rows, "P": PAGES, "N": USED, "S": 7} for rows in (1, 19)], tolerance, change=change)
