# --quantize int8 --calibration: what it reports is what one measures, and bad samples are refused by name.
# RUN: python3 %s %t | FileCheck %s
# CHECK: passed
import json
import os
import shutil
import subprocess
import sys

import numpy as np

MODEL = """
graph.func @main(%x: !graph.tensor<[N, 4, H, W], f32> {graph.name = "x"}, %b: !graph.tensor<[N, 24], f32> {graph.name = "b"}) -> (
    !graph.tensor<[N, 24, H, W], f32> {graph.name = "y"}, !graph.tensor<[N, 8], f32> {graph.name = "z"}) {
  %v = graph.constant #graph.weight<"w.bin", 0, 2400 : !graph.tensor<[24, 1, 5, 5], f32>>
  %w = graph.constant #graph.weight<"w.bin", 0, 3456 : !graph.tensor<[24, 4, 3, 3], f32>>
  %m = graph.constant #graph.weight<"w.bin", 0, 768 : !graph.tensor<[24, 8], f32>>
  %c = graph.conv %x, %w, strides = [1, 1], dilations = [1, 1], lo = [1, 1], hi = [1, 1] : (!graph.tensor<[N, 4, H, W], f32>, !graph.tensor<[24, 4, 3, 3], f32>) -> !graph.tensor<[N, 24, H, W], f32>
  %r = graph.relu %c : !graph.tensor<[N, 24, H, W], f32>
  %d = graph.conv %r, %v, strides = [1, 1], dilations = [1, 1], lo = [2, 2], hi = [2, 2], groups = 24 : (!graph.tensor<[N, 24, H, W], f32>, !graph.tensor<[24, 1, 5, 5], f32>) -> !graph.tensor<[N, 24, H, W], f32>
  %y = graph.add %d, %r : !graph.tensor<[N, 24, H, W], f32>
  %z = graph.contract "nk,km->nm" %b, %m : (!graph.tensor<[N, 24], f32>, !graph.tensor<[24, 8], f32>) -> !graph.tensor<[N, 8], f32>
  graph.return %y, %z : !graph.tensor<[N, 24, H, W], f32>, !graph.tensor<[N, 8], f32>
}
"""
FOLDER = sys.argv[1]
MODEL_PATH, OUT, SAMPLES = f"{FOLDER}/m.mlir", f"{FOLDER}/m.tsm", f"{FOLDER}/samples"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def compile_model(*options, mode="int8"):
    return run("tessera-compile", MODEL_PATH, "-o", OUT, "--quantize", mode, *options)


def write(sample, **arrays):
    os.makedirs(f"{SAMPLES}/{sample}", exist_ok=True)
    for name, array in arrays.items():
        np.save(f"{SAMPLES}/{sample}/{name}.npy", array)


def good_samples():
    shutil.rmtree(SAMPLES, ignore_errors=True)
    rng = np.random.default_rng(1)
    for i, (height, width) in enumerate([(7, 9), (12, 16)]):
        write(i, x=rng.standard_normal((2, 4, height, width), np.float32), b=rng.standard_normal((2, 24), np.float32))


def run_module(module, sample, *options):
    status, _, message = run("tessera-run", module, *options, *(part for name in "xb" for part in ("-i", f"{name}=@{SAMPLES}/{sample}/{name}.npy")),
                             *(part for name in "yz" for part in ("-o", f"{name}=@{FOLDER}/{name}.npy")))
    assert status == 0, message
    return {name: np.load(f"{FOLDER}/{name}.npy").astype(np.float64) for name in "yz"}


def refused(*parts, options=("--calibration", SAMPLES), mode="int8"):
    status, _, message = compile_model(*options, mode=mode)
    assert status == 1 and all(part in message for part in parts), message


