"""Convolutions of ResNet-50 and MobileNet, one thread: a share of what the machine allows, beside onnxruntime and openvino; those of
3x3 by --convolution=winograd, too, with one and two threads."""

import json
import subprocess

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from measuring import plural
from peers import onnxruntime_session

import tessera

# title: channels, rows and columns of the input, and layers: channels behind, window, stride, groups. A layer of another shape
# stands in front of those that change it, as in the models: layouts are converted at the ends only.
SHAPES = {
    "stem 7x7 3-64 224 s2, 1x1": (3, 224, [(64, 7, 2, 1), (64, 1, 1, 1)]),
    "3x3 64 56": (64, 56, [(64, 3, 1, 1)] * 4),
    "3x3 128 28": (128, 28, [(128, 3, 1, 1)] * 4),
    "3x3 256 14": (256, 14, [(256, 3, 1, 1)] * 4),
    "3x3 512 7": (512, 7, [(512, 3, 1, 1)] * 4),
    "1x1, 3x3 128 56 s2, 1x1": (256, 56, [(128, 1, 1, 1), (128, 3, 2, 1), (512, 1, 1, 1)]),
    "1x1, 3x3 256 28 s2, 1x1": (512, 28, [(256, 1, 1, 1), (256, 3, 2, 1), (1024, 1, 1, 1)]),
    "1x1, 3x3 512 14 s2, 1x1": (1024, 14, [(512, 1, 1, 1), (512, 3, 2, 1), (2048, 1, 1, 1)]),
    "1x1 64-256-64 56": (64, 56, [(256, 1, 1, 1), (64, 1, 1, 1)] * 2),
    "1x1 128-512-128 28": (128, 28, [(512, 1, 1, 1), (128, 1, 1, 1)] * 2),
    "1x1 256-1024-256 14": (256, 14, [(1024, 1, 1, 1), (256, 1, 1, 1)] * 2),
    "1x1 512-2048-512 7": (512, 7, [(2048, 1, 1, 1), (512, 1, 1, 1)] * 2),
    "1x1 64-256, 256-512 56 s2": (64, 56, [(256, 1, 1, 1), (512, 1, 2, 1)]),
    "stem 3x3 3-32 224 s2, 1x1": (3, 224, [(32, 3, 2, 1), (32, 1, 1, 1)]),
    "depthwise 3x3 32, 1x1 64 112": (32, 112, [(32, 3, 1, 32), (64, 1, 1, 1)]),
    "1x1, depthwise 3x3 64 s2, 1x1 128 112": (64, 112, [(64, 1, 1, 1), (64, 3, 2, 64), (128, 1, 1, 1)]),
    "depthwise 3x3 128, 1x1 56": (128, 56, [(128, 3, 1, 128), (128, 1, 1, 1)] * 2),
    "depthwise 3x3 256, 1x1 28": (256, 28, [(256, 3, 1, 256), (256, 1, 1, 1)] * 2),
    "depthwise 3x3 512, 1x1 14": (512, 14, [(512, 3, 1, 512), (512, 1, 1, 1)] * 2),
    "depthwise 3x3 1024, 1x1 7": (1024, 7, [(1024, 3, 1, 1024), (1024, 1, 1, 1)] * 2),
}


