# Streams whose states have several types (the largest score and where it is, how many scores there are of a kind, weighted sums beside them) take
# one launch that gives what the interpreter of graphs gives: ties, NaN, infinities, odd lengths, one row and none, scores of every type that is
# multiplied.
# RUN: python3 %s %builddir/bin/test/tessera-run-ptx %t
"""Arguments: tessera-run with the device "ptx", a folder."""
import subprocess
import sys
from pathlib import Path

import numpy as np

run, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
NUMPY = {"f16": np.float16, "f32": np.float32, "f64": np.float64, "si8": np.int8}


def tensor(dims, element):
    return f"!graph.tensor<[{dims}], {element}>"


def model(element, number, withSums, across=False):
    """`across`: memory runs from score to score, not along the depth. Of scores in `number`: the largest, the first place that has it, the last place of the smallest distance, counts; softmax times values."""
    x, w, s = tensor("N, 24", element), tensor("24, V" if across else "V, 24", element), tensor("N, V", number)
    equation = "nd,dv->nv" if across else "nd,vd->nv"
    product = "si32" if element == "si8" else element
    p, norm, values, sums = tensor("N, V", product), tensor("V", number), tensor("V, 40", number), tensor("N, 40", number)
    row, places, counts, flags = (tensor("N", kind) for kind in (number, "si64", "si32", "i1"))
    lines = [f'%p = graph.contract "{equation}" %x, %w : ({x}, {w}) -> {p}']
    lines.append(f"%s = graph.convert %p : {p} -> {s}" if product != number else "")
    lines[0] = lines[0] if lines[1] else lines[0].replace("%p", "%s")
    lines += [f"%m = graph.reduce max %s, axes = [1] : {s} -> {row}", f"%i = graph.arg_reduce max %s, axis = 1 : {s} -> {places}",
              f"%z = graph.constant dense<2.0> : {tensor('', number)}", f"%b = graph.broadcast %z, dims = [] : {tensor('', number)} -> {s}",
              f"%g = graph.compare gt %s, %b : {s}", f"%k = graph.convert %g : {tensor('N, V', 'i1')} -> {tensor('N, V', 'si32')}",
              f"%c = graph.reduce sum %k, axes = [1] : {tensor('N, V', 'si32')} -> {counts}"]
    results = {"m": row, "i": places, "c": counts}
    inputs = {"x": x, "w": w}
    if withSums:
        inputs["v"] = values
        lines += [f"%e = graph.softmax %s, axes = [1] : {s}", f'%y = graph.contract "nv,vd->nd" %e, %v : ({s}, {values}) -> {sums}']
        results["y"] = sums
    else:
        inputs |= {"u": w, "norm": norm}
        lines += [f'%q = graph.contract "{equation}" %x, %u : ({x}, {w}) -> {p}', f"%t = graph.convert %q : {p} -> {s}" if product != number else "",
                  f"%n = graph.broadcast %norm, dims = [1] : {norm} -> {s}", f"%d = graph.sub %n, %{'t' if product != number else 'q'} : {s}",
                  f"%j = graph.arg_reduce min %d, axis = 1 select_last : {s} -> {counts}"]
        results["j"] = counts
    given = ", ".join(f'%{name}: {kind} {{graph.name = "{name}"}}' for name, kind in inputs.items())
    made = ", ".join(f'{kind} {{graph.name = "{name}"}}' for name, kind in results.items())
    text = "\n  ".join(filter(None, lines))
    return (f"graph.func @main({given}) -> ({made}) attributes {{dims = {{N = #graph.range<0, ?>, V = #graph.range<1, ?>}}}} {{\n  {text}\n"
            f"  graph.return {', '.join('%' + name for name in results)} : {', '.join(results.values())}\n}}\n"), inputs, list(results)


rng = np.random.default_rng(0)
count = 0
CASES = [("f32", "f32", "sm_80", ()), ("f64", "f64", "sm_80", ()), ("f16", "f32", "sm_80", ()), ("f16", "f32", "sm_90a", ()), ("f32", "f32", "sm_90a", ()),
         ("f32", "f32", "sm_80", ("--precision", "tf32")), ("si8", "f32", "sm_80", ()), ("si8", "f32", "sm_90a", ())]
for element, number, processor, options in CASES:
    for withSums, across in ((False, False), (True, False), (False, True)):
        text, inputs, outputs = model(element, number, withSums, across)
        path, module = folder / "model.mlir", folder / "model.tsm"
        path.write_text(text)
        subprocess.run(["tessera-compile", path, "--target", f"cuda:{processor}", "-o", module, "-q", *options], check=True)
        schedule = subprocess.run(["tessera-compile", path, "--target", f"cuda:{processor}", "--emit", "schedule", *options], check=True,
                                  capture_output=True, text=True).stdout
        title = f"{element} {processor} {options} {'with' if withSums else 'without'} sums {across}"
        assert "schedule.gpu_stream" in schedule and "schedule.gpu_tile" not in schedule, f"{title}\n{schedule}"
        for rows, keys in ((21, 37), (1, 530), (70, 300), (3, 1), (0, 5)):
            arguments = []
            # Small integers: products and their sums are exact, and many are equal.
            for name, kind in inputs.items():
                shape = [{"N": rows, "V": keys}.get(dim, dim) for dim in kind.split("[")[1].split("]")[0].split(", ")]
                array = rng.integers(-1, 2, [int(extent) for extent in shape]).astype(NUMPY[element if name in "xwu" else number])
                if element != "si8" and name in "wu" and not withSums and keys > 3:
                    lines = array.T if across else array
                    lines[rng.integers(keys)] = np.inf # With 0, -1 and 1: NaN, or infinities.
                    lines[1] = np.nan if rows > 60 else lines[1]
                np.save(folder / f"{name}.npy", array)
                arguments += ["--input", f"{name}=@{folder}/{name}.npy"]
            results = []
            ways = [("reference", ["tessera-run", path, "--reference", *options]), ("ptx", [run, module, "--device", "ptx"])]
            if processor == "sm_80" and not options: # The host's code has the same streams.
                ways.append(("host", ["tessera-run", path, "--quiet"]))
            for how, command in ways:
                wanted = [part for name in outputs for part in ("--output", f"{name}=@{folder}/{how}-{name}.npy")]
                subprocess.run([*command, *arguments, *wanted], check=True, stdout=subprocess.DEVNULL)
                results.append({name: np.load(folder / f"{how}-{name}.npy") for name in outputs})
            for name in outputs:
                tolerance = 2e-3 if options else 1e-6
                for (how, _), result in zip(ways[1:], results[1:]):
                    compare = np.testing.assert_allclose if name == "y" else np.testing.assert_array_equal
                    compare(result[name], results[0][name], err_msg=f"{title} {rows} x {keys} {name} {how}",
                            **({"rtol": tolerance, "atol": tolerance} if name == "y" else {}))
                    count += 1
print(f"{count} results compared")
