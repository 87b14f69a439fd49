# GroupQueryAttention of com.microsoft (prompts, steps, chunks, caches that grow or have room), against onnxruntime.
# RUN: env PYTHONPATH=%S/Inputs python3 %s %t | FileCheck %s
# CHECK: passed
import subprocess
import sys

import numpy as np
import onnx
from onnx import helper

from compare import Compiled, build

F, H, I32, I64 = np.float32, np.float16, np.int32, np.int64
INPUTS = ["query", "key", "value", "past_key", "past_value", "seqlens", "total", "cos", "sin", "positions", "bias", "sink", "", "", "qn", "kn", "valid"]
HEADS, KEPT, WIDTH = 4, 2, 16
rng = np.random.default_rng(0)
folder = sys.argv[1]


def make(name, extra=(), kind=F, packed=False, past=True, masked=False, kept=KEPT, scores=False, **attributes):
    """extra: names of optional inputs. masked: lengths and their maximum come out of a mask [B, T], as exporters write them."""
    columns = HEADS * WIDTH
    dims = {"query": ["B", "S", columns + (2 * kept * WIDTH if packed else 0)], "key": ["B", "S", kept * WIDTH], "value": ["B", "S", kept * WIDTH],
            "past_key": ["B", kept, "P", WIDTH], "past_value": ["B", kept, "P", WIDTH], "seqlens": ["B"], "total": [1], "positions": ["B", "S"],
            "bias": ["B", 1, "S", "T"], "sink": [HEADS], "cos": [32, WIDTH // 2], "sin": [32, WIDTH // 2], "valid": ["B"]}
    given = {"query", "seqlens", "total", *extra} | (set() if packed else {"key", "value"}) | ({"past_key", "past_value"} if past else set())
    given |= {"cos", "sin"} if attributes.get("do_rotary") else set()
    kinds = {"seqlens": I32, "total": I32, "valid": I32, "positions": I64}
    inputs = [(n, kinds.get(n, kind), dims[n]) for n in INPUTS if n in given and not (masked and n in ("seqlens", "total"))]
    nodes, constants = [], []
    if masked:
        inputs.append(("mask", I64, ["B", "T"]))
        constants = [("one", np.array([1])), ("axis", np.array(1))]
        nodes = [helper.make_node("ReduceSum", ["mask", "one"], ["count"], keepdims=0), helper.make_node("Sub", ["count", "one"], ["less"]),
                 helper.make_node("Cast", ["less"], ["seqlens"], to=6), helper.make_node("Shape", ["mask"], ["dims"]),
                 helper.make_node("Gather", ["dims", "axis"], ["length"]), helper.make_node("Cast", ["length"], ["total"], to=6)]
    outputs = ["y", "present_key", "present_value", *(["scores"] if scores else [])]
    nodes.append(helper.make_node("GroupQueryAttention", [n if n in given else "" for n in INPUTS[:1 + max(map(INPUTS.index, given))]], outputs,
                                  domain="com.microsoft", num_heads=HEADS, kv_num_heads=kept, **attributes))
    return Compiled(folder, name, build(nodes, inputs, [(n, kind, None) for n in outputs], constants, domains=[("com.microsoft", 1)])), dict(
        (n, (k, d)) for n, k, d in inputs)


def feed(inputs, lengths, rows, held, total=None, valid=None):
    """Samples with `lengths` keys after this call, of which the last are new; a cache with room for `held`."""
    total = max(lengths) if total is None else total
    sizes = {"B": len(lengths), "S": rows, "P": held, "T": total}
    arrays = {}
    for name, (kind, dims) in inputs.items():
        arrays[name] = rng.standard_normal([sizes.get(d, d) for d in dims]).astype(kind)
    arrays["seqlens"], arrays["total"] = np.array(lengths, I32) - 1, np.array([total], I32)
    arrays["mask"] = (np.arange(total) < np.array(lengths)[:, None]).astype(I64)
    arrays["positions"], arrays["valid"] = rng.integers(0, 30, (len(lengths), rows)), np.array(valid or [1] * len(lengths), I32)
    return {name: arrays[name] for name in inputs}


def check(made, lengths, rows, held, total=None, valid=None, tolerance=1e-5):
    """What is behind a sample's rows or keys has no defined value."""
    compiled, inputs = made
    arrays = feed(inputs, lengths, rows, held, total, valid)
    mine = compiled.run(arrays)
    expected = dict(zip(mine, compiled.session.run(None, arrays)))
    new = valid or [min(rows, length) for length in lengths]
    for name, wanted in expected.items():
        got = mine[name]
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype), f"{compiled.name}: {name} is {got.shape} {got.dtype}, not {wanted.shape}"
        for b, (length, count) in enumerate(zip(lengths, new)):
            part = np.s_[b, :count] if name == "y" else np.s_[b, :, :length] if name.startswith("present") else np.s_[b, :, :count]
            assert np.allclose(got[part], wanted[part], rtol=tolerance, atol=tolerance), \
                f"{compiled.name}: {name} of sample {b} differs by {np.abs(got[part] - wanted[part]).max()}"
        assert np.isfinite(got).all(), f"{compiled.name}: {name} is not finite behind its rows"


def run_all(made, chunks=True, **options):
    check(made, [5, 5], 5, 0, **options)  # a prompt
    check(made, [5, 3], 5, 0, **options)  # filled up
    check(made, [5, 3], 5, 12, **options)  # a cache with room
    check(made, [7, 5, 2], 1, 6, **options)  # a step: the cache grows by one
    check(made, [7, 5], 1, 16, **options)
    if chunks:
        check(made, [9], 3, 6, **options)


run_all(make("plain"))
run_all(make("masked", masked=True, do_rotary=1))
run_all(make("packed", packed=True, do_rotary=1, rotary_interleaved=1))
run_all(make("window", local_window_size=3, do_rotary=1))
run_all(make("capped", ["bias"], softcap=0.7, scale=0.3))
run_all(make("sinks", ["sink"], kept=4))
run_all(make("smooth", smooth_softmax=1, masked=True))
run_all(make("positions", ["positions"], do_rotary=1))
run_all(make("products", scores=True, qk_output=1, softcap=0.5))
run_all(make("weights", scores=True, qk_output=2, kept=1))
run_all(make("half", kind=H, masked=True, do_rotary=1), tolerance=4e-3)
open_ended = make("all", causal=0)
check(open_ended, [5, 5], 5, 0)
check(open_ended, [5, 3], 5, 0)
alone = make("alone", past=False, do_rotary=1, packed=True)
check(alone, [5, 5], 5, 0)
check(alone, [4, 2, 1], 4, 0)
padded = make("padded", ["valid"], do_rotary=1)
check(padded, [9, 5], 4, 12, valid=[3, 2])
check(padded, [4, 6], 4, 12, total=12, valid=[4, 1])


def normed():
    """The norms of Qwen's queries and keys, which onnxruntime has on GPUs alone: beside norms that are nodes of their own."""
    weights = [(n, rng.standard_normal(WIDTH).astype(F)) for n in ("qn", "kn")]
    columns = {"query": HEADS * WIDTH, "key": KEPT * WIDTH, "value": KEPT * WIDTH}
    inputs = [*((n, F, ["B", "S", c]) for n, c in columns.items()), *((n, F, ["B", KEPT, "P", WIDTH]) for n in ("past_key", "past_value")),
              ("seqlens", I32, ["B"]), ("total", I32, [1])]
    tail = {"domain": "com.microsoft", "num_heads": HEADS, "kv_num_heads": KEPT}
    names, outputs = [n if n in ("qn", "kn") or n in [i[0] for i in inputs] else "" for n in INPUTS[:16]], ["y", "present_key", "present_value"]
    fused = [helper.make_node("GroupQueryAttention", names, outputs, qk_norm_epsilon=1e-3, **tail)]
    apart = []
    for name, weight in (("query", "qn"), ("key", "kn")):
        apart += [helper.make_node("Reshape", [name, "split"], [f"{name}_s"]),
                  helper.make_node("SimplifiedLayerNormalization", [f"{name}_s", weight], [f"{name}_n"], axis=-1, epsilon=1e-3),
                  helper.make_node("Reshape", [f"{name}_n", f"{name}_c"], [f"{name}_j"])]
    apart.append(helper.make_node("GroupQueryAttention", ["query_j", "key_j", *names[2:7]], outputs, **tail))
    constants = [*weights, ("split", np.array([0, 0, -1, WIDTH])), *((f"{n}_c", np.array([0, 0, c])) for n, c in columns.items() if n != "value")]
    made = [Compiled(folder, name, build(nodes, inputs, [(n, F, None) for n in outputs], own, domains=[("com.microsoft", 1)]))
            for name, nodes, own in (("fused", fused, weights), ("apart", apart, constants))]
    for lengths, rows, held in (([5, 5], 5, 0), ([7, 7], 1, 6)):
        arrays = feed({n: (k, d) for n, k, d in inputs}, lengths, rows, held)
        mine, expected = made[0].run(arrays), made[1].check(**arrays)
        for name in outputs:
            np.testing.assert_allclose(mine[name], expected[name], rtol=1e-5, atol=1e-5)


def refused():
    """What is not read says so."""
    cases = [({"sliding_window_cache": 1, "local_window_size": 4}, (), "has sliding_window_cache: a cache that drops its first keys is not supported"),
             ({"k_quant_type": "PER_TENSOR"}, (), "has k_quant_type 'PER_TENSOR': a quantized cache is not supported, expected NONE"),
             ({"kv_num_heads": 3}, (), "has num_heads = 4 for kv_num_heads = 3, expected a positive multiple"),
             ({"causal": 0, "local_window_size": 4}, (), "has local_window_size with causal = 0, expected -1"),
             ({"do_rotary": 1}, ("cos", "sin"), "turns its queries (do_rotary), which needs two tables of rank 2"),
             ({}, ("total",), "lacks seqlens_k or total_sequence_length (inputs 5 and 6)"),
             ({}, ("past_value",), "has past keys or past values, expected both or none"),
             ({}, ("value",), "needs queries of rank 3, with keys and values or all in one"),
             ({"num_heads": 6}, ("key", "value"), "has 64 columns for 10 heads of queries, keys and values")]
    for number, (attributes, absent, says) in enumerate(cases):
        columns = {"query": HEADS * WIDTH, "key": KEPT * WIDTH, "value": KEPT * WIDTH}
        inputs = [*((n, F, ["B", "S", c]) for n, c in columns.items()), *((n, F, ["B", KEPT, "P", WIDTH]) for n in ("past_key", "past_value")),
                  ("seqlens", I32, ["B"]), ("total", I32, [1])]
        node = helper.make_node("GroupQueryAttention", [n if n not in absent and n in [i[0] for i in inputs] else "" for n in INPUTS[:7]],
                                ["y", "present_key", "present_value"], name="q", domain="com.microsoft",
                                **({"num_heads": HEADS, "kv_num_heads": KEPT} | attributes))
        path = f"{folder}/refused{number}.onnx"
        onnx.save(build([node], inputs, [(n, F, None) for n in node.output], domains=[("com.microsoft", 1)]), path)
        done = subprocess.run(["tessera-compile", path, "-o", path + ".tsm"], capture_output=True, text=True)
        assert done.returncode and f"node 'q' (com.microsoft.GroupQueryAttention): {says}" in done.stderr, done.stderr


normed()
refused()
print("passed")