def check_report():
    good_samples()
    assert run("tessera-compile", MODEL_PATH, "-o", f"{FOLDER}/f32.tsm")[0] == 0
    expected = [run_module(f"{FOLDER}/f32.tsm", i) for i in range(2)]
    for options in ([], ["--calibration-method", "percentile=99.5"], ["--calibration-method", "entropy", "--weights-per-tensor"]):
        status, output, message = compile_model("--calibration", SAMPLES, "--json", *options)
        assert status == 0, message
        report = json.loads(output)
        assert report["samples"] == 2 and [row["output"] for row in report["accuracy"]] == ["y", "z"], report
        for row in report["accuracy"]:
            name = row["output"]
            actual = [run_module(OUT, i)[name] for i in range(2)]
            difference = np.concatenate([(a - e[name]).ravel() for a, e in zip(actual, expected)])
            numbers = np.concatenate([e[name].ravel() for e in expected])
            np.testing.assert_allclose(row["largest_error"], np.abs(difference).max(), rtol=1e-6)
            np.testing.assert_allclose(row["relative_error"], np.sqrt((difference**2).sum() / (numbers**2).sum()), rtol=1e-6)
        assert report["accuracy"][1]["relative_error"] < 0.05 and 1e-4 < report["accuracy"][0]["relative_error"] < 0.2, report["accuracy"]
        costs = [row["cost"] for row in report["layers"] if not row["left"]]
        assert len(costs) == 3 and costs == sorted(costs, reverse=True) and costs[0] > 0, report["layers"]
    status, _, message = compile_model("--calibration", SAMPLES)
    assert status == 0 and "int8: 3 of 3 layers compute with 8 bits" in message and "compared with those of the model on 2 samples" in message, message
    return costs


def check_max_error():
    everything = json.loads(compile_model("--calibration", SAMPLES, "--json")[1])
    worst = max(row["relative_error"] for row in everything["accuracy"])
    status, output, message = compile_model("--calibration", SAMPLES, "--json", "--max-error", str(worst * 0.9))
    assert status == 0, message
    report = json.loads(output)
    left = [row for row in report["layers"] if row["left"]]
    assert 1 <= len(left) <= 2 and left[0]["left"] == "it costs more than --max-error allows", report["layers"]
    assert max(row["relative_error"] for row in report["accuracy"]) <= worst * 0.9
    refused("no layer can be in 8 bits with --max-error", options=("--calibration", SAMPLES, "--max-error", "1e-9"))


def check_modes():
    expected = run_module(f"{FOLDER}/f32.tsm", 0)
    for mode, options in (("int8-symmetric", ["--calibration", SAMPLES]), ("int8-dynamic", []), ("int8-dynamic-symmetric", [])):
        status, _, message = compile_model(*options, mode=mode)
        assert status == 0 and f"{mode}: 3 of 3 layers" in message, message
        actual = run_module(OUT, 0)
        for name in "yz":
            error = np.sqrt(((actual[name] - expected[name])**2).sum() / (expected[name]**2).sum())
            assert 1e-4 < error < 0.05, (mode, name, error)
        if "dynamic" in mode:
            wanted = run_module(MODEL_PATH, 0, "--quantize", mode, "--reference")
            for name in "yz":  # A tensor may differ by a step where its quotient lies at a tie.
                np.testing.assert_allclose(actual[name], wanted[name], atol=2e-3 * np.abs(wanted[name]).max())
    assert "graph.conv" in run("tessera-compile", MODEL_PATH, "--emit", "graph", "--quantize", "int8", "--calibration", SAMPLES)[1]
    # NaN in what is quantized when it runs gives NaN.
    x = np.load(f"{SAMPLES}/0/x.npy")
    x[0, 0, 0, 0] = np.nan
    np.save(f"{SAMPLES}/0/x.npy", x)
    assert np.isnan(run_module(OUT, 0)["y"]).all()


