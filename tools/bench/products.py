"""Matrix products as shares of the rates of the instructions that they are made of, and of one row as shares of memory's rate; each
beside what the peers take."""

import json

import numpy as np
from measuring import in_turns, machine_rates, measured_module, plural, run_tool
from onnx import TensorProto, helper, numpy_helper
from peers import onnxruntime_session, openvino_model, torch_function

import tessera

MATMUL = """
graph.func @main(%x: !graph.tensor<[M, K], f32> {graph.name = "x"}, %w: !graph.tensor<[K, N], f32> {graph.name = "w"})
    -> (!graph.tensor<[M, N], f32> {graph.name = "y"}) {
  %y = graph.contract "mk,kn->mn" %x, %w : (!graph.tensor<[M, K], f32>, !graph.tensor<[K, N], f32>) -> !graph.tensor<[M, N], f32>
  graph.return %y : !graph.tensor<[M, N], f32>
}
"""


def onnx_product(weight=None, columns="N"):
    """Of two inputs, or of one and a constant."""
    sources = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["M", "K"])]
    if weight is None:
        sources.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, ["K", columns]))
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", sources,
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["M", columns])],
                              [] if weight is None else [numpy_helper.from_array(weight, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def add_best_peer(table, ours, peers, seconds, subject, scale=1e3, unit="ms", most=1):
    """A row against the fastest of `peers` (names and functions; those that are not there are None)."""
    peers = {name: run for name, run in peers.items() if run}
    if not peers:
        return
    mine, *theirs = in_turns([ours, *peers.values()], seconds, of=min)
    note = ", ".join(f"{name} {time * scale:.4g}" for name, time in [("Tessera", mine), *zip(peers, theirs)])
    table.add(subject, mine / min(theirs), "of best peer", f"{note} {unit}", most=most)


def bench_products(table, seconds, folder):
    """f32; the peak is that of multiply-adds."""
    model = folder / "product.mlir"
    model.write_text(MATMUL)
    run_tool("tessera-compile", str(model), "-o", str(folder / "product.tsm"))
    context = tessera.load(folder / "product.tsm").context(threads=1)
    for size in (256, 512, 1024, 2048, 4096):
        shape = f"{size}x{size}xf32"
        result = measured_module(folder / "product.tsm", 1, seconds, {"x": shape, "w": shape})
        rate, peak = 2 * size**3 / result["seconds"]["min"], result["machine"]["flops_per_core"]
        table.add(f"f32 matrix product {size}^3, 1 thread", rate / peak * 100, "% of peak",
                  f"{rate * 1e-9:.1f} of {peak * 1e-9:.1f} GFLOP/s", least=92 if size >= 512 else None, times=result["seconds"])
        if size > 2048:
            continue
        x, w = np.random.default_rng(0).standard_normal((2, size, size), dtype=np.float32)
        inputs, y = {"x": x, "w": w}, np.empty((size, size), np.float32)
        session = onnxruntime_session(onnx_product(), 1)
        openvino = openvino_model(onnx_product(), inputs, 1, title="a product")
        peers = {"onnxruntime": lambda: session.run(None, inputs),
                 "openvino": openvino and (lambda: openvino(inputs, share_inputs=True, share_outputs=True)),
                 "torch": torch_function(lambda a, b: a @ b, [x, w], 1, "a product")}
        add_best_peer(table, lambda: context.run(inputs, outputs={"y": y}), peers, seconds, "the same, against the best peer")


WEIGHTED = """
graph.func @main(%x: !graph.tensor<[M, {depth}], f32> {{graph.name = "x"}})
    -> (!graph.tensor<[M, {columns}], f32> {{graph.name = "y"}}) {{
  %w = graph.constant #graph.weight<"{file}", 0, {bytes} : !graph.tensor<[{depth}, {columns}], f32>>
  %y = graph.contract "mk,kn->mn" %x, %w
      : (!graph.tensor<[M, {depth}], f32>, !graph.tensor<[{depth}, {columns}], f32>) -> !graph.tensor<[M, {columns}], f32>
  graph.return %y : !graph.tensor<[M, {columns}], f32>
}}
"""


def bench_bfloats(table, seconds, folder):
    """Products of bf16 with sums in f32 and a constant weight; the peak is the rate of tiles of matrices, or of the instruction that
    sums two of them, where there are such, and of multiply-adds of f32 elsewhere."""
    for size in (512, 1024, 2048):
        weight = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
        weight.tofile(folder / "bf16.bin")
        model, out = folder / "bf16.mlir", folder / "bf16.tsm"
        model.write_text(WEIGHTED.format(depth=size, columns=size, bytes=4 * size * size, file="bf16.bin"))
        run_tool("tessera-compile", str(model), "-o", str(out), "-q", "--precision", "bf16")
        result = measured_module(out, 1, seconds, {"x": f"{size}x{size}xf32"})
        rate, machine = 2 * size**3 / result["seconds"]["min"], result["machine"]
        peak = machine["tile_bfloat_products_per_core"] or machine["bfloat_products_per_core"] or machine["flops_per_core"]
        table.add(f"bf16 matrix product {size}^3, 1 thread", rate / peak * 100, "% of peak",
                  f"{rate * 1e-9:.1f} of {peak * 1e-9:.1f} GFLOP/s", least=85, times=result["seconds"])
        x = np.random.default_rng(1).standard_normal((size, size), dtype=np.float32)
        y = np.empty((size, size), np.float32)
        context = tessera.load(out).context(threads=1)
        openvino = openvino_model(onnx_product(weight, size), {"x": x}, 1, "bf16", "a product of bf16")

        def torch_product():
            import torch
            w = torch.from_numpy(weight).bfloat16()
            return torch_function(lambda a: (a.bfloat16() @ w).float(), [x], 1, "a product of bf16")

        try:
            torch = torch_product()
        except ImportError:
            torch = None
        peers = {"openvino": openvino and (lambda: openvino({"x": x}, share_inputs=True, share_outputs=True)), "torch": torch}
        add_best_peer(table, lambda: context.run({"x": x}, outputs={"y": y}), peers, seconds, "the same, against the best peer")


def quantized_product(size, quantized):
    """A matrix product with a constant weight; `quantized`: in QDQ form, from u8 to u8."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-127, 128, (size, size)).astype(np.int8)
    scale = rng.uniform(0.001, 0.002, size).astype(np.float32)
    constants = {"sx": np.float32(0.02), "zx": np.uint8(128), "w": weight, "sw": scale, "zw": np.zeros(size, np.int8),
                 "sy": np.float32(0.05), "zy": np.uint8(128)}
    nodes = [helper.make_node("DequantizeLinear", ["x", "sx", "zx"], ["a"]),
             helper.make_node("DequantizeLinear", ["w", "sw", "zw"], ["b"], axis=1),
             helper.make_node("MatMul", ["a", "b"], ["p"]), helper.make_node("QuantizeLinear", ["p", "sy", "zy"], ["y"])]
    kind = TensorProto.UINT8
    if not quantized:
        constants = {"w": weight * scale}
        nodes, kind = [helper.make_node("MatMul", ["x", "w"], ["y"])], TensorProto.FLOAT
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", kind, ["M", size])],
                              [helper.make_tensor_value_info("y", kind, ["M", size])],
                              [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def bench_integers(table, seconds):
    """Products of bytes, of one row as well; the peak is the rate of tiles of matrices, or of the
    instruction that sums four of them, where there are such."""
    for rows, size in ((1, 1024), (7, 333), (256, 256), (512, 512), (1000, 999), (1024, 1024), (2048, 2048)):
        model = quantized_product(size, True)
        ours, floats = (tessera.compile(m).context(threads=1) for m in (model, quantized_product(size, False)))
        session = onnxruntime_session(model, 1)
        x = {"x": np.random.default_rng(1).integers(0, 256, (rows, size)).astype(np.uint8)}
        y = {"x": x["x"].astype(np.float32)}
        openvino = openvino_model(model, x, 1, title="a product of bytes")
        runs = [lambda: ours.run(x), lambda: session.run(None, x), lambda: floats.run(y)]
        if openvino:
            runs.append(lambda: openvino(x, share_inputs=True, share_outputs=True))
        peak = machine_rates()["tile_byte_products_per_core"] or machine_rates()["byte_products_per_core"]
        times = in_turns(runs, seconds, of=min)
        rates = [2 * rows * size**2 / time * 1e-9 for time in times]
        title = f"int8 product {rows}x{size}x{size}"
        note = f"int8 {rates[0]:.1f}, onnxruntime's int8 {rates[1]:.1f}, our f32 {rates[2]:.1f}"
        note += f", openvino's int8 {rates[3]:.1f}" if openvino else ""
        peers = [times[1], *times[3:]]
        table.add(f"{title}, 1 thread", times[0] / min(peers), "of best peer", f"{note} GOP/s", most=1)
        table.add(f"{title} against f32", times[0] / times[2], "of f32 time", most=1)
        if peak:
            table.add(f"{title}, rate", rates[0] / (peak * 1e-9) * 100, "% of peak", f"of {peak * 1e-9:.1f} GOP/s",
                      least=85 if rows >= 512 else None)


def bench_rows(table, seconds, folder):
    """A row times a matrix that no cache holds, constant or not, in both orders: bytes of the matrix a second, as a share of what so
    many threads read."""
    depth, columns = 8192, 12288
    weight = np.random.default_rng(0).standard_normal((depth, columns), dtype=np.float32)
    weight.tofile(folder / "row.bin")
    texts = {"a constant matrix": WEIGHTED.format(depth=depth, columns=columns, bytes=weight.nbytes, file="row.bin"),
             "a matrix": MATMUL, "a matrix, transposed": MATMUL.replace("kn->", "nk->").replace("[K, N]", "[N, K]")}
    x = np.random.default_rng(1).standard_normal((1, depth), dtype=np.float32)
    for title, text in texts.items():
        transposed = weight.T.copy() if "transposed" in title else weight
        (folder / "row.mlir").write_text(text.replace("[M", "[1"))
        run_tool("tessera-compile", str(folder / "row.mlir"), "-o", str(folder / "row.tsm"), "-q")
        module = tessera.load(folder / "row.tsm")
        inputs = {"x": x} if "constant" in title else {"x": x, "w": transposed}
        shapes = {name: "x".join(map(str, array.shape)) + "xf32" for name, array in inputs.items()}
        for threads in (1, 2):
            result = measured_module(folder / "row.tsm", threads, seconds, shapes)
            rate, peak = weight.nbytes / result["seconds"]["min"], result["machine"]["bytes_per_second_of_threads"]
            table.add(f"a row times {title}, {plural(threads)}", rate / peak * 100, "% of memory",
                      f"{rate * 1e-9:.1f} of {peak * 1e-9:.1f} GB/s, {weight.nbytes >> 20} MB", least=85, times=result["seconds"])
            context = module.context(threads=threads)
            if "transposed" in title:
                continue
            session = onnxruntime_session(onnx_product(None if "w" in inputs else weight), threads)
            openvino = openvino_model(onnx_product(None if "w" in inputs else weight), inputs, threads, title="a row's product")
            peers = {"onnxruntime": lambda: session.run(None, inputs), "openvino": openvino and (lambda: openvino(inputs, share_inputs=True)),
                     "torch": torch_function(lambda a, b: a @ b, [x, weight], threads, "a row's product")}
            add_best_peer(table, lambda: context.run(inputs), peers, seconds, "the same, against the best peer")


DECODE_MODES = ["int4", "int8-weights", "nf4", "mxfp4", "fp8-e4m3", "fp8-e5m2", "bf16-weights"]


def bench_decode(table, seconds, folder):
    """Rows times a matrix that no cache holds, of packed weights: bytes of them a second, as a share of what so many threads read."""
    depth, columns = 8192, 12288
    np.random.default_rng(0).standard_normal((depth, columns), dtype=np.float32).tofile(folder / "decode.bin")
    model, out = folder / "decode.mlir", folder / "decode.tsm"
    text = WEIGHTED.format(depth=depth, columns=columns, bytes=4 * depth * columns, file="decode.bin")
    for mode in DECODE_MODES:
        for rows in (1, 4):
            model.write_text(text.replace("[M", f"[{rows}"))
            run_tool("tessera-compile", str(model), "-o", str(out), "-q", "--quantize", mode)
            # All that the module holds of the weight: codes, scales and what tiles are filled up with. Each byte is read once.
            packed = sum(constant["bytes"] for constant in json.loads(run_tool("tessera-dump", str(out), "--json"))["constants"])
            read = packed + 4 * rows * (depth + columns)
            for threads in (1, 2):
                result = measured_module(out, threads, seconds, {"x": f"{rows}x{depth}xf32"})
                rate, peak = read / result["seconds"]["min"], result["machine"]["bytes_per_second_of_threads"]
                table.add(f"decode, {mode}, {rows} row{'s' * (rows > 1)}, {plural(threads)}", rate / peak * 100, "% of memory",
                          f"{rate * 1e-9:.2f} GB/s, {read / 1e6:.1f} MB", least=60 if rows == 1 and threads == 2 else None,
                          times=result["seconds"])