def layers(shape):
    """Operations and elements of input, output and weight of each layer."""
    before, size, rows = shape
    for behind, window, stride, groups in rows:
        out = -(-size // stride)
        weights = behind * before // groups * window**2
        yield 2 * weights * out**2, (size**2 * before, out**2 * behind, weights)
        before, size = behind, out


def model(shape):
    """The layers, each with a bias and a ReLU."""
    before, size, rows = shape
    rng = np.random.default_rng(0)
    nodes, constants, name = [], [], "x"
    for number, (behind, window, stride, groups) in enumerate(rows):
        weight = rng.standard_normal((behind, before // groups, window, window)).astype(np.float32)
        weight *= np.float32(np.sqrt(2 / weight[0].size))
        constants += [numpy_helper.from_array(weight, f"w{number}"),
                      numpy_helper.from_array(rng.standard_normal(behind).astype(np.float32), f"b{number}")]
        nodes += [helper.make_node("Conv", [name, f"w{number}", f"b{number}"], [f"c{number}"], strides=[stride] * 2, group=groups,
                                   pads=[window // 2] * 4),
                  helper.make_node("Relu", [f"c{number}"], [f"r{number}"])]
        name, before = f"r{number}", behind
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, shape[0], size, size])],
                              [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def machine_rates(module, shape, folder):
    """Operations and bytes a second of one core, as tessera-bench measures them."""
    module.save(folder / "rates.tsm")
    text = subprocess.run(["tessera-bench", str(folder / "rates.tsm"), "--json", "--threads", "1", "--time", "0.1", "-i",
                           "x=" + "x".join(map(str, shape)) + "xf32"], check=True, capture_output=True, text=True).stdout
    machine = json.loads(text)["machine"]
    return machine["flops_per_core"], machine["bytes_per_second"]


def tessera_run(module, x, threads):
    """Everybody writes into memory that is there: pages of new arrays would cost as much as a small layer."""
    context = module.context(threads=threads)
    [(name, y)] = context.run({"x": x}).items()
    return name, y, lambda: context.run({"x": x}, outputs={name: y})


def onnxruntime_run(text, x, name, y, threads):
    session = onnxruntime_session(text, threads)
    binding = session.io_binding()
    for bind, array_name, array in ((binding.bind_input, "x", x), (binding.bind_output, name, y)):
        bind(array_name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
    return lambda: session.run_with_iobinding(binding)


def bench_tiles(table, seconds, in_turns, title, text, x):
    """The option --convolution=winograd beside the direct form and onnxruntime."""
    modules = [tessera.compile(text), tessera.compile(text, convolution="winograd")]
    for threads in (1, 2):
        outputs = [tessera_run(module, x, threads) for module in modules]
        name, y, _ = outputs[0]
        direct, tiles, peer = in_turns([run for *_, run in outputs] + [onnxruntime_run(text, x, name, y, threads)], seconds, of=min)
        table.add(f"convolution {title} by --convolution=winograd, {plural(threads)}", peer / tiles, "times faster",
                  f"{tiles * 1e6:.0f} us, direct {direct * 1e6:.0f} us, onnxruntime {peer * 1e6:.0f} us", least=1)


def bench_convolutions(table, seconds, folder, in_turns, openvino_model):
    for title, shape in SHAPES.items():
        text = model(shape)
        path = folder / "convolution.onnx"
        path.write_bytes(text)
        module = tessera.compile(text)
        x = np.random.default_rng(1).standard_normal((1, shape[0], shape[1], shape[1])).astype(np.float32)
        name, y, run = tessera_run(module, x, 1)
        runs = [run, onnxruntime_run(text, x, name, y, 1)]
        openvino = openvino_model(path, {"x": x}, 1)
        if openvino:
            runs.append(lambda: openvino({"x": x}, share_inputs=True, share_outputs=True))
        times = in_turns(runs, seconds, of=min)
        flops, rate = machine_rates(module, x.shape, folder)
        # A layer is limited by its arithmetic or by what it reads and writes, if that came from memory.
        least = sum(max(operations / flops, 4 * sum(elements) / rate) for operations, elements in layers(shape))
        names = ["Tessera", "onnxruntime", "openvino"][:len(times)]
        note = ", ".join(f"{name} {time * 1e6:.0f} us" for name, time in zip(names, times))
        table.add(f"convolution {title}", least / times[0] * 100, "% of roofline", note, least=80)
        table.add("the same, against the best peer", min(times[1:]) / times[0], "times faster", least=1)
        if title.startswith("3x3"):
            bench_tiles(table, seconds, in_turns, title, text, x)