def check_bad_samples():
    x, b = np.zeros((2, 4, 5, 6), np.float32), np.zeros((2, 24), np.float32)
    shutil.rmtree(SAMPLES, ignore_errors=True)
    refused("needs samples of the inputs to find ranges: --calibration DIR, or int8-dynamic", options=())
    refused("cannot open the folder", "No such file")
    os.makedirs(SAMPLES)
    refused("samples' is empty; expected NAME.npy for each input")
    os.makedirs(f"{SAMPLES}/0")
    refused("samples/0' has no .npy file; expected NAME.npy for each input")
    write(0, x=x, c=b)
    refused("samples/0/c.npy': the model has no input 'c'", "[INVALID_OPTION]")
    good_samples()
    os.remove(f"{SAMPLES}/1/b.npy")
    refused("samples/1' has no tensor for input 'b', expected one of f32[N, 24]")
    write(1, b=b.astype(np.float64))
    refused("samples/1/b.npy' has elements of type f64, input 'b' has f32")
    write(1, b=b[0])
    refused("samples/1/b.npy' is f32[24], input 'b' is f32[N, 24]")
    write(1, b=np.zeros((2, 23), np.float32))
    refused("samples/1/b.npy' is f32[2, 23], input 'b' is f32[N, 24]")
    write(1, b=np.zeros((3, 24), np.float32))
    refused("samples/1/b.npy' is f32[3, 24], input 'b' is f32[N, 24]", "x.npy' has 'N' = 2")
    write(1, b=np.full((2, 24), np.nan, np.float32))
    refused("samples/1/b.npy' has NaN at element 0")
    write(1, b=np.full((2, 24), -np.inf, np.float32))
    refused("samples/1/b.npy' has an infinity at element 0")
    write(1, b=b, x=np.full((2, 4, 5, 6), 3e38, np.float32))
    refused("samples/1', what ", " reads has NaN or infinities")
    write(1, x=x)
    with open(f"{SAMPLES}/1/x.npy", "wb") as file:
        file.write(b"no array")
    refused("samples/1/x.npy' is no .npy file")
    np.save(f"{SAMPLES}/x.npy", x)
    refused("has both files (x.npy) and folders (0)")
    good_samples()
    samples = ("--calibration", SAMPLES)
    refused("unknown method 'mean'; known are min-max, percentile", options=(*samples, "--calibration-method", "mean"))
    refused("expected a number above 0, up to 100", options=(*samples, "--calibration-method", "percentile=101"))
    refused("--max-error takes a number that is not negative", options=(*samples, "--max-error=-1"))
    refused("leave out --calibration and --max-error", options=samples, mode="int8-dynamic")
    refused("stores weights only: --calibration and --max-error are for int8", options=samples, mode="int4")
    status, _, message = run("tessera-run", MODEL_PATH, "--quantize", "int8", "--reference")
    assert status == 1 and "needs ranges from calibration" in message, message


def check_quantized_model():
    with open(MODEL_PATH, "w") as file:
        file.write('graph.func @main(%q: !graph.tensor<[N, 24], ui8> {graph.name = "q"}) -> !graph.tensor<[N, 8], f32> {\n'
                   '  %m = graph.constant #graph.weight<"w.bin", 0, 768 : !graph.tensor<[24, 8], f32>>\n'
                   "  %s = graph.constant dense<0.5> : !graph.tensor<[], f32>\n"
                   "  %x = graph.dequantize %q, %s : (!graph.tensor<[N, 24], ui8>, !graph.tensor<[], f32>) -> !graph.tensor<[N, 24], f32>\n"
                   '  %y = graph.contract "nk,km->nm" %x, %m : (!graph.tensor<[N, 24], f32>, !graph.tensor<[24, 8], f32>) -> !graph.tensor<[N, 8], f32>\n'
                   "  graph.return %y : !graph.tensor<[N, 8], f32>\n}\n")
    refused("no product of the model can be in 8 bits", "m.mlir:5 is left: the model quantizes what it reads")


def main():
    os.makedirs(FOLDER, exist_ok=True)
    np.random.default_rng(0).standard_normal(1000).astype(np.float32).tofile(f"{FOLDER}/w.bin")
    with open(MODEL_PATH, "w") as file:
        file.write(MODEL)
    check_report()
    check_max_error()
    check_modes()
    check_bad_samples()
    check_quantized_model()
    print("passed")


main()
